/** `switchgate restore`: a backup of a gateway that ran, put back; what is refused, and that nothing is lost on the way. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SCHEMA_VERSION } from '../../src/store/version.ts'
import {
  CHAT,
  completion,
  configFor,
  type ScriptedUpstream,
  sendJson,
  startGateway,
  startUpstream,
} from '../gateway/harness.ts'
import { say } from './say.ts'

const execute = promisify(execFile)
const PROGRAM = new URL('../../src/cli/main.ts', import.meta.url).pathname

const root = mkdtempSync(join(tmpdir(), 'switchgate-restore-'))
const backup = join(root, 'backup.db')
const masterKey = join(root, 'data', 'master.key')
const quiet = { SWITCHGATE_DISCOVER_LOCAL: 'false', PATH: process.env.PATH ?? '' }
let upstream: ScriptedUpstream
let config: string
let keys: { working: string; stopped: string; later: string }
let spentNano: number

const idOf = (text: string) => text.split('_')[2] ?? ''

/** A folder with the master key in it, and nothing else. */
function freshFolder(name: string): string {
  const folder = join(root, name)
  mkdirSync(folder, { mode: 0o700 })
  copyFileSync(masterKey, join(folder, 'master.key'))
  return folder
}

beforeAll(async () => {
  upstream = await startUpstream(response => sendJson(response, 200, completion()))
  config = configFor({ alpha: upstream.port })
  const gateway = await startGateway({ config, folder: root })
  keys = {
    working: await gateway.key({
      name: 'working',
      budgets: [{ window: 'total', limitNanoUsd: 1e9, softNanoUsd: null }],
    }),
    stopped: await gateway.key({ name: 'stopped' }),
    later: await gateway.key({ name: 'later' }),
  }
  for (let i = 0; i < 3; i++) await (await gateway.post(keys.working, CHAT)).text()
  await gateway.gateway.keys.setStatus(idOf(keys.stopped), 'revoked')
  await gateway.gateway.vault.add({ provider: 'alpha', name: 'kept', secret: 'sk-upstream-canary' })
  const rows = await gateway.rows()
  spentNano = rows.reduce((sum, row) => sum + (row.costNanoUsd ?? 0), 0)
  await gateway.gateway.deps.store.backup(backup)
  await gateway.gateway.keys.setStatus(idOf(keys.later), 'revoked')
  await (await gateway.post(keys.working, CHAT)).text()
  await gateway.close()
})
afterAll(async () => {
  await upstream.close()
  rmSync(root, { recursive: true, force: true })
})

describe('into an empty folder', () => {
  test('everything is as it was: keys, revocations, money, credentials; doctor is clean', async () => {
    const folder = freshFolder('empty')
    const said = await say(['restore', backup, '--data', folder, '--json'], quiet)
    expect(said.code, said.out).toBe(0)
    expect(JSON.parse(said.out)).toMatchObject({
      folder,
      schema_version: SCHEMA_VERSION,
      keys: { active: 2, suspended: 0, revoked: 1 },
      credentials: 1,
      newest_request_at: expect.stringMatching(/^\d{4}-/),
      set_aside: null,
      active_again: null,
    })
    expect(
      readdirSync(folder)
        .filter(name => name !== 'lock')
        .sort(),
    ).toEqual(['master.key', 'switchgate.db'])
    expect(statSync(join(folder, 'switchgate.db')).mode & 0o077).toBe(0)

    const env = { ...quiet, SWITCHGATE_DATA: folder, SWITCHGATE_CONFIG: join(root, 'switchgate.yaml') }
    for (const command of ['doctor', 'doctor --ledger', 'audit verify']) {
      const checked = await say(command, env)
      expect(checked.code, checked.out).toBe(0)
      expect(checked.out, command).not.toContain('✗')
    }
    expect((await say('audit list', env)).out).toContain('database.restore')

    const gateway = await startGateway({ config, folder: root, env: { SWITCHGATE_DATA: folder } })
    try {
      const use = gateway.gateway.ledger.usageOf(gateway.gateway.keys.get(idOf(keys.working)) ?? never())
      expect(use).toMatchObject([{ window: 'total', spentNanoUsd: spentNano }])
      expect((await gateway.post(keys.working, CHAT)).status).toBe(200)
      expect((await gateway.post(keys.stopped, CHAT)).status).toBe(401)
      // revoked after the backup: as it was then
      expect((await gateway.post(keys.later, CHAT)).status).toBe(200)
      const [credential] = await gateway.gateway.vault.list()
      expect(credential && (await gateway.gateway.vault.open(credential))).toBe('sk-upstream-canary')
    } finally {
      await gateway.close()
    }
  })

  test('the program itself does it, to a folder that is not there yet, with the key elsewhere', async () => {
    const folder = join(root, 'new', 'data')
    mkdirSync(join(root, 'new'))
    const env = { ...quiet, SWITCHGATE_DATA: folder, SWITCHGATE_MASTER_KEY_FILE: masterKey }
    const { stdout, stderr } = await execute(process.execPath, [PROGRAM, 'restore', backup], {
      env,
      cwd: root,
    })
    expect(stdout).toBe(`${folder}: 2 active, 0 suspended, 1 revoked keys, 0 projects, 1 credentials\n`)
    expect(stderr).toContain('revoked ones stay revoked')
    expect(existsSync(join(folder, 'master.key'))).toBe(false)
  })
})

