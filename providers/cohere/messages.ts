/** Chat messages → Cohere's: https://docs.cohere.com/reference/chat, "messages". */
import { GatewayError } from '../../src/errors.ts'
import { withResults } from '../../src/wire/unanswered.ts'
import type { Json } from '../provider.ts'

/** A fault of the caller's, at its place in the request. */
export function refuse(message: string, param: string): GatewayError {
  return new GatewayError('invalid_request', `${param}: ${message}`, { param })
}

/** A JSON object: not null, not an array. */
export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `thinks`: this model writes thinking, so it takes it back. */
export function encodeMessages(messages: unknown, thinks: boolean): Json[] {
  if (!Array.isArray(messages) || messages.length === 0)
    throw refuse('must be an array with at least one message', 'messages')
  const read = messages.map((message: unknown, i) => {
    const at = `messages[${i}]`
    if (!isObject(message)) throw refuse('must be an object with role and content', at)
    switch (message.role) {
      case 'system':
      case 'developer':
        return { role: 'system', content: contentOf(message.content, `${at}.content`, TEXT) }
      case 'user':
        return { role: 'user', content: contentOf(message.content, `${at}.content`, USER) }
      case 'tool':
        return toolResult(message, at)
      case 'assistant':
        return assistant(message, thinks, at)
      default:
        throw refuse('must be system, developer, user, assistant or tool', `${at}.role`)
    }
  })
  return [...withResults(read)]
}

const TEXT: ReadonlySet<unknown> = new Set(['text'])
const USER: ReadonlySet<unknown> = new Set(['text', 'image_url'])
const RESULT: ReadonlySet<unknown> = new Set(['text', 'document'])

/** A string stays one; parts that Cohere has by the same name go on without what it does not know. */
function contentOf(content: unknown, param: string, takes: ReadonlySet<unknown>): string | Json[] {
  if (content === undefined || content === null) return ''
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) throw refuse('must be a string or an array of parts', param)
  return content.map((part: unknown, j) => {
    if (!isObject(part) || !takes.has(part.type)) {
      const type = isObject(part) ? String(part.type) : typeof part
      const message = `Cohere's models take no ${type} part here: use ${[...takes].join(' or ')}`
      throw refuse(message, `${param}[${j}].type`)
    }
    if (part.type === 'text') return { type: 'text', text: part.text }
    if (part.type === 'document') return { type: 'document', document: part.document }
    const image = isObject(part.image_url) ? part.image_url : { url: part.image_url }
    const detail = typeof image.detail === 'string' ? { detail: image.detail } : {}
    return { type: 'image_url', image_url: { url: image.url, ...detail } }
  })
}

function toolResult(message: Json, at: string): Json {
  if (typeof message.tool_call_id !== 'string')
    throw refuse('must be the id of the call that it answers', `${at}.tool_call_id`)
  const content = contentOf(message.content, `${at}.content`, RESULT)
  return { role: 'tool', tool_call_id: message.tool_call_id, content }
}

/** Text parts and refusals of an assistant turn, as one text. */
function saidOf(content: unknown, param: string): string {
  if (content === undefined || content === null) return ''
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) throw refuse('must be a string or an array of parts', param)
  return content
    .map((part: unknown) => (isObject(part) ? (part.text ?? part.refusal) : undefined))
    .filter(text => typeof text === 'string')
    .join('')
}

/** Reasoning that a caller hands back, under whichever of its names. */
function thoughtOf(message: Json): string {
  const { reasoning_content: content, reasoning, reasoning_details: details } = message
  for (const text of [content, reasoning]) if (typeof text === 'string' && text !== '') return text
  if (!Array.isArray(details)) return ''
  return details
    .map((detail: unknown) =>
      isObject(detail) && detail.type === 'reasoning.text' ? detail.text : undefined,
    )
    .filter(text => typeof text === 'string')
    .join('')
}

/** Beside calls Cohere knows a plan and no text: what was said there goes as the plan. */
function assistant(message: Json, thinks: boolean, at: string): Json {
  const refusal = typeof message.refusal === 'string' ? message.refusal : ''
  const said = saidOf(message.content, `${at}.content`) || refusal
  const thought = thinks ? thoughtOf(message) : ''
  const calls = Array.isArray(message.tool_calls) ? message.tool_calls : []
  const plan = typeof message.tool_plan === 'string' && message.tool_plan !== '' ? message.tool_plan : said
  const parts: Json[] = []
  if (thought !== '') parts.push({ type: 'thinking', thinking: thought })
  if (calls.length === 0) {
    if (parts.length === 0) return { role: 'assistant', content: said }
    return { role: 'assistant', content: said === '' ? parts : [...parts, { type: 'text', text: said }] }
  }
  return {
    role: 'assistant',
    ...(plan !== '' && { tool_plan: plan }),
    tool_calls: calls.map((call: unknown, j) => toolCall(call, `${at}.tool_calls[${j}]`)),
    ...(parts.length > 0 && { content: parts }),
  }
}

/** Arguments stay the text that the model wrote; none at all is an empty object. */
function toolCall(call: unknown, at: string): Json {
  const its = isObject(call) ? call.function : undefined
  if (!isObject(call) || !isObject(its) || typeof its.name !== 'string')
    throw refuse('must be {id, type: "function", function: {name, arguments}}', at)
  const { name, arguments: text } = its
  return {
    id: call.id,
    type: 'function',
    function: { name, arguments: typeof text === 'string' && text.trim() !== '' ? text : '{}' },
  }
}
