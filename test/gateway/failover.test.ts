/** Two targets: which faults move a request on, which end it, and what is counted, blamed and charged on the way. */
import { createServer } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  CHAT,
  completion,
  configFor,
  DONE,
  delta,
  event,
  finish,
  quickest,
  role,
  type Script,
  type ScriptedUpstream,
  sendJson,
  sleep,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
  usageEvent,
} from './harness.ts'

let first: ScriptedUpstream
let second: ScriptedUpstream
let gateway: TestGateway
let key: string

const TIMEOUTS =
  'timeouts: { first_byte_ms: 1500, first_token_ms: 1500, idle_ms: 1000, stall_ms: 1500, total_ms: 30000 }\n'
/** Cheap first: with no history the balanced default asks alpha before beta. */
const config = () =>
  configFor({ alpha: first.port, beta: second.port }, TIMEOUTS).replace(
    'input_usd_per_mtok: 1.0, output_usd_per_mtok: 2.0',
    'input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.2',
  )

const good: Script = response => sendJson(response, 200, completion())
const goodStream: Script = response =>
  void sse(response).end(role + delta('fine') + finish() + usageEvent + DONE)

beforeAll(async () => {
  first = await startUpstream(good)
  second = await startUpstream(good)
})
beforeEach(async () => {
  first.seen.length = 0
  second.seen.length = 0
  second.script = (response, seen, n) => (seen.json().stream ? goodStream : good)(response, seen, n)
  await gateway?.close()
  gateway = await startGateway({ config: config() })
  key = await gateway.key()
})
afterAll(async () => {
  await gateway?.close()
  await first?.close()
  await second?.close()
})

const status =
  (code: number, body: unknown = { error: { message: 'no', type: 'x', code: null } }, headers = {}): Script =>
  response =>
    sendJson(response, code, body, headers)

/** name, what alpha does, the failure in its ledger row */
const MOVES_ON: [string, Script, string][] = [
  ['500', status(500), 'overloaded'],
  ['503', status(503), 'overloaded'],
  ['529', status(529), 'overloaded'],
  [
    '429',
    status(
      429,
      { error: { message: 'slow', type: 'rate_limit_error', code: 'rate_limit_exceeded' } },
      { 'retry-after': '7' },
    ),
    'rate_limited',
  ],
  ['401', status(401), 'bad_credential'],
  ['402', status(402), 'bad_credential'],
  ['403', status(403), 'bad_credential'],
  ['404', status(404), 'model_missing'],
  ['410', status(410), 'model_missing'],
  ['redirect, never followed', status(307, '', { location: 'http://127.0.0.1:9/' }), 'malformed'],
  [
    'HTML with 200',
    response => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
    'malformed',
  ],
  [
    'empty 200',
    response => void response.writeHead(200, { 'content-type': 'application/json' }).end(),
    'malformed',
  ],
  ['200 without a choice', status(200, { ...completion(), choices: [] }), 'malformed'],
  [
    'error inside a 200',
    status(200, { error: { message: 'upstream died', type: 'server_error', code: 502 } }),
    'overloaded',
  ],
  ['reset before the head', response => void response.destroy(), 'unreachable'],
  [
    'cut inside the body',
    response => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' })
      response.write('{"id":"x"')
      setTimeout(() => response.destroy(), 20)
    },
    'overloaded',
  ],
  ['silence', () => undefined, 'silent'],
  [
    'a compressed answer nobody asked for',
    status(200, completion(), { 'content-encoding': 'gzip' }),
    'malformed',
  ],
]

describe.each(['whole', 'streamed'])('%s', form => {
  const body = form === 'whole' ? CHAT : { ...CHAT, stream: true }

  test.each(MOVES_ON)(
    '%s → the next target answers; the caller never notices',
    async (_name, script, failure) => {
      first.script = script
      const answer = await gateway.post(key, body)
      const text = await answer.text()
      expect(answer.status).toBe(200)
      expect(text).toContain(form === 'whole' ? 'Hello there.' : 'fine')
      expect(answer.headers.get('x-switchgate-provider')).toBe('beta')
      expect(answer.headers.get('x-switchgate-attempts')).toBe('2')
      expect([first.seen.length, second.seen.length]).toEqual([1, 1])
      const rows = await gateway.rows()
      expect(rows.map(row => [row.provider, row.error, row.last])).toEqual([
        ['alpha', failure, false],
        ['beta', null, true],
      ])
      expect(rows[0]?.costNanoUsd).toBe(0)
    },
  )
})

