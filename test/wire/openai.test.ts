/** Reading a chat request: what is refused and where it points, and the facts that the stages get. */
import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../src/errors.ts'
import { parseBody } from '../../src/wire/body.ts'
import { type ChatFacts, readChat } from '../../src/wire/openai.ts'

const encoder = new TextEncoder()

function read(request: object): ChatFacts {
  const text = JSON.stringify(request)
  return readChat(parseBody(encoder.encode(text), text, { depthMax: 64 }))
}

const messages = [{ role: 'user', content: 'Hi' }]
const base = { model: 'gpt-5', messages }

function refusal(request: object): GatewayError {
  try {
    read(request)
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
  throw new Error(`not refused: ${JSON.stringify(request)}`)
}

test.each([
  [{ ...base, model: 5 }, 'model'],
  [{ ...base, model: '' }, 'model'],
  [{ ...base, model: null }, 'model'],
  [{ ...base, model: 'x'.repeat(600) }, 'model'],
  [{ model: 'm' }, 'messages'],
  [{ ...base, messages: 'Hi' }, 'messages'],
  [{ ...base, messages: [] }, 'messages'],
  [{ ...base, messages: Array(4097).fill(messages[0]) }, 'messages'],
  [{ ...base, messages: [messages[0], null] }, 'messages[1]'],
  [{ ...base, messages: ['Hi'] }, 'messages[0]'],
  [{ ...base, messages: [{ content: 'Hi' }] }, 'messages[0].role'],
  [{ ...base, messages: [{ role: 'user', content: 7 }] }, 'messages[0].content'],
  [{ ...base, messages: [{ role: 'user', content: { text: 'Hi' } }] }, 'messages[0].content'],
  [{ ...base, messages: [{ role: 'user', content: ['Hi'] }] }, 'messages[0].content[0]'],
  [{ ...base, messages: [{ role: 'user', content: [{ type: 'text' }] }] }, 'messages[0].content[0].text'],
  [
    { ...base, messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] },
    'messages[0].content[0].image_url.url',
  ],
  [
    { ...base, messages: [{ role: 'user', content: [{ type: 'input_audio' }] }] },
    'messages[0].content[0].input_audio.data',
  ],
  [{ ...base, stream: 'yes' }, 'stream'],
  [{ ...base, stream_options: [] }, 'stream_options'],
  [{ ...base, stream_options: { include_usage: 1 } }, 'stream_options.include_usage'],
  [{ ...base, max_tokens: 0 }, 'max_tokens'],
  [{ ...base, max_tokens: -1 }, 'max_tokens'],
  [{ ...base, max_tokens: '10' }, 'max_tokens'],
  [{ ...base, max_completion_tokens: 1.5 }, 'max_completion_tokens'],
  [{ ...base, n: 0 }, 'n'],
  [{ ...base, n: 1000 }, 'n'],
  [{ ...base, temperature: 'hot' }, 'temperature'],
  [{ ...base, tools: {} }, 'tools'],
  [{ ...base, tools: ['f'] }, 'tools[0]'],
  [{ ...base, response_format: 'json' }, 'response_format'],
  [{ ...base, reasoning_effort: 3 }, 'reasoning_effort'],
  [{ ...base, reasoning: 'high' }, 'reasoning'],
  [{ ...base, reasoning: { effort: 1 } }, 'reasoning.effort'],
  [{ ...base, reasoning: { max_tokens: 0 } }, 'reasoning.max_tokens'],
  [{ ...base, models: 'gpt-5' }, 'models'],
  [{ ...base, models: [''] }, 'models'],
  [{ ...base, provider: 'openai' }, 'provider'],
  [{ ...base, provider: { order: 'openai' } }, 'provider.order'],
  [{ ...base, provider: { sort: 'cheap' } }, 'provider.sort'],
  [{ ...base, provider: { allow_fallbacks: 'no' } }, 'provider.allow_fallbacks'],
  [{ ...base, provider: { max_price: 3 } }, 'provider.max_price'],
  [{ ...base, provider: { max_price: { prompt: -1 } } }, 'provider.max_price.prompt'],
  [{ ...base, provider: { max_price: { request: 1 } } }, 'provider.max_price.request'],
  [{ ...base, provider: { toString: 1 } }, 'provider.toString'],
  [{ ...base, session_id: 5 }, 'session_id'],
  [{ ...base, user: {} }, 'user'],
  [{ ...base, user: 'u'.repeat(300) }, 'user'],
  [{ ...base, metadata: [] }, 'metadata'],
  [{ ...base, metadata: { tags: [1] } }, 'metadata.tags'],
  [{ ...base, usage: true }, 'usage'],
  [{ ...base, usage: { include: 'yes' } }, 'usage.include'],
  [{ ...base, stream_guarantee: 1 }, 'stream_guarantee'],
  [{ ...base, stream_guarantee: 'best' }, 'stream_guarantee'],
  [{ ...base, api_base: 'http://x' }, 'api_base'],
  [{ ...base, base_url: 'http://x' }, 'base_url'],
  [{ ...base, azure_endpoint: null }, 'azure_endpoint'],
  [{ ...base, custom_host: 'x' }, 'custom_host'],
  [{ ...base, api_key: 'sk-secret' }, 'api_key'],
])('refused: %j', (request, param) => {
  const error = refusal(request)
  expect([error.kind, error.param, error.status]).toEqual(['invalid_request', param, 400])
  expect(error.message.startsWith(`${param}:`)).toBe(true)
  expect(error.message).not.toContain('secret')
})

test('an unknown member of provider is named with the nearest known one', () => {
  expect(refusal({ ...base, provider: { max_prices: {} } }).message).toContain('"max_price"')
  expect(refusal({ ...base, provider: { only: [], ignored: [] } }).message).toContain('"ignore"')
})

