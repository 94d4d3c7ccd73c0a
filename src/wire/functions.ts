/**
 * OpenAI's first words for tools: `functions`, `function_call`, messages of role `function`. Deprecated and still spoken
 * (https://platform.openai.com/docs/api-reference/chat/create): other wires are told in today's words, and each side hears
 * its own. Between wires only: where nothing is translated, bytes pass.
 */
import type { Body } from './body.ts'
import { withLongIntegers } from './exact.ts'
import { isObject, wrong } from './extensions.ts'
import { bodyOf } from './messages/request.ts'

type Json = Record<string, unknown>

/** Today's words → those of the caller, for `callersNames`. That calls come one by one is our word, not his: it is not reported. */
export const FUNCTION_WORDS = { tools: 'functions', tool_choice: 'function_call', parallel_tool_calls: [] }

/** Does this chat request offer its tools as `functions` alone? Then its calls are heard as `function_call`. */
export const asksInFunctions = ({ functions, tools }: Readonly<Json>): boolean =>
  Array.isArray(functions) && functions.length > 0 && tools == null

const isCallingFunction = (message: unknown): message is Json & { readonly function_call: Json } =>
  isObject(message) && isObject(message.function_call)

/** Snowflake's answers have a call of nothing beside their text. */
const isSaying = ({ function_call: { name, arguments: said } }: { readonly function_call: Json }): boolean =>
  (name != null && name !== '') || (said != null && said !== '')

const isOld = ({ functions, function_call: choice, messages }: Readonly<Json>): boolean =>
  functions != null ||
  choice != null ||
  (Array.isArray(messages) &&
    messages.some(
      message => isCallingFunction(message) || (isObject(message) && message.role === 'function'),
    ))

/** Several targets may need it, and each of them more than once. */
const told = new WeakMap<Body, Body>()

/** A chat request with `tools` in place of `functions`; itself where it has none. Throws `invalid_request` for a result without a call. */
export function withTools(chat: Body): Body {
  if (!isOld(chat.json)) return chat
  let body = told.get(chat)
  if (body === undefined) {
    body = withLongIntegers(bodyOf(inTools(withLongIntegers(chat).json)))
    told.set(chat, body)
  }
  return body
}

function inTools(json: Readonly<Json>): Json {
  const { functions, function_call: choice, messages, ...others } = json
  const old = (Array.isArray(functions) ? functions : []).map(toolOf)
  const tools = [...(Array.isArray(others.tools) ? others.tools : []), ...old]
  return {
    messages: Array.isArray(messages) ? messagesInTools(messages) : messages,
    // an answer has room for one call only
    ...(old.length > 0 && { parallel_tool_calls: false }),
    ...(choice != null && { tool_choice: choiceOf(choice) }),
    ...others,
    ...(tools.length > 0 && { tools }),
  }
}

function toolOf(each: unknown, i: number): Json {
  if (isObject(each) && typeof each.name === 'string' && each.name !== '')
    return { type: 'function', function: each }
  throw wrong(`functions[${i}].name`, 'must be the name of the function.')
}

function choiceOf(choice: unknown): unknown {
  if (choice === 'auto' || choice === 'none') return choice
  if (isObject(choice) && typeof choice.name === 'string')
    return { type: 'function', function: { name: choice.name } }
  throw wrong('function_call', 'must be "auto", "none" or the name of a function, as in {"name": "f"}.')
}

/** Old calls have no ids: each gets one by its place, and its result the same. */
function messagesInTools(messages: readonly unknown[]): unknown[] {
  const open: { readonly id: string; readonly name: unknown }[] = []
  return messages.map((message, i) => {
    if (isCallingFunction(message)) {
      const { function_call: call, tool_calls: more, ...others } = message
      const id = `call_of_message_${i}`
      open.push({ id, name: call.name })
      const calls = [{ id, type: 'function', function: call }, ...(Array.isArray(more) ? more : [])]
      return { ...others, tool_calls: calls }
    }
    if (!isObject(message) || message.role !== 'function') return message
    const at = open.findIndex(({ name }) => name === message.name)
    const [call] = at < 0 ? [] : open.splice(at, 1)
    if (!call)
      throw wrong(
        `messages[${i}].name`,
        'must name a function_call of an assistant message before it that has no result yet.',
      )
    const { name: _, ...others } = message
    return { ...others, role: 'tool', tool_call_id: call.id }
  })
}

