/** Service tiers and statements of cost: who asks for a dearer tier is held and billed at its price, and only a host that is known for it may say what it costs. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { completion, type ScriptedUpstream, sendJson, sse, startUpstream } from '../gateway/harness.ts'
import { type MoneyRig, startMoney } from './rig.ts'

let upstream: ScriptedUpstream
let rig: MoneyRig
let key: string

const OWN = 'input_usd_per_mtok: 1, output_usd_per_mtok: 2'
const configOf = (port: number) => `hosts:
  teller: { base_url: "http://127.0.0.1:${port}/v1", auth: none, quirks: { states_cost: true } }
providers:
  openai: { base_url: "http://127.0.0.1:${port}/v1", models: { gpt-5: , gpt-4: , mine: { ${OWN} }, picture: { unit_usd: { image: 0.04, image/1024x1536: 0.06, image/1024x1536/high: 0.2 } } } }
  teller: { models: { told: { ${OWN} } } }
  claude: { kind: anthropic, base_url: "http://127.0.0.1:${port}/v1", models: { hourly: { ${OWN}, cache_write_usd_per_mtok: 1.25 } } }
egress: { allow: ["127.0.0.1:${port}"] }
discover_env: false
`

beforeAll(async () => {
  upstream = await startUpstream(() => undefined)
  rig = await startMoney({}, '', undefined, configOf(upstream.port))
  key = (await rig.key({ budgets: [{ window: 'total', usd: 1000 }] })).key
})
afterAll(async () => {
  await rig.close()
  await upstream.close()
})
beforeEach(() => {
  upstream.seen.length = 0
})

const COUNTS = { prompt_tokens: 1000, completion_tokens: 1000, total_tokens: 2000 }
const MESSAGES = [{ role: 'user', content: 'Say hello.' }]

function answerWith(usage: object, more: object = {}) {
  const { choices, ...frame } = completion('Hello', null)
  const whole = { ...frame, choices, usage, ...more }
  const chunk = { ...frame, object: 'chat.completion.chunk', ...more }
  upstream.script = (response, request) => {
    if ((request.json() as { stream?: boolean }).stream !== true) return sendJson(response, 200, whole)
    const events = [
      JSON.stringify({ ...chunk, choices: [{ index: 0, delta: { content: 'Hello' }, finish_reason: null }] }),
      JSON.stringify({ ...chunk, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
      JSON.stringify({ ...chunk, choices: [], usage }),
      '[DONE]',
    ]
    sse(response).end(events.map(event => `data: ${event}\n\n`).join(''))
  }
}

async function ask(body: object) {
  const answer = await rig.post(key, { messages: MESSAGES, max_tokens: 2000, ...body })
  const text = await answer.text()
  return { answer, text, row: (await rig.rows()).at(-1) }
}

// gpt-5: 1.25 and 10 USD per million tokens; priority 2.5 and 20, flex half
test.each([
  ['priority', 'priority', 22_500_000],
  ['priority', undefined, 22_500_000],
  ['priority', 'default', 11_250_000],
  ['flex', 'flex', 5_625_000],
  [undefined, 'priority', 22_500_000],
  ['auto', 'default', 11_250_000],
  [undefined, undefined, 11_250_000],
])('asked for %s and served as %s, gpt-5 is billed %d', async (asked, served, cost) => {
  for (const stream of [false, true]) {
    answerWith(COUNTS, served === undefined ? {} : { service_tier: served })
    const tier = asked === undefined ? {} : { service_tier: asked }
    const { answer, row } = await ask({ model: 'gpt-5', stream, ...tier })
    expect(answer.headers.get('x-switchgate-dropped')).toBeNull()
    expect(upstream.seen.at(-1)?.json()).toMatchObject(tier)
    expect(row).toMatchObject({ costNanoUsd: cost, certainty: 'exact' })
    const dearest = asked === 'priority' ? 2 : asked === 'flex' ? 0.5 : 1
    expect(row?.heldNanoUsd).toBeGreaterThan(2000 * 10_000 * dearest)
  }
})

test.each(['standard_only', 'priority'])('%s of a caller of Messages is none of this host', async tier => {
  answerWith(COUNTS, { service_tier: 'default' })
  const body = { model: 'gpt-5', messages: MESSAGES, max_tokens: 2000, service_tier: tier }
  const answer = await fetch(`${rig.url}/v1/messages`, {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  expect(answer.status).toBe(200)
  await answer.text()
  expect((await rig.rows()).at(-1)).toMatchObject({ costNanoUsd: 11_250_000, certainty: 'exact' })
})

test.each(['priority', 'flex', 'scale', 'turbo'])(
  '%s is not asked for where its price is not known',
  async tier => {
    answerWith(COUNTS)
    const { answer, row } = await ask({ model: 'gpt-4', service_tier: tier })
    expect(answer.headers.get('x-switchgate-dropped')).toBe('service_tier')
    expect(upstream.seen.at(-1)?.json()).not.toHaveProperty('service_tier')
    expect(row?.certainty).toBe('exact')
  },
)

test('a tier that nobody asked for and nobody has a price of is a guess', async () => {
  answerWith(COUNTS, { service_tier: 'scale' })
  expect((await ask({ model: 'gpt-5' })).row?.certainty).toBe('estimated')
})

test("the operator's own price holds for whatever is asked", async () => {
  answerWith(COUNTS, { service_tier: 'priority' })
  const { answer, row } = await ask({ model: 'mine', service_tier: 'priority' })
  expect(answer.headers.get('x-switchgate-dropped')).toBeNull()
  expect(row).toMatchObject({ costNanoUsd: 3_000_000, certainty: 'exact' })
})

test.each([-1, 0, 0.5, 1e6, 1e9])(
  'a cost of %d from a host that is not known for it is not believed',
  async cost => {
    for (const stream of [false, true]) {
      answerWith({ ...COUNTS, cost })
      const { text, row } = await ask({ model: 'mine', stream, usage: { include: true } })
      expect(row).toMatchObject({ costNanoUsd: 3_000_000, certainty: 'exact' })
      // the caller reads what the ledger has
      expect(text.match(/"cost":[^,}]*/g)).toEqual(['"cost":0.003'])
    }
  },
)

