/** `/v1/chat/completions` in the fidelity matrix: what a chat request can ask for, and how each wire says it. */
import { PNG } from '../clients/bodies.ts'
import {
  type Arrival,
  callsWith,
  type Feature,
  holds,
  type WireRow,
  streamed,
  standsIn,
  schemaAtClaude,
} from './feature.ts'

const PDF = 'data:application/pdf;base64,JVBERi0xLjQK'
const PICTURE = `data:image/png;base64,${PNG}`
const ask = { role: 'user', content: 'Hi' }
const user = (...content: object[]) => ({ messages: [{ role: 'user', content }] })
const text = { type: 'text', text: 'What is this?' }
const schema = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
}
const tool = (name: string, more: object = {}) => ({
  type: 'function',
  function: { name, description: 'Tells it.', parameters: schema, ...more },
})
const two = { tools: [tool('weather'), tool('time')] }
const call = (id: string, city: string, more: object = {}) => ({
  id,
  type: 'function',
  function: { name: 'weather', arguments: `{"city":"${city}"}` },
  ...more,
})
const called = (results: object[], message: object = {}) => ({
  ...two,
  messages: [
    ask,
    {
      role: 'assistant',
      content: null,
      tool_calls: [call('call_1', 'Bern'), call('call_2', 'Basel')],
      ...message,
    },
    ...results,
  ],
})
const results = [
  { role: 'tool', tool_call_id: 'call_1', content: '7' },
  { role: 'tool', tool_call_id: 'call_2', content: '9' },
]
const use = (id: string, city: string) => ({ type: 'tool_use', id, name: 'weather', input: { city } })
const says = holds
const linked = callsWith('{"city":"Bern"}', '{"city":"Basel"}')
/** Two calls at Claude, each with its own result. */
const linkedAtClaude: Arrival = ({ body }) => {
  const all = (pattern: RegExp) => [...JSON.stringify(body.messages).matchAll(pattern)].map(found => found[1])
  const ids = all(/"type":"tool_use","id":"(\w+)"/g)
  return (
    all(/"input":\{"city":"(\w+)"\}/g).join() === 'Bern,Basel' &&
    all(/"type":"tool_result","tool_use_id":"\w+","content":(?:\[.*?"text":)?"(\d)"/g).join() === '7,9' &&
    ids.join() === all(/"tool_use_id":"(\w+)"/g).join() &&
    new Set(ids).size === 2
  )
}

const messages: readonly Feature[] = [
  {
    name: 'system message',
    more: { messages: [{ role: 'system', content: 'Be short.' }, ask] },
    names: ['messages'],
    arrives: {
      messages: { system: [{ type: 'text', text: 'Be short.' }] },
      gemini: { systemInstruction: { parts: [{ text: 'Be short.' }] } },
    },
  },
  {
    name: 'developer message',
    more: { messages: [{ role: 'developer', content: 'Be short.' }, ask] },
    names: ['messages'],
    arrives: {
      chat: { messages: [{ role: 'system', content: 'Be short.' }, ask] },
      messages: { system: [{ type: 'text', text: 'Be short.' }] },
      gemini: { systemInstruction: { parts: [{ text: 'Be short.' }] } },
    },
  },
  {
    name: 'several turns',
    more: { messages: [ask, { role: 'assistant', content: 'Hello.' }, { role: 'user', content: 'Bye' }] },
    names: ['messages'],
    arrives: {
      messages: {
        messages: [
          { role: 'user', content: [{ text: 'Hi' }] },
          { role: 'assistant', content: [{ text: 'Hello.' }] },
          { role: 'user', content: [{ text: 'Bye' }] },
        ],
      },
      gemini: {
        contents: [
          { role: 'user', parts: [{ text: 'Hi' }] },
          { role: 'model', parts: [{ text: 'Hello.' }] },
          { role: 'user', parts: [{ text: 'Bye' }] },
        ],
      },
    },
  },
  {
    name: '`name` of a speaker',
    more: { messages: [{ ...ask, name: 'ann' }] },
    names: ['messages[0].name', 'name'],
  },
  {
    name: 'image, inline',
    more: user(text, { type: 'image_url', image_url: { url: PICTURE } }),
    names: ['messages'],
    arrives: {
      messages: {
        messages: [
          {
            role: 'user',
            content: [
              text,
              { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PNG } },
            ],
          },
        ],
      },
      gemini: {
        contents: [{ parts: [{ text: text.text }, { inlineData: { mimeType: 'image/png', data: PNG } }] }],
      },
    },
  },
  {
    name: 'image by URL',
    more: user(text, { type: 'image_url', image_url: { url: 'https://example.com/a.png' } }),
    names: ['messages'],
    arrives: {
      messages: says('"source":{"type":"url","url":"https://example.com/a.png"}'),
      gemini: says('"fileUri":"https://example.com/a.png"'),
    },
  },
  {
    name: 'image `detail`',
    more: user(text, { type: 'image_url', image_url: { url: PICTURE, detail: 'low' } }),
    names: ['messages[0].content[1].image_url.detail', 'detail'],
    arrives: { gemini: { generationConfig: { mediaResolution: 'MEDIA_RESOLUTION_LOW' } } },
  },
  {
    name: 'PDF, inline',
    more: user(text, { type: 'file', file: { filename: 'a.pdf', file_data: PDF } }),
    names: ['messages'],
    arrives: {
      messages: says(
        '"source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0xLjQK"},"title":"a.pdf"',
      ),
      gemini: says('"mimeType":"application/pdf","data":"JVBERi0xLjQK"'),
    },
  },
  {
    name: 'file by id',
    more: user(text, { type: 'file', file: { file_id: 'file-1' } }),
    names: ['messages'],
    arrives: { messages: says('"source":{"type":"file","file_id":"file-1"}') },
  },
  {
    name: 'audio in',
    more: user(text, { type: 'input_audio', input_audio: { data: 'UklGRg==', format: 'wav' } }),
    names: ['messages'],
    arrives: { gemini: says('"inlineData":{"mimeType":"audio/wav","data":"UklGRg=="}') },
  },
  {
    name: '`cache_control` on a part, with `ttl`',
    more: user({ ...text, cache_control: { type: 'ephemeral', ttl: '1h' } }),
    names: ['cache_control'],
    arrives: {
      messages: {
        messages: [{ content: [{ text: text.text, cache_control: { type: 'ephemeral', ttl: '1h' } }] }],
      },
    },
  },
  {
    name: 'refusal in the history',
    more: { messages: [ask, { role: 'assistant', refusal: 'I will not.', content: null }, ask] },
    names: ['messages', 'refusal'],
    arrives: {
      cohere: says('I will not.'),
      messages: says('I will not.'),
      gemini: says('I will not.'),
    },
  },
]

