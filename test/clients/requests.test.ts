/**
 * Requests of real clients on their way to an OpenAI-compatible host: the bytes that arrive through the gateway are those
 * that the same client sends straight to the host, but for the changes that the contract lists (section 2).
 */
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { generateText, jsonSchema, type ModelMessage, Output, streamText, tool } from 'ai'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  completion,
  DONE,
  delta,
  finish,
  role,
  type ScriptedUpstream,
  type Seen,
  sendJson,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
  usageEvent,
} from '../gateway/harness.ts'
import { BODIES, type Body, PNG, plain, weather } from './bodies.ts'

let upstream: ScriptedUpstream
let gateway: TestGateway
let key: string

beforeAll(async () => {
  upstream = await startUpstream((response, seen) => {
    if (/"stream": ?true/.test(seen.body))
      sse(response).end(`${role}${delta('{"city":"Bern"}')}${finish()}${usageEvent}${DONE}`)
    else sendJson(response, 200, completion('{"city":"Bern"}'))
  })
  const price =
    'input_usd_per_mtok: 1, output_usd_per_mtok: 2, context_tokens: 128000, max_output_tokens: 8192'
  gateway = await startGateway({
    config: `providers:
  alpha:
    kind: openai
    base_url: http://127.0.0.1:${upstream.port}/v1
    credentials: [{ name: main, secret: env://HOST_SECRET }]
    models:
      house-model: { ${price} }
      gpt-5-house: { ${price} }
      renamed: { upstream: house-model-v2, ${price} }
egress: { allow: ["127.0.0.1:${upstream.port}"] }
discover_env: false
`,
    env: { HOST_SECRET: 'sk-host-secret' },
  })
  key = await gateway.key()
})
afterAll(async () => {
  await gateway?.close()
  await upstream?.close()
})
beforeEach(() => {
  upstream.seen.length = 0
})

/** Where a client is pointed at. */
interface Site {
  readonly baseURL: string
  readonly apiKey: string
}

/** The same request, straight to the host and through the gateway. */
async function both(ask: (site: Site) => PromiseLike<unknown>): Promise<readonly [Seen, Seen]> {
  await ask({ baseURL: `http://127.0.0.1:${upstream.port}/v1`, apiKey: 'sk-host-secret' })
  await ask({ baseURL: `${gateway.url}/v1`, apiKey: key })
  expect(upstream.seen.length).toBe(2)
  const [straight, through] = upstream.seen as [Seen, Seen]
  expect(through.url).toBe(straight.url)
  expect(through.headers.authorization).toBe('Bearer sk-host-secret')
  expect(through.headers['content-length']).toBe(String(Buffer.byteLength(through.body)))
  expect(JSON.stringify(through.headers) + through.body).not.toContain(key)
  return [straight, through]
}

const USAGE_ASKED = ',"stream_options":{"include_usage":true}}'
const city = { ...weather, $schema: 'https://json-schema.org/draft/2020-12/schema' } as const

describe('openai SDK', () => {
  const sdk = (site: Site) => new OpenAI(site).chat.completions

  it.each(Object.entries(BODIES))('%s, whole: the same bytes', async (_, body) => {
    const [straight, through] = await both(site => sdk(site).create(body))
    expect(through.body).toBe(straight.body)
  })

  it.each(Object.entries(BODIES))('%s, stream that asks for usage: the same bytes', async (_, body) => {
    const options = { stream: true, stream_options: { include_usage: true } } as const
    const [straight, through] = await both(site =>
      sdk(site)
        .stream({ ...body, ...options })
        .done(),
    )
    expect(through.body).toBe(straight.body)
  })

  it.each(Object.entries(BODIES))(
    '%s, stream that does not: usage is asked for, nothing else',
    async (_, body) => {
      const [straight, through] = await both(site => sdk(site).stream(body).done())
      expect(straight.body).not.toContain('stream_options')
      expect(through.body.endsWith(USAGE_ASKED)).toBe(true)
      expect(`${through.body.slice(0, -USAGE_ASKED.length)}}`).toBe(straight.body)
    },
  )

  it('a stream that declines usage is asked for it all the same, other options stay', async () => {
    const options = { include_usage: false, include_obfuscation: false }
    const [straight, through] = await both(site =>
      sdk(site)
        .stream({ ...plain, stream_options: options })
        .done(),
    )
    const before = '"stream_options":{"include_usage":false,"include_obfuscation":false}'
    expect(straight.body).toContain(before)
    expect(through.body).toBe(straight.body.replace(before, before.replace('false', 'true')))
  })

  it('a model that the host knows by another name: that name, nothing else', async () => {
    const [straight, through] = await both(site => sdk(site).create({ ...plain, model: 'renamed' }))
    expect(through.body).toBe(straight.body.replace('"model":"renamed"', '"model":"house-model-v2"'))
  })

  it('extension fields stay here', async () => {
    const ours = {
      user: 'u-1',
      metadata: { tags: 'a' },
      session_id: 's',
      provider: { allow_fallbacks: false },
    }
    const [straight, through] = await both(site => sdk(site).create({ ...ours, ...plain, top_p: 1 } as Body))
    const fields = `${JSON.stringify(ours).slice(1, -1)},`
    expect(straight.body).toContain(fields)
    expect(through.body).toBe(straight.body.replace(fields, ''))
  })
})

