/** Messages requests: what the stages read of them, what is refused by name, and what chat makes of them. */
import { describe, expect, test } from 'vitest'
import type { Json } from '../../../providers/provider.ts'
import { GatewayError } from '../../../src/errors.ts'
import { likelyInputTokens } from '../../../src/estimate.ts'
import type { Offer } from '../../../src/terms.ts'
import { type Body, parseBody } from '../../../src/wire/body.ts'
import { countOf } from '../../../src/wire/messages/count.ts'
import { fitToHost } from '../../../src/wire/messages/fit.ts'
import { readCountRequest, readMessagesRequest } from '../../../src/wire/messages/read.ts'
import { toChat } from '../../../src/wire/messages/request.ts'

const bodyOf = (value: unknown): Body => {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return parseBody(new TextEncoder().encode(text), text, { depthMax: 64 })
}
const user = (content: unknown) => ({ role: 'user', content })
const asking = (more: object = {}) => ({ model: 'm', max_tokens: 9, messages: [user('hi')], ...more })
const chatOf = (more: object = {}): Json => toChat(bodyOf(asking(more))).json
const refusedAt = (step: () => unknown): string | undefined => {
  try {
    step()
  } catch (error) {
    if (error instanceof GatewayError && error.kind === 'invalid_request') return error.param
    throw error
  }
  return 'not refused'
}

const OFFER: Offer = {
  provider: 'p',
  model: 'm',
  upstream: 'm',
  price: undefined,
  contextTokens: undefined,
  maxOutputTokens: undefined,
  supports: new Set(['tools', 'images', 'reasoning'] as const),
  thinksUnseen: false,
}

describe('what the stages read', () => {
  test('limits, needs, media and the end user', () => {
    const image = {
      type: 'image',
      source: { type: 'base64', media_type: 'image/png', data: 'A'.repeat(400) },
    }
    const pdf = { type: 'document', source: { type: 'url', url: 'https://example.com/a.pdf' } }
    const facts = readMessagesRequest(
      bodyOf(
        asking({
          stream: true,
          metadata: { user_id: 'u-1' },
          tools: [{ name: 't', input_schema: {} }],
          messages: [user([image, { type: 'tool_result', tool_use_id: 'x', content: [pdf] }])],
          models: ['other'],
          provider: { only: ['claude'] },
        }),
      ),
    )
    expect(facts).toMatchObject({
      model: 'm',
      stream: true,
      wantsUsageEvent: true,
      wantsCost: false,
      maxOutputTokens: 9,
      user: 'u-1',
      toolCount: 1,
      messageCount: 1,
      fallbackModels: ['other'],
      preferences: { only: ['claude'] },
      extensionNames: ['models', 'provider'],
    })
    expect([...facts.needs].sort()).toEqual(['images', 'pdf', 'tools'])
    expect(facts.media).toEqual([
      { kind: 'image', bytes: 300 },
      { kind: 'pdf', bytes: undefined },
    ])
    // base64 is no text
    expect(facts.textBytes).toBeLessThan(400)
  })

  test('the estimate counts the system prompt, tool calls and their results', () => {
    const words = 'some words of a prompt '.repeat(20)
    const likely = (more: object) => likelyInputTokens(readMessagesRequest(bodyOf(asking(more))))
    const bare = likely({})
    expect(likely({ system: words })).toBeGreaterThan(bare + 60)
    expect(likely({ system: [{ type: 'text', text: words }] })).toBeGreaterThan(bare + 60)
    const call = { type: 'tool_use', id: 'a', name: 't', input: { text: words } }
    const result = { type: 'tool_result', tool_use_id: 'a', content: [{ type: 'text', text: words }] }
    const turns = [user('hi'), { role: 'assistant', content: [call] }, user([result])]
    expect(likely({ messages: turns })).toBeGreaterThan(bare + 120)
  })

  test('a count says how sure it is, as far as that can be said', () => {
    const counted = (more: object, upstream: string) => {
      const facts = readCountRequest(bodyOf({ model: 'm', messages: [user('hi')], ...more }))
      return countOf(facts, likelyInputTokens(facts), upstream)
    }
    const bare = Number(counted({}, 'gpt-5').input_tokens)
    expect(counted({}, 'claude-sonnet-4-5')).toEqual({ input_tokens: bare, estimated: true, margin: 0.3 })
    expect(
      counted({ tools: [{ type: 'web_search_20250305', name: 'web_search' }] }, 'claude-x'),
    ).not.toHaveProperty('margin')
  })

  test.each([
    ['max_tokens', { max_tokens: undefined }],
    ['max_tokens', { max_tokens: 0 }],
    ['messages', { messages: [] }],
    ['messages[0]', { messages: [{ role: 'tool', content: 'x' }] }],
    ['messages[0].content', { messages: [user(5)] }],
    ['messages[0].content[0]', { messages: [user(['text'])] }],
    ['messages[0].content[0].text', { messages: [user([{ type: 'text' }])] }],
    ['messages[0].content[0].tool_use_id', { messages: [user([{ type: 'tool_result' }])] }],
    ['messages[0].content[0].source', { messages: [user([{ type: 'image' }])] }],
    ['system[0]', { system: [7] }],
    ['stream', { stream: 'yes' }],
    ['tools', { tools: {} }],
    ['tools[0]', { tools: [null] }],
    ['thinking', { thinking: 'on' }],
    ['thinking.budget_tokens', { thinking: { type: 'enabled', budget_tokens: 'many' } }],
    ['output_config.effort', { output_config: { effort: 3 } }],
    ['metadata', { metadata: 'me' }],
    ['model', { model: 5 }],
    ['fallbacks', { fallbacks: [] }],
    ['inference_geo', { inference_geo: 'us' }],
    ['api_key', { api_key: 'x' }],
    ['provider.onyl', { provider: { onyl: [] } }],
  ])('%s is refused by name', (param, more) => {
    expect(refusedAt(() => readMessagesRequest(bodyOf(asking(more))))).toBe(param)
  })
})

