/** The chat form of a Responses request, fitted to hosts that speak OpenAI's wire as it is: what they would refuse is taken out. */
import type { Quirks } from '../../../providers/provider.ts'
import type { Offer } from '../../terms.ts'
import type { Body } from '../body.ts'
import { withResults } from '../unanswered.ts'
import { written } from './request.ts'

type Json = Record<string, unknown>

export interface Fitted {
  readonly body: Body
  /** The caller's names of what was taken out → `x-switchgate-dropped`. */
  readonly dropped: readonly string[]
}

/** OpenRouter reads signed reasoning, so it gets the body whole. Plain reasoning goes only where it is wanted back. */
export function fit(chat: Body, _offer: Offer, quirks: Quirks): Fitted {
  const given = chat.json.messages as readonly Json[]
  const messages = withResults(given)
  if (quirks.keepsExtensions === true)
    return { body: messages === given ? chat : written({ ...chat.json, messages }), dropped: [] }
  const replays = quirks.replaysReasoning === true
  const isLost = ({ reasoning_details: details, reasoning_content: thought }: Json) =>
    details !== undefined || (thought !== undefined && !replays)
  const dropped = messages.some(isLost) ? ['encrypted_content'] : []
  const fitted = picturesApart(messages.map(message => plain(message, replays)))
  const changed = fitted.length !== given.length || fitted.some((message, i) => message !== given[i])
  return { body: changed ? written({ ...chat.json, messages: fitted }) : chat, dropped }
}

/** The message itself when nothing is to be changed. */
function plain(message: Json, replays: boolean): Json {
  const { reasoning_details: details, reasoning_content: thought, tool_calls: calls, ...rest } = message
  const signed = Array.isArray(calls) && calls.some((call: Json) => call.extra_content !== undefined)
  const text = message.role === 'user' ? undefined : textOf(message.content)
  const bare = details === undefined && (thought === undefined || replays)
  if (bare && !signed && text === undefined) return message
  return {
    ...rest,
    ...(text !== undefined && { content: text }),
    ...(replays && thought !== undefined && { reasoning_content: thought }),
    ...(calls !== undefined && {
      tool_calls: (calls as Json[]).map(({ extra_content: _, ...call }) => call),
    }),
  }
}

/** Parts that hold text and nothing else become one string: many servers' templates know no parts but the user's. */
function textOf(content: unknown): string | undefined {
  if (!Array.isArray(content)) return undefined
  const parts = content as readonly Json[]
  const only = parts.every(part => part.type === 'text' && Object.keys(part).length === 2)
  return only ? parts.map(part => part.text).join('') : undefined
}

/** Tool messages hold text only in this wire: pictures and files among the results are shown by the user after them. */
function picturesApart(messages: readonly Json[]): Json[] {
  const made: Json[] = []
  let shown: Json[] = []
  for (const message of messages) {
    const parts = message.role === 'tool' && Array.isArray(message.content) ? (message.content as Json[]) : []
    const pictures = parts.filter(part => part.type !== 'text')
    if (message.role !== 'tool' && shown.length > 0) {
      made.push({ role: 'user', content: shown })
      shown = []
    }
    if (pictures.length === 0) {
      made.push(message)
      continue
    }
    const texts = parts.filter(part => part.type === 'text').map(part => String(part.text))
    made.push({ ...message, content: texts.join('') || 'The result is shown below.' })
    shown.push(...pictures)
  }
  if (shown.length > 0) made.push({ role: 'user', content: shown })
  return made
}