describe('AI SDK', () => {
  const history: ModelMessage[] = [
    { role: 'user', content: 'Weather in Bern?' },
    {
      role: 'assistant',
      content: [
        { type: 'tool-call', toolCallId: 'call_1', toolName: 'get_weather', input: { city: 'Bern' } },
      ],
    },
    {
      role: 'tool',
      content: [
        {
          type: 'tool-result',
          toolCallId: 'call_1',
          toolName: 'get_weather',
          output: { type: 'text', value: '7 °C' },
        },
      ],
    },
  ]
  const picture: ModelMessage[] = [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'What is this?' },
        { type: 'file', mediaType: 'image/png', data: PNG },
      ],
    },
  ]
  const get_weather = tool({ description: 'The weather.', inputSchema: jsonSchema<object>(weather) })
  type Asked = Omit<Parameters<typeof generateText>[0], 'model' | 'prompt'> & { messages: ModelMessage[] }
  const ASKS: Readonly<Record<string, Asked>> = {
    tools: { messages: history.slice(0, 1), tools: { get_weather }, toolChoice: 'auto' },
    'several turns with tool results': { messages: history, tools: { get_weather } },
    images: { messages: picture, instructions: 'Be short.' } as Asked,
    reasoning_effort: {
      messages: history.slice(0, 1),
      providerOptions: { house: { reasoningEffort: 'low' }, openai: { reasoningEffort: 'low' } },
    },
    json_schema: {
      messages: history.slice(0, 1),
      output: Output.object({ schema: jsonSchema<object>(city) }),
    },
  }
  const MODELS = {
    '@ai-sdk/openai-compatible': (site: Site) =>
      createOpenAICompatible({
        name: 'house',
        includeUsage: true,
        supportsStructuredOutputs: true,
        ...site,
      }).chatModel('house-model'),
    '@ai-sdk/openai': (site: Site) => createOpenAI(site).chat('gpt-5-house'),
  }
  const cases = Object.entries(MODELS).flatMap(([name, model]) =>
    Object.entries(ASKS).map(([what, ask]) => ({ name, what, model, ask })),
  )

  it.each(cases)('$name, $what: the same bytes, whole and streamed', async ({ what, model, ask }) => {
    const [straight, through] = await both(site => generateText({ ...ask, model: model(site) }))
    expect(through.body).toBe(straight.body)
    expect(straight.body).toContain(MARKS[what])
    upstream.seen.length = 0
    const streamed = await both(site => streamText({ ...ask, model: model(site) }).consumeStream())
    expect(streamed[0].body).toContain('"stream_options":{"include_usage":true}')
    expect(streamed[1].body).toBe(streamed[0].body)
  })

  it('a stream that does not ask for usage: usage is asked for, nothing else', async () => {
    const [straight, through] = await both(site =>
      streamText({
        prompt: 'Hi',
        model: createOpenAICompatible({ name: 'house', ...site }).chatModel('house-model'),
      }).consumeStream(),
    )
    expect(straight.body).not.toContain('stream_options')
    expect(`${through.body.slice(0, -USAGE_ASKED.length)}}`).toBe(straight.body)
    expect(through.body.endsWith(USAGE_ASKED)).toBe(true)
  })

  /** What must stand in a request, or the case would not be one. */
  const MARKS: Readonly<Record<string, string>> = {
    tools: '"tool_choice":"auto"',
    'several turns with tool results': '"role":"tool"',
    images: `data:image/png;base64,${PNG}`,
    reasoning_effort: '"reasoning_effort":"low"',
    json_schema: '"type":"json_schema"',
  }
})

describe('a request written by hand', () => {
  it('keeps its spaces, escapes, long numbers and the order of its members', async () => {
    const text = `{ "messages" : [ {"content":"\\u00e9\\ud83d\\ude00 \\/ é", "role":"user"} ],\r\n\t"seed": 12345678901234567890,
      "temperature": 1.50, "top_p":1e0, "x_unknown": {"b":1, "a":[ ]}, "model":"house-model" }\n`
    const [straight, through] = await both(async ({ baseURL, apiKey }) => {
      const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' }
      const answer = await fetch(`${baseURL}/chat/completions`, { method: 'POST', headers, body: text })
      expect(answer.status).toBe(200)
      await answer.arrayBuffer()
    })
    expect(straight.body).toBe(text)
    expect(through.body).toBe(text)
  })
})
