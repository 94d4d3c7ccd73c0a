/** The master key replaced: secrets open and keys verify whatever moment it is killed at, running and stopped, made and given. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { run } from '../../src/cli/run.ts'
import { nodeRandomBytes } from '../../src/runtime/node/digest.ts'
import {
  CHAT,
  completion,
  configFor,
  sendJson,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'

type Wire = Record<string, unknown>

const SECRET = 'sk-canary-below-the-master-key'
const CHILD = new URL('rotate-child.ts', import.meta.url).pathname

let root: string
const data = () => join(root, 'data')
const keyFile = () => join(data(), 'master.key')
const fresh = () => Buffer.from(nodeRandomBytes(32)).toString('base64')
/** A folder with one credential and one key, closed again. */
let platformKey: string
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'switchgate-master-'))
  const at = await startGateway({ folder: root })
  await at.gateway.vault.add({ provider: 'openai', name: 'main', secret: SECRET })
  platformKey = await at.key()
  await at.close()
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

/** Opens the folder as a start does: everything is there. Returns the fingerprint of the key that did it. */
async function allIsWell(env: Record<string, string> = {}): Promise<string> {
  const at = await startGateway({ folder: root, env })
  try {
    const [credential] = await at.gateway.vault.list()
    expect(credential && (await at.gateway.vault.open(credential))).toBe(SECRET)
    expect(
      (await fetch(`${at.url}/v1/key`, { headers: { authorization: `Bearer ${platformKey}` } })).status,
    ).toBe(200)
    return at.gateway.vault.masterKeyFingerprint
  } finally {
    await at.close()
  }
}

