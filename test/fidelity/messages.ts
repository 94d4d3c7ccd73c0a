/** `/v1/messages` in the fidelity matrix: what a Messages request can ask for, and how each wire says it. */
import { PNG } from '../clients/bodies.ts'
import { type Feature, holds, type WireRow, streamed } from './feature.ts'

const ask = { role: 'user', content: 'Hi' }
const user = (...content: object[]) => ({ messages: [{ role: 'user', content }] })
const text = { type: 'text', text: 'What is this?' }
const says = holds
const schema = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
}
const tool = { name: 'weather', description: 'Tells it.', input_schema: schema }
const called = (...results: object[]) => ({
  tools: [tool],
  messages: [
    ask,
    {
      role: 'assistant',
      content: [
        { type: 'text', text: 'One moment.' },
        { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: 'Bern' } },
        { type: 'tool_use', id: 'toolu_2', name: 'weather', input: { city: 'Basel' } },
      ],
    },
    {
      role: 'user',
      content: [
        ...results,
        { type: 'tool_result', tool_use_id: 'toolu_2', content: '9' },
        { type: 'text', text: 'And now?' },
      ],
    },
  ],
})
const result = (more: object) => ({ type: 'tool_result', tool_use_id: 'toolu_1', ...more })
const base64 = (media_type: string, data: string) => ({ type: 'base64', media_type, data })
const picture = { type: 'image', source: base64('image/png', PNG) }
const cached = { cache_control: { type: 'ephemeral', ttl: '1h' } }
const after = (...content: object[]) => ({ messages: [ask, { role: 'assistant', content }, ask] })
const generation = (part: object) => ({ generationConfig: part })

const messages: readonly Feature[] = [
  {
    name: '`system`',
    more: { system: 'Be short.' },
    arrives: {
      chat: { messages: [{ role: 'system', content: 'Be short.' }, ask] },
      gemini: { systemInstruction: { parts: [{ text: 'Be short.' }] } },
    },
  },
  {
    name: '`cache_control` on blocks, with `ttl`',
    more: { system: [{ type: 'text', text: 'Be short.', ...cached }], ...user({ ...text, ...cached }) },
    names: ['cache_control'],
    arrives: { chat: says('"cache_control":{"type":"ephemeral","ttl":"1h"}') },
  },
  {
    name: '`cache_control` on a tool',
    more: { tools: [{ ...tool, ...cached }] },
    names: ['cache_control'],
    arrives: { chat: says('"cache_control"') },
  },
  {
    name: '`cache_control` of the request',
    more: { cache_control: { type: 'ephemeral' } },
    arrives: { chat: says('"cache_control"') },
  },
  {
    name: 'image, inline',
    more: user(picture, text),
    names: ['messages'],
    arrives: {
      chat: {
        messages: [
          {
            content: [
              { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } },
              { type: 'text', text: text.text },
            ],
          },
        ],
      },
      gemini: {
        contents: [{ parts: [{ inlineData: { mimeType: 'image/png', data: PNG } }, { text: text.text }] }],
      },
    },
  },
  {
    name: 'image by URL',
    more: user({ type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } }, text),
    names: ['messages'],
    arrives: {
      chat: says('"image_url":{"url":"https://example.com/a.png"}'),
      gemini: says('"fileUri":"https://example.com/a.png"'),
    },
  },
  {
    name: 'image or document of the Files API',
    more: user({ type: 'image', source: { type: 'file', file_id: 'file_1' } }, text),
    names: ['messages'],
  },
  {
    name: 'PDF, inline',
    more: user({ type: 'document', source: base64('application/pdf', 'JVBERi0xLjQK'), title: 'a.pdf' }),
    names: ['messages'],
    arrives: {
      chat: says('"file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0xLjQK"}'),
      gemini: says('"mimeType":"application/pdf","data":"JVBERi0xLjQK"'),
    },
  },
  {
    name: 'text document',
    more: user({
      type: 'document',
      source: { type: 'text', media_type: 'text/plain', data: 'All of it.' },
      title: 'Notes',
    }),
    names: ['messages'],
    arrives: {
      chat: ({ body }) => ['Notes', 'All of it.'].every(said => JSON.stringify(body).includes(said)),
      gemini: ({ body }) => ['Notes', 'All of it.'].every(said => JSON.stringify(body).includes(said)),
    },
  },
  {
    name: '`citations` of a document',
    more: user({
      type: 'document',
      source: { type: 'text', media_type: 'text/plain', data: 'All of it.' },
      citations: { enabled: true },
    }),
    names: ['citations'],
  },
  {
    name: '`search_result` block',
    more: user({ type: 'search_result', source: 'https://e.com', title: 'T', content: [text] }),
    names: ['messages'],
    arrives: {
      chat: says('T\\nhttps://e.com\\nWhat is this?'),
      gemini: says('T\\nhttps://e.com\\nWhat is this?'),
    },
  },
  {
    name: 'a block that is not known',
    more: user({ type: 'container_upload', file_id: 'f' }),
    names: ['messages'],
  },
]

