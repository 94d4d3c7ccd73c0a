/** A Responses request as chat: what becomes what, and what is refused with which place and cure. */
import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../../src/errors.ts'
import { parseBody } from '../../../src/wire/body.ts'
import { sealKept } from '../../../src/wire/responses/reasoning.ts'
import { readResponses, toChat } from '../../../src/wire/responses/request.ts'

const bodyOf = (json: object) => {
  const text = JSON.stringify(json)
  return parseBody(new TextEncoder().encode(text), text, { depthMax: 64 })
}
const chat = (json: object) => toChat(bodyOf({ model: 'm', ...json })).json
const messages = (input: unknown, more: object = {}) => chat({ input, ...more }).messages

const refusal = (json: object): GatewayError => {
  try {
    readResponses(bodyOf({ model: 'm', input: 'Hi', ...json }))
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
  throw new Error('it was not refused')
}

describe('members', () => {
  test('each goes to its name in chat; settings without another name go on as they are', () => {
    const made = chat({
      input: 'Hi',
      instructions: 'Be brief.',
      max_output_tokens: 99,
      temperature: 0.5,
      top_p: 0.9,
      parallel_tool_calls: false,
      service_tier: 'flex',
      prompt_cache_key: 'k',
      safety_identifier: 's',
      metadata: { a: 'b' },
      user: 'u',
      seed: 7,
      reasoning: { effort: 'low', summary: 'auto' },
      text: {
        verbosity: 'low',
        format: { type: 'json_schema', name: 'n', schema: { type: 'object' }, strict: true },
      },
      store: true,
      include: ['reasoning.encrypted_content'],
      truncation: 'disabled',
      background: false,
      previous_response_id: null,
      max_tool_calls: 3,
      stream: true,
      stream_options: { include_obfuscation: false },
    })
    expect(made).toEqual({
      model: 'm',
      temperature: 0.5,
      top_p: 0.9,
      parallel_tool_calls: false,
      service_tier: 'flex',
      prompt_cache_key: 'k',
      safety_identifier: 's',
      metadata: { a: 'b' },
      user: 'u',
      seed: 7,
      stream: true,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hi' },
      ],
      verbosity: 'low',
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'n', schema: { type: 'object' }, strict: true },
      },
      reasoning_effort: 'low',
      max_completion_tokens: 99,
    })
  })

  test('null members say nothing', () => {
    const made = chat({
      input: 'Hi',
      temperature: null,
      tools: null,
      text: null,
      reasoning: null,
      metadata: null,
    })
    expect(made).toEqual({ model: 'm', messages: [{ role: 'user', content: 'Hi' }] })
  })

  test('tools and the choice among them', () => {
    const parameters = { type: 'object', properties: { '2': {}, b: {}, '1': {} } }
    const made = chat({
      input: 'Hi',
      tools: [
        { type: 'function', name: 'f', description: 'd', parameters, strict: false },
        { type: 'function', name: 'g', parameters: null, strict: null },
        { type: 'custom', name: 'c', format: { type: 'grammar', syntax: 'lark', definition: 'start: "a"' } },
      ],
      tool_choice: { type: 'function', name: 'f' },
    })
    expect(made.tools).toEqual([
      { type: 'function', function: { name: 'f', description: 'd', parameters, strict: false } },
      { type: 'function', function: { name: 'g' } },
      {
        type: 'custom',
        custom: {
          name: 'c',
          format: { type: 'grammar', grammar: { syntax: 'lark', definition: 'start: "a"' } },
        },
      },
    ])
    expect(made.tool_choice).toEqual({ type: 'function', function: { name: 'f' } })
    const allowed = chat({
      input: 'Hi',
      tools: [{ type: 'function', name: 'f' }],
      tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'f' }] },
    })
    expect(allowed.tool_choice).toEqual({
      type: 'allowed_tools',
      allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'f' } }] },
    })
  })

  test('log probabilities are asked for by either name', () => {
    expect(chat({ input: 'x', include: ['message.output_text.logprobs'] })).toMatchObject({ logprobs: true })
    expect(chat({ input: 'x', top_logprobs: 2 })).toMatchObject({ logprobs: true, top_logprobs: 2 })
  })

  test('the facts count what the model reads, and usage is always wanted of a stream', () => {
    const facts = readResponses(
      bodyOf({
        model: 'm',
        input: 'Hi',
        stream: true,
        tools: [{ type: 'function', name: 'f' }],
        usage: { include: true },
      }),
    )
    expect(facts).toMatchObject({
      stream: true,
      wantsUsageEvent: true,
      wantsCost: true,
      toolCount: 1,
      messageCount: 1,
      extensionNames: ['usage'],
    })
    expect(readResponses(bodyOf({ model: 'm', input: 'Hi' }))).toMatchObject({
      wantsUsageEvent: false,
      wantsCost: false,
    })
  })
})

