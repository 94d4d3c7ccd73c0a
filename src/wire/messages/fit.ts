/** The chat form of a Messages request, fitted to hosts that speak OpenAI's wire as it is: what they would refuse is taken out and named. */
import type { Quirks } from '../../../providers/provider.ts'
import type { Offer } from '../../terms.ts'
import type { Body } from '../body.ts'
import { EXTENSION_NAMES, isObject } from '../extensions.ts'
import { withResults } from '../unanswered.ts'
import { bodyOf } from './request.ts'
import { contentOf } from './turns.ts'

type Json = Record<string, unknown>

export interface Fitted {
  readonly body: Body
  /** Names of what was taken out, in chat's words or the caller's → `x-switchgate-dropped`. */
  readonly dropped: readonly string[]
}

/** Chat's own members that a Messages request can come to; everything else is Anthropic's and unknown to OpenAI's wire. */
const CHAT: ReadonlySet<string> = new Set([
  ...EXTENSION_NAMES,
  'model',
  'messages',
  'max_tokens',
  'stream',
  'temperature',
  'top_p',
  'stop',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'response_format',
  'service_tier',
])

/**
 * OpenRouter reads cache marks and signed reasoning, so it gets the body whole; other hosts answer them with 400.
 * Reasoning text goes back only where the host wants it (`quirks.replaysReasoning`).
 */
export function fitToHost(chat: Body, offer: Offer, quirks: Quirks): Fitted {
  const messages = withResults(chat.json.messages as Json[])
  if (quirks.keepsExtensions === true) {
    const isWhole = messages === chat.json.messages
    return { body: isWhole ? chat : bodyOf({ ...chat.json, messages }), dropped: [] }
  }
  const { json } = chat
  const dropped = new Set<string>()
  const made: Json = {}
  for (const [name, value] of Object.entries(json)) {
    if (CHAT.has(name)) made[name] = value
    else if (value != null) dropped.add(name)
  }
  delete made.reasoning
  const effort = effortOf(json.reasoning)
  if (effort !== undefined) {
    if (offer.supports.has('reasoning')) made.reasoning_effort = effort
    if (made.reasoning_effort === undefined || isAbove(json.reasoning)) dropped.add('reasoning')
  } else if (
    isObject(json.reasoning) &&
    json.reasoning.enabled === false &&
    offer.supports.has('reasoning')
  ) {
    // models that think unasked have no word in common for not thinking
    dropped.add('reasoning')
  }
  made.messages = withPicturesApart(messages).map(message => plainMessage(message, quirks, dropped))
  if (Array.isArray(json.tools)) {
    made.tools = (json.tools as Json[]).map(({ cache_control: mark, ...tool }) => {
      if (mark != null) dropped.add('cache_control')
      return tool
    })
  }
  return { body: bodyOf(made), dropped: [...dropped] }
}

/** Levels that only a few of the newest models know: others refuse the request for them. */
const isAbove = (reasoning: unknown): boolean =>
  isObject(reasoning) && (reasoning.effort === 'xhigh' || reasoning.effort === 'max')

/** Hosts know three or four levels; a budget of tokens becomes the level that is meant by it (agentgateway's borders). */
function effortOf(reasoning: unknown): string | undefined {
  if (!isObject(reasoning) || reasoning.enabled === false) return undefined
  const { effort, max_tokens: budget } = reasoning
  if (isAbove(reasoning)) return 'high'
  if (typeof effort === 'string') return effort
  if (typeof budget === 'number') return budget < 2_048 ? 'low' : budget < 8_192 ? 'medium' : 'high'
  return reasoning.enabled === true ? 'medium' : undefined
}

function plainMessage(message: Json, quirks: Quirks, dropped: Set<string>): Json {
  const { reasoning_details: details, reasoning_content: thought, content, ...plain } = message
  const replayed = thought !== undefined && quirks.replaysReasoning === true
  if (!replayed && details !== undefined) dropped.add('reasoning_details')
  else if (!replayed && thought !== undefined) dropped.add('reasoning_content')
  const calls = plain.tool_calls
  return {
    ...plain,
    ...(Array.isArray(calls)
      ? { tool_calls: calls.map(({ extra_content: __, ...call }: Json) => call) }
      : {}),
    content: plainContent(content, String(message.role), dropped),
    ...(replayed ? { reasoning_content: thought } : {}),
  }
}

/** Parts without cache marks; text alone becomes one string, for servers whose templates know nothing else. */
function plainContent(content: unknown, role: string, dropped: Set<string>): unknown {
  if (!Array.isArray(content)) return content
  const parts = (content as Json[]).map(({ cache_control: mark, ...part }) => {
    if (mark != null) dropped.add('cache_control')
    return part
  })
  if (role !== 'user' && parts.every(part => part.type === 'text'))
    return parts.map(part => String(part.text)).join(role === 'assistant' ? '' : '\n\n')
  return contentOf(parts)
}

/** OpenAI's tool messages hold text only: pictures and files of tool results are shown by the user right after them. */
function withPicturesApart(messages: readonly Json[]): Json[] {
  const made: Json[] = []
  let shown: Json[] = []
  for (const message of messages) {
    const { role, content } = message
    if (role !== 'tool') {
      if (shown.length > 0) made.push(...userWith(shown, message))
      else made.push(message)
      shown = []
      continue
    }
    const parts = Array.isArray(content) ? (content as Json[]) : []
    const others = parts.filter(part => part.type !== 'text')
    if (others.length === 0) made.push(message)
    else {
      const texts = parts.filter(part => part.type === 'text')
      made.push({ ...message, content: texts.length > 0 ? texts : 'The result is shown below.' })
      shown.push(...others)
    }
  }
  if (shown.length > 0) made.push({ role: 'user', content: shown })
  return made
}

/** The pictures open the user's next message, or are one of their own. */
function userWith(shown: readonly Json[], next: Json): Json[] {
  if (next.role !== 'user') return [{ role: 'user', content: shown }, next]
  const said = Array.isArray(next.content) ? next.content : [{ type: 'text', text: next.content }]
  return [{ ...next, content: [...shown, ...said] }]
}