describe('before the first content of a stream', () => {
  const BEFORE: [string, Script, string][] = [
    [
      'an error event',
      response => void sse(response).end(role + event({ error: { message: 'x', code: 503 } })),
      'overloaded',
    ],
    [
      'an event that is only named error',
      response => void sse(response).end(`${role}event: error\n${event({ message: 'x', code: 503 })}`),
      'overloaded',
    ],
    [
      'a cut',
      response => {
        sse(response).write(role)
        setTimeout(() => response.destroy(), 20)
      },
      'overloaded',
    ],
    ['an end without anything', response => void sse(response).end(), 'malformed'],
    ['[DONE] at once', response => void sse(response).end(DONE), 'malformed'],
    ['silence after the head', response => void sse(response).write(role), 'silent'],
    ['one JSON body instead of events', status(200, completion()), 'malformed'],
  ]
  test.each(BEFORE)(
    '%s moves on, and nothing of the failed target reaches the caller',
    async (_name, script, failure) => {
      first.script = script
      const answer = await gateway.post(key, { ...CHAT, stream: true })
      expect(await answer.text()).toBe(role + delta('fine') + finish() + DONE)
      expect((await gateway.rows()).map(row => row.error)).toEqual([failure, null])
    },
  )
})

describe('content commits: after it no other target is asked', () => {
  const AFTER: [string, Script][] = [
    [
      'a cut',
      response => {
        sse(response).write(role + delta('half'))
        setTimeout(() => response.destroy(), 20)
      },
    ],
    ['an end without a finish reason', response => void sse(response).end(role + delta('half'))],
    [
      'an error event',
      response =>
        void sse(response).end(role + delta('half') + event({ error: { message: 'x', code: 503 } })),
    ],
    ['silence', response => void sse(response).write(role + delta('half'))],
  ]
  test.each(AFTER)('%s', async (_name, script) => {
    first.script = script
    const text = await (await gateway.post(key, { ...CHAT, stream: true })).text()
    expect(text.startsWith(role + delta('half'))).toBe(true)
    expect(text).not.toContain('fine')
    expect(text).not.toContain('[DONE]')
    expect(text).toContain('"error"')
    expect([first.seen.length, second.seen.length]).toEqual([1, 0])
    expect((await gateway.rows()).map(row => [row.error, row.last])).toEqual([
      [expect.stringMatching(/interrupted|silent/), true],
    ])
  })
})

describe('what is the caller’s own fault ends at once, with the upstream’s status', () => {
  test.each([
    [
      400,
      {
        error: {
          message: 'bad temperature',
          type: 'invalid_request_error',
          param: 'temperature',
          code: 'bad_value',
        },
      },
      'bad_value',
    ],
    [422, { error: { message: 'bad', type: 'invalid_request_error', code: null } }, 'invalid_request'],
    [413, { error: { message: 'big', type: 'invalid_request_error', code: null } }, 'invalid_request'],
    [
      400,
      { error: { message: 'filtered', type: 'invalid_request_error', code: 'content_filter' } },
      'content_filter',
    ],
  ])('%i %j', async (code, body, expected) => {
    first.script = status(code, body)
    const answer = await gateway.post(key, CHAT)
    const { error } = (await answer.json()) as { error: { code: string; message: string } }
    expect([answer.status, error.code]).toEqual([code, expected])
    expect([first.seen.length, second.seen.length]).toEqual([1, 0])
    for (const [, state] of gateway.gateway.deps.health.entries())
      expect([state.errorRate, state.consecutiveFaults, state.outUntilMs]).toEqual([0, 0, 0])
  })

  test('a context too long at one target is asked of the next, whose cap may be another, and nobody is blamed', async () => {
    const error = { message: 'too long', type: 'invalid_request_error', code: 'context_length_exceeded' }
    first.script = status(400, { error })
    const answer = await gateway.post(key, CHAT)
    expect([answer.status, answer.headers.get('x-switchgate-provider')]).toEqual([200, 'beta'])
    second.script = status(400, { error })
    const refused = await gateway.post(key, CHAT)
    expect(refused.status).toBe(400)
    expect(((await refused.json()) as { error: { code: string } }).error.code).toBe('context_length_exceeded')
    expect([first.seen.length, second.seen.length]).toEqual([2, 2])
    for (const [, state] of gateway.gateway.deps.health.entries())
      expect([state.errorRate, state.consecutiveFaults, state.outUntilMs]).toEqual([0, 0, 0])
  })
})