describe('in chat', () => {
  test('settings under their chat names', () => {
    const chat = chatOf({
      system: [
        { type: 'text', text: 'a' },
        { type: 'text', text: 'b', cache_control: { type: 'ephemeral' } },
      ],
      stop_sequences: ['x'],
      temperature: 0,
      top_p: 0.5,
      thinking: { type: 'adaptive' },
      output_config: {
        effort: 'max',
        format: { type: 'json_schema', schema: { type: 'object', properties: {} } },
      },
      metadata: { user_id: 'u' },
      service_tier: 'standard_only',
      tools: [{ name: 't', description: 'd', input_schema: { type: 'object' }, strict: true }],
      tool_choice: { type: 'tool', name: 't' },
    })
    expect(chat).toEqual({
      model: 'm',
      max_tokens: 9,
      temperature: 0,
      top_p: 0.5,
      stop: ['x'],
      messages: [
        {
          role: 'system',
          content: [
            { type: 'text', text: 'a' },
            { type: 'text', text: 'b', cache_control: { type: 'ephemeral' } },
          ],
        },
        user('hi'),
      ],
      reasoning: { effort: 'max' },
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'answer', schema: { type: 'object', properties: {} } },
      },
      service_tier: 'default',
      tools: [
        {
          type: 'function',
          function: { name: 't', description: 'd', parameters: { type: 'object' }, strict: true },
        },
      ],
      tool_choice: { type: 'function', function: { name: 't' } },
    })
  })

  test('strict is asked for only where OpenAI’s strict mode can hold the schema', () => {
    const strictOf = (schema: object) => {
      const chat = chatOf({ output_config: { format: { type: 'json_schema', schema } } })
      return (chat.response_format as { json_schema: Json }).json_schema.strict
    }
    const closed = { type: 'object', properties: { a: {} }, required: ['a'], additionalProperties: false }
    expect(strictOf(closed)).toBe(true)
    expect(strictOf({ ...closed, required: [] })).toBeUndefined()
    expect(
      strictOf({ ...closed, properties: { a: { type: 'object', properties: { b: {} } } } }),
    ).toBeUndefined()
  })

  test('tool arguments keep their text', () => {
    const text = `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"a"},
      {"role":"assistant","content":[{"type":"text","text":"t"},{"type":"tool_use","id":"i","name":"n","input": {"b" : 1.0, "a":[1e2,"é"]} }]},
      {"role":"user","content":[{"type":"tool_result","tool_use_id":"i"}]}]}`
    const messages = toChat(bodyOf(text)).json.messages as Json[]
    expect(messages[1]).toEqual({
      role: 'assistant',
      content: 't',
      tool_calls: [
        { id: 'i', type: 'function', function: { name: 'n', arguments: '{"b" : 1.0, "a":[1e2,"é"]}' } },
      ],
    })
    expect(messages[2]).toEqual({ role: 'tool', tool_call_id: 'i', content: '' })
  })

  test('signed thinking of Claude’s becomes reasoning details', () => {
    const chat = chatOf({
      messages: [
        user('a'),
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'hm', signature: 'EqQB' },
            { type: 'redacted_thinking', data: 'xyz' },
            { type: 'text', text: 'b' },
          ],
        },
      ],
    })
    const format = 'anthropic-claude-v1'
    expect((chat.messages as Json[])[1]).toEqual({
      role: 'assistant',
      content: 'b',
      reasoning_content: 'hm',
      reasoning_details: [
        { type: 'reasoning.text', text: 'hm', signature: 'EqQB', format, index: 0 },
        { type: 'reasoning.encrypted', data: 'xyz', format, index: 1 },
      ],
    })
  })

  test.each([
    ['tools[0]', { tools: [{ type: 'bash_20250124', name: 'bash' }] }],
    ['mcp_servers', { mcp_servers: [{ type: 'url' }] }],
    ['thread', { thread: { id: 't' } }],
    ['messages[0].content[0]', { messages: [user([{ type: 'container_upload', file_id: 'f' }])] }],
    [
      'messages[0].content[0].source',
      { messages: [user([{ type: 'image', source: { type: 'file', file_id: 'f' } }])] },
    ],
    [
      'messages[0].content[0]',
      {
        messages: [
          {
            role: 'assistant',
            content: [{ type: 'server_tool_use', id: 's', name: 'web_search', input: {} }],
          },
        ],
      },
    ],
    ['tool_choice.type', { tools: [{ name: 't' }], tool_choice: { type: 'some' } }],
  ])('%s: what only Claude reads is refused', (param, more) => {
    expect(refusedAt(() => chatOf(more))).toBe(param)
  })
})

