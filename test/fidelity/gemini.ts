/** Gemini's `generateContent` in the fidelity matrix: what a request can ask for, and how each wire says it. */
import type { Json } from '../../providers/provider.ts'
import { PNG } from '../clients/bodies.ts'
import {
  type Arrival,
  callsWith,
  type Feature,
  holds,
  type WireRow,
  standsIn,
  schemaAtClaude,
} from './feature.ts'

const ask = { role: 'user', parts: [{ text: 'Hi' }] }
const user = (...parts: object[]) => ({ contents: [{ role: 'user', parts }] })
const text = { text: 'What is this?' }
const schema = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
}
const weather = { name: 'weather', description: 'Tells it.', parametersJsonSchema: schema }
const tools = { tools: [{ functionDeclarations: [weather, { ...weather, name: 'time' }] }] }
const choice = (functionCallingConfig: object) => ({ ...tools, toolConfig: { functionCallingConfig } })
const generation = (part: Json, more: Feature['arrives'] = {}, name?: string): Feature => {
  const keys = Object.keys(part)
  return {
    name: name ?? keys.map(key => `\`${key}\``).join(', '),
    more: { generationConfig: part },
    names: keys.map(key => `generationConfig.${key}`),
    arrives: more,
  }
}
const both = (...pieces: string[]): Record<'chat' | 'messages', Arrival> => ({
  chat: holds(...pieces),
  messages: holds(...pieces),
})

const contents: readonly Feature[] = [
  {
    name: '`systemInstruction`',
    more: { systemInstruction: { parts: [{ text: 'Be short.' }] } },
    arrives: {
      chat: { messages: [{ role: 'system', content: 'Be short.' }, { role: 'user' }] },
      messages: { system: [{ text: 'Be short.' }] },
    },
  },
  {
    name: 'several turns',
    more: {
      contents: [
        ask,
        { role: 'model', parts: [{ text: 'Hello.' }] },
        { role: 'user', parts: [{ text: 'Bye' }] },
      ],
    },
    arrives: {
      chat: { messages: [{ role: 'user' }, { role: 'assistant', content: 'Hello.' }, { content: 'Bye' }] },
      messages: { messages: [{}, { role: 'assistant', content: [{ text: 'Hello.' }] }, {}] },
    },
  },
  {
    name: 'image, inline',
    more: user(text, { inlineData: { mimeType: 'image/png', data: PNG } }),
    names: ['contents'],
    arrives: both(PNG),
  },
  {
    name: 'image by URL',
    more: user(text, { fileData: { mimeType: 'image/png', fileUri: 'https://example.com/a.png' } }),
    names: ['contents'],
    arrives: both('https://example.com/a.png'),
  },
  {
    name: 'PDF, inline',
    more: user(text, { inlineData: { mimeType: 'application/pdf', data: 'JVBERi0xLjQK' } }),
    names: ['contents'],
    arrives: both('JVBERi0xLjQK'),
  },
  {
    name: 'audio, inline',
    more: user(text, { inlineData: { mimeType: 'audio/wav', data: 'UklGRg==' } }),
    names: ['contents'],
    arrives: { chat: holds('"input_audio":{"data":"UklGRg==","format":"wav"}') },
  },
  {
    name: 'file of the Files API',
    more: user(text, {
      fileData: { fileUri: 'https://generativelanguage.googleapis.com/v1beta/files/abc' },
    }),
    names: ['contents'],
  },
  {
    name: '`videoMetadata` of a part',
    more: user(text, {
      inlineData: { mimeType: 'image/png', data: PNG },
      videoMetadata: { fps: 1 },
    }),
    names: ['contents'],
  },
  {
    name: 'signed thought in the history',
    more: {
      contents: [ask, { role: 'model', parts: [{ text: 'Hello.', thoughtSignature: 'c2lnbmF0dXJl' }] }, ask],
    },
    names: ['thoughtSignature'],
    arrives: { chat: holds('c2lnbmF0dXJl') },
  },
  {
    name: 'unsigned thought in the history',
    more: {
      contents: [ask, { role: 'model', parts: [{ text: 'Hm.', thought: true }, { text: 'Hello.' }] }, ask],
    },
    names: ['thought'],
    arrives: { chat: holds('"Hm."') },
  },
]

