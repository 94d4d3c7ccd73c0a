/** OpenAI's chat wire and every host that speaks it: requests are spliced, answers pass untouched. */
import type { Body } from '../src/wire/body.ts'
import { effortOf } from '../src/wire/openai.ts'
import { isUnpricedTier } from '../src/wire/tiers.ts'
import { splice } from '../src/wire/splice.ts'
import { classifyChat } from './openai-failures.ts'
import { images, moderations, rerank, speech, transcriptions } from './openai-metered.ts'
import { messagePatches } from './openai-messages.ts'
import { createRepair } from './openai-repair.ts'
import { JSON_OBJECT } from './openai-schema.ts'
import { type Draft, editNulls, editToolChoice, strictPatches } from './openai-tools.ts'
import { responses } from './openai-responses.ts'
import type { ChatRequest, Encoded, Provider, Quirks } from './provider.ts'

type LimitField = NonNullable<Quirks['maxTokensField']>

/**
 * OpenAI's models that refuse `max_tokens` with 400 `unsupported_parameter` and want `max_completion_tokens`:
 * the o-series and gpt-5 and later (OpenAI API reference, "max_tokens"). Not among them:
 * open weights (gpt-oss) and Azure's gpt-35-turbo.
 */
const WANTS_COMPLETION_LIMIT = /^(o[1-9]|gpt-([5-9]|1\d))(?![a-z\d])/

/** For clouds, where a deployment of the model may have any name. */
export const wantsCompletionLimit = (model: string): boolean => WANTS_COMPLETION_LIMIT.test(model)

const has = (body: Body, name: string): boolean => Object.hasOwn(body.json, name)

const otherLimit = (field: LimitField): LimitField =>
  field === 'max_tokens' ? 'max_completion_tokens' : 'max_tokens'

/** Which name the output limit goes by; undefined = whichever the caller used. */
function limitField({ offer, quirks }: ChatRequest): LimitField | undefined {
  if (quirks.maxTokensField !== undefined) return quirks.maxTokensField
  return WANTS_COMPLETION_LIMIT.test(offer.upstream) ? 'max_completion_tokens' : undefined
}

function editLimit(request: ChatRequest, draft: Draft): void {
  const { body, maxOutputTokens } = request
  const wanted = limitField(request)
  if (maxOutputTokens === undefined) {
    const other = wanted === undefined ? undefined : otherLimit(wanted)
    if (wanted !== undefined && other !== undefined && has(body, other)) draft.rename[other] = wanted
    return
  }
  const field = wanted ?? (has(body, 'max_completion_tokens') ? 'max_completion_tokens' : 'max_tokens')
  // Renamed in place rather than removed and added: the limit stays where the caller put it.
  if (has(body, otherLimit(field))) draft.rename[otherLimit(field)] = field
  draft.set[field] = String(maxOutputTokens)
}

function editExtensions({ body, extensions, quirks }: ChatRequest, draft: Draft): void {
  if (quirks.keepsExtensions === true) return
  for (const name of extensions) if (has(body, name)) draft.remove.push(name)
  const { reasoning } = body.json
  if (typeof reasoning !== 'object' || reasoning === null) return
  if (!extensions.includes('reasoning')) return
  // these hosts show what they show
  if ((reasoning as { exclude?: unknown }).exclude === true) draft.dropped.push('reasoning.exclude')
  if (has(body, 'reasoning_effort')) return
  const effort = effortOf(reasoning as Record<string, unknown>)
  if (effort !== undefined) draft.set.reasoning_effort = JSON.stringify(effort)
  else draft.dropped.push('reasoning')
}

/** Without the usage event a stream cannot be metered: it is asked for, and taken out on the way back if nobody wanted it. */
function editStreamOptions({ body, stream, quirks }: ChatRequest, draft: Draft): void {
  const options = body.json.stream_options
  if (quirks.streamOptions === false) {
    if (has(body, 'stream_options')) draft.remove.push('stream_options')
    return
  }
  const asked = (options as { include_usage?: unknown } | null | undefined)?.include_usage === true
  if (!stream || asked) return
  draft.set.stream_options = JSON.stringify({
    ...(options as object | null | undefined),
    include_usage: true,
  })
}