describe('items', () => {
  test('parts of every kind', () => {
    const made = messages([
      {
        role: 'user',
        content: [
          { type: 'input_text', text: 'See', cache_control: { type: 'ephemeral' } },
          { type: 'input_image', image_url: 'data:image/png;base64,AAAA', detail: 'high' },
          { type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,AAAA' },
          { type: 'input_file', file_url: 'https://example.com/a.pdf' },
          { type: 'input_audio', input_audio: { data: 'AAAA', format: 'mp3' } },
        ],
      },
    ])
    expect(made).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'See', cache_control: { type: 'ephemeral' } },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'high' } },
          { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,AAAA' } },
          { type: 'file', file: { file_data: 'https://example.com/a.pdf' } },
          { type: 'input_audio', input_audio: { data: 'AAAA', format: 'mp3' } },
        ],
      },
    ])
  })

  test('what was said between two inputs is one assistant message: text, parallel calls and thoughts', () => {
    const extra = { google: { thought_signature: 'c2ln' } }
    const details = [
      { type: 'reasoning.text', text: 'hm', signature: 'S', index: 0, format: 'anthropic-claude-v1' },
    ]
    const made = messages([
      { type: 'message', role: 'developer', content: 'Rules.' },
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Weather?' }] },
      { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: sealKept({ details, text: 'plain' }) },
      {
        type: 'message',
        id: 'msg_1',
        role: 'assistant',
        status: 'completed',
        content: [{ type: 'output_text', text: 'I look.', annotations: [], logprobs: [] }],
      },
      {
        type: 'reasoning',
        id: 'rs_2',
        summary: [],
        encrypted_content: sealKept({ calls: { call_1: extra } }),
      },
      {
        type: 'function_call',
        id: 'fc_1',
        call_id: 'call_1',
        name: 'w',
        arguments: '{"n": 1.0}',
        status: 'completed',
      },
      { type: 'function_call', id: 'fc_2', call_id: 'call_2', name: 'w', arguments: '' },
      { type: 'function_call_output', call_id: 'call_1', output: 'sun' },
      { type: 'function_call_output', call_id: 'call_2', output: [{ type: 'input_text', text: 'rain' }] },
      { role: 'assistant', content: 'Mixed.' },
      { role: 'user', content: 'Thanks.' },
    ])
    expect(made).toEqual([
      { role: 'developer', content: 'Rules.' },
      { role: 'user', content: [{ type: 'text', text: 'Weather?' }] },
      {
        role: 'assistant',
        content: 'I look.',
        reasoning_content: 'plain',
        reasoning_details: details,
        tool_calls: [
          {
            id: 'call_1',
            type: 'function',
            function: { name: 'w', arguments: '{"n": 1.0}' },
            extra_content: extra,
          },
          { id: 'call_2', type: 'function', function: { name: 'w', arguments: '' } },
        ],
      },
      { role: 'tool', tool_call_id: 'call_1', content: 'sun' },
      { role: 'tool', tool_call_id: 'call_2', content: [{ type: 'text', text: 'rain' }] },
      { role: 'assistant', content: 'Mixed.' },
      { role: 'user', content: 'Thanks.' },
    ])
  })

  test("thoughts from elsewhere are left out: another organisation's seal, forged or broken text", () => {
    for (const sealed of ['gAAAAABo', 'sgate1.', 'sgate1.%%%', `sgate1.${btoa('[1]')}`, null, 7]) {
      const made = messages([
        { role: 'user', content: 'Hi' },
        {
          type: 'reasoning',
          id: 'rs',
          summary: [{ type: 'summary_text', text: 'x' }],
          encrypted_content: sealed,
        },
        { role: 'assistant', content: 'Hello' },
      ])
      expect(made).toEqual([
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Hello' },
      ])
    }
  })

  test('a custom tool call and its output', () => {
    const made = messages([
      { role: 'user', content: 'Patch' },
      { type: 'custom_tool_call', call_id: 'c1', name: 'apply', input: '*** Begin' },
      { type: 'custom_tool_call_output', call_id: 'c1', output: 'done' },
    ])
    expect(made).toEqual([
      { role: 'user', content: 'Patch' },
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'c1', type: 'custom', custom: { name: 'apply', input: '*** Begin' } }],
      },
      { role: 'tool', tool_call_id: 'c1', content: 'done' },
    ])
  })
})

