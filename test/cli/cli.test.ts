/** The command line over real parts: this folder in-process, a gateway behind its socket, a gateway behind an address. */
import { execFile } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { getRequestListener } from '@hono/node-server'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { COMMANDS, helpText, run } from '../../src/cli/run.ts'
import { ADMIN_TOKEN, listen, openRig, type Rig } from '../admin/rig.ts'

const execute = promisify(execFile)
const PROGRAM = new URL('../../src/switchgate.cjs', import.meta.url).pathname

interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function say(args: string, env: Record<string, string> = {}, stdin?: string): Promise<Said> {
  const said = { out: '', err: '' }
  const code = await run(args.split(' ').filter(Boolean), {
    env,
    out: text => {
      said.out += text
    },
    err: text => {
      said.err += text
    },
    readStdin: async () => stdin,
  })
  return { code, ...said }
}

describe('words', () => {
  it('that are unknown are refused with the nearest, and start nothing', async () => {
    const rows = [
      ['key crate', /did you mean "key create"/],
      ['key', /there is key create, key list/],
      ['keys list', /did you mean "key"/],
      ['sevre', /did you mean "serve"/],
      ['doktor', /did you mean "doctor"/],
      ['frobnicate now', /See: switchgate help/],
      ['key create --nam x', /unknown option --nam, did you mean "name"/],
      ['key show', /something is missing/],
      ['key show a b', /one word too many/],
      ['--json', /there is no command/],
      ['key create --rpm many', /not a number/],
      ['key create --budget lots', /25\/month/],
      ['key rotate x --grace soon', /24h/],
      ['key list --url nonsense --token t', /--url must be an address/],
      ['key list --url http://127.0.0.1:1', /needs an admin token/],
    ] as const
    for (const [args, message] of rows) {
      const said = await say(args)
      expect(said.code, args).toBe(64)
      expect(said.err, args).toMatch(message)
      expect(said.out, args).toBe('')
    }
  })

  it('are all in the help, and every command explains itself', async () => {
    for (const { name } of COMMANDS) {
      expect(helpText()).toContain(`  ${name} `)
      const said = await say(`${name} --help`)
      expect(said, name).toMatchObject({ code: 0, err: '' })
      expect(said.out).toContain(`switchgate ${name}`)
    }
    expect((await say('help')).out).toBe(helpText())
  })
})

