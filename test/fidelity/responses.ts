/** `/v1/responses` in the fidelity matrix: what a Responses request can ask for, and how each wire says it. */
import { PNG } from '../clients/bodies.ts'
import {
  callsWith,
  type Feature,
  holds,
  type WireRow,
  streamed,
  standsIn,
  schemaAtClaude,
} from './feature.ts'

const ask = { role: 'user', content: 'Hi' }
const user = (...content: object[]) => ({ input: [{ role: 'user', content }] })
const text = { type: 'input_text', text: 'What is this?' }
const says = holds
const schema = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
}
const tool = { type: 'function', name: 'weather', description: 'Tells it.', parameters: schema }
const generation = (part: object) => ({ generationConfig: part })
const PICTURE = `data:image/png;base64,${PNG}`
const calls = (output: unknown) => ({
  tools: [tool],
  input: [
    ask,
    { type: 'function_call', call_id: 'call_1', name: 'weather', arguments: '{"city":"Bern"}' },
    { type: 'function_call', call_id: 'call_2', name: 'weather', arguments: '{"city":"Basel"}' },
    { type: 'function_call_output', call_id: 'call_1', output },
    { type: 'function_call_output', call_id: 'call_2', output: '9' },
  ],
})

const items: readonly Feature[] = [
  {
    name: '`instructions`',
    more: { instructions: 'Be short.' },
    arrives: {
      chat: { messages: [{ role: 'system', content: 'Be short.' }, { role: 'user' }] },
      messages: { system: [{ text: 'Be short.' }] },
      gemini: { systemInstruction: { parts: [{ text: 'Be short.' }] } },
    },
  },
  {
    name: 'developer message',
    more: { input: [{ role: 'developer', content: 'Be short.' }, ask] },
    arrives: {
      chat: says('Be short.'),
      messages: { system: [{ text: 'Be short.' }] },
      gemini: { systemInstruction: { parts: [{ text: 'Be short.' }] } },
    },
  },
  {
    name: 'several turns',
    more: {
      input: [
        ask,
        {
          type: 'message',
          id: 'msg_1',
          status: 'completed',
          role: 'assistant',
          content: [{ type: 'output_text', text: 'Hello.', annotations: [] }],
        },
        { role: 'user', content: 'Bye' },
      ],
    },
    arrives: {
      chat: { messages: [ask, { role: 'assistant', content: 'Hello.' }, { content: 'Bye' }] },
      messages: { messages: [{}, { role: 'assistant', content: [{ text: 'Hello.' }] }, {}] },
      gemini: { contents: [{}, { role: 'model', parts: [{ text: 'Hello.' }] }, {}] },
    },
  },
  {
    name: 'image, inline',
    more: user(text, { type: 'input_image', image_url: PICTURE }),
    names: ['input'],
    arrives: { chat: says(PICTURE), messages: says(PNG), gemini: says(PNG) },
  },
  {
    name: 'image by URL',
    more: user(text, { type: 'input_image', image_url: 'https://example.com/a.png' }),
    names: ['input'],
    arrives: {
      chat: says('https://example.com/a.png'),
      messages: says('https://example.com/a.png'),
      gemini: says('https://example.com/a.png'),
    },
  },
  {
    name: 'image `detail`',
    more: user(text, { type: 'input_image', image_url: PICTURE, detail: 'high' }),
    names: ['detail'],
    arrives: {
      chat: says('"detail":"high"'),
      gemini: generation({ mediaResolution: 'MEDIA_RESOLUTION_HIGH' }),
    },
  },
  {
    name: 'image by file id',
    more: user(text, { type: 'input_image', file_id: 'file-1' }),
    names: ['input'],
  },
  {
    name: 'PDF, inline',
    more: user({
      type: 'input_file',
      filename: 'a.pdf',
      file_data: 'data:application/pdf;base64,JVBERi0xLjQK',
    }),
    names: ['input'],
    arrives: {
      chat: says('"file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0xLjQK"}'),
      messages: says('"media_type":"application/pdf","data":"JVBERi0xLjQK"'),
      gemini: says('"mimeType":"application/pdf","data":"JVBERi0xLjQK"'),
    },
  },
  {
    name: 'file by URL',
    more: user({ type: 'input_file', file_url: 'https://example.com/a.pdf' }),
    names: ['input'],
    arrives: {
      chat: says('https://example.com/a.pdf'),
      messages: says('https://example.com/a.pdf'),
      gemini: says('https://example.com/a.pdf'),
    },
  },
  {
    name: '`item_reference`',
    more: { input: [ask, { type: 'item_reference', id: 'msg_1' }] },
    names: ['input'],
  },
  {
    name: 'reasoning item of OpenAI',
    more: {
      input: [ask, { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'gAAAA' }, ask],
    },
    names: ['encrypted_content'],
  },
  {
    name: '`phase` of a message',
    more: {
      input: [
        ask,
        {
          type: 'message',
          role: 'assistant',
          phase: 'commentary',
          content: [{ type: 'output_text', text: 'Hello.' }],
        },
        ask,
      ],
    },
    names: ['phase'],
  },
  ...(['previous_response_id', 'conversation'] as const).map(
    (name): Feature => ({ name: `\`${name}\``, more: { [name]: 'x_1' } }),
  ),
]