const tools: readonly Feature[] = [
  {
    name: '`tools`',
    more: { tools: [tool] },
    arrives: {
      chat: {
        tools: [
          {
            type: 'function',
            function: { name: 'weather', description: 'Tells it.', parameters: { required: ['city'] } },
          },
        ],
      },
      gemini: {
        tools: [
          { functionDeclarations: [{ name: 'weather', parametersJsonSchema: { required: ['city'] } }] },
        ],
      },
    },
  },
  {
    name: 'strict tools',
    more: { tools: [{ ...tool, strict: true }] },
    names: ['strict'],
    arrives: {
      cohere: { strict_tools: true },
      chat: says('"strict":true'),
      gemini: { toolConfig: { functionCallingConfig: { mode: 'VALIDATED' } } },
    },
  },
  {
    name: '`defer_loading`, `input_examples`, `allowed_callers`',
    more: {
      tools: [
        { ...tool, defer_loading: true, input_examples: [{ city: 'Bern' }], allowed_callers: ['direct'] },
      ],
    },
    names: ['defer_loading', 'input_examples', 'allowed_callers'],
  },
  {
    name: 'server tools (`web_search`, …)',
    more: { tools: [{ type: 'web_search_20250305', name: 'web_search' }] },
    names: ['tools'],
  },
  {
    name: 'parallel calls and their results',
    more: called(result({ content: '7' })),
    names: ['messages'],
    arrives: {
      chat: {
        messages: [
          ask,
          {
            role: 'assistant',
            content: 'One moment.',
            tool_calls: [
              { function: { name: 'weather', arguments: '{"city":"Bern"}' } },
              { function: { name: 'weather', arguments: '{"city":"Basel"}' } },
            ],
          },
          { role: 'tool', content: '7' },
          { role: 'tool', content: '9' },
          { role: 'user', content: 'And now?' },
        ],
      },
      cohere: holds('"tool_plan":"One moment."', '"arguments":"{\\"city\\":\\"Basel\\"}"', '"And now?"'),
      gemini: says('"name":"weather","args":{"city":"Bern"}}'),
    },
  },
  {
    name: '`is_error` of a result',
    more: called(result({ content: 'no such city', is_error: true })),
    names: ['is_error'],
    arrives: { chat: says('Error: no such city'), gemini: says('Error: no such city') },
  },
  {
    name: 'image in a tool result',
    more: called(result({ content: [text, picture] })),
    names: ['messages'],
    arrives: { chat: says(PNG), gemini: says(PNG) },
  },
  ...(
    [
      [{ type: 'auto' }, 'auto', undefined, undefined],
      [{ type: 'any' }, 'required', { mode: 'ANY' }, 'REQUIRED'],
      [{ type: 'none' }, 'none', { mode: 'NONE' }, 'NONE'],
      [
        { type: 'tool', name: 'weather' },
        { type: 'function', function: { name: 'weather' } },
        { mode: 'ANY', allowedFunctionNames: ['weather'] },
        'REQUIRED',
      ],
    ] as const
  ).map(
    ([choice, chat, gemini, cohere]): Feature => ({
      name: `\`tool_choice: ${choice.type}\``,
      more: { tools: [tool], tool_choice: choice },
      names: ['tool_choice'],
      arrives: {
        chat: { tool_choice: chat },
        cohere: ({ body }) => body.tools !== undefined && body.tool_choice === cohere,
        gemini: gemini === undefined ? { tools: [{}] } : { toolConfig: { functionCallingConfig: gemini } },
      },
    }),
  ),
  {
    name: '`disable_parallel_tool_use`',
    more: { tools: [tool], tool_choice: { type: 'auto', disable_parallel_tool_use: true } },
    names: ['tool_choice'],
    arrives: { chat: { parallel_tool_calls: false } },
  },
]