describe('when every target fails, the last attempt decides', () => {
  test.each([
    [429, 429, 'upstream_rate_limited', 'true'],
    [500, 502, 'upstream_unavailable', 'false'],
    [401, 502, 'upstream_credential', 'false'],
    [404, 404, 'model_not_found', 'false'],
  ])('%i everywhere → %i %s', async (code, seen, expected, retry) => {
    const script = status(code, undefined, code === 429 ? { 'retry-after': '3' } : {})
    first.script = script
    second.script = script
    const answer = await gateway.post(key, CHAT)
    const { error } = (await answer.json()) as { error: { code: string } }
    expect([answer.status, error.code, answer.headers.get('x-should-retry')]).toEqual([seen, expected, retry])
    if (code === 429) expect(answer.headers.get('retry-after')).toBe('3')
    expect(JSON.stringify(error)).not.toContain('sgate_')
    expect(first.seen.length + second.seen.length).toBeLessThanOrEqual(3)
  })

  test('429 everywhere without a word about waiting: a short wait is named, and the SDK may retry', async () => {
    first.script = status(429)
    second.script = status(429)
    const answer = await gateway.post(key, CHAT)
    expect([answer.status, answer.headers.get('retry-after'), answer.headers.get('x-should-retry')]).toEqual([
      429,
      '2',
      'true',
    ])
  })

  test('the provider asked to be left alone: 503 with the time, and nothing is sent', async () => {
    first.script = status(429, undefined, { 'retry-after': '9' })
    second.script = first.script
    await gateway.post(key, CHAT)
    const calls = first.seen.length + second.seen.length
    const answer = await gateway.post(key, CHAT)
    expect(answer.status).toBe(503)
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(8)
    expect(first.seen.length + second.seen.length).toBe(calls)
  })
})

test('a target in trouble is left alone while another works, and looked at again later', async () => {
  first.script = status(500)
  for (let i = 0; i < 12; i++) expect((await gateway.post(key, CHAT)).status).toBe(200)
  expect(first.seen.length).toBeLessThanOrEqual(5)
  expect(second.seen).toHaveLength(12)
})

test('one 500 with nobody else: the same target is asked once more', async () => {
  const alone = await startGateway({ config: configFor({ alpha: first.port }) })
  try {
    first.script = (response, _seen, n) => (n === 1 ? status(500) : good)(response, _seen, n)
    const answer = await alone.post(await alone.key(), CHAT)
    expect([answer.status, answer.headers.get('x-switchgate-attempts')]).toEqual([200, '2'])
    expect((await alone.rows()).map(row => row.error)).toEqual(['overloaded', null])
  } finally {
    await alone.close()
  }
})

test('a silent route is never tried twice for one request', async () => {
  const alone = await startGateway({
    config: configFor({ alpha: first.port }, 'timeouts: { total_ms: 700 }\n'),
  })
  try {
    first.script = () => undefined
    const answer = await alone.post(await alone.key(), CHAT)
    expect(answer.status).toBe(504)
    expect(((await answer.json()) as { error: { code: string } }).error.code).toBe('upstream_timeout')
    expect(first.seen).toHaveLength(1)
  } finally {
    await alone.close()
  }
})

