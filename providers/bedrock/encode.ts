/** OpenAI chat request → Converse request. Pure; docs.aws.amazon.com API_runtime_Converse. */
import { lostIn } from '../../src/wire/lost.ts'
import { isObject, writeJson } from '../../src/wire/raw-json.ts'
import type { ChatRequest, Encoded, Json } from '../provider.ts'
import { refuse } from './content.ts'
import { conversation } from './messages.ts'
import { EVENT_STREAM, type ModelFacts, modelFacts, pathOf } from './model.ts'
import { encodeThinking, isOurs, type Thinking } from './reasoning.ts'
import { encodeTools, JSON_INSTRUCTION, type JsonMode, jsonMode } from './tools.ts'

/** Read by this encoder, in one place or another. */
const READ = new Set(
  (
    'model messages stream stream_options max_tokens max_completion_tokens tools tool_choice parallel_tool_calls ' +
    'response_format stop reasoning_effort reasoning temperature top_p top_k service_tier n'
  ).split(' '),
)

/** Converse's own names: they go on untouched. `serviceTier` and `performanceConfig` are not among them: they change the price per token. */
const NATIVE = [
  'additionalModelRequestFields',
  'additionalModelResponseFieldPaths',
  'guardrailConfig',
  'requestMetadata',
] as const
const NATIVE_NAMES: ReadonlySet<string> = new Set(NATIVE)

/** Values that ask for nothing, as some SDKs always send them. */
const IDLE: Readonly<Record<string, unknown>> = {
  frequency_penalty: 0,
  presence_penalty: 0,
  logprobs: false,
  store: false,
}

export function encode(request: ChatRequest): Encoded {
  const { json } = request.body
  refuseUnsayable(json)
  const facts = modelFacts(request.offer)
  const mode = jsonMode(json, facts)
  const { system, turns } = conversation(json.messages, facts)
  if (mode?.kind === 'instruction') {
    const schema = mode.schema === undefined ? '' : ` It must fit this schema: ${JSON.stringify(mode.schema)}`
    const place = facts.system ? system : (turns[0]?.content ?? system)
    place.push({ text: JSON_INSTRUCTION + schema })
  }
  const tools = encodeTools(json, facts, mode, turns)
  const limit = limitOf(request)
  const thinking = encodeThinking(json, facts, limit !== undefined)
  const inference = inferenceOf(json, limit, thinking)
  const additional = {
    ...thinking.fields,
    ...topK(json, facts),
    ...objectOf(json.additionalModelRequestFields),
  }
  const native = Object.fromEntries(NATIVE.filter(name => json[name] != null).map(name => [name, json[name]]))
  const upstream: Json = {
    messages: turns,
    ...(system.length > 0 && { system }),
    ...(Object.keys(inference.config).length > 0 && { inferenceConfig: inference.config }),
    ...(tools.toolConfig && { toolConfig: tools.toolConfig }),
    ...(mode?.kind === 'native' && { outputConfig: outputConfig(mode) }),
    ...native,
    ...(Object.keys(additional).length > 0 && { additionalModelRequestFields: additional }),
  }
  const dropped = [...thinking.dropped, ...tools.dropped, ...inference.dropped, ...unknownMembers(request)]
  dropped.push(...lostIn(json, { members: takenMembers(facts), readsDetail: isOurs }))
  if (mode?.kind === 'instruction' && mode.schema !== undefined) dropped.push('response_format')
  if (losesMarks(json, facts)) dropped.push('cache_control')
  const tier = json.service_tier
  if (tier != null && tier !== 'auto' && tier !== 'default') dropped.push('service_tier')
  return {
    path: pathOf(request, request.stream ? 'converse-stream' : 'converse'),
    body: new TextEncoder().encode(writeJson(upstream)),
    headers: [],
    ...(request.stream && { accept: EVENT_STREAM }),
    dropped: [...new Set(dropped)],
  }
}

/** What is taken below the top level. */
const takenMembers = (facts: ModelFacts): ReadonlySet<string> =>
  new Set([
    ...(facts.cache === 'none' ? [] : ['cache_control']),
    ...(facts.nativeJson ? ['strict'] : []),
    'systemTool',
    'toolSpec',
  ])

