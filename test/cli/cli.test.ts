/** The command line over real parts: this folder in-process, a gateway behind its socket, a gateway behind an address. */
import { execFile } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { getRequestListener } from '@hono/node-server'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { loadCatalog, SHIPPED } from '../../providers/catalog/loader.ts'
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
      [
        'migrate',
        /migrate is not supported yet: .*`switchgate backup <file>`, there `switchgate restore <file>`/,
      ],
      ['migrate --to postgres://db', /migrate is not supported yet/],
      ['help migrate', /migrate is not supported yet/],
      ['constructor', /See: switchgate help/],
      ['frobnicate now', /See: switchgate help/],
      ['key create --nam x', /unknown option --nam, did you mean "name"/],
      ['key show', /something is missing/],
      ['key show a b', /one word too many/],
      ['', /there is no command here/],
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
      const json = await say(`${args} --json`)
      expect(json, args).toMatchObject({ code: 64, err: '' })
      const { error } = JSON.parse(json.out)
      expect(Object.keys(error).sort(), args).toEqual(['code', 'message', 'param', 'type'])
      expect(error, args).toMatchObject({ type: 'invalid_request_error', param: null, code: 'usage' })
      expect(error.message, args).toMatch(message)
      expect(error.message, args).not.toContain('\n')
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
    const listed = JSON.parse((await say('help --json')).out)
    expect(listed.data.map((one: { name: string }) => one.name)).toEqual(COMMANDS.map(({ name }) => name))
    expect(listed.next_cursor).toBeNull()
    for (const args of ['help key create --json', 'key create --help --json'])
      expect(JSON.parse((await say(args)).out), args).toMatchObject({ name: 'key create' })
  })
})

