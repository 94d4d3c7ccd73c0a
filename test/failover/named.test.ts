/** What users of other gateways ran into when something failed, each under the number of its thread (T67–T75), and what holds for any script of faults. */
import OpenAI from 'openai'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import {
  CHAT,
  completion,
  configFor,
  DONE,
  delta,
  event,
  finish,
  role,
  type Script,
  type ScriptedUpstream,
  sendJson,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
  usageEvent,
} from '../gateway/harness.ts'

const good: Script = (response, seen) =>
  seen.json().stream
    ? void sse(response).end(role + delta('fine') + finish() + usageEvent + DONE)
    : sendJson(response, 200, completion('fine'))
const status =
  (code: number, headers = {}, errorCode: string | null = null): Script =>
  response =>
    sendJson(response, code, { error: { message: 'no', type: 'x', code: errorCode } }, headers)
const cut: Script = response => {
  sse(response).write(role + delta('half'))
  setTimeout(() => response.destroy(), 15)
}

interface World {
  readonly first: ScriptedUpstream
  readonly second: ScriptedUpstream
  readonly gateway: TestGateway
  readonly key: string
}
const open: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

/** alpha is cheaper, and asked first. */
async function world(more = '', change = (config: string) => config, env = {}): Promise<World> {
  const first = await startUpstream(good)
  open.push(() => first.close())
  const second = await startUpstream(good)
  open.push(() => second.close())
  const config = configFor(
    { alpha: first.port, beta: second.port },
    `routing: { strategy: price }\n${more}`,
  ).replace(
    'input_usd_per_mtok: 1.0, output_usd_per_mtok: 2.0',
    'input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.2',
  )
  const gateway = await startGateway({ config: change(config), env })
  open.push(() => gateway.close())
  return { first, second, gateway, key: await gateway.key() }
}

test('T67: a stream that the upstream cuts ends in an error, never in a clean end', async () => {
  const { first, gateway, key } = await world()
  first.script = cut
  const text = await (await gateway.post(key, { ...CHAT, stream: true })).text()
  expect(text).toContain('"error"')
  expect(text).not.toContain('[DONE]')
  const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key })
  const events = await client.chat.completions.create({ ...CHAT, stream: true } as never)
  await expect(
    (async () => {
      for await (const _ of events as unknown as AsyncIterable<unknown>);
    })(),
  ).rejects.toBeInstanceOf(OpenAI.APIError)
})

test.each([{ stream: true }, { stream: false }])(
  'T68: an error that comes after a 200 still moves on ($stream)',
  async ({ stream }) => {
    const { first, gateway, key } = await world()
    first.script = response =>
      stream
        ? void sse(response).end(event({ error: { message: 'overloaded', code: 529 } }))
        : sendJson(response, 200, { error: { message: 'overloaded', code: 529 } })
    const answer = await gateway.post(key, { ...CHAT, stream })
    expect(await answer.text()).toContain('fine')
    expect(answer.headers.get('x-switchgate-provider')).toBe('beta')
  },
)

test('T69: a stream that is begun again elsewhere repeats nothing: one start, one text, one end', async () => {
  const { first, gateway, key } = await world()
  first.script = cut
  const answer = await fetch(`${gateway.url}/v1/messages`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'house-model',
      max_tokens: 64,
      messages: CHAT.messages,
      stream: true,
      stream_guarantee: 'complete',
    }),
  })
  const text = await answer.text()
  for (const once of ['event: message_start', 'event: message_stop', '"text":"fine"'])
    expect(text.split(once)).toHaveLength(2)
  expect(text).not.toContain('half')
})

test.each(['settled', 'complete'])(
  'T70: under %s the next target is asked what the caller asked, and no words are put into its mouth',
  async stream_guarantee => {
    const { first, second, gateway, key } = await world()
    first.script = cut
    await (await gateway.post(key, { ...CHAT, stream: true, stream_guarantee })).text()
    expect(second.seen[0]?.json().messages).toEqual(CHAT.messages)
  },
)

test('T71: allow_fallbacks: false holds before content, and for what breaks while it is held', async () => {
  const { first, second, gateway, key } = await world()
  const body = { ...CHAT, provider: { order: ['alpha'], allow_fallbacks: false } }
  first.script = cut
  await (await gateway.post(key, { ...body, stream: true, stream_guarantee: 'complete' })).text()
  first.script = status(500)
  await (await gateway.post(key, body)).text()
  expect(first.seen.length).toBeGreaterThan(1)
  expect(second.seen).toHaveLength(0)
})

