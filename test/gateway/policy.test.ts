/** What a key may do, what it may spend, how often it may ask; and every refusal in the contract's words. */
import { request } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { GatewayError } from '../../src/errors.ts'
import {
  CHAT,
  completion,
  configFor,
  DONE,
  delta,
  event,
  finish,
  role,
  type ScriptedUpstream,
  sendJson,
  sleep,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
  until,
} from './harness.ts'

let upstream: ScriptedUpstream
let gateway: TestGateway

const MORE = `aliases:
  fast: { models: [house-model] }
limits: { body_bytes: 20000 }
`
beforeAll(async () => {
  upstream = await startUpstream(response => sendJson(response, 200, completion()))
  const config = configFor({ alpha: upstream.port }, MORE).replace(
    '      house-model:',
    '      mystery-model: {}\n      picture-model: { unit_usd: { image: 0.04 } }\n      free-model: { input_usd_per_mtok: 0, output_usd_per_mtok: 0 }\n      house-model:',
  )
  gateway = await startGateway({ config })
})
afterAll(async () => {
  await gateway?.close()
  await upstream?.close()
})
beforeEach(() => {
  upstream.seen.length = 0
  upstream.script = response => sendJson(response, 200, completion())
})

interface Told {
  status: number
  code: string | null
  param: string | null
  type: string
  message: string
  headers: Headers
}
async function told(answer: Response): Promise<Told> {
  const { error } = (await answer.json()) as { error: Omit<Told, 'status' | 'headers'> }
  expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type'])
  return { ...error, status: answer.status, headers: answer.headers }
}
const usd = (amount: number) => Math.round(amount * 1e9)
const budget = (amount: number, window: 'day' | 'total' = 'total') => ({
  budgets: [{ window, limitNanoUsd: usd(amount), softNanoUsd: null }],
})

describe('who may ask', () => {
  test('every bad key gets the same bytes', async () => {
    const good = await gateway.key()
    const minted = await gateway.gateway.keys.create({ name: 'revoked' })
    await gateway.gateway.keys.setStatus(minted.key.id, 'revoked')
    const asleep = await gateway.gateway.keys.create({ name: 'suspended' })
    await gateway.gateway.keys.setStatus(asleep.key.id, 'suspended')
    const old = await gateway.key({ expiresAtMs: Date.now() - 1000 })
    const bad = [
      minted.text,
      asleep.text,
      old,
      `${good.slice(0, -1)}${good.endsWith('x') ? 'y' : 'x'}`,
      'sgate_live_nonsense',
    ]
    const bodies = new Set<string>()
    for (const key of bad) {
      const answer = await gateway.post(key, CHAT)
      expect(answer.status).toBe(401)
      bodies.add(await answer.text())
    }
    expect(bodies.size).toBe(1)
    expect(upstream.seen).toHaveLength(0)
  })

  test('suspended and resumed take effect on the next request; revoked is final', async () => {
    const { key, text } = await gateway.gateway.keys.create({ name: 'k' })
    expect((await gateway.post(text, CHAT)).status).toBe(200)
    await gateway.gateway.keys.setStatus(key.id, 'suspended')
    expect((await gateway.post(text, CHAT)).status).toBe(401)
    await gateway.gateway.keys.setStatus(key.id, 'active')
    expect((await gateway.post(text, CHAT)).status).toBe(200)
    await gateway.gateway.keys.setStatus(key.id, 'revoked')
    expect((await gateway.post(text, CHAT)).status).toBe(401)
    await expect(gateway.gateway.keys.setStatus(key.id, 'active')).rejects.toThrow()
  })

  test.each(['authorization', 'x-api-key', 'api-key', 'x-goog-api-key'])('%s carries a key', async name => {
    const key = await gateway.key()
    const headers = {
      [name]: name === 'authorization' ? `Bearer ${key}` : key,
      'content-type': 'application/json',
    }
    expect((await gateway.post('', CHAT, { headers })).status).toBe(200)
  })

  test('two different keys are a 400, a key in the URL a 401', async () => {
    const [one, two] = [await gateway.key(), await gateway.key()]
    const both = { authorization: `Bearer ${one}`, 'x-api-key': two }
    expect((await told(await gateway.post('', CHAT, { headers: both }))).status).toBe(400)
    const inUrl = await fetch(`${gateway.url}/v1/chat/completions?key=${one}`, {
      method: 'POST',
      body: JSON.stringify(CHAT),
    })
    expect(inUrl.status).toBe(401)
    await inUrl.text()
  })

  test.each([
    [{ models: ['other-model'] }, 'house-model', 403, 'model_not_allowed'],
    [{ models: [] }, 'house-model', 403, 'model_not_allowed'],
    [{ models: ['house-model'] }, 'house-model', 200, null],
    [{ models: ['house-model@alpha'] }, 'house-model', 200, null],
    [{ models: ['*@alpha'] }, 'house-model', 200, null],
    [{ models: ['fast'] }, 'fast', 200, null],
    [{ models: ['fast'] }, 'house-model', 403, 'model_not_allowed'],
    [{ providers: ['beta'] }, 'house-model', 403, 'model_not_allowed'],
    [{ ipDeny: ['127.0.0.0/8'] }, 'house-model', 403, 'ip_not_allowed'],
    [{ ipAllow: ['10.0.0.0/8'] }, 'house-model', 403, 'ip_not_allowed'],
    [{ ipAllow: ['::ffff:127.0.0.1/128'] }, 'house-model', 200, null],
  ])('key %j asking for %s → %i %s', async (draft, model, status, code) => {
    const answer = await gateway.post(await gateway.key(draft), { ...CHAT, model })
    if (status === 200) expect(answer.status).toBe(200)
    else expect(await told(answer)).toMatchObject({ status, code, type: 'permission_error' })
    await answer.text().catch(() => '')
  })
})