const tools: readonly Feature[] = [
  {
    name: '`tools`',
    more: two,
    names: ['tools'],
    arrives: {
      messages: {
        tools: [
          { name: 'weather', description: 'Tells it.', input_schema: schema },
          { name: 'time', input_schema: schema },
        ],
      },
      gemini: {
        tools: [
          {
            functionDeclarations: [
              { name: 'weather', description: 'Tells it.', parametersJsonSchema: { required: ['city'] } },
              { name: 'time' },
            ],
          },
        ],
      },
    },
  },
  {
    name: 'strict tools',
    more: { tools: [tool('weather', { strict: true })] },
    names: ['tools[0].function.strict', 'strict'],
    arrives: {
      cohere: { strict_tools: true },
      messages: { tools: [{ name: 'weather', strict: true }] },
      gemini: { toolConfig: { functionCallingConfig: { mode: 'VALIDATED' } } },
    },
  },
  { name: 'custom tools', more: { tools: [{ type: 'custom', custom: { name: 'code' } }] }, names: ['tools'] },
  {
    name: 'a call without a result',
    more: called([...results.slice(0, 1), { role: 'user', content: 'And now?' }]),
    names: ['messages'],
    // between callers and hosts of one wire it stays the caller's own affair
    arrives: { chat: says('"7"', 'And now?'), cohere: standsIn, messages: standsIn, gemini: standsIn },
  },
  {
    name: 'parallel calls and their results',
    more: called(results),
    names: ['messages'],
    arrives: {
      chat: linked,
      messages: {
        messages: [
          {},
          { role: 'assistant', content: [use('call_1', 'Bern'), use('call_2', 'Basel')] },
          {
            role: 'user',
            content: [
              { type: 'tool_result', tool_use_id: 'call_1', content: '7' },
              { type: 'tool_result', tool_use_id: 'call_2', content: '9' },
            ],
          },
        ],
      },
      gemini: {
        contents: [
          {},
          {
            role: 'model',
            parts: [
              { functionCall: { name: 'weather', args: { city: 'Bern' } } },
              { functionCall: { name: 'weather', args: { city: 'Basel' } } },
            ],
          },
          {
            role: 'user',
            parts: [{ functionResponse: { name: 'weather' } }, { functionResponse: { name: 'weather' } }],
          },
        ],
      },
    },
  },
  {
    name: 'image in a tool result',
    more: called([
      {
        role: 'tool',
        tool_call_id: 'call_1',
        content: [
          { type: 'text', text: 'map' },
          { type: 'image_url', image_url: { url: PICTURE } },
        ],
      },
      results[1] as object,
    ]),
    names: ['messages'],
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
      more: { ...two, tool_choice: choice },
      names: ['tool_choice'],
      arrives: {
        cohere: { tool_choice: choice.toUpperCase() },
        messages: { tool_choice: claude },
        gemini: { toolConfig: { functionCallingConfig: gemini } },
      },
    }),
  ),
  {
    name: '`tool_choice`: one function',
    more: { ...two, tool_choice: { type: 'function', function: { name: 'time' } } },
    names: ['tool_choice'],
    arrives: {
      cohere: { tools: [{ function: { name: 'time' } }], tool_choice: 'REQUIRED' },
      messages: { tool_choice: { type: 'tool', name: 'time' } },
      gemini: { toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['time'] } } },
    },
  },
  {
    name: '`tool_choice: allowed_tools`',
    more: {
      ...two,
      tool_choice: {
        type: 'allowed_tools',
        allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'time' } }] },
      },
    },
    names: ['tool_choice'],
    arrives: {
      messages: { tools: [{ name: 'time' }] },
      gemini: { tools: [{ functionDeclarations: [{ name: 'time' }] }] },
    },
  },
  {
    name: '`parallel_tool_calls: false`',
    more: { ...two, parallel_tool_calls: false },
    names: ['parallel_tool_calls'],
    arrives: { messages: { tool_choice: { type: 'auto', disable_parallel_tool_use: true } } },
  },
  {
    name: '`functions`, `function_call`',
    more: {
      functions: [{ name: 'weather', description: 'Tells it.', parameters: schema }],
      function_call: { name: 'weather' },
    },
    arrives: {
      cohere: { tools: [{ type: 'function', function: { name: 'weather' } }], tool_choice: 'REQUIRED' },
      messages: {
        tools: [{ name: 'weather', input_schema: { required: ['city'] } }],
        tool_choice: { type: 'tool', name: 'weather' },
      },
      gemini: {
        tools: [{ functionDeclarations: [{ name: 'weather' }] }],
        toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['weather'] } },
      },
    },
  },
  {
    name: '`function_call` in the history, and its result',
    more: {
      messages: [
        { role: 'user', content: 'Bern, then Basel?' },
        ...['Bern', 'Basel'].flatMap((city, i) => [
          {
            role: 'assistant',
            content: null,
            function_call: { name: 'weather', arguments: JSON.stringify({ city }) },
          },
          { role: 'function', name: 'weather', content: i === 0 ? '7' : '9' },
        ]),
      ],
    },
    names: ['messages', 'function_call'],
    arrives: {
      cohere: linked,
      messages: linkedAtClaude,
      gemini: {
        contents: [
          { role: 'user' },
          { role: 'model', parts: [{ functionCall: { name: 'weather', args: { city: 'Bern' } } }] },
          { role: 'user', parts: [{ functionResponse: { name: 'weather' } }] },
          { role: 'model', parts: [{ functionCall: { name: 'weather', args: { city: 'Basel' } } }] },
          { role: 'user', parts: [{ functionResponse: { name: 'weather' } }] },
        ],
      },
    },
  },
]

