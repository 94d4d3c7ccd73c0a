/** OpenAI chat request → Cohere v2 chat request. Pure; https://docs.cohere.com/reference/chat. */
import { lostIn, type Taken } from '../../src/wire/lost.ts'
import { effortOf } from '../../src/wire/openai.ts'
import type { ChatRequest, Encoded, Json } from '../provider.ts'
import { encodeMessages, isObject, refuse } from './messages.ts'

/** Read by this encoder, in one place or another. */
const READ = new Set(
  (
    'model messages stream stream_options max_tokens max_completion_tokens tools tool_choice response_format stop ' +
    'reasoning_effort reasoning thinking temperature top_p top_k seed frequency_penalty presence_penalty n ' +
    'functions function_call'
  ).split(' '),
)

/** Cohere's own names: they go on untouched. */
const NATIVE = ['documents', 'citation_options', 'safety_mode', 'priority', 'strict_tools'] as const

/** What is taken below the top level: thoughts as their text, by models that think. */
const TAKEN: Taken = { members: new Set(['strict', 'tool_plan', 'citations', 'detail']) }
const THINKS: Taken = {
  members: new Set([...TAKEN.members, 'reasoning_content']),
  readsDetail: detail => detail.type === 'reasoning.text' && typeof detail.text === 'string',
}

/** Values that ask for nothing, as some SDKs always send them. */
const IDLE: Readonly<Record<string, unknown>> = { logprobs: false, store: false, parallel_tool_calls: true }

const STOPS_MAX = 5

export function encode(request: ChatRequest): Encoded {
  const { body, offer, stream, maxOutputTokens } = request
  const json = body.json
  if (json.n != null && json.n !== 1)
    throw refuse("Cohere's models give one answer, leave it out or send 1", 'n')
  if (json.functions != null) throw refuse('not taken, send tools', 'functions')
  if (json.function_call != null) throw refuse('not taken, send tool_choice', 'function_call')
  const dropped = lostIn(json, offer.supports.has('reasoning') ? THINKS : TAKEN)
  const tools = encodeTools(json, dropped)
  const upstream: Json = {
    model: offer.upstream,
    messages: encodeMessages(json.messages, offer.supports.has('reasoning')),
    stream: stream ? true : undefined,
    max_tokens: maxOutputTokens ?? json.max_completion_tokens ?? json.max_tokens ?? undefined,
    ...encodeSampling(json, dropped),
    stop_sequences: stopSequences(json.stop),
    ...tools,
    response_format: responseFormat(json, tools.tools !== undefined),
    thinking: encodeThinking(json, offer.supports.has('reasoning'), dropped),
  }
  for (const name of NATIVE) if (json[name] != null) upstream[name] = json[name]
  dropped.push(...unknownMembers(request))
  return {
    path: '/chat',
    body: new TextEncoder().encode(JSON.stringify(upstream)),
    headers: [],
    dropped: [...new Set(dropped)],
  }
}

/** Same meaning under other names; penalties go from 0 to 1 here, so what is outside is dropped and reported. */
function encodeSampling(json: Readonly<Json>, dropped: string[]): Json {
  const members: Json = {
    temperature: json.temperature ?? undefined,
    p: json.top_p ?? undefined,
    k: json.top_k ?? undefined,
    seed: json.seed ?? undefined,
  }
  for (const name of ['frequency_penalty', 'presence_penalty'] as const) {
    const value = json[name]
    if (typeof value !== 'number') continue
    if (value >= 0 && value <= 1) members[name] = value
    else dropped.push(name)
  }
  return members
}

function stopSequences(stop: unknown): string[] | undefined {
  if (stop === undefined || stop === null) return undefined
  const all = typeof stop === 'string' ? [stop] : stop
  if (!Array.isArray(all) || !all.every(one => typeof one === 'string'))
    throw refuse('must be a string or an array of strings', 'stop')
  if (all.length > STOPS_MAX) throw refuse(`Cohere takes at most ${STOPS_MAX} stop sequences`, 'stop')
  return all.length > 0 ? all : undefined
}