async function rotate(
  at: TestGateway,
  body: Wire = {},
  trusted = true,
): Promise<{ status: number; wire: Wire }> {
  const answer = await at.gateway.admin.fetch(
    new Request('http://localhost/admin/v1/vault/rotate-master-key', {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${at.gateway.adminGate.made ?? 'x'.repeat(40)}`,
      },
      body: JSON.stringify(body),
    }),
    { trusted },
  )
  return { status: answer.status, wire: (await answer.json()) as Wire }
}

async function say(args: readonly string[], env: Record<string, string> = {}) {
  const said = { out: '', err: '' }
  const shell = {
    env: { SWITCHGATE_DATA: data(), SWITCHGATE_DISCOVER_LOCAL: 'false', ...env },
    out: (text: string) => {
      said.out += text
    },
    err: (text: string) => {
      said.err += text
    },
    readStdin: async () => undefined,
  }
  return { code: await run(args, shell), ...said }
}

describe('a running gateway', () => {
  test('makes one, goes on serving, and starts with it; the old one lies beside it, for backups', async () => {
    const upstream = await startUpstream(response => sendJson(response, 200, completion()))
    const at = await startGateway({ folder: root, config: configFor({ alpha: upstream.port }) })
    const before = readFileSync(keyFile(), 'utf8')
    const from = at.gateway.vault.masterKeyFingerprint
    const { status, wire } = await rotate(at)
    expect(status).toBe(200)
    expect(wire).toEqual({
      from,
      to: expect.stringMatching(/^[0-9a-f]{8}$/),
      path: keyFile(),
      old_path: `${keyFile()}.old-${from}`,
    })
    expect(at.gateway.vault.masterKeyFingerprint).toBe(wire.to)
    expect((await at.post(platformKey, CHAT)).status).toBe(200)
    expect((await at.post(await at.key(), CHAT)).status).toBe(200)
    const added = await at.gateway.vault.add({ provider: 'groq', name: 'new', secret: 'sk-added-after' })
    expect(await at.gateway.vault.open(added)).toBe('sk-added-after')
    // and once more, from the key that it has in memory now
    const again = await rotate(at)
    expect(again.wire.from).toBe(wire.to)
    expect(readFileSync(`${keyFile()}.old-${from}`, 'utf8')).toBe(before)
    const made = readFileSync(keyFile(), 'utf8').trim()
    expect(at.logs.join() + JSON.stringify([wire, again])).not.toContain(made)
    for (const name of readdirSync(data()).filter(name => name.startsWith('master.key')))
      expect([name, statSync(join(data(), name)).mode & 0o077]).toEqual([name, 0])
    expect(existsSync(`${keyFile()}.new`)).toBe(false)
    await at.close()
    await upstream.close()
    expect(await allIsWell()).toBe(again.wire.to)
  })

  test('takes a given one, and refuses what is none, the same one, and everybody from outside', async () => {
    const at = await startGateway({ folder: root })
    const from = at.gateway.vault.masterKeyFingerprint
    const bytes = readFileSync(keyFile(), 'utf8').trim()
    for (const [key, why] of [
      [bytes, /is the one that is in use/],
      ['canary-not-base64!', /not base64/],
      ['AAAA', /3 bytes/],
      [Buffer.alloc(32).toString('base64'), /not random/],
    ] as const) {
      const { status, wire } = await rotate(at, { key })
      expect([status, (wire.error as Wire).param]).toEqual([400, 'key'])
      expect((wire.error as Wire).message).toMatch(why)
      expect(JSON.stringify(wire)).not.toContain('canary')
    }
    expect((await rotate(at, {}, false)).status).not.toBe(200)
    expect(at.gateway.vault.masterKeyFingerprint).toBe(from)
    const given = fresh()
    expect((await rotate(at, { key: given })).status).toBe(200)
    expect(Buffer.from(readFileSync(keyFile(), 'utf8'), 'base64url').toString('base64')).toBe(given)
    at.gateway.vault.seal()
    expect((await rotate(at)).wire.error).toMatchObject({ code: 'sealed' })
    await at.close()
    expect(await allIsWell()).not.toBe(from)
  })

  test('whose database does not take it keeps the old one, in memory and on the disk', async () => {
    const at = await startGateway({ folder: root })
    const { store, vault } = { store: at.gateway.deps.store, vault: at.gateway.vault }
    const from = vault.masterKeyFingerprint
    await store.close()
    expect((await rotate(at)).status).toBe(503)
    expect(vault.masterKeyFingerprint).toBe(from)
    await at.close().catch(() => undefined)
    expect(await allIsWell()).toBe(from)
  })
})

test('the wrong one is refused at a start, by both fingerprints; the old one too, once it is replaced', async () => {
  const old = readFileSync(keyFile(), 'utf8')
  const [from, to] = [
    await allIsWell(),
    (JSON.parse((await say(['vault', 'rotate-master-key', '--json'])).out) as Wire).to,
  ]
  for (const name of readdirSync(data()).filter(name => name.startsWith('master.key.')))
    rmSync(join(data(), name))
  writeFileSync(keyFile(), old, { mode: 0o600 })
  await expect(startGateway({ folder: root })).rejects.toThrow(
    `master key ${from} does not match the database (expects ${to})`,
  )
})

test('a database from before a rotation opens with the old key that was kept', async () => {
  const at = await startGateway({ folder: root })
  const from = at.gateway.vault.masterKeyFingerprint
  await at.gateway.deps.store.backup(join(root, 'before.db'))
  await rotate(at)
  await at.close()
  for (const name of readdirSync(data()).filter(name => name.startsWith('switchgate.db')))
    rmSync(join(data(), name))
  writeFileSync(join(data(), 'switchgate.db'), readFileSync(join(root, 'before.db')), { mode: 0o600 })
  rmSync(join(data(), 'journal'), { recursive: true, force: true })
  expect(await allIsWell()).toBe(from)
  // its key is not the file's: a rotation from there keeps both
  const said = JSON.parse((await say(['vault', 'rotate-master-key', '--json'])).out) as Wire
  expect(said.from).toBe(from)
  expect(await allIsWell()).toBe(said.to)
  expect(readdirSync(data()).filter(name => name.startsWith('master.key.old-'))).toHaveLength(2)
})

describe('the command line, with no gateway running', () => {
  test('makes one and says where both are', async () => {
    const from = await allIsWell()
    const said = await say(['vault', 'rotate-master-key'])
    expect(said.code, said.err).toBe(0)
    expect(said.out).toMatch(new RegExp(`is [0-9a-f]{8} now; it was ${from}. It is in .*master.key.\n`))
    expect(said.err).toMatch(new RegExp(`open with ${from} alone: it is kept in .*old-${from}`))
    expect(said.out).toContain(await allIsWell())
  })

  test('takes one of a file or a variable in place of one of yours, which is yours to put into place', async () => {
    const [first, second, third] = [join(root, 'first.key'), join(root, 'second.key'), fresh()]
    writeFileSync(first, readFileSync(keyFile()), { mode: 0o600 })
    rmSync(keyFile())
    writeFileSync(second, fresh(), { mode: 0o600 })
    const env = { SWITCHGATE_MASTER_KEY_FILE: first }
    const said = await say(['vault', 'rotate-master-key', '--new-key-file', second], env)
    expect(said.code, said.err).toBe(0)
    expect(said.out).toContain(`Start the gateway from now on with SWITCHGATE_MASTER_KEY_FILE=${second}.`)
    await expect(startGateway({ folder: root, env })).rejects.toThrow(/does not match/)
    const now = await allIsWell({ SWITCHGATE_MASTER_KEY_FILE: second })
    const inEnv = { SWITCHGATE_MASTER_KEY: readFileSync(second, 'utf8') }
    const made = await say(['vault', 'rotate-master-key'], inEnv)
    expect(made).toMatchObject({ code: 1, out: '' })
    expect(made.err).toMatch(/SWITCHGATE_MASTER_KEY.*--new-key-env/)
    const given = await say(['vault', 'rotate-master-key', '--new-key-env', 'NEXT', '--json'], {
      ...inEnv,
      NEXT: third,
    })
    expect(JSON.parse(given.out)).toMatchObject({ from: now, path: null, old_path: null })
    expect(given.out + given.err).not.toContain(third)
    expect(await allIsWell({ SWITCHGATE_MASTER_KEY: third })).toBe((JSON.parse(given.out) as Wire).to)
    expect(existsSync(keyFile())).toBe(false)
  })

  test.each([
    [['--new-key-file', '/nowhere/key'], /does not exist/],
    [['--new-key-env', 'NOT_SET_X'], /is not set; make one with/],
    [['--new-key-env', 'A', '--new-key-file', 'b'], /give one of/],
  ])('refuses %j', async (args, why) => {
    const said = await say(['vault', 'rotate-master-key', ...args])
    expect(said).toMatchObject({ code: 64, out: '' })
    expect(said.err).toMatch(why)
  })
})

/** Runs a child until it ends or says so many lines, and then some; resolves when it is gone. */
function killed(lethal: string | undefined, lines: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const child: ChildProcess = spawn(process.execPath, [CHILD, data(), ...(lethal ? [lethal] : [])])
    let text = ''
    let fault = ''
    child.stderr?.on('data', part => {
      fault += part
    })
    child.stdout?.on('data', part => {
      text += part
      // somewhere in the next rotation: the pipe is late by more than one of its steps
      if (lethal === undefined && text.split('\n').length > lines) child.kill('SIGKILL')
    })
    child.on('error', reject)
    child.on('exit', (_, signal) =>
      signal === 'SIGKILL'
        ? resolve(text.trim().split('\n').slice(1))
        : reject(new Error(`the child ended: ${fault}`)),
    )
  })
}

describe('killed', () => {
  test.each(['staged', 'rewrapped', 'replaced'])('after it has %s', async step => {
    const from = await allIsWell()
    expect(await killed(step, 0)).toEqual([])
    const now = await allIsWell()
    if (step === 'staged') expect(now).toBe(from)
    else expect(now).not.toBe(from)
    expect(await allIsWell()).toBe(now)
    // what it left behind hinders nobody
    expect((await say(['vault', 'rotate-master-key'])).code).toBe(0)
    expect(await allIsWell()).not.toBe(now)
  })

  test('at any moment, three times, it has the last key that was told or the one after it', async () => {
    for (let round = 1; round <= 3; round++) {
      const told = await killed(undefined, 2 + round * 3)
      expect(told.length).toBeGreaterThan(round)
      const now = await allIsWell()
      const at = told.indexOf(now)
      expect(at === -1 || at === told.length - 1, `${now} of ${told}`).toBe(true)
    }
  })
})