const tools: readonly Feature[] = [
  {
    name: '`tools`: functions',
    more: { tools: [tool] },
    arrives: {
      chat: { tools: [{ type: 'function', function: { name: 'weather', parameters: schema } }] },
      messages: { tools: [{ name: 'weather', input_schema: schema }] },
      gemini: { tools: [{ functionDeclarations: [{ name: 'weather' }] }] },
    },
  },
  {
    name: 'strict functions',
    more: { tools: [{ ...tool, strict: true }] },
    names: ['strict'],
    arrives: {
      chat: says('"strict":true'),
      cohere: { strict_tools: true },
      messages: { tools: [{ strict: true }] },
      gemini: { toolConfig: { functionCallingConfig: { mode: 'VALIDATED' } } },
    },
  },
  {
    name: 'custom tools',
    more: { tools: [{ type: 'custom', name: 'code' }] },
    names: ['tools'],
    arrives: { chat: { tools: [{ type: 'custom', custom: { name: 'code' } }] } },
  },
  {
    name: 'tools under a `namespace`',
    more: {
      tools: [{ type: 'namespace', name: 'crm', description: 'It.', tools: [tool] }],
      input: [
        ask,
        {
          type: 'function_call',
          call_id: 'call_1',
          namespace: 'crm',
          name: 'weather',
          arguments: '{"city":"Bern"}',
        },
        { type: 'function_call_output', call_id: 'call_1', output: '7' },
      ],
    },
    names: ['tools'],
    arrives: {
      chat: ({ body }) =>
        JSON.stringify(body.tools).includes('"name":"crm__weather"') &&
        JSON.stringify(body.messages).includes('"name":"crm__weather"'),
      messages: ({ body }) =>
        JSON.stringify(body.tools).includes('"name":"crm__weather"') &&
        JSON.stringify(body.messages).includes('"name":"crm__weather"'),
      gemini: ({ body }) =>
        JSON.stringify(body.tools).includes('"name":"crm__weather"') &&
        JSON.stringify(body.contents).includes('"name":"crm__weather"'),
    },
  },
  {
    name: '`defer_loading` of a tool',
    more: { tools: [{ ...tool, defer_loading: true }] },
    names: ['defer_loading'],
  },
  {
    name: '`web_search`',
    more: { tools: [tool, { type: 'web_search' }] },
    names: ['tools', 'tools.web_search'],
  },
  {
    name: 'other tools that run at OpenAI',
    more: { tools: [{ type: 'file_search', vector_store_ids: ['v'] }] },
    names: ['tools'],
  },
  {
    name: 'a call without a result',
    more: { ...calls('7'), input: [...calls('7').input.slice(0, -1), { role: 'user', content: 'And now?' }] },
    names: ['input'],
    arrives: { chat: standsIn, messages: standsIn, gemini: standsIn },
  },
  {
    name: 'parallel calls and their results',
    more: calls('7'),
    names: ['input'],
    arrives: {
      chat: callsWith('{"city":"Bern"}', '{"city":"Basel"}'),
      messages: says('"type":"tool_result","tool_use_id":"call_1","content":"7"'),
      gemini: says('"name":"weather","args":{"city":"Bern"}'),
    },
  },
  {
    name: 'image in a tool result',
    more: calls([
      { type: 'input_text', text: 'map' },
      { type: 'input_image', image_url: PICTURE },
    ]),
    names: ['input'],
    arrives: { chat: says(PNG), messages: says(PNG), gemini: says(PNG) },
  },
  ...(
    [
      ['none', { type: 'none' }, { mode: 'NONE' }],
      ['required', { type: 'any' }, { mode: 'ANY' }],
    ] as const
  ).map(
    ([choice, claude, gemini]): Feature => ({
      name: `\`tool_choice: ${choice}\``,
      more: { tools: [tool], tool_choice: choice },
      names: ['tool_choice'],
      arrives: {
        chat: { tool_choice: choice },
        cohere: { tool_choice: choice.toUpperCase() },
        messages: { tool_choice: claude },
        gemini: { toolConfig: { functionCallingConfig: gemini } },
      },
    }),
  ),
  {
    name: '`tool_choice`: one function',
    more: { tools: [tool], tool_choice: { type: 'function', name: 'weather' } },
    names: ['tool_choice'],
    arrives: {
      chat: { tool_choice: { type: 'function', function: { name: 'weather' } } },
      cohere: { tool_choice: 'REQUIRED' },
      messages: { tool_choice: { type: 'tool', name: 'weather' } },
      gemini: { toolConfig: { functionCallingConfig: { mode: 'ANY' } } },
    },
  },
  {
    name: '`tool_choice: allowed_tools`',
    more: {
      tools: [tool, { ...tool, name: 'time' }],
      tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'time' }] },
    },
    names: ['tool_choice'],
    arrives: {
      chat: sent =>
        holds('"type":"allowed_tools"', '{"type":"function","function":{"name":"time"}}')(sent) ||
        (Array.isArray(sent.body.tools) && sent.body.tools.length === 1),
      messages: { tools: [{ name: 'time' }] },
      gemini: { tools: [{ functionDeclarations: [{ name: 'time' }] }] },
    },
  },
  {
    name: '`parallel_tool_calls: false`',
    more: { tools: [tool], parallel_tool_calls: false },
    names: ['parallel_tool_calls'],
    arrives: {
      chat: { parallel_tool_calls: false },
      messages: { tool_choice: { type: 'auto', disable_parallel_tool_use: true } },
    },
  },
  { name: '`max_tool_calls`', more: { max_tool_calls: 3 } },
]

