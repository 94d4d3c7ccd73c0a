/** `switchgate policy`: keys and projects as a file, through the real command line over a folder and over a gateway that runs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import {
  CHAT,
  completion,
  configFor,
  type ScriptedUpstream,
  sendJson,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'
import { say } from './say.ts'

const folder = mkdtempSync(join(tmpdir(), 'switchgate-policy-'))
const file = join(folder, 'policy.yaml')
const data = { SWITCHGATE_DATA: join(folder, 'data'), SWITCHGATE_DISCOVER_LOCAL: 'false' }
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function policy(
  verb: string,
  text: string,
  more: readonly string[] = [],
  env: Record<string, string> = data,
) {
  writeFileSync(file, text)
  return say(['policy', verb, file, ...more], env)
}

const POLICY = `organisation: { budgets: [{ window: month, usd: 500 }] }
projects:
  team:
    name: The team
    budgets: [{ window: month, usd: 100 }, { window: day, usd: 1, per: user }]
    limits: { rpm: 600 }
    metadata: { cost_centre: "42" }
keys:
  app:
    project: team
    models: [house-model, gpt-5-mini]
    budgets: [{ window: month, usd: 25, soft_usd: 20 }, { window: total, usd: 50 }]
    limits: { rpm: 60, concurrency: 4 }
    tags: [web]
    expires_at: 2099-01-31T23:59:59Z
  batch:
    models: []
    priority: 1
tests:
  - { key: app, model: house-model, expect: allow }
  - { key: app, model: gpt-5, expect: deny }
  - { key: batch, model: house-model, expect: deny }
`

describe('over a folder', () => {
  const ids: Record<string, string> = {}
  beforeAll(async () => {
    expect((await say('key create --name by-hand', data)).code).toBe(0)
  })

  test('check: fine, or the first fault with its place', async () => {
    expect(await policy('check', POLICY)).toEqual({
      code: 0,
      out: `${file}: fine. 1 projects, 2 keys, 3 tests\n`,
      err: '',
    })
    const rows = [
      ['keys: { app: { budgts: [] } }', /keys\.app: unknown field `budgts`: did you mean `budgets`\?/],
      ['keys: { app: { budgets: [{ window: year, usd: 1 }] } }', /keys\.app: `budgets\[0\]\.window`/],
      ['keys: { app: { name: other } }', /keys\.app\.name.*leave it out/],
      ['projects: { Team: {} }', /projects\.Team.*lower-case/],
      ['projects: { organisation: {} }', /organisation stands by itself/],
      ['tests: [{ key: app, model: m, expect: maybe }]', /must be allow or deny/],
      ['people: {}', /unknown field `people`/],
      ['keys: [', /not YAML/],
      ['keys: { a: {}, a: {} }', /stands twice/],
    ] as const
    for (const [text, why] of rows) {
      const said = await policy('check', text)
      expect(said, text).toMatchObject({ code: 78, out: '' })
      expect(said.err, text).toMatch(why)
    }
    expect((await say('policy check nowhere.yaml', data)).code).toBe(64)
  })

  test('plan shows what would be made, and makes nothing', async () => {
    for (let again = 0; again < 2; again++) {
      const said = await policy('plan', POLICY)
      expect(said.code).toBe(1)
      expect(said.out).toContain('~ organisation\n    budgets: [] → [{"window":"month","usd":500}]\n')
      expect(said.out).toContain('+ project team  {"name":"The team","budgets":')
      expect(said.out).toContain('+ key app  {"project":"team","models":["house-model","gpt-5-mini"]')
      expect(said.err).toMatch(/left alone: key by-hand \(/)
    }
  })

  test.each([
    ['bb1: { project: none2 }', /keys\.bb1\.project.*there is no project "none2".*add it under projects/],
    ['bb1: { project: organisation }', /keys\.bb1\.project.*there is no project "organisation"/],
    ['bb1: { expires_at: 2020-01-31T00:00:00Z }', /keys\.bb1: `expires_at`: must be in the future/],
    ['bb1: { limits: { burst: 5 } }', /keys\.bb1: `limits\.burst`/],
  ])('what apply could not finish, plan and apply refuse before anything is made: %s', async (entry, why) => {
    const text = `keys:\n  aa1: { models: [house-model] }\n  ${entry}\n`
    for (const verb of ['plan', 'apply', ...(entry.includes('project') ? ['check'] : [])]) {
      const said = await policy(verb, text)
      expect(said, verb).toMatchObject({ code: 78, out: '' })
      expect(said.err, verb).toMatch(why)
    }
    expect((await say('key list', data)).out).not.toContain('aa1')
  })

  test('check needs a gateway only for projects that the file does not make, and says where there is none', async () => {
    const nobody = { ...data, SWITCHGATE_DATA: join(folder, 'nobody') }
    expect(await policy('check', POLICY, [], nobody)).toMatchObject({ code: 0, err: '' })
    const said = await policy('check', 'keys: { app: { project: elsewhere } }', [], nobody)
    expect(said).toMatchObject({ code: 0, err: expect.stringContaining('elsewhere is not in the file') })
  })

  test('a budget for a model that is not known is told of, one that would never count is refused', async () => {
    const env = { ...data, SWITCHGATE_DATA: join(folder, 'told') }
    expect((await say('key create --name first', env)).code).toBe(0)
    const budget = (model: string) =>
      `projects: { lab: { budgets: [{ window: total, usd: 1, model: ${JSON.stringify(model)} }] } }\n`
    const told = await policy('apply', budget('zzz-not-yet'), [], env)
    expect(told.code).toBe(0)
    expect(told.err).toContain('warning: project lab: budgets[0].model: "zzz-not-yet" is no model here now')
    const refused = await policy('apply', budget('openai/gpt-5'), [], env)
    expect(refused.code).not.toBe(0)
    expect(refused.err).toContain('Write "gpt-5"')
  })

  test('apply makes it, shows new keys once, and is done', async () => {
    const said = await policy('apply', POLICY)
    expect(said.code, said.err).toBe(0)
    const made = [...said.out.matchAll(/^(\w+) {2}sgate_live_(\w{12})_\w{49}$/gm)]
    for (const [, name = '', id = ''] of made) ids[name] = id
    expect(Object.keys(ids)).toEqual(['app', 'batch'])
    expect(await policy('plan', POLICY)).toMatchObject({ code: 0, out: `${file}: nothing would change\n` })
    const again = await policy('apply', POLICY, ['--json'])
    expect(JSON.parse(again.out)).toMatchObject({ applied: [], keys: [] })
    const app = JSON.parse((await say(`key show ${ids.app} --json`, data)).out)
    expect(app).toMatchObject({
      name: 'app',
      project: 'team',
      limits: { rpm: 60, concurrency: 4 },
      budgets: [
        { window: 'month', usd: 25, soft_usd: 20 },
        { window: 'total', usd: 50 },
      ],
    })
    expect(JSON.parse((await say('project show team --json', data)).out)).toMatchObject({
      metadata: { cost_centre: '42' },
    })
  })

  test('a window is the same under every name of its zone, and a budget is another only where it is one', async () => {
    const windows = [
      'day@Asia/Kolkata',
      'week@Europe/Kyiv',
      'day@Asia/Ho_Chi_Minh',
      'day@America/Argentina/Buenos_Aires',
      'day@europe/berlin',
      'month@UTC',
    ]
    const fields = (usd: number) =>
      `{ budgets: [${windows.map(name => `{ window: ${name}, usd: ${usd} }`)}] }`
    const text = (usd: number) =>
      `organisation: ${fields(usd)}\nprojects: { zoned: ${fields(usd)} }\nkeys: { zoned: ${fields(usd)} }\n`
    expect((await policy('apply', text(2))).code).toBe(0)
    expect(await policy('plan', text(2))).toMatchObject({ code: 0, out: `${file}: nothing would change\n` })
    expect(JSON.parse((await policy('apply', text(2), ['--json'])).out).applied).toEqual([])
    // the names that the zones had before, and the other way to say UTC
    const older = text(2)
      .replaceAll('Kolkata', 'Calcutta')
      .replaceAll('Kyiv', 'Kiev')
      .replaceAll('Ho_Chi_Minh', 'Saigon')
      .replaceAll('month@UTC', 'month')
    expect((await policy('plan', older)).code).toBe(0)
    // another amount is a change of the same budgets, another zone is another budget
    expect((await policy('plan', text(3))).code).toBe(1)
    expect((await policy('apply', text(3))).code).toBe(0)
    expect((await policy('plan', text(3))).code).toBe(0)
    expect((await policy('plan', text(3).replaceAll('Kolkata', 'Karachi'))).code).toBe(1)
    expect((await policy('apply', 'organisation: { budgets: [{ window: month, usd: 500 }] }\n')).code).toBe(0)
  })

  test('an amount below a nano-USD and an instant in another zone are what they are kept as', async () => {
    const text = (usd: string, until: string) =>
      `keys: { fine: { budgets: [{ window: day, usd: ${usd}, soft_usd: 1.00000000049, raise: { usd: 33.33333333333333, until: ${until} } }] } }\n`
    const first = text('14.285714285714286', '"2099-01-01T02:00:00+02:00"')
    expect((await policy('apply', first)).code).toBe(0)
    expect(await policy('plan', first)).toMatchObject({ code: 0, out: `${file}: nothing would change\n` })
    expect((await policy('plan', text('14.285714286', '"2099-01-01T00:00:00Z"'))).code).toBe(0)
    expect((await policy('plan', text('14.285714287', '"2099-01-01T00:00:00Z"'))).code).toBe(1)
    expect((await policy('plan', text('14.285714286', '"2099-01-01T00:00:01Z"'))).code).toBe(1)
  })

  test('a change is that change alone; what the file leaves out stays', async () => {
    await say(`key change ${ids.app} --tpm 5000`, data)
    const text = POLICY.replace('usd: 25, soft_usd: 20', 'usd: 30')
      .replace('rpm: 60,', 'rpm: 90,')
      .replace('priority: 1', 'priority: null')
    const { steps } = JSON.parse((await policy('plan', text, ['--json'])).out)
    expect(steps).toMatchObject([
      { what: 'key app', kind: 'change', body: { limits: { rpm: 90, concurrency: 4 } } },
      { what: 'key batch', kind: 'change', body: { priority: null } },
    ])
    expect(Object.keys(steps[0].body).sort()).toEqual(['budgets', 'limits'])
    expect((await policy('apply', text)).code).toBe(0)
    expect((await policy('plan', text)).code).toBe(0)
    const app = JSON.parse((await say(`key show ${ids.app} --json`, data)).out)
    expect(app).toMatchObject({
      limits: { rpm: 90, tpm: 5000 },
      budgets: [{ usd: 30, soft_usd: null }, { usd: 50 }],
    })
    // the other way round: order says nothing
    const turned = text.replace('[house-model, gpt-5-mini]', '[gpt-5-mini, house-model]')
    expect((await policy('plan', turned)).code).toBe(0)
  })

  test('a rotated key is the one that stays; two of one name are refused; a revoked one is made anew', async () => {
    const text = 'keys: { app: { tags: [web] }, twin: {} }\n'
    const rotated = JSON.parse((await say(`key rotate ${ids.app} --grace 24h --json`, data)).out)
    // both have an end, the successor the one that it was given: the file cannot say which is meant
    expect((await policy('plan', text)).err).toContain('2 keys have this name')
    await say(`key revoke ${ids.app}`, data)
    expect((await policy('plan', 'keys: { app: { tags: [web] } }\n')).code).toBe(0)
    expect(rotated.replaces).toBe(ids.app)
    // where the successor has no end, it is the one that is meant
    const [hand] = JSON.parse((await say('key list --json', data)).out).data.filter(
      (key: { name: string }) => key.name === 'by-hand',
    )
    const next = JSON.parse((await say(`key rotate ${hand.id} --grace 24h --json`, data)).out)
    expect((await policy('apply', 'keys: { by-hand: { tags: [kept] } }\n')).code).toBe(0)
    expect(JSON.parse((await say(`key show ${next.id} --json`, data)).out).tags).toEqual(['kept'])
    for (let i = 0; i < 2; i++) await say('key create --name twin', data)
    const said = await policy('plan', text)
    expect(said).toMatchObject({ code: 78, out: '' })
    expect(said.err).toContain('2 keys have this name')
    await say(`key revoke ${ids.batch}`, data)
    expect((await policy('plan', POLICY)).out).toContain('+ key batch')
  })
})

describe('over a gateway that runs', () => {
  const TOKEN = 'policy-test-admin-token-0123456789abcdef'
  let upstream: ScriptedUpstream
  let gateway: TestGateway
  let more: string[]
  beforeAll(async () => {
    upstream = await startUpstream(response => sendJson(response, 200, completion()))
    gateway = await startGateway({
      config: configFor({ alpha: upstream.port }),
      env: { SWITCHGATE_ADMIN_TOKEN: TOKEN },
    })
    more = ['--url', gateway.url, '--token', TOKEN]
  })
  afterAll(async () => {
    await gateway.close()
    await upstream.close()
  })

  test('what it makes works at once, its tests say so, and each change is in the audit log', async () => {
    expect((await policy('test', POLICY, more)).err).toContain('there is no key "app" yet')
    const applied = JSON.parse((await policy('apply', POLICY, [...more, '--json'])).out)
    const [app, batch] = applied.keys as { name: string; key: string; id: string }[]
    expect((await gateway.post(app?.key ?? '', CHAT)).status).toBe(200)
    expect((await gateway.post(batch?.key ?? '', CHAT)).status).toBe(403)

    const tested = await policy('test', POLICY, more)
    expect(tested).toMatchObject({ code: 0, err: '' })
    expect(tested.out.split('\n').slice(0, 3)).toEqual([
      '✓ app house-model: allow',
      '✓ app gpt-5: deny',
      '✓ batch house-model: deny',
    ])
    const wrong = await policy(
      'test',
      POLICY.replace('house-model, expect: allow', 'house-model, expect: deny'),
      more,
    )
    expect(wrong.code).toBe(1)
    expect(wrong.out).toContain('✗ app house-model: allow, not deny')

    const headers = { authorization: `Bearer ${TOKEN}` }
    const log = await (await fetch(`${gateway.url}/admin/v1/audit?limit=50`, { headers })).text()
    expect(log).toContain(app?.id)
    expect(log).not.toContain(app?.key)
  })

  test('suggest drafts what was used, and the draft checks and holds', async () => {
    const key = await gateway.key({ name: 'drafted' })
    for (let i = 0; i < 3; i++) await (await gateway.post(key, CHAT)).text()
    const drafted = await say(['policy', 'suggest', key.split('_')[2] ?? '', ...more])
    expect(drafted).toMatchObject({ code: 0, err: '' })
    expect(drafted.out).toMatch(/^# Drafted from 3 requests of drafted since /)
    expect(parse(drafted.out)).toEqual({
      keys: { drafted: { models: ['house-model'], budgets: [{ window: 'month', usd: 1 }] } },
      tests: [{ key: 'drafted', model: 'house-model', expect: 'allow' }],
    })
    expect((await policy('check', drafted.out)).code).toBe(0)
    expect((await policy('apply', drafted.out, more)).code).toBe(0)
    expect((await policy('plan', drafted.out, more)).code).toBe(0)
    expect((await policy('test', drafted.out, more)).code).toBe(0)
    expect((await gateway.post(key, CHAT)).status).toBe(200)
    expect((await say(['policy', 'suggest', 'nobody', ...more])).code).toBe(1)
  })
})