describe('what is asked', () => {
  test.each([
    ['not JSON', '{"model":', 400, 'invalid_request', null],
    ['an array', '[]', 400, 'invalid_request', null],
    ['no messages', { model: 'house-model' }, 400, 'invalid_request', 'messages'],
    [
      'a wrong role',
      { model: 'house-model', messages: [{ role: 5 }] },
      400,
      'invalid_request',
      'messages[0].role',
    ],
    ['an address', { ...CHAT, base_url: 'http://x' }, 400, 'invalid_request', 'base_url'],
    ['a credential', { ...CHAT, api_key: 'sk-123' }, 400, 'invalid_request', 'api_key'],
    [
      'two models',
      `{"model":"house-model","messages":[{"role":"user","content":"x"}],"mod\\u0065l":"other"}`,
      400,
      'invalid_request',
      'model',
    ],
    [
      '__proto__',
      `{"__proto__":{},"model":"house-model","messages":[]}`,
      400,
      'invalid_request',
      '__proto__',
    ],
    ['no model', { messages: CHAT.messages }, 400, 'invalid_request', 'model'],
    ['an unknown model', { ...CHAT, model: 'house-modle' }, 404, 'model_not_found', 'model'],
    ['a model nobody configured', { ...CHAT, model: 'gpt-5' }, 404, 'model_not_found', 'model'],
    [':free', { ...CHAT, model: 'house-model:free' }, 400, 'invalid_request', 'model'],
    [
      'too much',
      { ...CHAT, messages: [{ role: 'user', content: 'x'.repeat(30_000) }] },
      413,
      'invalid_request',
      null,
    ],
    [
      'too deep',
      `{"model":"house-model","messages":[{"role":"user","content":"x"}],"x":${'['.repeat(70)}${']'.repeat(70)}}`,
      400,
      'invalid_request',
      null,
    ],
  ])('%s', async (_name, body, status, code, param) => {
    const answer = await told(await gateway.post(await gateway.key(), body))
    expect([answer.status, answer.code]).toEqual([status, code])
    if (param !== null) expect(answer.param).toContain(param)
    expect(answer.headers.get('x-should-retry')).toBe('false')
    expect(upstream.seen).toHaveLength(0)
  })

  test('bytes that are no UTF-8 are refused, not passed on', async () => {
    const bytes = Buffer.concat([
      Buffer.from('{"model":"house-model","messages":[{"role":"user","content":"'),
      Buffer.from([0xff, 0xfe]),
      Buffer.from('"}]}'),
    ])
    const answer = await gateway.post(await gateway.key(), '', { body: bytes })
    expect(await told(answer)).toMatchObject({ status: 400, param: 'body' })
    expect(upstream.seen).toHaveLength(0)
  })

  test('two Authorization lines: different keys are refused, a foreign one does not count, the same key is one', async () => {
    const [one, two] = [await gateway.key(), await gateway.key()]
    const send = (...values: string[]) =>
      new Promise<number>((resolve, reject) => {
        const body = JSON.stringify(CHAT)
        const headers = [
          'host',
          'gateway.test',
          'content-type',
          'application/json',
          'content-length',
          String(body.length),
          ...values.flatMap(value => ['authorization', value]),
        ]
        const call = request(
          `${gateway.url}/v1/chat/completions`,
          { method: 'POST', headers: headers as never },
          answer => {
            answer.resume()
            answer.on('end', () => resolve(answer.statusCode ?? 0))
          },
        )
        call.on('error', reject)
        call.end(body)
      })
    expect(await send(`Bearer ${one}`, `Bearer ${two}`)).toBe(400)
    expect(await send(`Bearer ${one}`, 'Bearer sgate_live_bogus')).toBe(400)
    expect(await send('Bearer sk-foreign', `Bearer ${one}`)).toBe(200)
    expect(await send(`Bearer ${one}`, `Bearer ${one}`)).toBe(200)
    expect(await send('Bearer sk-foreign', 'Bearer sk-other')).toBe(401)
  })

  test('a field called constructor is the upstream’s business; what is no JSON names the body', async () => {
    const key = await gateway.key()
    expect((await gateway.post(key, { ...CHAT, constructor: 1 })).status).toBe(200)
    expect((await told(await gateway.post(key, 'nonsense'))).param).toBe('body')
  })

  test('one model: broken escapes are 404, and the cure is named as on the chat route', async () => {
    const headers = { authorization: `Bearer ${await gateway.key()}` }
    for (const id of ['%zz', '%ff', '%E0%A4%A']) {
      expect((await told(await fetch(`${gateway.url}/v1/models/${id}`, { headers }))).status).toBe(404)
    }
    expect((await told(await fetch(`${gateway.url}/v1/models/gpt-5`, { headers }))).message).toContain(
      'OPENAI_API_KEY',
    )
    const wrong = await fetch(`${gateway.url}/healthz`, { method: 'POST' })
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS'])
  })

  test('the 404s help: near names, and who would sell it', async () => {
    const key = await gateway.key()
    expect((await told(await gateway.post(key, { ...CHAT, model: 'house-modle' }))).message).toContain(
      'house-model',
    )
    expect((await told(await gateway.post(key, { ...CHAT, model: 'gpt-5' }))).message).toContain(
      'OPENAI_API_KEY',
    )
  })

  test('the default model of the key, :floor, and an unknown upstream id at a provider', async () => {
    const key = await gateway.key({ defaultModel: 'house-model' })
    expect((await gateway.post(key, { messages: CHAT.messages })).status).toBe(200)
    expect((await gateway.post(key, { ...CHAT, model: 'house-model:floor' })).status).toBe(200)
    const strange = 'odd\r\nx-evil: 1'
    const answer = await gateway.post(key, { ...CHAT, model: `${strange}@alpha` })
    expect(answer.headers.get('x-evil')).toBeNull()
    await answer.text()
  })

  test('an alias at a provider is what it stands for there, or a refusal that says where it is', async () => {
    const key = await gateway.key({ models: ['fast'] })
    for (const model of ['fast@alpha', 'alpha/fast']) {
      const answer = await gateway.post(key, { ...CHAT, model })
      expect([answer.status, answer.headers.get('x-switchgate-model')]).toEqual([200, 'house-model'])
    }
    expect(upstream.seen.map(seen => seen.json().model)).toEqual(['house-model', 'house-model'])
    const { status, code, param, message } = await told(
      await gateway.post(key, { ...CHAT, model: 'fast@groq' }),
    )
    expect([status, code, param]).toEqual([404, 'model_not_found', 'model'])
    expect(message).toContain('groq is not configured')
    expect(upstream.seen.length).toBe(2)
  })

  test('lists of models come in the pages that Anthropic’s and Google’s clients ask for', async () => {
    const key = await gateway.key()
    const page = async (path: string, more: Record<string, string> = {}) => {
      const answer = await fetch(`${gateway.url}${path}`, { headers: { 'x-api-key': key, ...more } })
      return { status: answer.status, json: (await answer.json()) as Record<string, unknown> }
    }
    const walk = async (
      path: string,
      next: (json: Record<string, unknown>) => string | undefined,
      more = {},
    ) => {
      const pages: unknown[] = []
      for (let at: string | undefined = ''; at !== undefined; ) {
        const { json } = await page(path + at, more)
        const list = (json.data ?? json.models) as unknown[]
        expect(list.length).toBeLessThanOrEqual(2)
        pages.push(...list)
        at = next(json)
      }
      return pages
    }
    const claude = { 'anthropic-version': '2023-06-01' }
    const whole = (await page('/v1/models', claude)).json.data as unknown[]
    const next = (json: Record<string, unknown>) => (json.has_more ? `&after_id=${json.last_id}` : undefined)
    expect(whole.length).toBeGreaterThan(2)
    expect(await walk('/v1/models?limit=2', next, claude)).toEqual(whole)
    const google = (await page('/v1beta/models')).json.models
    const token = ({ nextPageToken }: Record<string, unknown>) =>
      nextPageToken === undefined ? undefined : `&pageToken=${nextPageToken}`
    expect(await walk('/v1beta/models?pageSize=2', token)).toEqual(google)
    for (const wrong of ['/v1beta/models?pageSize=0', '/v1beta/models?pageToken=nobody'])
      expect((await page(wrong)).status).toBe(400)
    expect((await page('/v1/models?limit=x', claude)).status).toBe(400)
  })

  test('/openai/v1 is the same, a wrong method is 405 with Allow, an unknown route names what exists', async () => {
    const key = await gateway.key()
    const init = { method: 'POST', headers: { authorization: `Bearer ${key}` }, body: JSON.stringify(CHAT) }
    expect((await fetch(`${gateway.url}/openai/v1/chat/completions`, init)).status).toBe(200)
    const wrong = await fetch(`${gateway.url}/v1/chat/completions`)
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST, OPTIONS'])
    expect((await told(await fetch(`${gateway.url}/v1/batches`))).message).toContain('/v1/chat/completions')
  })
})