const calls: readonly Feature[] = [
  {
    name: '`tools`: functions',
    more: tools,
    arrives: {
      chat: { tools: [{ function: { name: 'weather', parameters: { required: ['city'] } } }, {}] },
      messages: { tools: [{ name: 'weather', input_schema: { required: ['city'] } }, {}] },
    },
  },
  {
    name: 'a call without a result',
    more: {
      ...tools,
      contents: [
        ask,
        {
          role: 'model',
          parts: [
            { functionCall: { id: 'c1', name: 'weather', args: { city: 'Bern' } } },
            { functionCall: { id: 'c2', name: 'weather', args: { city: 'Basel' } } },
          ],
        },
        {
          role: 'user',
          parts: [{ functionResponse: { id: 'c1', name: 'weather', response: { output: '7' } } }],
        },
        { role: 'user', parts: [{ text: 'And now?' }] },
      ],
    },
    names: ['contents'],
    arrives: { chat: standsIn, messages: standsIn },
  },
  {
    name: 'parallel calls and their results',
    more: {
      ...tools,
      contents: [
        ask,
        {
          role: 'model',
          parts: [
            { functionCall: { id: 'c1', name: 'weather', args: { city: 'Bern' } } },
            { functionCall: { id: 'c2', name: 'weather', args: { city: 'Basel' } } },
          ],
        },
        {
          role: 'user',
          parts: [
            { functionResponse: { id: 'c1', name: 'weather', response: { output: '7' } } },
            { functionResponse: { id: 'c2', name: 'weather', response: { output: '9' } } },
          ],
        },
      ],
    },
    names: ['contents'],
    arrives: {
      chat: callsWith('{"city":"Bern"}', '{"city":"Basel"}'),
      messages: holds('"input":{"city":"Bern"}', '"input":{"city":"Basel"}', '"type":"tool_result"'),
    },
  },
  ...(
    [
      ['NONE', 'none', { type: 'none' }, 'NONE'],
      ['ANY', 'required', { type: 'any' }, 'REQUIRED'],
    ] as const
  ).map(
    ([mode, chat, messages, cohere]): Feature => ({
      name: `\`mode: ${mode}\``,
      more: choice({ mode }),
      names: ['toolConfig'],
      arrives: {
        chat: { tool_choice: chat },
        messages: { tool_choice: messages },
        cohere: { tool_choice: cohere },
      },
    }),
  ),
  {
    name: '`allowedFunctionNames`',
    more: choice({ mode: 'ANY', allowedFunctionNames: ['time'] }),
    names: ['toolConfig'],
    arrives: {
      chat: { tools: [{ function: { name: 'time' } }], tool_choice: 'required' },
      messages: { tools: [{ name: 'time' }], tool_choice: { type: 'any' } },
      cohere: { tools: [{ function: { name: 'time' } }] },
    },
  },
  {
    name: '`mode: VALIDATED`',
    more: choice({ mode: 'VALIDATED' }),
    names: ['toolConfig', 'strict'],
    arrives: {
      chat: holds('"strict":true'),
      messages: holds('"strict":true'),
      cohere: { strict_tools: true },
    },
  },
  {
    name: '`googleSearch`',
    more: { tools: [{ googleSearch: {} }] },
    arrives: { chat: { web_search_options: {} } },
  },
  { name: '`codeExecution`', more: { tools: [{ codeExecution: {} }] } },
]

