/** OpenAI chat request → Anthropic Messages request. Pure; https://docs.claude.com/en/api/messages. */
import { lostIn, type Taken } from '../../src/wire/lost.ts'
import type { ChatRequest, Encoded, Json } from '../provider.ts'
import { type Block, refuse } from './content.ts'
import { JSON_INSTRUCTION, jsonMode } from './json-mode.ts'
import { conversation, type Turn } from './messages.ts'
import { type ModelFacts, modelFacts } from './models.ts'
import { isObject, writeJson } from './raw.ts'
import { isClaude, isThinking } from './reasoning.ts'
import { encodeThinking } from './thinking.ts'
import { encodeTools } from './tools.ts'

/** Read by this encoder, in one place or another. */
const READ = new Set(
  (
    'model messages stream stream_options max_tokens max_completion_tokens tools tool_choice parallel_tool_calls ' +
    'response_format stop reasoning_effort reasoning thinking temperature top_p top_k safety_identifier ' +
    'service_tier n output_config anthropic_beta web_search_options'
  ).split(' '),
)

/**
 * Anthropic's own names: they go on untouched, with the beta that they need. Not among them, so dropped and reported:
 * `speed` and `inference_geo`, which change the price per token.
 */
const NATIVE: Readonly<Record<string, string | undefined>> = {
  cache_control: undefined,
  container: undefined,
  context_management: 'context-management-2025-06-27',
  mcp_servers: 'mcp-client-2025-04-04',
}

/** What is taken below the top level; a strict tool that is not taken as such is named by `encodeTools`. */
const TAKEN: Taken = {
  members: new Set(['cache_control', 'strict', 'source', 'title', 'context', 'citations', 'content']),
  readsDetail: isClaude,
}

/** Values that ask for nothing, as some SDKs always send them. */
const IDLE: Readonly<Record<string, unknown>> = {
  frequency_penalty: 0,
  presence_penalty: 0,
  logprobs: false,
  store: false,
}

export function encode(request: ChatRequest): Encoded {
  const { body, offer, stream } = request
  const json = body.json
  refuseUnsayable(json)
  const facts = modelFacts(offer.upstream)
  const mode = jsonMode(json, offer.upstream)
  const { system, turns } = conversation(json.messages, facts)
  if (mode?.kind === 'instruction') system.push({ type: 'text', text: JSON_INSTRUCTION })
  const tools = encodeTools(json, facts, mode, turns, offer.upstream)
  const maxTokens = outputLimit(request, facts)
  const setting = { maxTokens, forcedTool: tools.forced, unsignedToolTurn: isUnsignedToolTurn(turns) }
  const thinking = encodeThinking(json, facts, setting)
  const sampling = encodeSampling(json, facts.sampling, thinking.on)
  const native = nativeMembers(json)
  const dropped = [...thinking.dropped, ...tools.dropped, ...sampling.dropped, ...unknownMembers(request)]
  limitCacheMarks(tools.tools, system, turns, isObject(native.cache_control))

  const outputConfig: Json = { ...(isObject(json.output_config) ? json.output_config : {}) }
  if (thinking.effort !== undefined) outputConfig.effort = thinking.effort
  if (mode?.kind === 'native') outputConfig.format = { type: 'json_schema', schema: mode.schema }
  const tier = serviceTier(json.service_tier)
  const userId = endUser(json.safety_identifier)
  const upstream: Json = {
    model: offer.upstream,
    max_tokens: maxTokens,
    system: system.length > 0 ? system : undefined,
    messages: turns,
    tools: tools.tools.length > 0 ? tools.tools : undefined,
    tool_choice: tools.choice,
    thinking: thinking.thinking,
    output_config: Object.keys(outputConfig).length > 0 ? outputConfig : undefined,
    ...sampling.members,
    stop_sequences: stopSequences(json.stop, dropped),
    service_tier: tier,
    metadata: userId === undefined ? undefined : { user_id: userId },
    ...native,
    stream: stream ? true : undefined,
  }
  dropped.push(...lostIn(json, TAKEN))
  if (json.service_tier != null && tier === undefined) dropped.push('service_tier')
  if (json.safety_identifier != null && userId === undefined) dropped.push('safety_identifier')
  const betas = betasOf(json, turns, thinking.thinking, tools.tools.length > 0, offer.upstream)
  return {
    path: '/messages',
    body: new TextEncoder().encode(writeJson(upstream)),
    headers: [
      'anthropic-version',
      '2023-06-01',
      ...(betas.length > 0 ? ['anthropic-beta', betas.join(',')] : []),
    ],
    dropped: [...new Set(dropped)],
    ...(maxTokens === askedLimit(json) ? {} : { maxOutputTokens: maxTokens }),
  }
}

/** What would silently become another request is refused, with the cure. */
function refuseUnsayable(json: Readonly<Json>): void {
  if (json.n != null && json.n !== 1)
    throw refuse('Claude models give one answer, leave it out or send 1', 'n')
  if (json.functions != null) throw refuse('not taken, send tools', 'functions')
  if (json.function_call != null) throw refuse('not taken, send tool_choice', 'function_call')
  // The answer could come from, and be billed as, a model that no price was looked up for.
  if (json.fallbacks != null) throw refuse('not taken, send models: []', 'fallbacks')
  // Dropped silently, a continued thread would become a request without its history.
  if (json.thread != null) throw refuse('not taken on this route, send all messages', 'thread')
}

function askedLimit(json: Readonly<Json>): number | undefined {
  const name = json.max_completion_tokens != null ? 'max_completion_tokens' : 'max_tokens'
  const asked = json[name]
  if (asked === undefined || asked === null) return undefined
  if (typeof asked !== 'number' || !Number.isInteger(asked) || asked < 1) {
    throw refuse('must be a whole number of 1 or more', name)
  }
  return asked
}