test('a dead address in front: refused connections move on', async () => {
  const free = createServer()
  await new Promise<void>(resolve => free.listen(0, '127.0.0.1', resolve))
  const { port } = free.address() as { port: number }
  await new Promise(resolve => free.close(resolve))
  const half = await startGateway({
    config: configFor({ alpha: port, beta: second.port }).replace(
      'input_usd_per_mtok: 1.0',
      'input_usd_per_mtok: 0.1',
    ),
  })
  try {
    const answer = await half.post(await half.key(), CHAT)
    expect([
      answer.status,
      answer.headers.get('x-switchgate-provider'),
      answer.headers.get('x-switchgate-attempts'),
    ]).toEqual([200, 'beta', '2'])
    expect((await half.rows())[0]).toMatchObject({
      error: 'unreachable',
      costNanoUsd: 0,
      certainty: 'exact',
      status: 0,
    })
  } finally {
    await half.close()
  }
})

test('without fallbacks nobody outside provider.order is asked, even while the named one is resting', async () => {
  first.script = status(429, undefined, { 'retry-after': '9' })
  const body = { ...CHAT, provider: { order: ['alpha'], allow_fallbacks: false } }
  expect((await gateway.post(key, body)).status).toBe(429)
  expect((await gateway.post(key, body)).status).toBe(503)
  expect(second.seen).toHaveLength(0)
})

test('two credentials of one provider are one route: a slow answer has the whole time, not the time of a target that has a successor', async () => {
  const two = configFor(
    { alpha: first.port },
    'timeouts: { first_byte_ms: 200, first_token_ms: 200, total_ms: 4000 }\n',
  ).replace(
    '    models:',
    '    credentials: [{ name: one, secret: env://KEY_ONE }, { name: two, secret: env://KEY_TWO }]\n    models:',
  )
  const slow = await startGateway({
    config: two,
    env: { KEY_ONE: 'credential-one-x', KEY_TWO: 'credential-two-x' },
  })
  try {
    first.script = async (response, seen, n) => {
      await sleep(500)
      ;(seen.json().stream ? goodStream : good)(response, seen, n)
    }
    const text = await slow.key()
    expect((await slow.post(text, CHAT)).status).toBe(200)
    expect((await slow.post(text, { ...CHAT, stream: true })).status).toBe(200)
    first.script = (response, seen) =>
      seen.headers.authorization === 'Bearer credential-one-x'
        ? status(401)(response, seen, 0)
        : good(response, seen, 0)
    for (let i = 0; i < 6; i++) expect((await slow.post(text, CHAT)).status).toBe(200)
  } finally {
    await slow.close()
  }
})

test('our own overhead leaves the waits for upstreams and the pauses before repeats out', async () => {
  const refuse: Script = async (response, seen, n) => {
    await sleep(60)
    status(500)(response, seen, n)
  }
  first.script = refuse
  second.script = refuse
  const overheadMs = await quickest(60, async () => {
    // nobody is in trouble there yet
    const fresh = await startGateway({ config: config() })
    try {
      const answer = await fresh.post(await fresh.key(), CHAT)
      expect([answer.status, answer.headers.get('x-switchgate-attempts')]).toEqual([502, '3'])
      return Number(answer.headers.get('x-switchgate-overhead-ms'))
    } finally {
      await fresh.close()
    }
  })
  expect(overheadMs).toBeLessThan(60)
})

test('models[] and provider{…} steer, and unknown wishes are refused by name', async () => {
  first.script = good
  const only = await gateway.post(key, { ...CHAT, provider: { only: ['beta'] } })
  expect(only.headers.get('x-switchgate-provider')).toBe('beta')
  const ordered = await gateway.post(key, { ...CHAT, provider: { order: ['beta', 'alpha'] } })
  expect(ordered.headers.get('x-switchgate-provider')).toBe('beta')
  const fallback = await gateway.post(key, { ...CHAT, model: 'nowhere-model', models: ['house-model'] })
  expect(fallback.status).toBe(200)
  const wrong = await gateway.post(key, { ...CHAT, provider: { onyl: ['beta'] } })
  expect(wrong.status).toBe(400)
  expect(((await wrong.json()) as { error: { param: string; message: string } }).error.message).toContain(
    'only',
  )
})