test.each([
  [0, 0],
  [0.25, 250_000_000],
  [-1, 3_000_000],
  [1e6, 3_000_000],
])('a cost of %d from a host that is known for it is billed %d', async (cost, nanoUsd) => {
  for (const stream of [false, true]) {
    answerWith({ ...COUNTS, cost })
    const { text, row } = await ask({ model: 'told', stream, usage: { include: true } })
    expect(row?.costNanoUsd).toBe(nanoUsd)
    expect(text.match(/"cost":[^,}]*/g)).toEqual([`"cost":${nanoUsd / 1e9}`])
  }
})

test('a stream that counted nothing is estimated, and says no cost', async () => {
  answerWith({ prompt_tokens: 0, completion_tokens: 0, total_tokens: 0, cost: 0 })
  const { text, row } = await ask({ model: 'mine', stream: true, usage: { include: true } })
  expect(row?.certainty).toBe('estimated')
  expect(row?.costNanoUsd).toBeGreaterThan(0)
  expect(text).not.toContain('"cost"')
})

test('one-hour cache writes of an own model cost twice its input', async () => {
  const usage = {
    input_tokens: 10,
    cache_creation_input_tokens: 1000,
    cache_creation: { ephemeral_5m_input_tokens: 400, ephemeral_1h_input_tokens: 600 },
    output_tokens: 5,
  }
  upstream.script = response =>
    sendJson(response, 200, {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'hourly',
      content: [{ type: 'text', text: 'Hello' }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage,
    })
  const { row } = await ask({ model: 'hourly' })
  expect(row?.costNanoUsd).toBe(10_000 + 400 * 1_250 + 600 * 2_000 + 5 * 2_000)
})

test.each([
  [{ size: 'auto' }, { size: '1024x1536' }, 200_000_000, 60_000_000, 'exact'],
  [{ size: 'auto' }, { size: '1024x1536', quality: 'high' }, 200_000_000, 200_000_000, 'exact'],
  [{ size: 'auto' }, { size: '1024x1024' }, 200_000_000, 40_000_000, 'exact'],
  [{ size: 'auto' }, {}, 200_000_000, 40_000_000, 'estimated'],
  [{ size: '1024x1536' }, {}, 60_000_000, 60_000_000, 'exact'],
  [{}, {}, 40_000_000, 40_000_000, 'exact'],
])(
  'a picture of %j that comes as %j is held at %d and billed %d, %s',
  async (asked, came, held, cost, certainty) => {
    upstream.script = response =>
      sendJson(response, 200, { created: 1, data: [{ b64_json: 'AA==' }], ...came })
    const answer = await fetch(`${rig.url}/v1/images/generations`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'picture', prompt: 'fog', ...asked }),
    })
    expect(answer.status).toBe(200)
    await answer.text()
    expect((await rig.rows()).at(-1)).toMatchObject({ heldNanoUsd: held, costNanoUsd: cost, certainty })
  },
)
