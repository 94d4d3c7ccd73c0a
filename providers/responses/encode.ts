/** OpenAI chat request → Responses request. Pure; https://platform.openai.com/docs/api-reference/responses/create. */
import { lostIn } from '../../src/wire/lost.ts'
import { effortOf } from '../../src/wire/openai.ts'
import { isObject } from '../../src/wire/raw-json.ts'
import { isUnpricedTier } from '../../src/wire/tiers.ts'
import { toolId } from '../tool-ids.ts'
import type { ChatRequest, Encoded, Json } from '../provider.ts'
import { handedBack, inputItems, refuse } from './items.ts'

/** Said otherwise here. */
const READ = new Set(
  (
    'model messages stream stream_options max_tokens max_completion_tokens tools tool_choice response_format ' +
    'reasoning_effort reasoning verbosity logprobs top_logprobs store n functions function_call'
  ).split(' '),
)

/** The same name and meaning in both wires, or this wire's own. */
const SAME = (
  'temperature top_p parallel_tool_calls service_tier safety_identifier prompt_cache_key prompt_cache_retention ' +
  'max_tool_calls truncation'
).split(' ')

/** Taken below the top level. */
const TAKEN: ReadonlySet<string> = new Set(['detail', 'strict'])

/** Values that ask for nothing, as some SDKs always send them. */
const IDLE: Readonly<Record<string, unknown>> = { frequency_penalty: 0, presence_penalty: 0 }

/** "Expected a value >= 16" (integer_below_min_value): recorded at OpenAI, vercel/ai openai-responses. */
const OUTPUT_TOKENS_MIN = 16

export function encode(request: ChatRequest): Encoded {
  const { body, offer, stream, quirks } = request
  const { json } = body
  if (json.n != null && json.n !== 1) throw refuse('this model gives one answer, leave it out or send 1', 'n')
  if (json.functions != null) throw refuse('not taken, send tools', 'functions')
  if (json.function_call != null) throw refuse('not taken, send tool_choice', 'function_call')
  const back = handedBack(json.messages)
  const dropped = lostIn(json, { members: TAKEN, readsDetail: detail => back.has(detail) })
  const ids = quirks.toolIds
  const thoughts = reasoningOf(json, dropped)
  const text = textOf(json)
  const seals = offer.supports.has('reasoning') && !thoughts.hidden
  const include = [
    ...(seals ? ['reasoning.encrypted_content'] : []),
    ...(json.logprobs === true ? ['message.output_text.logprobs'] : []),
  ]
  const upstream: Json = {
    model: offer.upstream,
    input: inputItems(json.messages, id => (ids === undefined ? id : toolId(id, ids))),
    ...(stream && { stream: true, ...streamOptions(json.stream_options) }),
    ...limitOf(request),
    ...toolsOf(json),
    ...(Object.keys(text).length > 0 && { text }),
    ...(Object.keys(thoughts.reasoning).length > 0 && { reasoning: thoughts.reasoning }),
    ...(include.length > 0 && { include }),
    ...(json.logprobs === true && json.top_logprobs != null && { top_logprobs: json.top_logprobs }),
    // chat keeps nothing unless it is asked to; this wire would keep the answer for a month
    store: json.store ?? false,
  }
  for (const name of SAME) if (json[name] != null) upstream[name] = json[name]
  if (isUnpricedTier(json, offer)) {
    delete upstream.service_tier
    dropped.push('service_tier')
  }
  dropped.push(...unknownMembers(request))
  return {
    path: '/responses',
    body: new TextEncoder().encode(JSON.stringify(upstream)),
    headers: [],
    dropped: [...new Set(dropped)],
  }
}

function limitOf({ body: { json }, maxOutputTokens }: ChatRequest): Json {
  const name = json.max_completion_tokens != null ? 'max_completion_tokens' : 'max_tokens'
  const asked = json[name]
  if (typeof asked === 'number' && asked < OUTPUT_TOKENS_MIN)
    throw refuse(`this model takes ${OUTPUT_TOKENS_MIN} or more`, name)
  const limit = maxOutputTokens ?? asked
  return limit == null ? {} : { max_output_tokens: limit }
}