describe('the folder of a gateway that does not run', () => {
  const folder = mkdtempSync(join(tmpdir(), 'switchgate-cli-'))
  const env = { SWITCHGATE_DATA: join(folder, 'data'), PATH: process.env.PATH ?? '' }
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('is opened, changed, and given free each time', async () => {
    const made = await say(
      'key create --name cli --budget 25/month --budget 5/day --models gpt-5,*@groq --rpm 60 --expires 2099-01-31',
      env,
    )
    expect(made.code, made.err).toBe(0)
    expect(made.out).toMatch(/^sgate_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}\n$/)
    expect(made.err).toContain('shown here once')
    const id = made.out.split('_')[2] ?? ''
    const shown = JSON.parse((await say(`key show ${id} --json`, env)).out)
    expect(shown).toMatchObject({
      name: 'cli',
      models: ['gpt-5', '*@groq'],
      limits: { rpm: 60 },
      budgets: [
        { window: 'month', usd: 25 },
        { window: 'day', usd: 5 },
      ],
      expires_at: '2099-01-31T23:59:59.000Z',
    })
    expect((await say(`key suspend ${id}`, env)).out).toBe(`Key ${id} is suspended.\n`)
    expect((await say(`key resume ${id}`, env)).code).toBe(0)
    const rotated = await say(`key rotate ${id} --grace 24h --json`, env)
    expect(JSON.parse(rotated.out)).toMatchObject({ replaces: id })
    expect((await say(`key revoke ${id}`, env)).code).toBe(0)
    const listed = await say('key list', env)
    expect(listed.out).toMatch(/ID +NAME +STATUS/)
    expect(listed.out).toContain('revoked')
    const refused = await say(`key resume ${id}`, env)
    expect(refused).toMatchObject({ code: 1, out: '' })
    expect(refused.err).toMatch(/revoked/)
  })

  it('takes secrets from standard input or a variable only, and prints none', async () => {
    const secret = 'gsk_canary_51d0'
    const refused = await say(`credential add groq --secret ${secret}`, env)
    expect(refused.code).toBe(64)
    expect(refused.err).toMatch(/history/)
    const terminal = await say('credential add groq', env)
    expect(terminal.code).toBe(64)
    const piped = await say('credential add groq --name piped', env, `${secret}\n`)
    const named = await say('credential add groq --name named --secret-env MY_KEY', {
      ...env,
      MY_KEY: `${secret}-2`,
    })
    const listed = await say('credential list --json', env)
    expect(
      JSON.parse(listed.out)
        .data.map((one: { name: string }) => one.name)
        .sort(),
    ).toEqual(['named', 'piped'])
    for (const said of [refused, terminal, piped, named, listed])
      expect(said.out + said.err).not.toContain('canary')
    expect([piped.code, named.code]).toEqual([0, 0])
  })

  it('tells what is for sale, what was spent, and what is wrong', async () => {
    const models = JSON.parse((await say('models --json', env)).out)
    expect(models.data.length).toBeGreaterThan(0)
    expect(Object.keys(models.data[0])).toEqual(['id', 'offers'])
    const all = JSON.parse((await say('models --all --json', env)).out)
    expect(all.data.length).toBeGreaterThan(300)
    const gpt5 = all.data.find((model: { id: string }) => model.id === 'gpt-5')
    expect(gpt5.offers).toContainEqual(
      expect.objectContaining({ provider: 'openai', input_usd_per_mtok: 1.25 }),
    )
    expect((await say('spend', env)).out).toMatch(/KEY +REQUESTS.*\n.*total/)
    expect((await say('spend --csv --by model', env)).out).toMatch(/^model,requests/)
    expect(JSON.parse((await say('spend --json', env)).out)).toMatchObject({ group_by: ['key'], data: [] })
  })

  it('is backed up to a new file only', async () => {
    const path = join(folder, 'copy.db')
    expect((await say(`backup ${path}`, env)).code).toBe(0)
    expect(readFileSync(path).subarray(0, 15).toString()).toBe('SQLite format 3')
    expect((statSync(path).mode & 0o077).toString(8)).toBe('0')
    const again = await say(`backup ${path}`, env)
    expect(again.code).toBe(64)
    expect(again.err).toMatch(/exists already/)
  })

  it('has its config checked: exit 78, place and reason', async () => {
    const path = join(folder, 'switchgate.yaml')
    writeFileSync(path, 'providers:\n  alpha:\n    knd: openai\n')
    const said = await say('config check', { ...env, SWITCHGATE_CONFIG: path })
    expect(said.code).toBe(78)
    expect(said.err).toMatch(/providers\.alpha.*kind/s)
    expect((await say('config check --json', env)).code).toBe(0)
    expect((await say('key list', { ...env, SWITCHGATE_CONFIG: '/nowhere.yaml' })).code).toBe(78)
  })

  it('gets a new admin token', async () => {
    const one = await say('admin-token reset', env)
    const two = await say('admin-token reset', env)
    expect(one.out).toMatch(/^sgate_admin_/)
    expect(two.out).not.toBe(one.out)
    expect((await say('admin-token reset', { ...env, SWITCHGATE_ADMIN_TOKEN: 'x'.repeat(40) })).err).toMatch(
      /SWITCHGATE_ADMIN_TOKEN/,
    )
  })
})