const generation = (part: object) => ({ generationConfig: part })
/** A setting with one name here and one there. */
const setting = (
  name: string,
  value: unknown,
  theirs?: string,
  claude?: string,
  cohere?: string,
): Feature => ({
  name: `\`${name}\``,
  more: { [name]: value },
  arrives: {
    ...(claude === undefined ? {} : { messages: { [claude]: value } }),
    ...(cohere === undefined ? {} : { cohere: { [cohere]: value } }),
    ...(theirs === undefined ? {} : { gemini: generation({ [theirs]: value }) }),
  },
})

const settings: readonly Feature[] = [
  {
    name: '`max_tokens`',
    more: { max_tokens: 321 },
    arrives: {
      chat: ({ body }) => body.max_tokens === 321 || body.max_completion_tokens === 321,
      messages: { max_tokens: 321 },
      gemini: generation({ maxOutputTokens: 321 }),
    },
  },
  {
    name: '`max_completion_tokens`',
    more: { max_completion_tokens: 321 },
    arrives: {
      chat: ({ body }) => body.max_tokens === 321 || body.max_completion_tokens === 321,
      messages: { max_tokens: 321 },
      gemini: generation({ maxOutputTokens: 321 }),
    },
  },
  setting('temperature', 0.3, 'temperature', 'temperature'),
  {
    name: '`temperature` above 1',
    more: { temperature: 1.6 },
    arrives: { gemini: generation({ temperature: 1.6 }) },
  },
  setting('top_p', 0.9, 'topP', 'top_p', 'p'),
  setting('top_k', 40, 'topK', 'top_k', 'k'),
  setting('min_p', 0.1),
  {
    name: '`seed`',
    more: { seed: 7 },
    arrives: { chat: ({ body }) => (body.seed ?? body.random_seed) === 7, gemini: generation({ seed: 7 }) },
  },
  setting('frequency_penalty', 0.5, 'frequencyPenalty'),
  setting('presence_penalty', 0.5, 'presencePenalty'),
  setting('logit_bias', { 50256: -100 }),
  {
    name: '`logprobs`, `top_logprobs`',
    more: { logprobs: true, top_logprobs: 2 },
    arrives: { gemini: generation({ responseLogprobs: true, logprobs: 2 }) },
  },
  setting('n', 2, 'candidateCount'),
  {
    name: '`stop` of white space',
    more: { stop: ['\n\n', 'END'] },
    arrives: {
      cohere: { stop_sequences: ['\n\n', 'END'] },
      messages: { stop_sequences: ['\n\n', 'END'] },
      gemini: generation({ stopSequences: ['\n\n', 'END'] }),
    },
  },
  {
    name: '`stop`',
    more: { stop: ['END', '###'] },
    arrives: {
      cohere: { stop_sequences: ['END', '###'] },
      messages: { stop_sequences: ['END', '###'] },
      gemini: generation({ stopSequences: ['END', '###'] }),
    },
  },
  {
    name: '`response_format: json_schema`',
    more: { response_format: { type: 'json_schema', json_schema: { name: 'city', strict: true, schema } } },
    names: ['response_format'],
    arrives: {
      cohere: { response_format: { type: 'json_object', json_schema: { required: ['city'] } } },
      messages: schemaAtClaude,
      gemini: generation({
        responseMimeType: 'application/json',
        responseJsonSchema: { required: ['city'] },
      }),
    },
  },
  {
    name: '`response_format: json_object`',
    more: { response_format: { type: 'json_object' } },
    names: ['response_format'],
    arrives: {
      messages: says('Answer with one JSON object'),
      gemini: generation({ responseMimeType: 'application/json' }),
    },
  },
  {
    name: '`service_tier: flex`',
    more: { service_tier: 'flex' },
    arrives: { gemini: { serviceTier: 'flex' } },
  },
  {
    name: '`service_tier: default`',
    more: { service_tier: 'default' },
    arrives: { messages: { service_tier: 'standard_only' }, gemini: ({ body }) => body.serviceTier == null },
  },
  {
    name: '`safety_identifier`',
    more: { safety_identifier: 'user-1' },
    arrives: { messages: { metadata: { user_id: 'user-1' } } },
  },
  setting('prompt_cache_key', 'thread-1'),
  setting('prompt_cache_retention', '24h'),
  setting('prediction', { type: 'content', content: 'a' }),
  setting('verbosity', 'low'),
  setting('store', true),
  {
    name: '`modalities`, `audio`',
    more: { modalities: ['text', 'audio'], audio: { voice: 'alloy', format: 'wav' } },
    arrives: {
      gemini: generation({
        responseModalities: ['AUDIO'],
        speechConfig: { voiceConfig: { prebuiltVoiceConfig: { voiceName: 'alloy' } } },
      }),
    },
  },
  {
    name: '`web_search_options`',
    more: { web_search_options: {} },
    arrives: {
      gemini: { tools: [{ googleSearch: {} }] },
      messages: { tools: [{ type: 'web_search_20250305', name: 'web_search' }] },
    },
  },
  setting('x_unknown', 1),
]