describe('money', () => {
  test.each([
    ['no price', 'mystery-model'],
    ['a price for pictures only', 'picture-model'],
  ])('%s is refused to a key with a budget, and is never zero for one without', async (_what, model) => {
    const refused = await told(await gateway.post(await gateway.key(budget(1)), { ...CHAT, model }))
    expect(refused).toMatchObject({ status: 400, code: 'model_unpriced' })
    const key = await gateway.key()
    const answer = await gateway.post(key, { ...CHAT, model, usage: { include: true } })
    expect(answer.headers.get('x-switchgate-cost-usd')).toBeNull()
    expect(((await answer.json()) as { usage: object }).usage).not.toHaveProperty('cost')
    expect((await gateway.rows()).at(-1)?.costNanoUsd).toBeNull()
    const most = { ...CHAT, model, provider: { max_price: { prompt: 100 } } }
    expect((await gateway.post(key, most)).status).toBe(400)
  })

  test('a budget is never overshot: 60 at once on money for ten', async () => {
    const text = completion('x', { prompt_tokens: 10, completion_tokens: 100, total_tokens: 110 })
    upstream.script = async response => {
      await sleep(20)
      sendJson(response, 200, text)
    }
    // one request is held at its bound and bills 10 × 1 + 100 × 2 micro-USD = 210 µUSD
    const key = await gateway.key(budget(0.0021 + 0.0005))
    const answers = await Promise.all(
      Array.from({ length: 60 }, () => gateway.post(key, { ...CHAT, max_tokens: 100 })),
    )
    const codes = answers.map(answer => answer.status)
    const served = codes.filter(code => code === 200).length
    expect(served).toBe(10)
    expect(codes.filter(code => code === 429)).toHaveLength(50)
    const refusal = answers.find(answer => answer.status === 429) as Response
    expect((await told(refusal)).code).toBe('insufficient_quota')
    const me = (await (
      await fetch(`${gateway.url}/v1/key`, { headers: { authorization: `Bearer ${key}` } })
    ).json()) as {
      budgets: { spent_usd: number; held_usd: number; usd: number }[]
    }
    expect(me.budgets[0]).toMatchObject({ spent_usd: 0.0021, held_usd: 0 })
    expect(upstream.seen).toHaveLength(10)
  })

  test('too little money lowers the limit that is sent, and says so', async () => {
    const key = await gateway.key(budget(0.002))
    const answer = await gateway.post(key, { ...CHAT, max_tokens: 5000 })
    expect(answer.status).toBe(200)
    const sent = Number(upstream.seen[0]?.json().max_tokens ?? upstream.seen[0]?.json().max_completion_tokens)
    expect(sent).toBeGreaterThan(256)
    expect(sent).toBeLessThan(1000)
    expect(answer.headers.get('x-switchgate-max-tokens')).toBe(String(sent))
  })

  test('a hold that cannot be made durable is refused and given back: nothing is sent, nothing is owed', async () => {
    const key = await gateway.key(budget(0.01))
    const ledger = gateway.gateway.deps.ledger as { durable(): Promise<void> }
    const real = ledger.durable
    ledger.durable = () =>
      Promise.reject(new GatewayError('storage_unavailable', 'full', { retryAfterMs: 1000 }))
    try {
      const refused = await told(await gateway.post(key, { ...CHAT, max_tokens: 100 }))
      expect(refused).toMatchObject({ status: 503, code: 'storage_unavailable' })
      expect(refused.headers.get('x-should-retry')).toBe('true')
    } finally {
      ledger.durable = real
    }
    expect(upstream.seen).toHaveLength(0)
    expect(gateway.gateway.ledger.openHolds()).toBe(0)
    expect((await gateway.rows()).at(-1)).toMatchObject({ costNanoUsd: 0, certainty: 'exact', status: 503 })
    expect((await gateway.post(key, { ...CHAT, max_tokens: 100 })).status).toBe(200)
  })

  test('an exhausted budget does not block what costs nothing', async () => {
    const key = await gateway.key(budget(0.000001))
    const refused = await told(await gateway.post(key, CHAT))
    expect(refused).toMatchObject({ status: 429, code: 'insufficient_quota', type: 'insufficient_quota' })
    expect(refused.headers.get('x-switchgate-limit')).toMatch(/budget/)
    expect(refused.headers.get('x-switchgate-overhead-ms')).toMatch(/^\d+\.\d\d$/)
    expect(refused.message).toMatch(/may cost up to \$0\.\d+ .* has \$0\.000001 left.*max_tokens/)
    expect((await gateway.post(key, { ...CHAT, model: 'free-model' })).status).toBe(200)
  })

  test('a stream that outruns the money that it was told of is ended with `length`, the upstream closed, the next one refused', async () => {
    const key = await gateway.key(budget(0.004))
    let closed = false
    upstream.script = async response => {
      response.on('close', () => {
        closed = true
      })
      sse(response).write(role)
      for (let i = 0; i < 400 && !response.destroyed; i++) {
        response.write(delta('word '.repeat(20)))
        await sleep(1)
      }
      response.end(finish() + DONE)
    }
    const answer = await gateway.post(key, { ...CHAT, stream: true, stream_options: { include_usage: true } })
    const text = await answer.text()
    expect(text).toContain('"finish_reason":"length"')
    expect(text.endsWith(DONE)).toBe(true)
    await until(() => closed)
    const row = (await gateway.rows()).at(-1)
    expect(row).toMatchObject({ certainty: 'estimated', finishReason: 'length' })
    // six bytes a token are believed, these have five
    expect(row?.costNanoUsd).toBeLessThanOrEqual(usd(0.004 * 1.3))
    expect((await gateway.post(key, CHAT)).status).toBe(429)
  })

  test('a provider that bills more than was held is shown as an overrun and stops the next request', async () => {
    const key = await gateway.key(budget(0.01))
    upstream.script = response =>
      sendJson(
        response,
        200,
        completion('x', { prompt_tokens: 10, completion_tokens: 9000, total_tokens: 9010 }),
      )
    expect((await gateway.post(key, { ...CHAT, max_tokens: 100 })).status).toBe(200)
    const row = (await gateway.rows()).at(-1)
    expect(row?.costNanoUsd).toBe(18_010_000)
    expect(row?.overrunNanoUsd).toBe(18_010_000 - (row?.heldNanoUsd ?? 0))
    expect((await gateway.post(key, CHAT)).status).toBe(429)
  })

  test('usage, spend and one generation as the caller sees them right after the last byte', async () => {
    const key = await gateway.key({ ...budget(1), tags: ['team-a'] })
    const headers = { authorization: `Bearer ${key}` }
    upstream.script = response => void sse(response).end(role + delta('x') + finish() + DONE)
    const answer = await gateway.post(key, { ...CHAT, stream: true, user: 'end-user-7' })
    await answer.text()
    const streamed = await gateway.post(key, { ...CHAT, stream: true })
    await streamed.text()
    const spend = (await (await fetch(`${gateway.url}/v1/key/spend?group_by=model`, { headers })).json()) as {
      data: Record<string, unknown>[]
    }
    expect(spend.data[0]).toMatchObject({ model: 'house-model', attempts: 2 })
    const id = streamed.headers.get('x-request-id')
    const one = (await (await fetch(`${gateway.url}/v1/generation?id=${id}`, { headers })).json()) as Record<
      string,
      unknown
    >
    expect(one).toMatchObject({
      id,
      model: 'house-model',
      provider: 'alpha',
      stream: true,
      certainty: 'estimated',
    })
    const csv = await fetch(`${gateway.url}/v1/key/spend`, { headers: { ...headers, accept: 'text/csv' } })
    expect(csv.headers.get('content-type')).toContain('text/csv')
    expect(await csv.text()).toContain('house-model')
    const other = await fetch(`${gateway.url}/v1/generation?id=${id}`, {
      headers: { authorization: `Bearer ${await gateway.key()}` },
    })
    expect(other.status).toBe(404)
  })
})

