/** A Responses request read and written as a chat request. Pure; what cannot be said statelessly is refused with the cure. */
import { type Body, parseBody } from '../body.ts'
import { isObject, wrong } from '../extensions.ts'
import { type ChatFacts, promptBytes, readChat } from '../openai.ts'
import { hostedIn, withoutHosted } from './hosted.ts'
import { chatMessages } from './input.ts'
import { namesIn } from './namespaces.ts'
import { chatText, chatToolChoice, chatTools } from './tools.ts'

type Json = Record<string, unknown>

/** Deeper than a caller may nest: chat wraps a few things once more. */
const DEPTH_MAX = 96
const encoder = new TextEncoder()

const KEEPS_NOTHING =
  'is not offered: this gateway stores no responses. Send the whole conversation in `input`, with the output items of earlier answers.'

/** Members that ask for what is not offered: when they do, and what to do instead. */
const REFUSED: Readonly<Record<string, readonly [asks: (value: unknown) => boolean, cure: string]>> = {
  previous_response_id: [() => true, KEEPS_NOTHING],
  conversation: [() => true, KEEPS_NOTHING],
  background: [
    value => value !== false,
    'is not offered: a background response would have to be stored. Use `stream`.',
  ],
  prompt: [() => true, 'is not offered: prompt templates lie at OpenAI. Send `instructions` and `input`.'],
  context_management: [() => true, 'is not offered. Shorten `input` before you send it.'],
  moderation: [() => true, 'is not offered here. Ask a moderation model yourself.'],
  truncation: [value => value !== 'disabled', 'must be "disabled": nothing is cut out of `input` here.'],
  n: [value => value !== 1, 'a response holds one answer.'],
  messages: [() => true, "is chat's name for it. Send `input`."],
  modalities: [() => true, 'is not offered on this route. Use /v1/chat/completions.'],
}

/** Members that are said otherwise in chat, or that concern this gateway alone. Everything else goes on as it is. */
const READ_HERE = new Set([
  ...Object.keys(REFUSED),
  'input',
  'instructions',
  'tools',
  'tool_choice',
  'text',
  'reasoning',
  'max_output_tokens',
  'max_tool_calls',
  'include',
  'store',
  'stream_options',
  'client_metadata',
])

/** OpenRouter's ways to ask for reasoning, which chat takes as they are. */
const REASONING_NAMES = ['max_tokens', 'enabled', 'exclude'] as const

function chatReasoning(reasoning: unknown): Json {
  if (reasoning == null) return {}
  if (!isObject(reasoning)) throw wrong('reasoning', 'must be an object, as in {"effort": "low"}.')
  const { effort } = reasoning
  if (effort != null && typeof effort !== 'string')
    throw wrong('reasoning.effort', 'must be a string, as in "low".')
  const more = Object.fromEntries(
    REASONING_NAMES.filter(name => reasoning[name] != null).map(name => [name, reasoning[name]]),
  )
  return {
    ...(effort != null && { reasoning_effort: effort }),
    ...(Object.keys(more).length > 0 && { reasoning: more }),
  }
}

function outputLimit(limit: unknown): Json {
  if (limit == null) return {}
  if (typeof limit !== 'number' || !Number.isSafeInteger(limit) || limit < 1) {
    throw wrong('max_output_tokens', 'must be a whole number, 1 or more.')
  }
  return { max_completion_tokens: limit }
}

function wantsLogprobs(json: Readonly<Json>): boolean {
  const { include, top_logprobs: top } = json
  if (include != null && !Array.isArray(include)) throw wrong('include', 'must be an array of strings.')
  return (include ?? []).includes('message.output_text.logprobs') || (typeof top === 'number' && top > 0)
}

function chatRequest(json: Readonly<Json>): Json {
  for (const [name, [asks, cure]] of Object.entries(REFUSED)) {
    const value = Object.hasOwn(json, name) ? json[name] : undefined
    if (value != null && asks(value)) throw wrong(name, cure)
  }
  const chat: Json = {}
  for (const [name, value] of Object.entries(json)) {
    // null says "as usual" in this wire; some hosts of the chat wire refuse it
    if (value !== null && !READ_HERE.has(name)) chat[name] = value
  }
  const names = namesIn(json.tools)
  const tools = chatTools(json.tools, names)
  const choice = chatToolChoice(json.tool_choice, names)
  return {
    ...chat,
    messages: chatMessages(json.instructions, json.input, names),
    ...(tools !== undefined &&
      tools.length > 0 && { tools, ...(choice !== undefined && { tool_choice: choice }) }),
    ...chatText(json.text),
    ...chatReasoning(json.reasoning),
    ...outputLimit(json.max_output_tokens),
    ...(wantsLogprobs(json) && { logprobs: true }),
  }
}

/** Members and bytes of a chat request that was made here. */
export function written(chat: Json): Body {
  let text: string
  try {
    text = JSON.stringify(chat)
  } catch {
    throw wrong('input', 'is nested too deeply.')
  }
  return parseBody(encoder.encode(text), text, { depthMax: DEPTH_MAX })
}

/** Reading and sending need the same translation: it is made once a body. */
const translated = new WeakMap<Body, Body>()

export function toChat(body: Body): Body {
  let chat = translated.get(body)
  if (chat === undefined) {
    chat = written(chatRequest(body.json))
    translated.set(body, chat)
  }
  return chat
}

/** What the stages need, read from the chat form; its places are the caller's, since all that differs was checked before. */
export function readResponses(body: Body): ChatFacts {
  const hosted = hostedIn(body.json)
  const chat = hosted ? written(chatRequest(withoutHosted(body.json))) : toChat(body)
  const facts = readChat(chat)
  const mediaChars = promptBytes(chat.members) - facts.textBytes
  // sealed thoughts and a provider's own tools are not in the chat form, but go to who speaks this wire
  let sent = 0
  for (const { key, valueStart, valueEnd } of body.members) if (READ.has(key)) sent += valueEnd - valueStart
  const textBytes = Math.max(facts.textBytes, sent - mediaChars)
  const read = { ...facts, wantsUsageEvent: facts.stream, textBytes, asked: body.json }
  return hosted ? { ...read, hosted } : read
}

/** Members whose text the model reads. */
const READ: ReadonlySet<string> = new Set(['input', 'instructions', 'tools', 'text'])
