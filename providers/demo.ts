/** The built-in `demo/echo` model: answers in process when no provider is set up, and says that it is a demo. */
import type { Json, Provider } from './provider.ts'

/** No wire of its own: nothing is ever sent. */
export const demo: Provider = {
  name: 'demo',
  auth: 'none',
  // nothing is sent: the request itself is the answer's material
  chat: { encode: request => ({ path: '', body: request.body.bytes, headers: [], dropped: [] }) },
}

/** Model name as callers write it. */
export const DEMO_MODEL = 'demo/echo'

const ECHO_CHARS_MAX = 500
const TAIL =
  "To reach real models, set OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY or another provider's key " +
  'in the environment, or list providers in switchgate.yaml, and start again.'

function textOf(content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content
    .map(part => (typeof part?.text === 'string' ? part.text : ''))
    .filter(text => text !== '')
    .join(' ')
}

function messagesOf(request: Json): readonly Json[] {
  return Array.isArray(request.messages) ? (request.messages as Json[]) : []
}

interface Reply {
  /** Pieces of about a word; together the answer. */
  readonly pieces: readonly string[]
  readonly finishReason: 'stop' | 'length'
  readonly usage: Json
}

const wordsOf = (text: string): readonly string[] => text.match(/\s*\S+/g) ?? []

/** A word counts as a token, both ways, so that an output limit cuts where the usage says. */
function reply(request: Json): Reply {
  const messages = messagesOf(request)
  const last = textOf(messages.findLast(message => message?.role === 'user')?.content)
  const echo = last.length > ECHO_CHARS_MAX ? `${last.slice(0, ECHO_CHARS_MAX).toWellFormed()}…` : last
  const said = echo === '' ? 'You said nothing that I can echo.' : `You said: ${echo}`
  const text = `This is Switchgate's built-in demo, not a model. ${said}\n\n${TAIL}`
  const all = wordsOf(text)
  const limit = Number(request.max_completion_tokens ?? request.max_tokens ?? Number.POSITIVE_INFINITY)
  const pieces = all.slice(0, limit)
  const prompt = messages.reduce((sum, message) => sum + wordsOf(textOf(message?.content)).length, 0)
  return {
    pieces,
    finishReason: pieces.length < all.length ? 'length' : 'stop',
    usage: {
      prompt_tokens: prompt,
      completion_tokens: pieces.length,
      total_tokens: prompt + pieces.length,
    },
  }
}

/** A chat request → OpenAI `chat.completion`. `created` in Unix seconds. */
export function demoAnswer(request: Json, created: number, newId: (prefix: string) => string): Json {
  const { pieces, finishReason, usage } = reply(request)
  return {
    id: newId('chatcmpl-'),
    object: 'chat.completion',
    created,
    model: DEMO_MODEL,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: pieces.join(''), refusal: null },
        logprobs: null,
        finish_reason: finishReason,
      },
    ],
    usage,
  }
}

/** The same as `chat.completion.chunk` objects: role, text, finish reason, and last the usage chunk (`choices: []`). */
export function demoChunks(request: Json, created: number, newId: (prefix: string) => string): Json[] {
  const { pieces, finishReason, usage } = reply(request)
  const frame = { id: newId('chatcmpl-'), object: 'chat.completion.chunk', created, model: DEMO_MODEL }
  const chunk = (delta: Json, reason: string | null): Json => ({
    ...frame,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: reason }],
  })
  return [
    chunk({ role: 'assistant', content: '' }, null),
    ...pieces.map(content => chunk({ content }, null)),
    chunk({}, finishReason),
    { ...frame, choices: [], usage },
  ]
}