/** Their tools are OpenAI's; `auto` is not said, and a named tool is the only one offered. */
function encodeTools(
  json: Readonly<Json>,
  dropped: string[],
): { tools?: Json[]; tool_choice?: string; strict_tools?: true } {
  if (json.tools == null) return {}
  if (!Array.isArray(json.tools)) throw refuse('must be an array', 'tools')
  let tools = json.tools.map((tool: unknown, i) => {
    const its = isObject(tool) ? tool.function : undefined
    if (!isObject(its) || typeof its.name !== 'string')
      throw refuse('must be {type: "function", function: {name, parameters}}', `tools[${i}]`)
    return its
  })
  if (tools.length === 0) return {}
  const { named, choice } = readChoice(json.tool_choice)
  if (named !== undefined) {
    tools = tools.filter(its => its.name === named)
    if (tools.length === 0) throw refuse(`names no tool of this request: ${named}`, 'tool_choice')
  }
  const strict = tools.every(its => its.strict === true)
  // all of them or none
  if (!strict && tools.some(its => its.strict === true)) dropped.push('strict')
  return {
    tools: tools.map(({ strict: _, ...its }) => ({
      type: 'function',
      function: { ...its, parameters: its.parameters ?? { type: 'object', properties: {} } },
    })),
    ...(choice !== undefined && { tool_choice: choice }),
    ...(strict && { strict_tools: true }),
  }
}

function readChoice(choice: unknown): { named?: string; choice?: 'REQUIRED' | 'NONE' } {
  if (choice === undefined || choice === null || choice === 'auto') return {}
  if (choice === 'none') return { choice: 'NONE' }
  if (choice === 'required') return { choice: 'REQUIRED' }
  const its = isObject(choice) ? choice.function : undefined
  if (isObject(its) && typeof its.name === 'string') return { named: its.name, choice: 'REQUIRED' }
  throw refuse('must be none, auto, required or a function', 'tool_choice')
}

/** Cohere refuses a format beside tools; another provider may take both, so this target is passed over. */
function responseFormat(json: Readonly<Json>, hasTools: boolean): Json | undefined {
  const format = json.response_format
  if (format === undefined || format === null) return undefined
  if (!isObject(format)) throw refuse('must be an object with a type', 'response_format')
  if (format.type === 'text') return undefined
  if (hasTools)
    throw refuse("Cohere's models take no response_format beside tools, send one of them", 'response_format')
  if (format.type === 'json_object') {
    return { type: 'json_object', ...(isObject(format.json_schema) && { json_schema: format.json_schema }) }
  }
  const schema = isObject(format.json_schema) ? format.json_schema.schema : undefined
  if (format.type !== 'json_schema' || !isObject(schema))
    throw refuse('must be text, json_object, or json_schema with a schema', 'response_format')
  return { type: 'json_object', json_schema: schema }
}

/** Thinking is on, off, or bounded in tokens: a degree of effort has no other form here, and is reported. */
function encodeThinking(json: Readonly<Json>, thinks: boolean, dropped: string[]): Json | undefined {
  if (isObject(json.thinking)) {
    const { type, budget_tokens: budget } = json.thinking
    return { type, ...(budget != null && { token_budget: budget }), ...pickBudget(json.thinking) }
  }
  const reasoning = isObject(json.reasoning) ? json.reasoning : {}
  const effort = json.reasoning_effort ?? effortOf(reasoning)
  const budget = reasoning.max_tokens
  if (effort == null && budget == null) return undefined
  const name = json.reasoning_effort != null ? 'reasoning_effort' : 'reasoning'
  if (!thinks) {
    if (effort !== 'none') dropped.push(name)
    return undefined
  }
  if (effort === 'none') return { type: 'disabled' }
  if (budget == null && reasoning.enabled !== true) dropped.push(name)
  return { type: 'enabled', ...(budget != null && { token_budget: budget }) }
}

const pickBudget = ({ token_budget: budget }: Json): Json => (budget == null ? {} : { token_budget: budget })

function unknownMembers({ body, extensions }: ChatRequest): string[] {
  const ours = new Set(extensions)
  return Object.entries(body.json)
    .filter(([name, value]) => value !== null && value !== IDLE[name])
    .map(([name]) => name)
    .filter(name => !READ.has(name) && !(NATIVE as readonly string[]).includes(name) && !ours.has(name))
}