describe('fitted to a host', () => {
  const fitted = (more: object, quirks = {}, offer = OFFER) =>
    fitToHost(toChat(bodyOf(asking(more))), offer, quirks)

  test('what it does not know is taken out and named', () => {
    const { body, dropped } = fitted({
      top_k: 5,
      context_management: { edits: [] },
      thinking: { type: 'enabled', budget_tokens: 1024 },
      system: [{ type: 'text', text: 'a', cache_control: { type: 'ephemeral' } }],
    })
    expect(body.json).toEqual({
      model: 'm',
      max_tokens: 9,
      reasoning_effort: 'low',
      messages: [{ role: 'system', content: 'a' }, user('hi')],
    })
    expect([...dropped].sort()).toEqual(['cache_control', 'context_management', 'top_k'])
  })

  test('a model that does not reason is not asked to', () => {
    const plain = { ...OFFER, supports: new Set(['tools'] as const) }
    const { body, dropped } = fitted({ thinking: { type: 'adaptive' } }, {}, plain)
    expect(body.json).not.toHaveProperty('reasoning_effort')
    // chat's name of it: `words` says what it is in the caller's wire
    expect(dropped).toEqual(['reasoning'])
    expect(fitted({ thinking: { type: 'disabled' } }, {}, plain).dropped).toEqual([])
  })

  test('OpenRouter gets all of it', () => {
    const more = { top_k: 5, thinking: { type: 'enabled', budget_tokens: 1024 } }
    const { body, dropped } = fitted(more, { keepsExtensions: true })
    expect(body.json).toMatchObject({ top_k: 5, reasoning: { max_tokens: 1024 } })
    expect(dropped).toEqual([])
  })
})