const thoughts: readonly Feature[] = [
  {
    name: '`reasoning_effort`',
    more: { reasoning_effort: 'low' },
    arrives: {
      messages: ({ body }) => body.thinking !== undefined,
      gemini: ({ body }) => JSON.stringify(body).includes('"thinkingConfig":{"includeThoughts":true'),
    },
  },
  {
    name: '`reasoning.effort`',
    more: { reasoning: { effort: 'low' } },
    arrives: {
      chat: ({ body }) => body.reasoning_effort === 'low' || body.reasoning !== undefined,
      messages: ({ body }) => body.thinking !== undefined,
      gemini: says('"thinkingConfig":{"includeThoughts":true'),
    },
  },
  {
    name: '`reasoning.max_tokens`',
    more: { reasoning: { max_tokens: 3000 } },
    arrives: {
      cohere: { thinking: { type: 'enabled', token_budget: 3000 } },
      messages: ({ body }) => body.thinking !== undefined,
      gemini: says('"thinkingConfig":{"includeThoughts":true'),
    },
  },
  {
    name: '`reasoning.exclude`',
    more: { reasoning: { effort: 'low', exclude: true } },
    arrives: {
      messages: ({ body }) => body.thinking !== undefined,
      gemini: ({ body }) => !JSON.stringify(body).includes('includeThoughts'),
    },
  },
  {
    name: 'signed `reasoning_details` in the history',
    more: {
      messages: [
        ask,
        {
          role: 'assistant',
          content: 'Hello.',
          reasoning_details: [
            { type: 'reasoning.text', text: 'Hm.', signature: 'EqQB', format: 'anthropic-claude-v1' },
          ],
        },
        ask,
      ],
    },
    names: ['reasoning_details'],
    arrives: {
      cohere: says('{"type":"thinking","thinking":"Hm."}'),
      messages: says('{"type":"thinking","thinking":"Hm.","signature":"EqQB"}'),
    },
  },
  {
    name: '`reasoning_content` in the history',
    more: { messages: [ask, { role: 'assistant', content: 'Hello.', reasoning_content: 'Hm.' }, ask] },
    names: ['reasoning_content'],
    arrives: { chat: says('"Hm."') },
  },
  {
    name: '`extra_content.google.thought_signature` of a call',
    more: called(results, {
      tool_calls: [
        call('call_1', 'Bern', { extra_content: { google: { thought_signature: 'c2ln' } } }),
        call('call_2', 'Basel'),
      ],
    }),
    names: ['extra_content'],
    arrives: { chat: says('"thought_signature":"c2ln"'), gemini: says('"thoughtSignature":"c2ln"') },
  },
  {
    name: '`thinking` (Anthropic’s)',
    more: { max_completion_tokens: 9000, thinking: { type: 'enabled', budget_tokens: 2000 } },
    names: ['thinking'],
    arrives: {
      chat: says('"thinking":{"type":"enabled","budget_tokens":2000}'),
      cohere: { thinking: { type: 'enabled', token_budget: 2000 } },
      messages: { thinking: { type: 'enabled', budget_tokens: 2000 } },
    },
  },
  {
    name: '`context_management` (Anthropic’s)',
    more: { context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] } },
    arrives: {
      messages: ({ body, headers }) =>
        body.context_management !== undefined &&
        // Bedrock has the betas in the body
        `${headers['anthropic-beta']} ${body.anthropic_beta}`.includes('context-management-2025-06-27'),
    },
  },
  {
    name: '`mcp_servers` (Anthropic’s)',
    more: { mcp_servers: [{ type: 'url', url: 'https://example.com/mcp', name: 'm' }] },
    names: ['mcp_servers', 'anthropic_beta'],
    arrives: { messages: says('"mcp_servers":[{"type":"url"') },
  },
  {
    name: '`extra_body.google` (Gemini’s)',
    more: { extra_body: { google: { thinking_config: { thinking_budget: 512 } } } },
    arrives: { gemini: says('"thinkingConfig":{"thinkingBudget":512}') },
  },
]

const routing: readonly Feature[] = [
  {
    name: 'a stream and its usage',
    more: { stream: true, stream_options: { include_usage: true } },
    names: ['stream'],
    arrives: {
      chat: { stream: true },
      messages: streamed,
      gemini: ({ url }) => url.endsWith(':streamGenerateContent?alt=sse'),
    },
  },
  { name: '`user`', more: { user: 'ann' }, here: 'spend by user' },
  { name: '`metadata`', more: { metadata: { tags: ['a'] } }, here: 'spend by tag' },
  {
    name: '`models`, `provider`, `session_id`, `usage`',
    more: { models: [], provider: {}, session_id: 's', usage: { include: true } },
    here: 'routing and accounts',
  },
]

export const chat: WireRow = {
  title: '`/v1/chat/completions`',
  path: () => '/v1/chat/completions',
  speech: 'chat',
  smallest: model => ({ model, messages: [ask] }),
  features: [...messages, ...tools, ...settings, ...thoughts, ...routing],
}