/** A setting that chat has under the same name. */
const same = (name: string, value: unknown, more: Feature['arrives'] = {}): Feature => ({
  name: `\`${name}\``,
  more: { [name]: value },
  arrives: { chat: { [name]: value } as Record<string, unknown>, ...more },
})

const settings: readonly Feature[] = [
  {
    name: '`max_output_tokens`',
    more: { max_output_tokens: 321 },
    arrives: {
      chat: ({ body }) => (body.max_tokens ?? body.max_completion_tokens) === 321,
      messages: { max_tokens: 321 },
      gemini: generation({ maxOutputTokens: 321 }),
    },
  },
  same('temperature', 0.3, { messages: { temperature: 0.3 }, gemini: generation({ temperature: 0.3 }) }),
  same('top_p', 0.9, { cohere: { p: 0.9 }, messages: { top_p: 0.9 }, gemini: generation({ topP: 0.9 }) }),
  {
    name: '`top_logprobs`, `include: message.output_text.logprobs`',
    more: { top_logprobs: 2, include: ['message.output_text.logprobs'] },
    arrives: {
      chat: { logprobs: true, top_logprobs: 2 },
      gemini: generation({ responseLogprobs: true, logprobs: 2 }),
    },
  },
  {
    name: '`text.format: json_schema`',
    more: { text: { format: { type: 'json_schema', name: 'city', strict: true, schema } } },
    names: ['text'],
    arrives: {
      chat: { response_format: { type: 'json_schema', json_schema: { name: 'city', strict: true, schema } } },
      cohere: { response_format: { type: 'json_object', json_schema: schema } },
      messages: schemaAtClaude,
      gemini: generation({ responseMimeType: 'application/json' }),
    },
  },
  {
    name: '`text.format: json_object`',
    more: { text: { format: { type: 'json_object' } } },
    names: ['text'],
    arrives: {
      chat: { response_format: { type: 'json_object' } },
      messages: says('Answer with one JSON object'),
      gemini: generation({ responseMimeType: 'application/json' }),
    },
  },
  {
    name: '`text.verbosity`',
    more: { text: { verbosity: 'low' } },
    names: ['text'],
    arrives: { chat: { verbosity: 'low' } },
  },
  {
    name: '`reasoning.effort`',
    more: { reasoning: { effort: 'low' } },
    names: ['reasoning'],
    arrives: {
      chat: { reasoning_effort: 'low' },
      messages: ({ body }) => body.thinking !== undefined,
      gemini: says('"thinkingConfig":{"includeThoughts":true'),
    },
  },
  {
    name: '`reasoning.summary`',
    more: { reasoning: { effort: 'low', summary: 'auto' } },
    names: ['reasoning'],
    arrives: {
      chat: { reasoning_effort: 'low' },
      messages: ({ body }) => body.thinking !== undefined,
      gemini: says('"includeThoughts":true'),
    },
  },
  {
    name: '`include: reasoning.encrypted_content`, `store: false`',
    more: { include: ['reasoning.encrypted_content'], store: false },
    here: 'thoughts come back sealed in every answer; nothing is stored',
  },
  { name: '`include`: results of tools at OpenAI', more: { include: ['web_search_call.results'] } },
  { name: '`store: true`', more: { store: true } },
  { name: '`background`', more: { background: true } },
  { name: '`truncation: auto`', more: { truncation: 'auto' } },
  { name: '`truncation: disabled`', more: { truncation: 'disabled' }, here: 'nothing is cut' },
  { name: '`prompt`', more: { prompt: { id: 'pmpt_1' } } },
  { name: '`context_management`', more: { context_management: [{ type: 'compaction' }] } },
  { name: '`client_metadata`', more: { client_metadata: { a: 'b' } } },
  same('service_tier', 'flex', { gemini: { serviceTier: 'flex' } }),
  same('safety_identifier', 'user-1', { messages: { metadata: { user_id: 'user-1' } } }),
  same('prompt_cache_key', 'thread-1'),
  same('prompt_cache_retention', '24h'),
  same('x_unknown', 1),
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
    name: '`stream_options.include_obfuscation`',
    more: { stream: true, stream_options: { include_obfuscation: true } },
    names: ['stream_options'],
  },
  { name: '`user`', more: { user: 'ann' }, here: 'spend by user' },
  { name: '`metadata`', more: { metadata: { a: 'b' } }, here: 'echoed; spend by tag' },
]

export const responses: WireRow = {
  title: '`/v1/responses`',
  path: () => '/v1/responses',
  speech: 'responses',
  smallest: model => ({ model, input: 'Hi' }),
  features: [...items, ...tools, ...settings],
}