const settings: readonly Feature[] = [
  {
    name: '`max_tokens`',
    more: { max_tokens: 321 },
    arrives: {
      chat: ({ body }) => (body.max_tokens ?? body.max_completion_tokens) === 321,
      gemini: generation({ maxOutputTokens: 321 }),
    },
  },
  {
    name: '`temperature`',
    more: { temperature: 0.3 },
    arrives: { chat: { temperature: 0.3 }, gemini: generation({ temperature: 0.3 }) },
  },
  {
    name: '`top_p`',
    more: { top_p: 0.9 },
    arrives: { chat: { top_p: 0.9 }, cohere: { p: 0.9 }, gemini: generation({ topP: 0.9 }) },
  },
  {
    name: '`top_k`',
    more: { top_k: 40 },
    arrives: { chat: { top_k: 40 }, cohere: { k: 40 }, gemini: generation({ topK: 40 }) },
  },
  {
    name: '`stop_sequences`',
    more: { stop_sequences: ['END'] },
    arrives: {
      chat: { stop: ['END'] },
      cohere: { stop_sequences: ['END'] },
      gemini: generation({ stopSequences: ['END'] }),
    },
  },
  {
    name: '`output_config.format`',
    more: { output_config: { format: { type: 'json_schema', schema } } },
    names: ['output_config'],
    arrives: {
      chat: ({ body }) => JSON.stringify(body.response_format).includes('"required":["city"]'),
      gemini: generation({
        responseMimeType: 'application/json',
        responseJsonSchema: { required: ['city'] },
      }),
    },
  },
  {
    name: '`output_config.effort`',
    more: { output_config: { effort: 'low' } },
    names: ['output_config.effort'],
    arrives: {
      chat: ({ body }) =>
        body.reasoning_effort === 'low' || JSON.stringify(body.reasoning) === '{"effort":"low"}',
      gemini: says('"thinkingConfig":{"includeThoughts":true'),
    },
  },
  {
    name: '`output_config.effort: max`',
    more: { output_config: { effort: 'max' } },
    names: ['output_config.effort'],
    arrives: {
      chat: ({ body }) => JSON.stringify(body.reasoning) === '{"effort":"max"}',
      gemini: says('"thinkingConfig":{"includeThoughts":true'),
    },
  },
  {
    name: '`output_config.task_budget`',
    more: { output_config: { task_budget: { type: 'tokens', total: 20000 } } },
    names: ['output_config.task_budget'],
  },
  {
    name: '`service_tier: auto`',
    more: { service_tier: 'auto' },
    arrives: {
      chat: ({ body }) => body.service_tier == null,
      gemini: ({ body }) => body.serviceTier == null,
    },
  },
  {
    name: '`service_tier: standard_only`',
    more: { service_tier: 'standard_only' },
    arrives: { chat: { service_tier: 'default' }, gemini: ({ body }) => body.serviceTier == null },
  },
  { name: '`metadata.user_id`', more: { metadata: { user_id: 'ann' } }, here: 'spend by user' },
  { name: '`container`', more: { container: 'c_1' }, arrives: { chat: { container: 'c_1' } } },
  {
    name: '`context_management`',
    more: { context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] } },
    arrives: { chat: says('"context_management":{"edits"') },
  },
  {
    name: '`mcp_servers`',
    more: { mcp_servers: [{ type: 'url', url: 'https://example.com/mcp', name: 'm' }] },
  },
  { name: '`speed`', more: { speed: 'fast' }, arrives: { chat: { speed: 'fast' } } },
  { name: '`fallbacks`', more: { fallbacks: [{ model: 'claude-sonnet-4-5' }] } },
  { name: '`inference_geo`', more: { inference_geo: 'us' } },
  { name: '`thread`', more: { thread: { type: 'continue', id: 't' } } },
  { name: '`x_unknown`', more: { x_unknown: 1 }, arrives: { chat: { x_unknown: 1 } } },
  {
    name: '`anthropic-beta` header',
    more: {},
    headers: { 'anthropic-beta': 'some-beta-2026-01-01' },
    names: ['anthropic-beta', 'anthropic_beta'],
    arrives: { messages: ({ headers }) => headers['anthropic-beta'] === 'some-beta-2026-01-01' },
  },
]