describe('T72: retries never multiply: upstream calls are counted exactly', () => {
  const ALL: [number, Script, string][] = [
    [1, status(500), '500'],
    [2, status(500), '500'],
    [3, status(500), '500'],
    [5, status(500), '500'],
    [3, status(503), '503'],
    [3, response => void response.destroy(), 'a reset'],
  ]
  test.each(ALL)(
    'attempts: %i, everybody fails: the SDK sees one error, after so many calls',
    async (attempts, script) => {
      const { first, second, gateway, key } = await world(`retries: { attempts: ${attempts} }\n`)
      first.script = script
      second.script = script
      const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 4 })
      await expect(client.chat.completions.create(CHAT as never)).rejects.toMatchObject({ status: 502 })
      expect(first.seen.length + second.seen.length).toBe(attempts)
      expect(await gateway.rows()).toHaveLength(attempts)
    },
  )

  test.each([
    ['400', status(400)],
    ['422', status(422)],
    ['a content filter', status(400, {}, 'content_filter')],
  ] as [string, Script][])('%s is asked once', async (_name, script) => {
    const { first, second, gateway, key } = await world()
    first.script = script
    await gateway.post(key, CHAT)
    expect([first.seen.length, second.seen.length]).toEqual([1, 0])
  })

  test('another model is asked after one more try at the first, never after more', async () => {
    const { first, second, gateway, key } = await world('', config =>
      config.replace(/beta:([\s\S]*)house-model:/, 'beta:$1lesser-model:'),
    )
    first.script = status(500)
    const answer = await gateway.post(key, { ...CHAT, models: ['lesser-model'] })
    expect(answer.headers.get('x-switchgate-attempts')).toBe('3')
    expect([first.seen.length, second.seen.length]).toEqual([2, 1])
  })

  test('with two attempts the other model has the second', async () => {
    const { first, second, gateway, key } = await world('retries: { attempts: 2 }\n', config =>
      config.replace(/beta:([\s\S]*)house-model:/, 'beta:$1lesser-model:'),
    )
    first.script = status(500)
    expect((await gateway.post(key, { ...CHAT, models: ['lesser-model'] })).status).toBe(200)
    expect([first.seen.length, second.seen.length]).toEqual([1, 1])
  })

  test('a short Retry-After is waited for before another model is asked; never shorter than told', async () => {
    const { first, second, gateway, key } = await world('', config =>
      config.replace(/beta:([\s\S]*)house-model:/, 'beta:$1lesser-model:'),
    )
    const times: number[] = []
    first.script = (response, seen, n) => {
      times.push(performance.now())
      return n === 1 ? status(429, { 'retry-after': '1' })(response, seen, n) : good(response, seen, n)
    }
    expect((await gateway.post(key, { ...CHAT, models: ['lesser-model'] })).status).toBe(200)
    expect([first.seen.length, second.seen.length]).toEqual([2, 0])
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(1_000)
  })

  test('a long one is not', async () => {
    const { first, second, gateway, key } = await world('', config =>
      config.replace(/beta:([\s\S]*)house-model:/, 'beta:$1lesser-model:'),
    )
    first.script = status(429, { 'retry-after': '30' })
    expect((await gateway.post(key, { ...CHAT, models: ['lesser-model'] })).status).toBe(200)
    expect([first.seen.length, second.seen.length]).toEqual([1, 1])
  })
})

test('T73: a provider that wants to be paid (402) is left, and its credential rests', async () => {
  const { first, gateway, key } = await world()
  first.script = status(402)
  for (let i = 0; i < 3; i++) expect((await gateway.post(key, CHAT)).status).toBe(200)
  expect(first.seen).toHaveLength(1)
})

