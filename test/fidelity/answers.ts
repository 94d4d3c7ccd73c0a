/** One answer in each wire that targets speak, whole and streamed: a thought, a sentence, and a call. */
import type { Json } from '../../providers/provider.ts'
import { DONE, event } from '../gateway/harness.ts'
import type { Speech } from './targets.ts'

const ARGS = '{"city":"Bern"}'
const chatUsage = { prompt_tokens: 10, completion_tokens: 25, total_tokens: 35 }
const frame = { id: 'chatcmpl-1', created: 1, model: 'm' }
const call = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: ARGS } }
const blocks = [
  { type: 'thinking', thinking: 'Let me see.', signature: 'EqQB' },
  { type: 'text', text: 'One moment.' },
  { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: 'Bern' } },
]
const parts = [
  { text: 'Let me see.', thought: true },
  { text: 'One moment.' },
  { functionCall: { id: 'fc_1', name: 'weather', args: { city: 'Bern' } }, thoughtSignature: 'c2ln' },
]
const counted = {
  usageMetadata: {
    promptTokenCount: 10,
    candidatesTokenCount: 20,
    thoughtsTokenCount: 5,
    totalTokenCount: 35,
  },
  modelVersion: 'gemini',
  responseId: 'r1',
}
const message: Json = {
  id: 'msg_up',
  type: 'message',
  role: 'assistant',
  model: 'claude',
  content: blocks,
  stop_reason: 'tool_use',
  stop_sequence: null,
  usage: { input_tokens: 10, output_tokens: 25 },
}
const billed = {
  billed_units: { input_tokens: 10, output_tokens: 25 },
  tokens: { input_tokens: 10, output_tokens: 25 },
}

export const RICH: Readonly<Partial<Record<Speech, Json>>> = {
  chat: {
    ...frame,
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: 'One moment.',
          reasoning_content: 'Let me see.',
          tool_calls: [call],
        },
        finish_reason: 'tool_calls',
      },
    ],
    usage: chatUsage,
  },
  messages: message,
  gemini: { candidates: [{ index: 0, content: { role: 'model', parts }, finishReason: 'STOP' }], ...counted },
  cohere: {
    id: 'c1',
    finish_reason: 'TOOL_CALL',
    message: {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'Let me see.' },
        { type: 'text', text: 'One moment.' },
      ],
      tool_calls: [call],
    },
    usage: billed,
  },
}

const chunk = (delta: Json, finish: string | null = null) =>
  event({ ...frame, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: finish }] })
const named = (type: string, more: Json) => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`
const block = (index: number, opened: Json, ...deltas: Json[]) =>
  named('content_block_start', { index, content_block: opened }) +
  deltas.map(delta => named('content_block_delta', { index, delta })).join('') +
  named('content_block_stop', { index })
const piece = (type: string, index: number, more: Json) => named(type, { index, delta: { message: more } })

const STREAMS: Readonly<Partial<Record<Speech, string>>> = {
  chat:
    chunk({ role: 'assistant', reasoning_content: 'Let me see.' }) +
    chunk({ content: 'One moment.' }) +
    chunk({ tool_calls: [{ index: 0, ...call, function: { name: 'weather', arguments: '' } }] }) +
    chunk({ tool_calls: [{ index: 0, function: { arguments: ARGS } }] }) +
    chunk({}, 'tool_calls') +
    event({ ...frame, object: 'chat.completion.chunk', choices: [], usage: chatUsage }) +
    DONE,
  messages:
    named('message_start', {
      message: { ...message, content: [], stop_reason: null, usage: { input_tokens: 10, output_tokens: 1 } },
    }) +
    block(
      0,
      { type: 'thinking', thinking: '', signature: '' },
      { type: 'thinking_delta', thinking: 'Let me see.' },
      { type: 'signature_delta', signature: 'EqQB' },
    ) +
    block(1, { type: 'text', text: '' }, { type: 'text_delta', text: 'One moment.' }) +
    block(
      2,
      { type: 'tool_use', id: 'toolu_1', name: 'weather', input: {} },
      { type: 'input_json_delta', partial_json: ARGS },
    ) +
    named('message_delta', {
      delta: { stop_reason: 'tool_use', stop_sequence: null },
      usage: { output_tokens: 25 },
    }) +
    named('message_stop', {}),
  gemini: parts
    .map((part, i) =>
      event({
        candidates: [
          { index: 0, content: { role: 'model', parts: [part] }, ...(i === 2 && { finishReason: 'STOP' }) },
        ],
        ...counted,
      }),
    )
    .join(''),
  cohere:
    named('message-start', { id: 'c1', delta: { message: { role: 'assistant' } } }) +
    piece('content-start', 0, { content: { type: 'thinking', thinking: '' } }) +
    piece('content-delta', 0, { content: { thinking: 'Let me see.' } }) +
    named('content-end', { index: 0 }) +
    piece('content-start', 1, { content: { type: 'text', text: '' } }) +
    piece('content-delta', 1, { content: { text: 'One moment.' } }) +
    named('content-end', { index: 1 }) +
    piece('tool-call-start', 0, { tool_calls: { ...call, function: { name: 'weather', arguments: '' } } }) +
    piece('tool-call-delta', 0, { tool_calls: { function: { arguments: ARGS } } }) +
    named('tool-call-end', { index: 0 }) +
    named('message-end', { delta: { finish_reason: 'TOOL_CALL', usage: billed } }),
}

export const richStream = (speech: Speech): string => STREAMS[speech] ?? ''
