/** Choosing through a whole gateway: sessions, the record's reason, explain by HTTP and by command, and pressure. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { EXIT } from '../../src/cli/command.ts'
import { explainCommands } from '../../src/cli/explain.ts'
import {
  CHAT,
  completion,
  configFor,
  type ScriptedUpstream,
  sendJson,
  startGateway,
  startUpstream,
  type TestGateway,
  until,
} from './harness.ts'

let first: ScriptedUpstream
let second: ScriptedUpstream
let gate: TestGateway
const answer = (cached = 0) =>
  completion('Hello there.', {
    prompt_tokens: 4_000,
    completion_tokens: 5,
    total_tokens: 4_005,
    prompt_tokens_details: { cached_tokens: cached },
  } as object)

beforeAll(async () => {
  first = await startUpstream(response => sendJson(response, 200, answer()))
  second = await startUpstream(response => sendJson(response, 200, answer()))
  const ports = { alpha: first.port, beta: second.port }
  gate = await startGateway({
    config: configFor(ports, 'routing: { strategy: price }\nlimits: { concurrency: 2 }\n').replace(
      'input_usd_per_mtok: 1.0',
      'input_usd_per_mtok: 0.5',
    ),
  })
})
beforeEach(() => {
  for (const upstream of [first, second]) {
    upstream.seen.length = 0
    upstream.script = response => sendJson(response, 200, answer())
  }
})
afterAll(async () => {
  await Promise.all([gate.close(), first.close(), second.close()])
})

const long = (session: string) => ({
  ...CHAT,
  session_id: session,
  messages: [{ role: 'user', content: 'word '.repeat(4_000) }],
})
const providerOf = (response: Response) => response.headers.get('x-switchgate-provider')

describe('a session', () => {
  test('goes back to where its cache is, and the record says why', async () => {
    const key = await gate.key()
    first.script = response => sendJson(response, 503, { error: { message: 'down' } })
    expect(providerOf(await gate.post(key, long('a')))).toBe('beta')
    first.script = response => sendJson(response, 200, answer())
    second.script = response => sendJson(response, 200, answer(3_900))
    // the cheaper one is well again: everybody goes there but this session
    for (let i = 0; i < 12; i++) expect((await gate.post(key, CHAT)).status).toBe(200)
    expect(providerOf(await gate.post(key, long('b')))).toBe('alpha')
    expect(providerOf(await gate.post(key, long('a')))).toBe('beta')
    const rows = await gate.rows()
    expect(rows.at(-1)?.why).toBe('price: 1 of 2, its cache is warm')
    // it is ours, and is not sent on
    expect(second.seen.at(-1)?.json()).not.toHaveProperty('session_id')
  })
})

describe('`models` without `model`', () => {
  const ask = async (path: string, body: object, draft: object = {}) =>
    fetch(`${gate.url}${path}`, {
      method: 'POST',
      headers: { 'x-api-key': await gate.key(draft), 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const { messages } = CHAT
  const models = ['house-model@beta', 'house-model@alpha']

  test.each([
    ['/v1/chat/completions', { messages }],
    ['/v1/messages', { messages, max_tokens: 50 }],
    ['/v1/responses', { input: 'Say hello.' }],
  ])('%s asks the first of them, and the others after it', async (path, body) => {
    const answer = await ask(path, { ...body, models })
    expect([answer.status, providerOf(answer)]).toEqual([200, 'beta'])
    const sent = second.seen.at(-1)?.json()
    expect(sent).toMatchObject({ model: 'house-model' })
    expect(sent).not.toHaveProperty('models')
    second.script = response => sendJson(response, 503, { error: { message: 'down' } })
    const next = await ask(path, { ...body, models })
    expect([next.status, providerOf(next)]).toEqual([200, 'alpha'])
    expect(next.headers.get('x-switchgate-attempts')).toMatch(/^[12]$/)
  })

  test('it counts before the key’s own default, and a name that means nothing is no hindrance', async () => {
    const wrong = { messages, models: ['no-such-model'] }
    expect((await ask('/v1/chat/completions', wrong, { defaultModel: 'house-model' })).status).toBe(404)
    const odd = await ask('/v1/chat/completions', {
      messages,
      models: ['no-such-model', 'house-model@alpha'],
    })
    expect([odd.status, providerOf(odd)]).toEqual([200, 'alpha'])
  })

  test('an empty list names nothing: the key’s default, else a refusal that says what to send', async () => {
    const own = await ask('/v1/chat/completions', { messages, models: [] }, { defaultModel: 'house-model' })
    expect(own.status).toBe(200)
    const none = await ask('/v1/chat/completions', { messages, models: [] })
    expect(none.status).toBe(400)
    expect(await none.json()).toMatchObject({ error: { param: 'model', code: 'invalid_request' } })
    const unknown = await ask('/v1/chat/completions', { messages, models: ['no-such-model'] })
    expect(unknown.status).toBe(404)
    expect(await unknown.json()).toMatchObject({ error: { code: 'model_not_found', param: 'model' } })
  })
})

describe('explain', () => {
  const explain = (body: unknown, query = '') =>
    gate.gateway.whole.fetch(
      new Request(`http://localhost/admin/v1/route/explain${query}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', host: 'localhost' },
        body: JSON.stringify(body),
      }),
      { trusted: true } as never,
    )
  const asked = async (body: unknown, query = '') =>
    (await (await explain(body, query)).json()) as {
      strategy: string | null
      targets: { provider: string; score: number; likely_cost_usd: number; why: string }[]
      excluded: { provider: string; reason: string }[]
      refusal: { status: number; code: string } | null
    }

  test('ranks without asking anybody, and changes nothing', async () => {
    const told = await asked(CHAT)
    expect(told.strategy).toBe('price')
    expect(told.targets.map(target => target.provider).sort()).toEqual(['alpha', 'beta'])
    expect(told.targets[0]?.likely_cost_usd).toBeGreaterThan(0)
    expect(told.targets[0]?.why).toContain('price: 1 of 2')
    expect(await asked(CHAT)).toEqual(told)
    expect(first.seen.length + second.seen.length).toBe(0)
  })

  test('says why others are out, and what the caller would be told when all are', async () => {
    const some = await asked({ ...CHAT, provider: { ignore: ['alpha'] } })
    expect(some.targets.map(target => target.provider)).toEqual(['beta'])
    expect(some.excluded).toEqual([
      { provider: 'alpha', upstream_model: 'house-model', reason: 'in provider.ignore' },
    ])
    const none = await asked({ ...CHAT, provider: { max_price: { prompt: 0.01 } } })
    expect(none).toMatchObject({
      strategy: null,
      targets: [],
      refusal: { status: 400, code: 'invalid_request' },
    })
    expect(none.excluded.map(out => out.reason)).toEqual([
      'above provider.max_price',
      'above provider.max_price',
    ])
    expect((await asked({ ...CHAT, model: 'nothing' })).refusal).toMatchObject({ status: 404 })
  })

  test('by a key’s policy, and refuses what is no chat request or no key', async () => {
    const { key } = await gate.gateway.keys.create({ name: 'narrow', providers: ['beta'] })
    const told = await asked(CHAT, `?key=${key.id}`)
    expect(told.excluded).toMatchObject([{ provider: 'alpha', reason: 'this key may not use it' }])
    expect((await explain(CHAT, '?key=nobody')).status).toBe(404)
    expect((await explain({ model: 'house-model' })).status).toBe(400)
    expect((await explain({ messages: CHAT.messages })).status).toBe(400)
  })

  test('as a command, for people and for scripts', async () => {
    const run = async (values: object, words: readonly string[]) => {
      let out = ''
      const shell = {
        env: {},
        out: (text: string) => {
          out += text
        },
        err: () => undefined,
        readStdin: async () => JSON.stringify(CHAT),
      }
      const send = async (_: string, path: string, body?: unknown) => {
        const response = await explain(body, path.includes('?') ? path.slice(path.indexOf('?')) : '')
        return { status: response.status, text: await response.text() }
      }
      const command = explainCommands[0]
      if (!command) throw new Error('no command')
      const json = 'json' in values
      const code = await command.run({ values, words, json, shell, admin: { send } } as never)
      return { code, out }
    }
    const told = await run({ only: ['beta'] }, ['house-model'])
    expect(told.code).toBe(EXIT.ok)
    expect(told.out).toMatch(/1 +beta +house-model/)
    expect(told.out).toMatch(/alpha +house-model +not in provider.only/)
    expect(JSON.parse((await run({ json: true, body: '-' }, [])).out)).toMatchObject({ model: 'house-model' })
    expect((await run({}, ['gpt-nothing'])).out).toMatch(/^Refused with 404/)
    await expect(run({}, [])).rejects.toThrow(/name a model/)
  })
})

test('under pressure those of the lowest priority are refused first, and nothing is sent for them', async () => {
  const waiting: (() => void)[] = []
  const hold: ScriptedUpstream['script'] = response =>
    void waiting.push(() => sendJson(response, 200, answer()))
  first.script = hold
  second.script = hold
  const [plain, important] = [
    await gate.key(),
    (await gate.gateway.keys.create({ name: 'vip', limits: { priority: 10 } })).text,
  ]
  const under = [gate.post(plain, CHAT), gate.post(plain, CHAT)]
  await until(() => waiting.length === 2)
  const refused = await gate.post(plain, CHAT)
  expect([refused.status, refused.headers.get('retry-after'), refused.headers.get('x-should-retry')]).toEqual(
    [503, '1', 'false'],
  )
  expect(((await refused.json()) as { error: { code: string } }).error.code).toBe('overloaded')
  const third = gate.post(important, CHAT)
  const fourth = gate.post(important, CHAT)
  await until(() => waiting.length === 4)
  // twice the bound is the end for everybody
  expect((await gate.post(important, CHAT)).status).toBe(503)
  for (const done of waiting) done()
  for (const each of await Promise.all([...under, third, fourth])) expect(each.status).toBe(200)
  first.script = response => sendJson(response, 200, answer())
  second.script = response => sendJson(response, 200, answer())
  expect((await gate.post(plain, CHAT)).status).toBe(200)
})