describe('what only a host of this wire can do', () => {
  test.each([
    [{ input: 'Hi', tools: [{ type: 'file_search' }] }, 'tools[0].type', /file_search runs at hosts/],
    [{ input: [{ type: 'web_search_call', id: 'ws' }] }, 'input[0].type', /web_search_call/],
    [{ input: 'Hi', tools: [{ type: 'shell' }], tool_choice: { type: 'shell' } }, 'tools[0].type', /shell/],
  ] as const)('%j is read, with its place', (json, param, words) => {
    const body = bodyOf({ model: 'm', ...json })
    expect(readResponses(body).hosted).toMatchObject({ param, message: expect.stringMatching(words) })
    expect(() => toChat(body)).toThrow(expect.objectContaining({ kind: 'invalid_request', param }))
  })

  test('everything else has no such thing', () => {
    const tools = [
      { type: 'function', name: 'f' },
      { type: 'custom', name: 'c' },
      { type: 'web_search' },
      { type: 'namespace', name: 'n', tools: [{ type: 'function', name: 'g' }] },
    ]
    expect(readResponses(bodyOf({ model: 'm', input: 'Hi', tools })).hosted).toBeUndefined()
  })
})

describe('what is refused', () => {
  test.each([
    [{ previous_response_id: 'resp_1' }, 'previous_response_id', /whole conversation in `input`/],
    [{ conversation: 'conv_1' }, 'conversation', /stores no responses/],
    [{ background: true }, 'background', /stream/],
    [{ prompt: { id: 'pmpt_1' } }, 'prompt', /instructions/],
    [{ truncation: 'auto' }, 'truncation', /disabled/],
    [{ moderation: { model: 'x' } }, 'moderation', /not offered/],
    [{ context_management: [{ type: 'compaction' }] }, 'context_management', /not offered/],
    [{ messages: [] }, 'messages', /input/],
    [{ n: 2 }, 'n', /one answer/],
    [{ tools: [{ type: 'function' }] }, 'tools[0].name', /name/],
    [{ tools: [{ type: 'function', name: 'f' }], tool_choice: { type: 'mcp' } }, 'tool_choice.type', /mcp/],
    [{ input: [{ type: 'item_reference', id: 'rs_1' }] }, 'input[0].type', /nothing is stored/],
    [
      { input: [{ type: 'function_call_output', call_id: 'c', output: 'x' }] },
      'input[0].call_id',
      /calls included/,
    ],
    [{ input: [{ type: 'function_call', name: 'f', arguments: '' }] }, 'input[0].call_id', /id of the call/],
    [
      { input: [{ type: 'function_call', call_id: 'c', name: 'f', arguments: {} }] },
      'input[0].arguments',
      /string/,
    ],
    [
      { input: [{ role: 'user', content: [{ type: 'input_image', file_id: 'f' }] }] },
      'input[0].content[0].file_id',
      /itself/,
    ],
    [
      { input: [{ role: 'user', content: [{ type: 'image_url' }] }] },
      'input[0].content[0].type',
      /input_image/,
    ],
    [{ input: [{ role: 'tool', content: 'x' }] }, 'input[0].role', /user/],
    [{ input: [7] }, 'input[0]', /object/],
    [{ input: [] }, 'input', /at least one/],
    [{ input: undefined }, 'input', /must be/],
    [{ input: [{ type: 'reasoning', summary: [] }] }, 'input', /something to answer/],
    [{ max_output_tokens: 0 }, 'max_output_tokens', /1 or more/],
    [{ reasoning: { effort: 3 } }, 'reasoning.effort', /string/],
    [{ text: { format: { type: 'xml' } } }, 'text.format.type', /json_schema/],
    [{ text: { format: { type: 'json_schema', name: 'n' } } }, 'text.format.schema', /schema/],
    [{ instructions: ['x'] }, 'instructions', /string/],
    [{ include: 'x' }, 'include', /array/],
    [{ stream: 'yes' }, 'stream', /true or false/],
  ])('%j → %s', (json, param, cure) => {
    const error = refusal(json)
    expect(error).toMatchObject({ kind: 'invalid_request', param })
    expect(error.message).toMatch(cure)
  })

  test('a forged item that nests without end is a clear refusal, not a crash', () => {
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`
    const sealed = `sgate1.${btoa(`{"details":${deep}}`)}`
    const item = { type: 'reasoning', summary: [], encrypted_content: sealed }
    const error = refusal({ input: [item, { role: 'assistant', content: 'x' }] })
    expect(error.kind).toBe('invalid_request')
  })
})
