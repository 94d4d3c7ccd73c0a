/** The bytes of the benchmark: what callers send and what the mock upstream answers. Shared by upstream.ts, load.ts and check.ts. */

/** The model every target sells. */
export const MODEL = 'house-model'
export const PATH = '/v1/chat/completions'

/** Tokens that the mock says one exchange took. */
export const PROMPT_TOKENS = 24
export const ANSWER_TOKENS = 22

/** A stream of `events` content events, `gapMs` apart; 0 = all in one write. */
export interface StreamShape {
  readonly events: number
  readonly gapMs: number
}

const SYSTEM = 'You are a helpful assistant. Answer briefly and in plain words.'
const QUESTION = 'Which city is the capital of France, and since when has it been the seat of government?'
/** How the mock is told what to stream: in the question, the one place that every gateway passes on as it is. */
const SHAPE = /\[(\d+) events, (\d+) ms apart\]/

/** JSON body of a chat completion as a plain client writes it: no output limit, usage not asked for. */
export function chatBody(stream?: StreamShape, includeUsage = false): string {
  const shape = stream ? ` [${stream.events} events, ${stream.gapMs} ms apart]` : ''
  return JSON.stringify({
    model: MODEL,
    messages: [
      { role: 'system', content: SYSTEM },
      { role: 'user', content: QUESTION + shape },
    ],
    temperature: 0.7,
    ...(stream ? { stream: true } : {}),
    ...(includeUsage ? { stream_options: { include_usage: true } } : {}),
  })
}

/** Reads back what `chatBody` asked for; undefined = a whole answer. */
export function shapeOf(body: string): StreamShape | undefined {
  if (!/"stream": *true/.test(body)) return undefined
  const found = SHAPE.exec(body)
  return { events: Number(found?.[1] ?? 1), gapMs: Number(found?.[2] ?? 0) }
}

export const asksUsage = (body: string): boolean => /"include_usage": *true/.test(body)

const frame = {
  id: 'chatcmpl-9xQf3v0Tz4l5mJ7bK2nHcR8wE1aYs',
  object: 'chat.completion',
  created: 1_700_000_000,
  model: MODEL,
  system_fingerprint: 'fp_0123456789',
}
const chunk = { ...frame, object: 'chat.completion.chunk' }

const usage = (answerTokens: number) => ({
  prompt_tokens: PROMPT_TOKENS,
  completion_tokens: answerTokens,
  total_tokens: PROMPT_TOKENS + answerTokens,
})

/** A whole answer: 550 bytes or so. */
export const WHOLE = JSON.stringify({
  ...frame,
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: 'The capital of France is Paris. '.repeat(6), refusal: null },
      logprobs: null,
      finish_reason: 'stop',
    },
  ],
  usage: usage(ANSWER_TOKENS),
})

const sse = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`

/** A content event of about 250 bytes; `n` makes each one different. */
export const contentEvent = (n: number): string =>
  sse({
    ...chunk,
    choices: [
      {
        index: 0,
        delta: { content: ` tok${String(n).padStart(3, '0')}` },
        logprobs: null,
        finish_reason: null,
      },
    ],
  })

/** The end of a stream: finish reason, the usage event if it was asked for, `[DONE]`. */
export const streamEnd = (events: number, withUsage: boolean): string =>
  sse({ ...chunk, choices: [{ index: 0, delta: {}, logprobs: null, finish_reason: 'stop' }] }) +
  (withUsage ? sse({ ...chunk, choices: [], usage: usage(events) }) : '') +
  'data: [DONE]\n\n'

/** A request in HTTP/1.1 bytes, `headers` as whole lines without line ends. */
export function requestBytes(body: string, headers: readonly string[]): Buffer {
  const lines = [
    `POST ${PATH} HTTP/1.1`,
    'host: 127.0.0.1',
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    ...headers,
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`)
}