const thoughts: readonly Feature[] = [
  {
    name: '`thinking`: a budget',
    more: { max_tokens: 9000, thinking: { type: 'enabled', budget_tokens: 3000 } },
    names: ['thinking'],
    arrives: {
      cohere: { thinking: { type: 'enabled', token_budget: 3000 } },
      chat: ({ body }) =>
        body.reasoning_effort === 'medium' || JSON.stringify(body.reasoning) === '{"max_tokens":3000}',
      gemini: says('"thinkingConfig":{"includeThoughts":true'),
    },
  },
  {
    name: '`thinking: adaptive`',
    more: { thinking: { type: 'adaptive' } },
    arrives: {
      cohere: { thinking: { type: 'enabled' } },
      chat: ({ body }) =>
        body.reasoning_effort === 'medium' || JSON.stringify(body.reasoning) === '{"enabled":true}',
      gemini: says('"thinkingConfig":{"includeThoughts":true'),
    },
  },
  {
    name: '`thinking: disabled`',
    more: { thinking: { type: 'disabled' } },
    arrives: {
      chat: ({ body }) => JSON.stringify(body.reasoning) === '{"enabled":false}',
      cohere: { thinking: { type: 'disabled' } },
      gemini: generation({ thinkingConfig: { thinkingBudget: 0 } }),
    },
  },
  {
    name: '`thinking.display: omitted`',
    more: { thinking: { type: 'adaptive', display: 'omitted' } },
    names: ['thinking.display', 'thinking'],
  },
  {
    name: 'signed thinking in the history',
    more: after({ type: 'thinking', thinking: 'Hm.', signature: 'EqQB' }, { type: 'text', text: 'Hello.' }),
    names: ['thinking'],
    arrives: { chat: says('"Hm."') },
  },
  {
    name: 'another model’s thinking in the history',
    more: after({ type: 'thinking', thinking: 'Hm.', signature: '' }, { type: 'text', text: 'Hello.' }),
    names: ['thinking'],
    arrives: { chat: says('"Hm."'), messages: ({ body }) => !JSON.stringify(body).includes('Hello.') },
  },
  {
    name: 'redacted thinking in the history',
    more: after({ type: 'redacted_thinking', data: 'EqQB' }, { type: 'text', text: 'Hello.' }),
    names: ['thinking'],
    arrives: { chat: says('"data":"EqQB"') },
  },
  {
    name: 'a stream and its usage',
    more: { stream: true },
    arrives: {
      chat: { stream: true },
      messages: streamed,
      gemini: ({ url }) => url.endsWith(':streamGenerateContent?alt=sse'),
    },
  },
  {
    name: '`models`, `provider`, `session_id`, `usage`',
    more: { models: [], provider: {}, session_id: 's', usage: { include: true } },
    here: 'routing and accounts',
  },
]

export const messagesWire: WireRow = {
  title: '`/v1/messages`',
  path: () => '/v1/messages',
  speech: 'messages',
  smallest: model => ({ model, max_tokens: 4000, messages: [ask] }),
  features: [...messages, ...tools, ...settings, ...thoughts],
}