describe('over a database', () => {
  test('only with --force; what was there is set aside whole, and keys that work again are named', async () => {
    const folder = join(root, 'occupied')
    cpSync(join(root, 'data'), folder, { recursive: true })
    const before = readFileSync(join(folder, 'switchgate.db'))
    const refused = await say(['restore', backup, '--data', folder], quiet)
    expect(refused).toMatchObject({ code: 78, out: '' })
    expect(refused.err).toMatch(/has a database already \(switchgate\.db.*--force/)
    expect(readFileSync(join(folder, 'switchgate.db')).equals(before)).toBe(true)

    const said = await say(['restore', backup, '--data', folder, '--force', '--json'], quiet)
    expect(said.code, said.out).toBe(0)
    const done = JSON.parse(said.out)
    expect(done.active_again).toEqual([{ id: idOf(keys.later), name: 'later', status: 'revoked' }])
    expect(readFileSync(join(done.set_aside, 'switchgate.db')).equals(before)).toBe(true)
    expect(existsSync(join(done.set_aside, 'journal'))).toBe(true)
    expect(existsSync(join(folder, 'journal'))).toBe(false)
    const listed = await say('key list --json', { ...quiet, SWITCHGATE_DATA: folder })
    expect(
      JSON.parse(listed.out).data.map((key: { name: string; status: string }) => [key.name, key.status]),
    ).toEqual(
      expect.arrayContaining([
        ['stopped', 'revoked'],
        ['later', 'active'],
      ]),
    )
    // and back again: nothing was lost
    const back = await say(
      ['restore', join(done.set_aside, 'switchgate.db'), '--data', folder, '--force'],
      quiet,
    )
    expect(back.code, back.err).toBe(0)
  })

  test('not while a gateway runs there', async () => {
    const gateway = await startGateway({ config, folder: root })
    try {
      const said = await say(['restore', backup, '--data', join(root, 'data'), '--force'], quiet)
      expect(said).toMatchObject({ code: 69, out: '' })
      expect(said.err).toContain('is in use by')
      expect((await gateway.post(keys.working, CHAT)).status).toBe(200)
    } finally {
      await gateway.close()
    }
  })
})

describe('what is no backup of this gateway is refused, and changes nothing', () => {
  const refused = async (file: string, folder: string, why: RegExp, code = 78) => {
    const before = readdirSync(folder).sort()
    const said = await say(['restore', file, '--data', folder], quiet)
    expect(said.err).toMatch(why)
    expect(said).toMatchObject({ code, out: '' })
    expect(
      readdirSync(folder)
        .filter(name => name !== 'lock')
        .sort(),
    ).toEqual(before.filter(name => name !== 'lock'))
  }

  test('another file, another database, a damaged one', async () => {
    const folder = freshFolder('refusals')
    await refused(join(root, 'nowhere.db'), folder, /is no file/)
    await refused(root, folder, /is no file/)
    const text = join(root, 'text.db')
    writeFileSync(text, 'this is no database at all, but it is long enough to be looked at'.repeat(20))
    await refused(text, folder, /it is not a SQLite database/)
    const other = join(root, 'other.db')
    const database = new Database(other)
    database.exec('create table t (x)')
    database.close()
    await refused(other, folder, /no backup of Switchgate/)
    const cut = join(root, 'cut.db')
    copyFileSync(backup, cut)
    truncateSync(cut, Math.floor(statSync(cut).size / 2 / 4096) * 4096)
    await refused(cut, folder, /damaged|cannot be restored/)
  })

  test('one that a newer program made', async () => {
    const folder = freshFolder('newer')
    const newer = join(root, 'newer.db')
    copyFileSync(backup, newer)
    const database = new Database(newer)
    database.prepare('insert into schema_version (version) values (?)').run(SCHEMA_VERSION + 1)
    database.close()
    await refused(newer, folder, new RegExp(`schema version ${SCHEMA_VERSION + 1}`), 1)
  })

  test('one whose secrets another master key has sealed, or whose key is missing', async () => {
    const folder = join(root, 'keyless')
    mkdirSync(folder, { mode: 0o700 })
    await refused(backup, folder, /the database expects master key [0-9a-f]+, but .*master\.key is missing/)
    writeFileSync(join(folder, 'master.key'), `${randomBytes(32).toString('base64url')}\n`, {
      mode: 0o600,
    })
    await refused(backup, folder, /master key [0-9a-f]+ does not match the database/)
  })

  test('a refusal leaves nothing behind: no lock, and no folder that was not there', async () => {
    const folder = join(root, 'not', 'yet')
    const said = await say(['restore', backup, '--data', folder], quiet)
    expect(said).toMatchObject({ code: 78, err: expect.stringContaining('master.key is missing') })
    expect(existsSync(join(root, 'not'))).toBe(false)
    const there = join(root, 'there')
    mkdirSync(there, { mode: 0o700 })
    expect((await say(['restore', backup, '--data', there], quiet)).code).toBe(78)
    expect(readdirSync(there)).toEqual([])
  })

  test('the database of the folder itself', async () => {
    const said = await say(
      ['restore', join(root, 'data', 'switchgate.db'), '--data', join(root, 'data'), '--force'],
      quiet,
    )
    expect(said.code).toBe(78)
    expect(said.err).toContain('nothing to restore')
    expect(existsSync(join(root, 'data', 'switchgate.db'))).toBe(true)
    expect((await say('restore x --url http://h --token t', quiet)).code).toBe(64)
  })
})

function never(): never {
  throw new Error('not reached')
}