const settings: readonly Feature[] = [
  generation(
    { maxOutputTokens: 321 },
    {
      chat: ({ body }) => (body.max_tokens ?? body.max_completion_tokens) === 321,
      messages: { max_tokens: 321 },
    },
  ),
  generation({ temperature: 0.3 }, { chat: { temperature: 0.3 }, messages: { temperature: 0.3 } }),
  generation({ topP: 0.9 }, { chat: { top_p: 0.9 }, messages: { top_p: 0.9 }, cohere: { p: 0.9 } }),
  generation({ topK: 40 }, { chat: { top_k: 40 }, messages: { top_k: 40 }, cohere: { k: 40 } }),
  generation(
    { stopSequences: ['END'] },
    {
      chat: { stop: ['END'] },
      messages: { stop_sequences: ['END'] },
      cohere: { stop_sequences: ['END'] },
    },
  ),
  generation(
    { stopSequences: ['\n\n', 'END'] },
    {
      chat: { stop: ['\n\n', 'END'] },
      messages: { stop_sequences: ['\n\n', 'END'] },
      cohere: { stop_sequences: ['\n\n', 'END'] },
    },
    '`stopSequences` of white space',
  ),
  generation({ seed: 7 }, { chat: ({ body }) => (body.seed ?? body.random_seed) === 7 }),
  generation({ candidateCount: 2 }, { chat: { n: 2 } }),
  generation({ presencePenalty: 0.5 }, { chat: { presence_penalty: 0.5 } }),
  generation({ frequencyPenalty: 0.5 }, { chat: { frequency_penalty: 0.5 } }),
  generation({ responseLogprobs: true, logprobs: 2 }, { chat: { logprobs: true, top_logprobs: 2 } }),
  generation(
    { responseMimeType: 'application/json', responseJsonSchema: schema },
    {
      chat: holds('"response_format"', '"required":["city"]'),
      messages: schemaAtClaude,
    },
  ),
  generation(
    { responseMimeType: 'application/json' },
    { chat: { response_format: { type: 'json_object' } }, messages: holds('Answer with one JSON object') },
  ),
  generation(
    { thinkingConfig: { thinkingBudget: 3000, includeThoughts: true } },
    {
      chat: ({ body }) =>
        body.reasoning_effort === 'medium' || JSON.stringify(body.reasoning) === '{"max_tokens":3000}',
      messages: ({ body }) => body.thinking !== undefined,
      cohere: { thinking: { type: 'enabled', token_budget: 3000 } },
    },
    '`thinkingConfig`: a budget',
  ),
  generation(
    { thinkingConfig: { thinkingLevel: 'LOW' } },
    {
      chat: ({ body }) =>
        body.reasoning_effort === 'low' || JSON.stringify(body.reasoning) === '{"effort":"low"}',
      messages: ({ body }) => body.thinking !== undefined,
      cohere: ({ body }) => body.thinking !== undefined,
    },
    '`thinkingConfig`: a level',
  ),
  generation(
    { thinkingConfig: { thinkingBudget: 0 } },
    {
      chat: ({ body }) =>
        body.reasoning_effort === 'none' || JSON.stringify(body.reasoning) === '{"effort":"none"}',
      // a Claude that does not think unasked is asked nothing
      messages: ({ body }) =>
        body.thinking === undefined || JSON.stringify(body.thinking) === '{"type":"disabled"}',
      cohere: { thinking: { type: 'disabled' } },
    },
    '`thinkingConfig`: none',
  ),
  generation({ responseModalities: ['TEXT', 'AUDIO'] }, { chat: { modalities: ['text', 'audio'] } }),
  generation({ speechConfig: { voiceConfig: { prebuiltVoiceConfig: { voiceName: 'Kore' } } } }),
  generation({ mediaResolution: 'MEDIA_RESOLUTION_LOW' }),
  {
    name: '`safetySettings`',
    more: { safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }] },
  },
  { name: '`cachedContent`', more: { cachedContent: 'cachedContents/1' } },
  { name: '`serviceTier`', more: { serviceTier: 'flex' } },
  { name: '`x_unknown`', more: { x_unknown: 1 } },
  { name: '`user`', more: { user: 'ann' }, here: 'spend by user' },
]

export const gemini: WireRow = {
  title: '`:generateContent`',
  path: model => `/v1beta/models/${model}:generateContent`,
  speech: 'gemini',
  smallest: () => ({ contents: [ask] }),
  features: [...contents, ...calls, ...settings],
}
