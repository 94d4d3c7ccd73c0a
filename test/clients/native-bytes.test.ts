/**
 * Requests of Anthropic's, Google's and Vercel's clients on their way to a target that speaks their wire: the bytes that
 * arrive through the gateway are those that the same client sends straight there, but for the model's name.
 */
import { createAnthropic } from '@ai-sdk/anthropic'
import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import { generateText, jsonSchema, streamText, tool } from 'ai'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { answer, configFor } from '../fidelity/targets.ts'
import {
  type ScriptedUpstream,
  type Seen,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'
import { PNG, weather } from './bodies.ts'

let upstream: ScriptedUpstream
let gateway: TestGateway
let key: string

beforeAll(async () => {
  upstream = await startUpstream((response, seen) => answer(response, seen.url, seen.body))
  gateway = await startGateway({ config: configFor(upstream.port) })
  key = await gateway.key()
})
afterAll(async () => {
  await gateway?.close()
  await upstream?.close()
})
beforeEach(() => {
  upstream.seen.length = 0
})

/** Where a client is pointed at: an address without the version segment. */
interface Site {
  readonly root: string
  readonly apiKey: string
  readonly model: string
}

/** The same request, straight and through the gateway; the gateway's model is called as its column. */
async function both(column: string, model: string, ask: (site: Site) => PromiseLike<unknown>) {
  await ask({ root: `http://127.0.0.1:${upstream.port}/${column}`, apiKey: 'secret', model })
  await ask({ root: gateway.url, apiKey: key, model: column })
  expect(upstream.seen.length).toBe(2)
  const [straight, through] = upstream.seen as [Seen, Seen]
  expect(through.body).toBe(straight.body)
  expect(through.url).toBe(straight.url)
  expect(JSON.stringify(through.headers) + through.body).not.toContain(key)
  return { straight, through }
}

const messages: Anthropic.MessageCreateParamsNonStreaming = {
  model: 'claude-sonnet-4-5',
  max_tokens: 9_000,
  system: [{ type: 'text', text: 'Short. \u2028 "é"', cache_control: { type: 'ephemeral', ttl: '1h' } }],
  thinking: { type: 'enabled', budget_tokens: 2_000 },
  tools: [{ name: 'weather', input_schema: weather as never, cache_control: { type: 'ephemeral' } }],
  messages: [
    {
      role: 'user',
      content: [
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PNG } },
        { type: 'text', text: 'What is this?' },
      ],
    },
    {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'Hm.', signature: 'EqQB' },
        { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: 'Zürich' } },
      ],
    },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: '7 °C' }] },
  ],
}

describe('@anthropic-ai/sdk to Claude', () => {
  const client = ({ root, apiKey }: Site) => new Anthropic({ apiKey, baseURL: root, maxRetries: 0 })

  it.each([false, true])('messages, stream: %s', async stream => {
    await both('claude45', 'claude-sonnet-4-5', site =>
      stream
        ? client(site)
            .messages.stream({ ...messages, model: site.model })
            .finalMessage()
        : client(site).messages.create({ ...messages, model: site.model }),
    )
  })

  it('beta messages: betas, context management and servers go along', async () => {
    const { straight, through } = await both('claude45', 'claude-sonnet-4-5', site =>
      client(site).beta.messages.create({
        model: site.model,
        max_tokens: 100,
        betas: ['context-management-2025-06-27', 'mcp-client-2025-04-04'],
        context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] },
        mcp_servers: [{ type: 'url', name: 'm', url: 'https://example.com/mcp' }],
        messages: [{ role: 'user', content: 'Hi' }],
      }),
    )
    expect(through.headers['anthropic-beta']).toBe(straight.headers['anthropic-beta'])
    expect(through.headers['anthropic-version']).toBe(straight.headers['anthropic-version'])
  })
})

describe('the AI SDK’s @ai-sdk/anthropic to Claude', () => {
  it.each([false, true])('tools and cache marks, stream: %s', async stream => {
    await both('claude45', 'claude-sonnet-4-5', ({ root, apiKey, model }) => {
      const ask = {
        // its limit is the model's by its own table, which knows no names of ours
        maxOutputTokens: 500,
        model: createAnthropic({ baseURL: `${root}/v1`, apiKey })(model),
        tools: { weather: tool({ description: 'Tells it.', inputSchema: jsonSchema(weather) }) },
        messages: [
          {
            role: 'user' as const,
            content: [{ type: 'text' as const, text: 'Grüezi' }],
            providerOptions: { anthropic: { cacheControl: { type: 'ephemeral' } } },
          },
        ],
      }
      return stream ? streamText(ask).consumeStream() : generateText(ask)
    })
  })
})

describe('@google/genai to Gemini', () => {
  it.each([false, true])('tools, thinking and signatures, stream: %s', async stream => {
    await both('gemini3', 'gemini-3-flash-preview', async ({ root, apiKey, model }) => {
      const client = new GoogleGenAI({
        apiKey,
        vertexai: false,
        httpOptions: { baseUrl: root, apiVersion: 'v1beta' },
      })
      const ask = {
        model,
        contents: [
          { role: 'user', parts: [{ text: 'Hi "é"' }] },
          { role: 'model', parts: [{ text: 'Hello.', thoughtSignature: 'c2lnbmF0dXJl' }] },
          { role: 'user', parts: [{ text: 'Weather?' }] },
        ],
        config: {
          systemInstruction: 'Short.',
          thinkingConfig: { includeThoughts: true },
          tools: [{ functionDeclarations: [{ name: 'weather', parametersJsonSchema: weather }] }],
        },
      }
      if (!stream) return client.models.generateContent(ask)
      for await (const _ of await client.models.generateContentStream(ask));
    })
  })
})

describe('openai SDK to a host of the Responses wire', () => {
  it.each([false, true])('reasoning items and calls, stream: %s', async stream => {
    await both('openai', 'gpt-5.1', async ({ root, apiKey, model }) => {
      const client = new OpenAI({ apiKey, baseURL: `${root}/v1`, maxRetries: 0 })
      const ask = {
        model,
        store: false,
        include: ['reasoning.encrypted_content' as const],
        reasoning: { effort: 'low' as const, summary: 'auto' as const },
        tools: [{ type: 'function' as const, name: 'weather', strict: true, parameters: weather as never }],
        input: [
          { role: 'user' as const, content: 'Hi "é" \u2028' },
          { type: 'reasoning' as const, id: 'rs_1', summary: [], encrypted_content: 'gAAAA' },
          {
            type: 'function_call' as const,
            call_id: 'call_1',
            name: 'weather',
            arguments: '{ "city":"Bern"}',
          },
          { type: 'function_call_output' as const, call_id: 'call_1', output: '7' },
        ],
      }
      if (!stream) return client.responses.create(ask)
      for await (const _ of await client.responses.create({ ...ask, stream: true }));
    })
  })
})