function editQuirks({ body, quirks }: ChatRequest, draft: Draft): void {
  for (const [ours, theirs] of Object.entries(quirks.renames ?? {})) {
    if (has(body, ours)) draft.rename[ours] = theirs
  }
  for (const name of quirks.drops ?? []) {
    if (name === 'reasoning_effort' && Object.hasOwn(draft.set, name)) {
      // Made from the caller's `reasoning`, so that is the name to report.
      delete draft.set[name]
      draft.dropped.push('reasoning')
    }
    if (!has(body, name) || draft.remove.includes(name)) continue
    draft.remove.push(name)
    draft.dropped.push(name)
  }
}

/** What nobody knows the price of is not asked for. */
function editTier({ body, offer }: ChatRequest, draft: Draft): void {
  if (draft.remove.includes('service_tier') || !isUnpricedTier(body.json, offer)) return
  draft.remove.push('service_tier')
  draft.dropped.push('service_tier')
}

function encode(request: ChatRequest): Encoded {
  const { body, offer } = request
  const draft: Draft = { set: {}, remove: [], rename: {}, dropped: [] }
  if (body.json.model !== offer.upstream) draft.set.model = JSON.stringify(offer.upstream)
  editLimit(request, draft)
  editExtensions(request, draft)
  editStreamOptions(request, draft)
  editQuirks(request, draft)
  if (body.json.service_tier != null) editTier(request, draft)
  editNulls(request, draft)
  editToolChoice(request, draft)
  editFormat(request, draft)
  const { set, remove, rename } = draft
  const inside = messagePatches(request, draft.dropped)
  const strict = strictPatches(request, draft)
  const inner = strict.length === 0 ? inside : [...inside, ...strict]
  return {
    path: '/chat/completions',
    body: splice(body, { set, remove, rename, inner }),
    headers: [],
    dropped: draft.dropped,
  }
}

/** A schema is told in words where the host cannot be held to one, and that is said. */
function editFormat({ body, quirks }: ChatRequest, draft: Draft): void {
  const format = body.json.response_format as { type?: unknown } | null | undefined
  if (quirks.jsonSchema !== 'object_only' || format?.type !== 'json_schema') return
  draft.set.response_format = JSON_OBJECT
  draft.dropped.push('response_format')
}

/** The older wires know one name for the output limit. */
function encodeCompletion(request: ChatRequest): Encoded {
  const { body, offer, maxOutputTokens } = request
  const draft: Draft = { set: {}, remove: [], rename: {}, dropped: [] }
  if (body.json.model !== offer.upstream) draft.set.model = JSON.stringify(offer.upstream)
  if (maxOutputTokens !== undefined) draft.set.max_tokens = String(maxOutputTokens)
  editExtensions(request, draft)
  editStreamOptions(request, draft)
  return { path: '/completions', body: splice(body, draft), headers: [], dropped: draft.dropped }
}

function encodeEmbeddings(request: ChatRequest): Encoded {
  const { body, offer } = request
  const draft: Draft = { set: {}, remove: [], rename: {}, dropped: [] }
  if (body.json.model !== offer.upstream) draft.set.model = JSON.stringify(offer.upstream)
  editExtensions(request, draft)
  return { path: '/embeddings', body: splice(body, draft), headers: [], dropped: draft.dropped }
}

/** OpenAI and, with a host's quirks, every OpenAI-compatible host. */
export const openai: Provider = {
  name: 'openai',
  auth: 'bearer',
  chat: { encode, repair: createRepair },
  responses,
  completions: { encode: encodeCompletion },
  embeddings: { encode: encodeEmbeddings, isAnswer: answer => Array.isArray(answer.data) },
  images,
  speech,
  transcriptions,
  rerank,
  moderations,
  classify: classifyChat,
}
