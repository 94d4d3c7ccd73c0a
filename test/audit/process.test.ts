/** The audit log as an operator meets it: a real gateway, the command line beside it, SDK callers, kill -9, a database that was tampered with. Needs the build in dist/. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import OpenAI from 'openai'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { run } from '../../src/cli/run.ts'
import { completion, configFor, sendJson, startUpstream, until } from '../gateway/harness.ts'

const START_MS_MAX = 120_000

interface Row {
  readonly seq: number
  readonly actor: string
  readonly action: string
  readonly target: string | null
  readonly detail: Record<string, unknown>
  readonly hash: string
}

let root: string
let running: ChildProcess[] = []
const closing: (() => Promise<void>)[] = []

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'switchgate-audit-process-'))
})
afterEach(async () => {
  for (const child of running) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  running = []
  for (const close of closing.splice(0)) await close()
  rmSync(root, { recursive: true, force: true })
})

const TOKEN = 'audit-admin-token-0123456789-abcdefgh'
const envOf = (more: Record<string, string>) => ({
  SWITCHGATE_DISCOVER_LOCAL: 'false',
  SWITCHGATE_DATA: join(root, 'data'),
  SWITCHGATE_ADMIN_TOKEN: TOKEN,
  ...more,
})

interface Started {
  readonly child: ChildProcess
  readonly url: string
  readonly exit: Promise<number | null>
  output(): string
}

async function serve(more: Record<string, string> = {}): Promise<Started> {
  const clean = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/_API_KEY$|^SWITCHGATE_|^VITEST/.test(name)),
  )
  const child = spawn(process.execPath, ['src/switchgate.cjs', 'serve'], {
    env: { ...clean, PORT: '0', LOG_FORMAT: 'json', ...envOf(more) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.push(child)
  let text = ''
  const hear = (part: Buffer) => {
    text += part
  }
  child.stdout?.on('data', hear)
  child.stderr?.on('data', hear)
  const exit = new Promise<number | null>(resolve => child.on('exit', code => resolve(code)))
  const urlIn = () => /"url":"(http[^"]+)"/.exec(text)?.[1] ?? ''
  await until(() => urlIn() !== '' || child.exitCode !== null, START_MS_MAX)
  if (urlIn() === '') throw new Error(text)
  return { child, exit, output: () => text, url: urlIn() }
}

/** The command line in this process, over the gateway's socket or, when none runs, the folder itself. */
async function say(args: string): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' }
  const code = await run(args.split(' '), {
    env: envOf({}),
    out: text => {
      said.out += text
    },
    err: text => {
      said.err += text
    },
    readStdin: async () => undefined,
  })
  return { code, ...said }
}

async function listed(): Promise<Row[]> {
  const { code, out, err } = await say('audit list --json --limit 500')
  expect(code, err).toBe(0)
  return (JSON.parse(out) as { data: Row[] }).data.toReversed()
}

test('the folder alone: what the command line changes is told, and the chain outlives its master key', async () => {
  expect((await say('key create --name app')).code).toBe(0)
  const turned = await say('vault rotate-master-key --json')
  expect(turned.code, turned.err).toBe(0)
  const { from, to } = JSON.parse(turned.out) as { from: string; to: string }
  expect((await say('key create --name after')).code).toBe(0)
  const told = (await listed()).map(({ actor, action, detail }) => [actor, action, detail])
  expect(told.slice(1)).toEqual([
    ['local', 'key.create', expect.anything()],
    ['local', 'vault.rotate_master_key', { before: { fingerprint: from }, after: { fingerprint: to } }],
    ['local', 'key.create', expect.anything()],
  ])
  expect((await say('audit verify')).code).toBe(0)
})