// the thread asks for a choice too: going on elsewhere turns somebody's empty account into money spent with somebody else
test('T73: the operator may rather have the failure: allow_fallbacks: false in a rule', async () => {
  const rule = 'rules: [{ when: { tags: [one-bill] }, provider: { order: [alpha], allow_fallbacks: false } }]'
  const { first, second, gateway, key } = await world('', config =>
    config.replace('routing: { strategy: price }', `routing: { strategy: price, ${rule} }`),
  )
  first.script = status(402)
  const answer = await gateway.post(key, { ...CHAT, metadata: { tags: ['one-bill'] } })
  const { error } = (await answer.json()) as { error: { code: string } }
  expect([answer.status, error.code]).toEqual([502, 'upstream_credential'])
  expect(answer.headers.get('x-should-retry')).toBe('false')
  expect([first.seen.length, second.seen.length]).toEqual([1, 0])
})

test.each([
  ['', 429],
  ['budgets: { refusal_status: 402 }\n', 402],
])(
  'T73: a budget of ours that is used up says so with the status that was chosen (%j: %i), on each wire',
  async (more, wanted) => {
    const { first, second, gateway } = await world(more)
    const budgets = [{ window: 'total' as const, limitNanoUsd: 1, softNanoUsd: null }]
    const key = await gateway.key({ budgets })
    const ask = (path: string, body: object) =>
      fetch(`${gateway.url}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    const anthropic = { model: 'house-model', max_tokens: 16, messages: CHAT.messages }
    const gemini = { contents: [{ role: 'user', parts: [{ text: 'Say hello.' }] }] }
    for (const [path, body] of [
      ['/v1/chat/completions', CHAT],
      ['/v1/chat/completions', { ...CHAT, stream: true }],
      ['/v1/messages', anthropic],
      ['/v1/responses', { model: 'house-model', input: 'Say hello.' }],
      ['/v1beta/models/house-model:generateContent', gemini],
    ] as const) {
      const answer = await ask(path, body)
      const text = await answer.text()
      expect([path, answer.status, text]).toEqual([
        path,
        wanted,
        expect.stringMatching(/insufficient_quota/i),
      ])
      expect(answer.headers.get('x-should-retry')).toBe('false')
      expect(answer.headers.get('x-switchgate-limit')).toContain('budget')
    }
    expect([first.seen.length, second.seen.length]).toEqual([0, 0])
  },
)

test('T73: where no provider needs a credential, one’s refusal is not the others’', async () => {
  const { first, second, gateway, key } = await world()
  first.script = status(401)
  await gateway.post(key, CHAT)
  second.seen.length = 0
  first.script = good
  const answer = await gateway.post(key, { ...CHAT, provider: { order: ['beta'] } })
  expect(answer.headers.get('x-switchgate-provider')).toBe('beta')
  expect(first.seen).toHaveLength(1)
  expect(gateway.gateway.deps.health.state('none')).toBeUndefined()
})

test('T74: a request with a picture goes on whole, and nothing of one provider reaches the next', async () => {
  const secrets = { ALPHA: 'alpha-secret-0001', BETA: 'beta-secret-0002' }
  const { first, second, gateway, key } = await world(
    '',
    config =>
      config
        .replace(
          /( {2}alpha:[\s\S]*?)( {4}models:)/,
          '$1    headers: { x-alpha: only-alpha }\n    credentials: [{ name: a, secret: env://ALPHA }]\n$2',
        )
        .replace(
          /( {2}beta:[\s\S]*?)( {4}models:)/,
          '$1    credentials: [{ name: b, secret: env://BETA }]\n$2',
        ),
    secrets,
  )
  first.script = status(503)
  const messages = [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'What is this?' },
        { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } },
      ],
    },
  ]
  const answer = await gateway.post(key, { model: 'house-model', messages })
  expect(answer.status).toBe(200)
  expect([first.seen.length, second.seen.length]).toEqual([1, 1])
  expect(second.seen[0]?.json().messages).toEqual(messages)
  expect(first.seen[0]?.headers).toMatchObject({
    'x-alpha': 'only-alpha',
    authorization: `Bearer ${secrets.ALPHA}`,
  })
  expect(second.seen[0]?.headers.authorization).toBe(`Bearer ${secrets.BETA}`)
  expect(JSON.stringify(second.seen[0]?.headers)).not.toMatch(/alpha/)
})

test('T75: all are cooling down: it is said so, with the soonest time, and nobody is asked', async () => {
  const { first, second, gateway, key } = await world()
  first.script = status(429, { 'retry-after': '40' })
  second.script = status(429, { 'retry-after': '20' })
  const limited = await gateway.post(key, CHAT)
  expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '20'])
  const calls = first.seen.length + second.seen.length
  const answer = await gateway.post(key, CHAT)
  const { error } = (await answer.json()) as { error: { code: string } }
  expect([answer.status, error.code]).toEqual([503, 'upstream_unavailable'])
  expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(20)
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(10)
  expect(first.seen.length + second.seen.length).toBe(calls)
})

test('a content filter is not routed around, unless the configuration asks for it', async () => {
  const { first, second, gateway, key } = await world('', config =>
    config.replace('strategy: price', 'strategy: price, around_content_filter: true'),
  )
  first.script = status(400, {}, 'content_policy_violation')
  expect((await gateway.post(key, CHAT)).status).toBe(200)
  expect([first.seen.length, second.seen.length]).toEqual([1, 1])
  second.script = first.script
  const refused = await gateway.post(key, CHAT)
  expect([refused.status, ((await refused.json()) as { error: { code: string } }).error.code]).toEqual([
    400,
    'content_filter',
  ])
})

test('a context that is too long goes to a larger one', async () => {
  const { first, second, gateway, key } = await world('', config =>
    config.replace('context_tokens: 128000', 'context_tokens: 8000'),
  )
  first.script = status(400, {}, 'context_length_exceeded')
  expect((await gateway.post(key, CHAT)).status).toBe(200)
  expect([first.seen.length, second.seen.length]).toEqual([1, 1])
})

/** What an upstream may do, by name. */
const FAULTS: Readonly<Record<string, Script>> = {
  good,
  500: status(500),
  429: status(429),
  401: status(401),
  404: status(404),
  400: status(400),
  filter: status(400, {}, 'content_filter'),
  context: status(400, {}, 'context_length_exceeded'),
  reset: response => void response.destroy(),
  cut: (response, seen, n) =>
    seen.json().stream
      ? cut(response, seen, n)
      : void response.writeHead(200, { 'content-type': 'application/json' }).end('{"half":'),
  empty: response => void response.writeHead(200, { 'content-type': 'text/event-stream' }).end(),
  error: response => sendJson(response, 200, { error: { message: 'x', code: 503 } }),
}

test('for any script of faults: attempts within the budget, one row each, one of them the last, no half answer shown as whole', async () => {
  // a model of its own for each run, so that no run learns from another
  const runs = 60
  const models = Array.from({ length: runs }, (_, i) => `m${i}`)
  const scripts: Record<string, readonly string[]> = {}
  const calls: Record<string, number> = {}
  const faulty =
    (name: string): Script =>
    (response, seen, n) => {
      const model = String(seen.json().model)
      const nth = calls[model] ?? 0
      calls[model] = nth + 1
      const script = scripts[model] ?? []
      return (FAULTS[script[nth % Math.max(1, script.length)] ?? 'good'] as Script)(
        response,
        seen,
        n + name.length,
      )
    }
  const { first, second, gateway, key } = await world('retries: { attempts: 4 }\n', config =>
    config.replace(/^( {6})house-model: (.*)$/gm, (_, indent: string, row: string) =>
      models.map(model => `${indent}${model}: ${row}`).join('\n'),
    ),
  )
  first.script = faulty('alpha')
  second.script = faulty('beta')
  const names = Object.keys(FAULTS)
  let run = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 6 }),
      fc.boolean(),
      fc.constantFrom('fast', 'settled', 'complete'),
      async (script, stream, stream_guarantee) => {
        const model = models[run++ % runs] as string
        scripts[model] = script
        calls[model] = 0
        const before = (await gateway.rows()).length
        const answer = await gateway.post(key, { ...CHAT, model, stream, stream_guarantee })
        const text = await answer.text()
        const rows = (await gateway.rows()).slice(before)
        expect(calls[model]).toBeLessThanOrEqual(4)
        expect(rows).toHaveLength(calls[model] as number)
        expect(rows.filter(row => row.last)).toHaveLength(1)
        if (answer.status === 200 && !text.includes('"error"')) expect(text).toContain('fine')
        else expect(text).not.toContain('[DONE]')
        if (stream_guarantee !== 'fast') expect(text).not.toContain('half')
      },
    ),
    { numRuns: runs, endOnFailure: true },
  )
})