describe('a gateway that runs', () => {
  let rig: Rig
  const closers: (() => Promise<void> | void)[] = []
  beforeAll(async () => {
    rig = await openRig()
  })
  afterEach(async () => {
    for (const close of closers.splice(0)) await close()
  })
  afterAll(() => rig.close())

  it('is reached through its socket, which needs no token', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sg-'))
    const path = join(folder, 'switchgate.sock')
    const server = createServer(
      getRequestListener(request => rig.app.fetch(request, { trusted: true }), {
        overrideGlobalObjects: false,
      }),
    )
    await new Promise<void>(resolve => server.listen(path, resolve))
    chmodSync(path, 0o600)
    closers.push(() => new Promise(resolve => server.close(() => resolve())))
    closers.push(() => rmSync(folder, { recursive: true, force: true }))
    const made = await say('key create --name by-socket', { SWITCHGATE_DATA: folder })
    expect(made.code, made.err).toBe(0)
    expect(rig.deps.keys.find(made.out.trim())).toMatchObject({ name: 'by-socket' })
    expect(existsSync(join(folder, 'switchgate.db'))).toBe(false)
  })

  it('is reached at an address with the token; without a right one nothing is said', async () => {
    const server = await listen(rig)
    closers.push(server.close)
    const made = await say(`key create --name remote --url ${server.origin} --token ${ADMIN_TOKEN}`)
    expect(made.code, made.err).toBe(0)
    const listed = await say(`key list --url ${server.origin}/`, { SWITCHGATE_ADMIN_TOKEN: ADMIN_TOKEN })
    expect(listed.out).toContain('remote')
    const wrong = await say(`key list --url ${server.origin} --token wrong`)
    expect(wrong).toMatchObject({ code: 1, out: '' })
    expect(wrong.err).toMatch(/admin token/)
    const local = await say(`admin-token reset --url ${server.origin} --token ${ADMIN_TOKEN}`)
    expect(local.err).toMatch(/machine of the gateway/)
  })

  it('that is not there is exit 69; another program there is said', async () => {
    const gone = await say('key list --url http://127.0.0.1:9 --token t')
    expect(gone.code).toBe(69)
    expect(gone.err).toMatch(/cannot reach/)
    const server = createServer((_, response) => response.end('<html>'))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    closers.push(() => new Promise(resolve => server.close(() => resolve())))
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : 0
    const other = await say(`key show x --url http://127.0.0.1:${port} --token t`)
    expect(other).toMatchObject({ code: 1, out: '' })
    expect(other.err).toMatch(/is this the admin plane/)
  })

  it('cannot put control characters onto a terminal', async () => {
    const server = await listen(rig)
    closers.push(server.close)
    await rig.deps.keys.create({ name: 'evil\u001b[31mred\u0007' })
    const listed = await say(`key list --url ${server.origin} --token ${ADMIN_TOKEN}`)
    expect(listed.out).toContain('evil?[31mred?')
    expect(listed.out).not.toContain('\u001b')
  })
})

describe('the first file', () => {
  const OLD = process.env.SWITCHGATE_OLD_NODE ?? '/usr/bin/node'

  it('is plain old JavaScript, but for the one import', () => {
    const text = readFileSync(PROGRAM, 'utf8')
    expect(text).not.toMatch(/=>|`\$|\b(?:let|const|class|async|await)\b|\?\./)
  })

  it('says what is needed on a Node that is too old', async ({ skip }) => {
    const version = existsSync(OLD) ? (await execute(OLD, ['-p', 'process.versions.node'])).stdout : '99'
    const [major = 99, minor = 0] = version.split('.').map(Number)
    if (major > 22 || (major === 22 && minor >= 19)) {
      process.stderr.write('skipped: no Node below 22.19 here (set SWITCHGATE_OLD_NODE)\n')
      skip()
    }
    const failed = await execute(OLD, [PROGRAM, 'help']).catch(
      (error: unknown) => error as { code: number; stderr: string },
    )
    expect(failed).toMatchObject({ code: 1 })
    expect(failed.stderr).toMatch(/Node 22\.19 or newer is needed/)
    expect(failed.stderr).toContain('node@24')
  })
})