/** `max_tokens` is mandatory: the gateway's limit, the caller's, or the model's, never above what the model can. */
function outputLimit(request: ChatRequest, facts: ModelFacts): number {
  const { offer, maxOutputTokens } = request
  const asked = maxOutputTokens ?? askedLimit(request.body.json)
  const most = offer.maxOutputTokens ?? (facts.maxIsKnown ? facts.maxOutputTokens : undefined)
  const wanted = asked ?? most ?? facts.maxOutputTokens
  return most === undefined ? wanted : Math.min(wanted, most)
}

/** A tool turn that is still open, and whose assistant turn does not begin with thinking. */
function isUnsignedToolTurn(turns: readonly Turn[]): boolean {
  const last = turns.at(-1)
  if (last?.role !== 'user' || last.content[0]?.type !== 'tool_result') return false
  const calls = turns.findLast(turn => turn.role === 'assistant')
  return calls !== undefined && !isThinking(calls.content[0])
}

function encodeSampling(
  json: Readonly<Json>,
  allowed: boolean,
  thinking: boolean,
): { members: Json; dropped: readonly string[] } {
  const members: Json = {}
  const dropped: string[] = []
  for (const name of ['temperature', 'top_p', 'top_k'] as const) {
    const value = json[name]
    if (value === undefined || value === null) continue
    if (typeof value !== 'number') throw refuse('must be a number', name)
    // While thinking, only top_p close to 1 is taken; temperature and top_p together are refused since 4.5.
    const fits =
      name === 'top_p' ? (!thinking || value >= 0.95) && members.temperature === undefined : !thinking
    const most = name === 'temperature' ? Math.min(Math.max(value, 0), 1) : value
    if (allowed && fits) members[name] = most
    // above 1 is chat's alone: the most that this wire has goes out, and is said to be less
    if (!allowed || !fits || most !== value) dropped.push(name)
  }
  return { members, dropped }
}

function stopSequences(stop: unknown, dropped: string[]): string[] | undefined {
  if (stop === undefined || stop === null) return undefined
  const all = typeof stop === 'string' ? [stop] : stop
  if (!Array.isArray(all) || !all.every(one => typeof one === 'string')) {
    throw refuse('must be a string or an array of strings', 'stop')
  }
  // Blank ones are refused upstream: "each stop sequence must contain non-whitespace".
  const usable = all.filter(one => one.trim() !== '')
  if (all.some(one => one !== '' && one.trim() === '')) dropped.push('stop')
  return usable.length > 0 ? usable : undefined
}

function serviceTier(tier: unknown): string | undefined {
  if (tier === 'auto' || tier === 'priority') return 'auto'
  return tier === 'default' || tier === 'standard_only' ? 'standard_only' : undefined
}

/** An opaque id; mail addresses and the like are not to be sent (docs: metadata.user_id). */
function endUser(id: unknown): string | undefined {
  return typeof id === 'string' && id !== '' && id.length <= 256 && !id.includes('@') ? id : undefined
}

function nativeMembers(json: Readonly<Json>): Json {
  const members: Json = {}
  for (const name of Object.keys(NATIVE)) if (json[name] != null) members[name] = json[name]
  return members
}

function unknownMembers(request: ChatRequest): string[] {
  const ours = new Set(request.extensions)
  return Object.entries(request.body.json)
    .filter(([name, value]) => value !== null && value !== IDLE[name])
    .map(([name]) => name)
    .filter(name => !READ.has(name) && !Object.hasOwn(NATIVE, name) && !ours.has(name))
}

function betasOf(
  json: Readonly<Json>,
  turns: readonly Turn[],
  thinking: Json | undefined,
  hasTools: boolean,
  upstream: string,
): string[] {
  const asked = Array.isArray(json.anthropic_beta) ? json.anthropic_beta : [json.anthropic_beta]
  // Header material comes from the caller here: names only.
  const betas = new Set(
    asked.filter((one): one is string => typeof one === 'string' && /^[\w.-]{1,80}$/.test(one)),
  )
  for (const [name, beta] of Object.entries(NATIVE)) if (beta && json[name] != null) betas.add(beta)
  const edits = isObject(json.context_management) ? json.context_management.edits : undefined
  if (Array.isArray(edits) && edits.some(edit => isObject(edit) && edit.type === 'compact_20260112')) {
    betas.add('compact-2026-01-12')
  }
  if (isObject(json.output_config) && json.output_config.task_budget != null)
    betas.add('task-budgets-2026-03-13')
  if (turns.some(turn => turn.role === 'system')) betas.add('mid-conversation-system-2026-04-07')
  const files = turns.some(turn =>
    turn.content.some(block => isObject(block.source) && block.source.type === 'file'),
  )
  if (files) betas.add('files-api-2025-04-14')
  if (thinking?.type === 'enabled' && hasTools && upstream.includes('claude')) {
    betas.add('interleaved-thinking-2025-05-14')
  }
  return [...betas]
}

const CACHE_MARKS_MAX = 4

/** At most four cache breakpoints are taken; the latest cover the most, so the earliest go. */
function limitCacheMarks(tools: Json[], system: Block[], turns: readonly Turn[], automatic: boolean): void {
  const places: { list: Json[]; i: number }[] = []
  for (const list of [tools, system, ...turns.map(turn => turn.content)] as Json[][]) {
    for (const [i, block] of list.entries()) if (block.cache_control !== undefined) places.push({ list, i })
  }
  const surplus = places.length - (CACHE_MARKS_MAX - (automatic ? 1 : 0))
  for (const { list, i } of places.slice(0, Math.max(0, surplus))) {
    const { cache_control: _, ...bare } = list[i] as Json
    list[i] = bare
  }
}