/** A completion or a chunk with its first call as `function_call`; others, which the old words have no place for, stay in `tool_calls`. */
export function withFunctionCall(answer: Json): Json {
  return withChoices(answer, choice => {
    const { message, delta } = choice
    if (hasCalls(message))
      return { ...inFunctionCall(choice), message: firstCalled(message, (_, i) => i === 0) }
    if (hasCalls(delta))
      return { ...inFunctionCall(choice), delta: firstCalled(delta, ({ index }) => (index ?? 0) === 0) }
    return inFunctionCall(choice)
  })
}

const hasCalls = (said: unknown): said is Json & { readonly tool_calls: unknown[] } =>
  isObject(said) && Array.isArray(said.tool_calls)

const inFunctionCall = (choice: Json): Json =>
  choice.finish_reason === 'tool_calls' ? { ...choice, finish_reason: 'function_call' } : choice

function firstCalled(
  { tool_calls: calls, ...others }: Json & { readonly tool_calls: unknown[] },
  isFirst: (call: Json, i: number) => boolean,
): Json {
  const first = calls.filter((call, i): call is Json => isObject(call) && isFirst(call, i))
  const pieces = first.map(call => (isObject(call.function) ? call.function : {}))
  const rest = calls.filter(call => !first.includes(call as Json))
  const texts = pieces.map(piece => piece.arguments).filter(text => typeof text === 'string')
  const name = pieces.find(piece => piece.name !== undefined)?.name
  const called = {
    ...(name !== undefined && { name }),
    ...(texts.length > 0 && { arguments: texts.join('') }),
  }
  return {
    ...others,
    ...(pieces.length > 0 && { function_call: called }),
    ...(rest.length > 0 && { tool_calls: rest }),
  }
}

/**
 * A completion (`message`) or a chunk (`delta`) of a chat host in today's words, for callers of other wires: `function_call`
 * as an entry of `tool_calls`; and what a host puts elsewhere, `text` or the other of the two, where it is looked for.
 */
export function withToolCalls(answer: Json, place: 'message' | 'delta'): Json {
  return withChoices(answer, choice => {
    const said = saidIn(choice, place)
    const isCall =
      isCallingFunction(said) &&
      isSaying(said) &&
      !(Array.isArray(said.tool_calls) && said.tool_calls.length > 0)
    const ended = choice.finish_reason === 'function_call'
    if (said === choice[place] && !isCall && !ended) return choice
    const shown = isCall ? calledByTool(said) : said
    return { ...choice, ...(ended && { finish_reason: 'tool_calls' }), ...(shown && { [place]: shown }) }
  })
}

function saidIn(choice: Json, place: 'message' | 'delta'): Json | undefined {
  const here = choice[place]
  if (isObject(here)) return here
  const there = choice[place === 'message' ? 'delta' : 'message']
  if (isObject(there)) return there
  return typeof choice.text === 'string' ? { role: 'assistant', content: choice.text } : undefined
}

function calledByTool({ function_call: call, ...others }: Json & { readonly function_call: Json }): Json {
  return { ...others, tool_calls: [{ index: 0, type: 'function', function: call }] }
}

/** The same object where no choice changes. */
function withChoices(answer: Json, change: (choice: Json) => Json): Json {
  if (!Array.isArray(answer.choices)) return answer
  const choices: readonly unknown[] = answer.choices
  const changed = choices.map(choice => (isObject(choice) ? change(choice) : choice))
  return changed.every((choice, i) => choice === choices[i]) ? answer : { ...answer, choices: changed }
}