/** Usage comes unasked here, and its name is refused. */
function streamOptions(options: unknown): Json {
  const { include_usage: _, ...rest } = isObject(options) ? options : {}
  return Object.keys(rest).length > 0 ? { stream_options: rest } : {}
}

/** Tools of this wire's own that run at the provider; others wait for the caller, who would be told of no call in chat. */
const HOSTED = /^(?:web_search|file_search|code_interpreter|mcp)(?:_|$)/

/** Nested tools → flat ones. */
function toolsOf(json: Readonly<Json>): Json {
  if (json.tools == null) return {}
  if (!Array.isArray(json.tools)) throw refuse('must be an array', 'tools')
  if (json.tools.length === 0) return {}
  const tools = json.tools.map((tool: unknown, i) => {
    if (!isObject(tool)) throw refuse('must be an object', `tools[${i}]`)
    if (isObject(tool.function) || tool.type === 'custom') return flat(tool)
    if (HOSTED.test(String(tool.type))) return tool
    throw refuse('must be a function or custom tool; others are called at /v1/responses', `tools[${i}].type`)
  })
  const choice = choiceOf(json.tool_choice)
  return { tools, ...(choice != null && { tool_choice: choice }) }
}

function flat(tool: Json): Json {
  if (tool.type === 'custom' && isObject(tool.custom)) {
    const { format, ...its } = tool.custom
    const grammar = isObject(format) && isObject(format.grammar) ? format.grammar : undefined
    const told = grammar === undefined ? format : { type: 'grammar', ...grammar }
    return { type: 'custom', ...its, ...(told != null && { format: told }) }
  }
  const { name, description, parameters, strict } = isObject(tool.function) ? tool.function : {}
  // left out it is true here, and every schema is rewritten; in chat it is false
  return {
    type: 'function',
    name,
    description,
    parameters: parameters ?? { type: 'object', properties: {} },
    strict: strict ?? false,
  }
}

function choiceOf(choice: unknown): unknown {
  if (!isObject(choice)) return choice
  if (choice.type === 'allowed_tools' && isObject(choice.allowed_tools)) {
    const { mode, tools } = choice.allowed_tools
    return { type: 'allowed_tools', mode, tools: Array.isArray(tools) ? tools.map(choiceOf) : tools }
  }
  const its = choice.type === 'custom' ? choice.custom : choice.function
  return isObject(its) ? { type: choice.type, name: its.name } : choice
}

function textOf({ response_format: format, verbosity }: Readonly<Json>): Json {
  const said = verbosity == null ? {} : { verbosity }
  if (!isObject(format) || format.type === 'text') return said
  if (format.type !== 'json_schema' || !isObject(format.json_schema)) return { ...said, format }
  const { name, ...rest } = format.json_schema
  return { ...said, format: { type: 'json_schema', name: name ?? 'answer', ...rest } }
}

/** Effort has the same words; a budget in tokens has no place. `hidden`: the caller wants none of the thoughts. */
function reasoningOf(json: Readonly<Json>, dropped: string[]): { reasoning: Json; hidden: boolean } {
  const asked = isObject(json.reasoning) ? json.reasoning : {}
  const effort = json.reasoning_effort ?? effortOf(asked)
  if (asked.max_tokens != null) dropped.push('reasoning.max_tokens')
  const reasoning = {
    ...(effort != null && { effort }),
    ...(asked.summary != null && { summary: asked.summary }),
  }
  return { reasoning, hidden: asked.exclude === true }
}

function unknownMembers({ body, extensions }: ChatRequest): string[] {
  const ours = new Set(extensions)
  return Object.entries(body.json)
    .filter(([name, value]) => value !== null && value !== IDLE[name])
    .map(([name]) => name)
    .filter(name => !READ.has(name) && !SAME.includes(name) && !ours.has(name))
}