describe('the folder of a gateway that does not run', () => {
  const folder = mkdtempSync(join(tmpdir(), 'switchgate-cli-'))
  const env = {
    SWITCHGATE_DATA: join(folder, 'data'),
    SWITCHGATE_DISCOVER_LOCAL: 'false',
    PATH: process.env.PATH ?? '',
  }
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

  it('that is not there is not made by a command that only reads', async () => {
    const nowhere = { SWITCHGATE_DATA: join(folder, 'none') }
    for (const args of ['key list', 'key show x', 'project list', 'credential list', 'spend']) {
      const said = await say(args, nowhere)
      expect(said, args).toMatchObject({ code: 69, out: '' })
      expect(said.err, args).toContain(`there is no data in ${nowhere.SWITCHGATE_DATA}`)
    }
    expect(existsSync(nowhere.SWITCHGATE_DATA)).toBe(false)
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

  it('takes a newer catalogue over, prints each change to the last digit, and goes back', async () => {
    const path = join(folder, 'newer.json')
    const source = SHIPPED.sources.length
    const openai = (SHIPPED.offers.openai ?? []).map(row => {
      if (row[0] === 'gpt-5') return row.with(2, 1_375_000).with(9, source)
      return row[0] === 'gpt-5-mini' ? row.with(2, 25).with(4, null).with(9, source) : row
    })
    const sources = [...SHIPPED.sources, { name: 'later', date: '2026-12-01' }]
    const newer = { ...SHIPPED, date: '2026-12-01', sources, offers: { ...SHIPPED.offers, openai } }
    writeFileSync(path, JSON.stringify(newer))
    const planned = await say(`catalog diff ${path}`, env)
    expect(planned).toMatchObject({ code: 0, err: expect.stringMatching(/^Nothing was changed/) })
    const said = await say(`catalog update ${path}`, env)
    expect(said.code).toBe(1)
    expect(said.out).toBe(planned.out)
    expect(said.out).toContain(
      '2026-11-21 → 2026-12-01: 0 added, 0 removed, 1 repriced, 0 otherwise changed, 1 refused',
    )
    expect(said.out).toContain('~ openai/gpt-5  $1.25 / $10 (read $0.125) → $1.375 / $10 (read $0.125)')
    expect(said.out).toMatch(
      /! openai\/gpt-5-mini {2}\$0\.000025 \/ \$2 refused, kept at \$0\.25 .*10000× against/,
    )
    expect((await say('catalog show', env)).out).toMatch(
      /^Catalogue of 2026-12-01 \(updated; built in: 2026-11-21\)/,
    )
    const found = await say('models gpt-5-mini --all --provider openai', env)
    expect(found.out).toMatch(/gpt-5-mini +openai +\$0\.25 .*doubtful/)
    expect(found.err).toMatch(/^\d+ models?, \d+ offers? from 1 provider\n$/)
    expect((await say('catalog reset', env)).out).toContain('2026-11-21')
  })

  it('is backed up to a new file only', async () => {
    const path = join(folder, 'copy.db')
    expect((await say(`backup ${path}`, env)).code).toBe(0)
    expect(readFileSync(path).subarray(0, 15).toString()).toBe('SQLite format 3')
    expect((statSync(path).mode & 0o077).toString(8)).toBe('0')
    const again = await say(`backup ${path}`, env)
    expect(again.code).toBe(64)
    expect(again.err).toMatch(/exists already/)
    for (const [bad, why] of [
      ['/nope/x', /no backup was made at \/nope\/x: its folder does not exist/],
      [`${path}/x`, /a part of the path is a file/],
      [join(folder, 'x'.repeat(300)), /too long/],
    ] as const) {
      const refused = await say(`backup ${bad}`, env)
      expect(refused, bad).toMatchObject({ code: 1, out: '' })
      expect(refused.err, bad).toMatch(why)
      expect(existsSync(bad)).toBe(false)
      const { error } = JSON.parse((await say(`backup ${bad} --json`, env)).out)
      expect(error).toMatchObject({ type: 'invalid_request_error', param: 'path', code: 'invalid_request' })
    }
  })

  it('has its config checked: exit 78, place and reason', async () => {
    const path = join(folder, 'switchgate.yaml')
    writeFileSync(path, 'providers:\n  alpha:\n    knd: openai\n')
    const said = await say('config check', { ...env, SWITCHGATE_CONFIG: path })
    expect(said.code).toBe(78)
    expect(said.err).toMatch(/providers\.alpha.*kind/s)
    const wrong = await say('config check --json', { ...env, SWITCHGATE_CONFIG: path })
    expect(wrong).toMatchObject({ code: 78, err: '' })
    expect(JSON.parse(wrong.out)).toMatchObject({
      ok: false,
      path,
      faults: [
        { path: 'providers.alpha.knd', reason: expect.stringContaining('"kind"'), line: 3 },
        { line: 2 },
      ],
    })
    const fine = await say('config check --json', env)
    expect(fine.code).toBe(0)
    expect(JSON.parse(fine.out)).toEqual({ ok: true, path: null, providers: [], faults: [], warnings: [] })
    // allowed, and hardly meant: it sells nothing
    const shop = (more: string) =>
      `providers:\n  shop: { kind: openai, base_url: "https://shop.example/v1"${more} }\n`
    writeFileSync(path, shop(''))
    const empty = await say('config check', { ...env, SWITCHGATE_CONFIG: path })
    expect(empty).toMatchObject({ code: 0, out: expect.stringContaining('fine') })
    expect(empty.err).toMatch(/^warning: providers\.shop: .*only the models listed under `models` are sold/)
    writeFileSync(path, shop(', models: { m: {} }'))
    expect(await say('config check', { ...env, SWITCHGATE_CONFIG: path })).toMatchObject({ code: 0, err: '' })
    const nowhere = { ...env, SWITCHGATE_CONFIG: '/nowhere.yaml' }
    expect((await say('key list', nowhere)).code).toBe(78)
    const lost = await say('key list --json', nowhere)
    expect(lost).toMatchObject({ code: 78, err: '' })
    expect(JSON.parse(lost.out).error).toMatchObject({
      message: expect.stringContaining('SWITCHGATE_CONFIG'),
      code: 'config',
    })
    expect(JSON.parse((await say('config check --json', nowhere)).out).faults).toEqual([
      { path: 'SWITCHGATE_CONFIG', reason: '/nowhere.yaml does not exist', line: null },
    ])
    const aFolder = await say('config check --json', { ...env, SWITCHGATE_CONFIG: folder })
    expect(JSON.parse(aFolder.out).faults).toMatchObject([
      { path: 'SWITCHGATE_CONFIG', reason: /cannot be read/ },
    ])
  })

  it('has every secret that its config points to tried: one that cannot be had is a fault with its line', async () => {
    const path = join(folder, 'secrets.yaml')
    const good = join(folder, 'good.key')
    const lines = join(folder, 'lines.key')
    writeFileSync(good, 'sk-canary-good\n')
    writeFileSync(lines, 'sk-canary-one\nsk-canary-two\n')
    const ref = (name: string, secret: string) => `      - { name: ${name}, secret: "${secret}" }\n`
    writeFileSync(
      path,
      `providers:\n  groq:\n    credentials:\n${ref('good', `file://${good}`)}${ref('gone', 'file:///nope/key')}${ref('lines', `file://${lines}`)}${ref('unset', 'env://NOPE_X')}${ref('set', 'env://SET_X')}`,
    )
    const own = { ...env, SWITCHGATE_CONFIG: path, SET_X: 'sk-canary-x' }
    const said = await say('config check --json', own)
    expect(said.code).toBe(78)
    expect(JSON.parse(said.out).faults).toEqual([
      {
        path: 'providers.groq.credentials[1].secret',
        reason: expect.stringMatching(/^file:\/\/\/nope\/key does not exist.*put the secret there/),
        line: 5,
      },
      {
        path: 'providers.groq.credentials[2].secret',
        reason: expect.stringMatching(/lines\.key cannot be sent to a provider/),
        line: 6,
      },
      {
        path: 'providers.groq.credentials[3].secret',
        reason: 'the environment variable NOPE_X is not set',
        line: 7,
      },
    ])
    const doctor = await say('doctor', own)
    expect(doctor.out).toMatch(/✗ configuration: .*file:\/\/\/nope\/key/)
    for (const { out, err } of [said, doctor, await say('config check', own)])
      expect(out + err).not.toContain('canary')
  })

  it('answers every command with JSON under --json, also when it fails, and says nothing beside it', async () => {
    const made = JSON.parse((await say('key create --name j --budget 0.0000005/day --json', env)).out)
    const spare = JSON.parse((await say('key create --json', env)).out)
    const added = JSON.parse((await say('credential add openai --json', env, 'sk-json\n')).out)
    const list = (data: unknown) => ({ data, next_cursor: null })
    const shipped = new URL('../../providers/catalog/offers.json', import.meta.url).pathname
    const rows: Readonly<Record<string, readonly (readonly [string, number, unknown])[]>> = {
      'key create': [
        ['--name x', 0, { key: expect.stringMatching(/^sgate_live_/) }],
        ['--budget -1', 64, { error: { code: 'usage' } }],
        ['--rpm 0', 1, { error: { param: 'limits.rpm', code: 'invalid_request' } }],
      ],
      'key list': [['', 0, list(expect.arrayContaining([expect.objectContaining({ id: made.id })]))]],
      'key show': [
        [made.id, 0, { id: made.id, tags: null }],
        ['nobody', 1, { error: { type: 'invalid_request_error', param: 'id', code: 'not_found' } }],
      ],
      'key change': [
        [`${made.id} --budget 1/day --rpm 9`, 0, { budgets: [{ usd: 1 }], limits: { rpm: 9 } }],
        [`${made.id} --budget none`, 0, { budgets: null, limits: { rpm: 9 } }],
        [`${made.id} --budget 0.0000005/day`, 0, { budgets: [{ window: 'day' }] }],
        [`${made.id} --budget none --budget 1/day`, 64, { error: { code: 'usage' } }],
        [`${made.id} --env live`, 64, { error: { code: 'usage' } }],
        ['nobody', 64, { error: { code: 'usage' } }],
        ['nobody --rpm 9', 1, { error: { code: 'not_found' } }],
      ],
      'request release': [
        ['req_none', 1, { error: { param: 'id', code: 'not_found' } }],
        ['req_none --cost much', 64, { error: { code: 'usage' } }],
      ],
      'key rotate': [[`${made.id} --grace 1h`, 0, { replaces: made.id }]],
      'key suspend': [[made.id, 0, { status: 'suspended' }]],
      'key resume': [[made.id, 0, { status: 'active' }]],
      'key revoke': [
        [spare.id, 0, { status: 'revoked' }],
        ['nobody', 1, { error: { code: 'not_found' } }],
      ],
      'key top-up': [
        [`${made.id} 5`, 1, { error: { param: 'budgets' } }],
        [`${made.id} much`, 64, { error: { code: 'usage' } }],
        [`${made.id} 5 --once`, 64, { error: { code: 'usage' } }],
      ],
      'project create': [
        ['team --budget 5/total --budget 1/day@Europe/Berlin:user --rpm 60', 0, { id: 'team', keys: 0 }],
        ['team', 1, { error: { code: 'conflict' } }],
        ['--budget 1/day:who', 64, { error: { code: 'usage' } }],
      ],
      'project list': [['', 0, list([expect.objectContaining({ id: 'team', status: 'active' })])]],
      'project show': [
        ['organisation', 0, { id: 'organisation', budgets: null }],
        ['nobody', 1, { error: { param: 'id', code: 'not_found' } }],
      ],
      'project change': [
        ['team --name Team', 0, { name: 'Team', budgets: [{ usd: 5 }, { per: 'user', fullest: null }] }],
      ],
      'project top-up': [
        ['team 2.5', 0, { budgets: [{ window: 'total', usd: 7.5 }, {}] }],
        ['team 1 --once invoice-7', 0, { budgets: [{ window: 'total', usd: 8.5 }, {}] }],
        ['team 1 --once invoice-7', 0, { budgets: [{ window: 'total', usd: 8.5 }, {}] }],
        ['team 2 --once invoice-7', 1, { error: { code: 'conflict', param: 'Idempotency-Key' } }],
      ],
      'project close': [['team', 0, { status: 'closed' }]],
      'credential add': [
        ['opanai --secret-env PATH', 1, { error: { param: 'provider' } }],
        [
          'groq --ref env://NOPE_X',
          1,
          { error: { param: 'ref', message: expect.stringContaining('NOPE_X') } },
        ],
      ],
      'credential list': [['', 0, list(expect.arrayContaining([expect.objectContaining({ id: added.id })]))]],
      'credential test': [['nobody', 1, { error: { code: 'not_found' } }]],
      'credential rotate': [
        [`${added.id} --secret-env NEXT_KEY`, 0, { id: added.id }],
        [`${added.id} --secret-env UNSET_X`, 64, { error: { code: 'usage' } }],
      ],
      'vault rotate-master-key': [
        ['--new-key-env UNSET_X', 64, { error: { code: 'usage' } }],
        ['--new-key-file /nowhere/key', 64, { error: { code: 'usage' } }],
      ],
      'credential promote': [[added.id, 1, { error: { code: 'conflict' } }]],
      'credential retire': [[added.id, 0, { id: added.id, version: 2 }]],
      models: [
        ['', 0, list(expect.any(Array))],
        ['--all', 0, list(expect.any(Array))],
        ['gpt-5 --all --provider openai', 0, { total: { providers: 1 } }],
        ['--save', 64, { error: { code: 'usage' } }],
        ['--refresh --all', 64, { error: { code: 'usage' } }],
      ],
      'catalog show': [
        ['', 0, { origin: 'built-in', offers: loadCatalog().offers.length, ignored_update: null }],
      ],
      'catalog update': [
        [join(folder, 'nowhere.json'), 64, { error: { code: 'usage' } }],
        [`${shipped} --sha256 abc`, 1, { error: { param: 'sha256' } }],
        [`${shipped} --sha256 ${'0'.repeat(64)}`, 1, { error: { param: 'sha256' } }],
        ['https://127.0.0.1:9/catalog.json', 1, { error: { param: 'url' } }],
        [`${shipped} --dry-run`, 0, { applied: false, added: [], repriced: [], refused: [] }],
      ],
      'catalog diff': [[shipped, 0, { applied: false, from: '2026-11-21', to: '2026-11-21' }]],
      'catalog reset': [['', 0, { date: '2026-11-21' }]],
      spend: [
        ['', 0, { group_by: ['key'], total: {} }],
        ['--from never', 1, { error: { param: 'from' } }],
        ['--csv', 64, { error: { code: 'usage' } }],
      ],
      'admin-token reset': [['', 0, { admin_token: expect.stringMatching(/^sgate_admin_/) }]],
      backup: [[join(folder, 'json.db'), 0, { path: join(folder, 'json.db') }]],
      restore: [[join(folder, 'nowhere.db'), 78, { error: { code: 'config' } }]],
      'config check': [['', 0, { ok: true, faults: [] }]],
      'config diff': [[join(folder, 'nowhere.yaml'), 64, { error: { code: 'usage' } }]],
      'import litellm': [[join(folder, 'nowhere.yaml'), 64, { error: { code: 'usage' } }]],
      'audit list': [['', 0, list(expect.any(Array))]],
      'audit verify': [['', 0, { ok: true }]],
      scan: [[join(folder, 'nowhere'), 64, { error: { code: 'usage' } }]],
      'policy check': [[join(folder, 'nowhere.yaml'), 64, { error: { code: 'usage' } }]],
      'policy plan': [[join(folder, 'nowhere.yaml'), 64, { error: { code: 'usage' } }]],
      'policy apply': [[join(folder, 'nowhere.yaml'), 64, { error: { code: 'usage' } }]],
      'policy test': [[join(folder, 'nowhere.yaml'), 64, { error: { code: 'usage' } }]],
      'policy suggest': [['nobody', 1, { error: { code: 'not_found' } }]],
      explain: [
        ['gpt-nothing', 1, { targets: [], refusal: { status: 404, code: 'model_not_found' } }],
        ['', 64, { error: { code: 'usage' } }],
        ['gpt-5 --key nobody', 1, { error: { param: 'key', code: 'not_found' } }],
      ],
      doctor: [['--url http://127.0.0.1:9 --token t', 1, { ok: false }]],
      reconcile: [['', 64, { error: { code: 'usage' } }]],
    }
    expect(Object.keys(rows).sort()).toEqual(COMMANDS.map(({ name }) => name).sort())
    for (const [name, calls] of Object.entries(rows)) {
      for (const [args, code, shape] of calls) {
        const said = await say(`${name} ${args} --json`, { ...env, NEXT_KEY: 'sk-next' })
        expect(said, `${name} ${args}`).toMatchObject({ code, err: '' })
        expect(JSON.parse(said.out), `${name} ${args}`).toMatchObject(shape as object)
      }
    }
    // Money as plain decimals here too.
    expect((await say('key list --json', env)).out).toMatch(/"usd": 0\.0000005,/)
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
    const json = await say('key list --url http://127.0.0.1:9 --token t --json')
    expect(json).toMatchObject({ code: 69, err: '' })
    expect(JSON.parse(json.out).error).toMatchObject({ type: 'api_error', param: null, code: 'unavailable' })
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