describe('a real gateway', () => {
  test('tells of its life, its operators and the keys that it refused; a cut log is found at the next start', async () => {
    const upstream = await startUpstream(response => sendJson(response, 200, completion()))
    closing.push(() => upstream.close())
    const config = join(root, 'switchgate.yaml')
    writeFileSync(config, configFor({ alpha: upstream.port }))
    const first = await serve({ SWITCHGATE_CONFIG: config })
    const made = JSON.parse((await say('key create --name app --json')).out) as { id: string; key: string }
    const narrow = JSON.parse((await say('key create --name narrow --models gpt-5 --json')).out) as {
      key: string
    }
    const ask = (apiKey: string) =>
      new OpenAI({ baseURL: `${first.url}/v1`, apiKey, maxRetries: 0 }).chat.completions.create({
        model: 'house-model',
        messages: [{ role: 'user', content: 'Hi' }],
      })
    await ask(made.key)
    expect((await say(`key revoke ${made.id}`)).code).toBe(0)
    const mistyped = `${narrow.key.slice(0, -1)}${narrow.key.endsWith('a') ? 'b' : 'a'}`
    for (let i = 0; i < 3; i++) await expect(ask(made.key)).rejects.toMatchObject({ status: 401 })
    await expect(ask(mistyped)).rejects.toMatchObject({ status: 401 })
    await expect(ask(narrow.key)).rejects.toMatchObject({ status: 403 })
    first.child.kill('SIGTERM')
    expect(await first.exit).toBe(0)

    const rows = await listed()
    const told = rows.map(({ action, actor, detail }) => [action, actor, detail.reason ?? null])
    expect(told).toEqual([
      ['schema.migrate', 'gateway', null],
      ['gateway.start', 'gateway', null],
      ['key.create', 'gateway', null],
      ['key.create', 'local', null],
      ['key.create', 'local', null],
      ['key.revoke', 'local', null],
      ['gateway.stop', 'gateway', null],
      ['key.refused', 'caller', 'revoked'],
      ['key.refused', 'stranger', 'wrong_checksum'],
      ['key.refused', 'caller', 'model_not_allowed'],
    ])
    expect(rows.find(({ detail }) => detail.reason === 'revoked')).toMatchObject({
      target: `key:${made.id}`,
      detail: { count: 3 },
    })
    const text = JSON.stringify(rows) + readFileSync(join(root, 'data', 'audit.checkpoints'), 'utf8')
    for (const canary of [made.key, narrow.key, mistyped, TOKEN]) expect(text).not.toContain(canary)
    const whole = await say('audit verify')
    expect([whole.code, whole.out]).toEqual([0, `OK ${rows.length} rows, head ${rows.at(-1)?.hash}\n`])
    expect((await say('audit list --action key.refused')).out).toContain('model_not_allowed')

    const file = join(root, 'data', 'audit.checkpoints')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const last = readFileSync(file, 'utf8').trimEnd().split('\n').at(-1)
    expect(last).toContain(`v1 ${rows.length} ${rows.at(-1)?.hash} `)

    const database = new Database(join(root, 'data', 'switchgate.db'))
    database.exec('delete from audit where seq > 6')
    database.close()
    const bad = await say('audit verify --json')
    expect(bad.code).toBe(1)
    expect(JSON.parse(bad.out)).toMatchObject({ ok: false, rows: 6, first_bad: { seq: 7, kind: 'truncate' } })
    const second = await serve({ SWITCHGATE_CONFIG: config })
    expect(second.output()).toContain('audit.rows_missing')
    expect((await say('audit verify')).code).toBe(1)
  })

  test('a configuration that is taken leaves a row with the names of what changed', async () => {
    const upstream = await startUpstream(response => sendJson(response, 200, completion()))
    closing.push(() => upstream.close())
    const config = join(root, 'switchgate.yaml')
    const text = configFor({ alpha: upstream.port })
    writeFileSync(config, text)
    const gateway = await serve({ SWITCHGATE_CONFIG: config })
    writeFileSync(config, `${text}\nbudgets: { refusal_status: 402 }\n`)
    gateway.child.kill('SIGHUP')
    await until(() => gateway.output().includes('config.reloaded'), START_MS_MAX)
    const reload = (await listed()).find(({ action }) => action === 'config.reload')
    expect(reload).toMatchObject({ actor: 'gateway', detail: { changed: ['budgets.refusalStatus'] } })
  })

  test('kill -9 among changes: what was answered has its row, nothing is there without one, and the chain is whole', async () => {
    for (let round = 0; round < 2; round++) {
      const gateway = await serve()
      const answered: string[] = []
      const make = async (): Promise<void> => {
        const response = await fetch(`${gateway.url}/admin/v1/keys`, {
          method: 'POST',
          headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
          body: '{"name":"made"}',
        })
        if (response.status === 201) answered.push(((await response.json()) as { id: string }).id)
      }
      const all = Array.from({ length: 40 }, () => make().catch(() => undefined))
      await until(() => answered.length >= 10, START_MS_MAX)
      gateway.child.kill('SIGKILL')
      await Promise.all(all)
      const verdict = await say('audit verify')
      expect([verdict.code, verdict.out.slice(0, 3)]).toEqual([0, 'OK '])
      const created = (await listed())
        .filter(({ action }) => action === 'key.create')
        .map(({ target }) => target)
      const kept = JSON.parse((await say('key list --json')).out) as { data: { id: string }[] }
      expect(created.toSorted()).toEqual(kept.data.map(({ id }) => `key:${id}`).toSorted())
      for (const id of answered) expect(created).toContain(`key:${id}`)
    }
  })
})