/** Nova caches no tools, and nothing for an hour. */
function losesMarks(json: Readonly<Json>, facts: ModelFacts): boolean {
  if (facts.cache !== 'messages') return false
  const isMarked = (tool: unknown): boolean =>
    isObject(tool) &&
    (tool.cache_control != null || (isObject(tool.function) && tool.function.cache_control != null))
  if (Array.isArray(json.tools) && json.tools.some(isMarked)) return true
  const messages: unknown[] = Array.isArray(json.messages) ? json.messages.filter(isObject) : []
  const isLong = (one: unknown): boolean =>
    isObject(one) && isObject(one.cache_control) && one.cache_control.ttl === '1h'
  return messages.some(
    one => isLong(one) || ((one as Json).content as unknown[] | null)?.some?.(isLong) === true,
  )
}

/** What would silently become another request is refused, with the cure. */
function refuseUnsayable(json: Readonly<Json>): void {
  if (json.n != null && json.n !== 1) throw refuse('Converse gives one answer, leave it out or send 1', 'n')
  if (json.functions != null) throw refuse('not taken, send tools', 'functions')
  if (json.function_call != null) throw refuse('not taken, send tool_choice', 'function_call')
  for (const name of NATIVE)
    if (name !== 'additionalModelResponseFieldPaths' && json[name] != null && !isObject(json[name]))
      throw refuse('must be an object', name)
}

const objectOf = (value: unknown): Json => (isObject(value) ? value : {})

function numberAt(json: Readonly<Json>, name: string): number | undefined {
  const value = json[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'number' || !Number.isFinite(value)) throw refuse('must be a number', name)
  return value
}

function limitOf({ body: { json }, maxOutputTokens, offer }: ChatRequest): number | undefined {
  const name = json.max_completion_tokens != null ? 'max_completion_tokens' : 'max_tokens'
  const asked = numberAt(json, name)
  if (asked !== undefined && (!Number.isInteger(asked) || asked < 1))
    throw refuse('must be a whole number of 1 or more', name)
  const wanted = maxOutputTokens ?? asked
  // a limit above the model's own is refused upstream
  return wanted === undefined ? undefined : Math.min(wanted, offer.maxOutputTokens ?? wanted)
}

const SAMPLING: ReadonlySet<string> = new Set(['temperature', 'top_p'])

function inferenceOf(
  json: Readonly<Json>,
  limit: number | undefined,
  { isBare }: Thinking,
): { config: Json; dropped: readonly string[] } {
  const temperature = numberAt(json, 'temperature')
  const all: readonly (readonly [string, string, unknown])[] = [
    ['max_tokens', 'maxTokens', limit],
    // above 1 is chat's alone
    [
      'temperature',
      'temperature',
      temperature === undefined ? undefined : Math.min(Math.max(temperature, 0), 1),
    ],
    ['top_p', 'topP', numberAt(json, 'top_p')],
    ['stop', 'stopSequences', stopSequences(json.stop)],
  ]
  const config: Json = {}
  const dropped: string[] = temperature !== undefined && temperature > 1 ? ['temperature'] : []
  for (const [ours, theirs, value] of all) {
    if (value === undefined) continue
    if (isBare && SAMPLING.has(ours)) dropped.push(ours)
    else config[theirs] = value
  }
  return { config, dropped }
}

function stopSequences(stop: unknown): string[] | undefined {
  if (stop === undefined || stop === null) return undefined
  const all = typeof stop === 'string' ? [stop] : stop
  if (!Array.isArray(all) || !all.every(one => typeof one === 'string'))
    throw refuse('must be a string or an array of strings', 'stop')
  const usable = all.filter(one => one !== '')
  return usable.length > 0 ? usable : undefined
}

function topK(json: Readonly<Json>, facts: ModelFacts): Json {
  const k = numberAt(json, 'top_k')
  if (k === undefined) return {}
  return facts.topK === 'nova' ? { inferenceConfig: { topK: k } } : { top_k: k }
}

/** The schema goes as text. */
function outputConfig({ name, schema }: Extract<JsonMode, { kind: 'native' }>): Json {
  const jsonSchema = { schema: JSON.stringify(schema), name }
  return { textFormat: { type: 'json_schema', structure: { jsonSchema } } }
}

function unknownMembers(request: ChatRequest): string[] {
  const ours = new Set(request.extensions)
  return Object.entries(request.body.json)
    .filter(([name, value]) => value !== null && value !== IDLE[name])
    .map(([name]) => name)
    .filter(name => !READ.has(name) && !NATIVE_NAMES.has(name) && !ours.has(name))
}
