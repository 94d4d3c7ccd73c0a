/** What the official OpenAI SDK is asked to send: a body for each part of the chat wire. */
import type OpenAI from 'openai'

/** The smallest picture: one pixel, base64. */
export const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
/** A schema with words outside ASCII. */
export const weather = {
  type: 'object',
  properties: { city: { type: 'string', description: 'e.g. "Zürich" 🏔' } },
  required: ['city'],
  additionalProperties: false,
} as const

export type Body = Omit<OpenAI.ChatCompletionCreateParamsNonStreaming, 'stream'>
/** A question with quotes, a backslash, an emoji and a line separator. */
export const plain: Body = {
  model: 'house-model',
  messages: [{ role: 'user', content: 'Grüezi 👋 "quoted" \\ \u2028 back' }],
}
const tools: Body['tools'] = [
  { type: 'function', function: { name: 'get_weather', strict: true, parameters: weather } },
]

/** Chat bodies by what they are about. */
export const BODIES: Readonly<Record<string, Body>> = {
  text: {
    ...plain,
    temperature: 0.30000000000000004,
    stop: ['\n\n', '###'],
    seed: 42,
    logit_bias: { 50256: -100 },
  },
  tools: { ...plain, tools, tool_choice: 'required', parallel_tool_calls: false },
  json_schema: {
    ...plain,
    response_format: { type: 'json_schema', json_schema: { name: 'city', strict: true, schema: weather } },
  },
  images: {
    ...plain,
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is this?' },
          { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}`, detail: 'low' } },
        ],
      },
    ],
  },
  'several turns with tool results': {
    ...plain,
    tools,
    messages: [
      { role: 'system', content: 'Be short.' },
      { role: 'user', content: 'Weather in Bern and Basel?' },
      {
        role: 'assistant',
        content: null,
        tool_calls: ['Bern', 'Basel'].map((name, i) => ({
          id: `call_${i}`,
          type: 'function' as const,
          function: { name: 'get_weather', arguments: `{ "city":"${name}" }` },
        })),
      },
      { role: 'tool', tool_call_id: 'call_0', content: '{"c": 7}' },
      { role: 'tool', tool_call_id: 'call_1', content: '9 °C' },
    ],
  },
  reasoning_effort: { ...plain, model: 'gpt-5-house', reasoning_effort: 'low', max_completion_tokens: 300 },
}