describe('rates', () => {
  test('requests per minute: the headers count down, the refusal names its limit, and the SDK may retry', async () => {
    const key = await gateway.key({ limits: { rpm: 3 } })
    const left: (string | null)[] = []
    for (let i = 0; i < 3; i++)
      left.push((await gateway.post(key, CHAT)).headers.get('x-ratelimit-remaining-requests'))
    expect(left).toEqual(['2', '1', '0'])
    const refused = await told(await gateway.post(key, CHAT))
    expect(refused).toMatchObject({ status: 429, code: 'rate_limit_exceeded', type: 'rate_limit_error' })
    expect(refused.headers.get('x-switchgate-limit')).toBe('key.rpm')
    expect(refused.headers.get('x-ratelimit-remaining-requests')).toBe('0')
    expect(refused.headers.get('x-ratelimit-limit-requests')).toBe('3')
    expect(refused.headers.get('x-should-retry')).toBe('true')
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(20)
    expect(upstream.seen).toHaveLength(3)
  })

  test('tokens per minute are settled to what was really used', async () => {
    const key = await gateway.key({ limits: { tpm: 2_000 } })
    const first = await gateway.post(key, { ...CHAT, max_tokens: 500 })
    expect(first.headers.get('x-ratelimit-limit-tokens')).toBe('2000')
    const second = await gateway.post(key, { ...CHAT, max_tokens: 500 })
    expect(second.status).toBe(200)
    expect(Number(second.headers.get('x-ratelimit-remaining-tokens'))).toBeGreaterThan(1_400)
    const third = await gateway.post(key, {
      ...CHAT,
      messages: [{ role: 'user', content: 'word '.repeat(3_000) }],
    })
    expect(await told(third)).toMatchObject({ status: 429 })
  })

  test('concurrency: the slot comes back however the request ends', async () => {
    const key = await gateway.key({ limits: { concurrency: 1 } })
    const refused = Promise.withResolvers<void>()
    upstream.script = async response => {
      await refused.promise
      sendJson(response, 200, completion())
    }
    const running = gateway.post(key, CHAT)
    await until(() => upstream.seen.length === 1)
    expect(await told(await gateway.post(key, CHAT))).toMatchObject({
      status: 429,
      code: 'rate_limit_exceeded',
    })
    refused.resolve()
    expect((await running).status).toBe(200)
    upstream.script = () => undefined
    const leave = new AbortController()
    const left = gateway.post(key, CHAT, { signal: leave.signal }).catch(() => undefined)
    await until(() => upstream.seen.length === 2)
    leave.abort()
    await left
    upstream.script = response => sendJson(response, 200, completion())
    await until(async () => {
      const answer = await gateway.post(key, CHAT)
      return answer.status === 200
    })
    upstream.script = response => sendJson(response, 500, {})
    await gateway.post(key, CHAT)
    upstream.script = response => sendJson(response, 200, completion())
    expect((await gateway.post(key, CHAT)).status).toBe(200)
  })
})

test('no secret and no prompt reaches a log line or the data folder in clear', async () => {
  const key = await gateway.key()
  upstream.script = response => void sse(response).end(event({ error: { message: `bad key ${key}` } }))
  await (
    await gateway.post(key, {
      ...CHAT,
      messages: [{ role: 'user', content: 'my-very-private-prompt' }],
      stream: true,
    })
  ).text()
  await gateway.rows()
  const logs = gateway.logs.join('\n')
  expect(logs).not.toContain(key)
  expect(logs).not.toContain('my-very-private-prompt')
})