test('nulls stand for absence, unknown fields are left alone', () => {
  const facts = read({
    messages: [{ role: 'assistant', content: null, tool_calls: [] }, { role: 'tool' }],
    stream: null,
    stream_options: null,
    max_tokens: null,
    n: null,
    tools: null,
    temperature: null,
    response_format: null,
    provider: null,
    models: null,
    usage: null,
    user: null,
    metadata: null,
    reasoning: null,
    reasoning_effort: null,
    top_k: { anything: 1 },
    messages_extra: [],
  })
  expect(facts).toMatchObject({
    model: undefined,
    stream: false,
    wantsUsageEvent: false,
    wantsCost: false,
    maxOutputTokens: undefined,
    n: 1,
    fallbackModels: [],
    preferences: undefined,
    reasoningEffort: undefined,
    toolCount: 0,
    messageCount: 2,
  })
  expect(facts.needs.size).toBe(0)
})

test('every extension is read, and named for removal', () => {
  const facts = read({
    ...base,
    models: ['a', 'b'],
    provider: {
      order: ['x'],
      only: ['x', 'y'],
      ignore: [],
      allow_fallbacks: false,
      sort: 'latency',
      max_price: { prompt: 1, completion: 2.5 },
      require_parameters: true,
      preferred_max_latency: 1.5,
      preferred_min_throughput: 40,
    },
    session_id: 's',
    metadata: { tags: ['red', 'blue'], other: '1' },
    user: 'u',
    reasoning: { effort: 'high' },
    usage: { include: true },
    stream_guarantee: 'fast',
  })
  expect(facts.fallbackModels).toEqual(['a', 'b'])
  expect(facts.preferences).toEqual({
    order: ['x'],
    only: ['x', 'y'],
    ignore: [],
    allowFallbacks: false,
    sort: 'latency',
    maxPrice: { prompt: 1, completion: 2.5 },
    requireParameters: true,
    preferredMaxLatencyMs: 1500,
    preferredMinTokensPerSecond: 40,
  })
  expect([facts.sessionId, facts.user, facts.tags, facts.reasoningEffort]).toEqual([
    's',
    'u',
    ['red', 'blue'],
    'high',
  ])
  expect([...facts.extensionNames].sort()).toEqual(
    ['metadata', 'models', 'provider', 'reasoning', 'session_id', 'stream_guarantee', 'usage', 'user'].sort(),
  )
  expect(read(base).extensionNames).toEqual([])
})

describe('who gets usage', () => {
  test.each([
    [{ stream: true }, false, false],
    [{ stream: true, stream_options: { include_usage: true } }, true, true],
    [{ stream: true, usage: { include: true } }, true, true],
    [{ stream: false, usage: { include: true } }, false, true],
    [{ stream: false, stream_options: { include_usage: true } }, false, false],
  ])('%j', (more, event, cost) => {
    const facts = read({ ...base, ...more })
    expect([facts.wantsUsageEvent, facts.wantsCost]).toEqual([event, cost])
  })
})

test('limits, effort and needs', () => {
  expect(read({ ...base, max_tokens: 5, max_completion_tokens: 9 }).maxOutputTokens).toBe(9)
  expect(read({ ...base, reasoning_effort: 'low', reasoning: { effort: 'high' } }).reasoningEffort).toBe(
    'low',
  )
  expect(read({ ...base, reasoning: { enabled: true } }).reasoningEffort).toBe('medium')
  expect(read({ ...base, reasoning: { enabled: false } }).reasoningEffort).toBe('none')
  expect(read({ ...base, reasoning: { max_tokens: 2000 } }).reasoningEffort).toBeUndefined()
  const facts = read({
    ...base,
    tools: [{ type: 'function', function: { name: 'f' } }],
    response_format: { type: 'json_schema', json_schema: { name: 's', schema: {} } },
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'what is this' },
          { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(4000)}` } },
          { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
          { type: 'input_audio', input_audio: { data: 'B'.repeat(400), format: 'wav' } },
          { type: 'file', file: { file_data: `data:application/pdf;base64,${'C'.repeat(800)}` } },
          { type: 'file', file: { file_id: 'file-1' } },
          { type: 'something_new', x: 1 },
        ],
      },
    ],
  })
  expect([...facts.needs].sort()).toEqual(['audio', 'images', 'json_schema', 'pdf', 'tools'])
  expect(facts.media).toEqual([
    { kind: 'image', bytes: 3000 },
    { kind: 'image', bytes: undefined },
    { kind: 'audio', bytes: 300 },
    { kind: 'pdf', bytes: 600 },
    { kind: 'pdf', bytes: undefined },
    // what is new may be anything: no bound is known for it
    { kind: 'unknown', bytes: undefined },
  ])
  expect(facts.textBytes).toBeLessThan(900)
  expect(facts.toolCount).toBe(1)
})

test('textBytes is never below the UTF-8 bytes of the text, however it is escaped', () => {
  const content = 'Grüße, 你好, 🙂 "quoted"\n'.repeat(50)
  const escaped = JSON.stringify(content).replace(/[^\x20-\x7e]/gu, c =>
    [...c.split('')].map(u => `\\u${u.charCodeAt(0).toString(16).padStart(4, '0')}`).join(''),
  )
  for (const raw of [JSON.stringify(content), escaped]) {
    const text = `{"model":"m","messages":[{"role":"user","content":${raw}}]}`
    const facts = readChat(parseBody(encoder.encode(text), text, { depthMax: 64 }))
    expect(facts.textBytes).toBeGreaterThanOrEqual(encoder.encode(content).length)
  }
})
