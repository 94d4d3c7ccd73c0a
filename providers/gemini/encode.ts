/** OpenAI chat request → Gemini generateContent request. Stage: attempt, before authorize. */
import type {
  GenerationConfig,
  MediaResolution,
  SafetySetting,
  ServiceTier,
  Tool,
  ToolConfig,
} from '@google/genai'
import type { Offer } from '../../src/terms.ts'
import { lostIn, type Taken } from '../../src/wire/lost.ts'
import { isUnpricedTier } from '../../src/wire/tiers.ts'
import type { ChatRequest, Encoded, Json } from '../provider.ts'
import { encodeMessages } from './messages.ts'
import { factsOf, googleExtra, type ModelFacts, thinkingConfig } from './model.ts'
import { isObject, listAt, numberAt, objectAt, refusal, wholeAt } from './params.ts'
import { SIGNATURE_FORMAT } from './signatures.ts'
import { encodeTools, type EncodedTools, toolNames } from './tools.ts'
import type { Plain } from './wire.ts'

/** Parameters of the chat wire that are read somewhere in this folder; all others are reported as dropped. */
const READ = new Set(
  `model messages stream stream_options max_tokens max_completion_tokens temperature top_p top_k stop seed n
  frequency_penalty presence_penalty logprobs top_logprobs tools tool_choice response_format reasoning_effort reasoning
  parallel_tool_calls service_tier modalities audio web_search_options safety_settings cached_content extra_body`.split(
    /\s+/,
  ),
)

/** What is taken below the top level; `detail` and `strict` are named where they are judged. */
const TAKEN: Taken = {
  members: new Set(['extra_content', 'detail', 'strict', 'video_metadata']),
  readsDetail: detail => detail.format === SIGNATURE_FORMAT,
}

/** The fields of a request beside `contents`. */
interface Fields {
  systemInstruction?: { parts: { text: string }[] }
  tools?: Plain<Tool>[]
  toolConfig?: Plain<ToolConfig>
  generationConfig?: Plain<GenerationConfig>
  safetySettings?: Plain<SafetySetting>[]
  cachedContent?: string
  serviceTier?: Plain<ServiceTier>
}

/** Encodes one request. Throws GatewayError invalid_request with `param` for what Gemini cannot be asked at all. */
export function encode(request: ChatRequest): Encoded {
  const json = request.body.json
  const facts = factsOf(request.offer.upstream)
  const dropped = Object.keys(json).filter(
    key => json[key] != null && !READ.has(key) && !request.extensions.includes(key),
  )
  dropped.push(...lostIn(json, TAKEN))
  const names = toolNames(json)
  const { contents, system } = encodeMessages(json, facts, names, request.signatureFor)
  const tools = encodeTools(json, facts, names, dropped)
  const generationConfig = generation(request, facts, tools.format, dropped)
  // Gemini has no switch for this; true is how it behaves.
  if (json.parallel_tool_calls === false) dropped.push('parallel_tool_calls')
  const fields: Fields = {
    ...(system.length > 0 ? { systemInstruction: { parts: system.map(text => ({ text })) } } : {}),
    ...(tools.tools === undefined ? {} : { tools: tools.tools }),
    ...(tools.toolConfig === undefined ? {} : { toolConfig: tools.toolConfig }),
    ...(Object.keys(generationConfig).length > 0 ? { generationConfig } : {}),
    ...operatorFields(json, request.offer, dropped),
  }
  const rest = JSON.stringify(fields)
  const text = `{"contents":${contents}${rest === '{}' ? '}' : `,${rest.slice(1)}`}`
  return { path: pathOf(request), body: new TextEncoder().encode(text), headers: [], dropped }
}

/** `alt=sse` matters: without it a stream is one long JSON array. */
export function pathOf({ offer, stream }: Pick<ChatRequest, 'offer' | 'stream'>): string {
  // An id may be the caller's own text, so all of it is escaped but the collection in front.
  const [, collection = 'models', id = offer.upstream] =
    /^(models|tunedModels)\/(.+)$/s.exec(offer.upstream) ?? []
  const method = stream ? 'streamGenerateContent?alt=sse' : 'generateContent'
  return `/${collection}/${encodeURIComponent(id)}:${method}`
}

function generation(
  request: ChatRequest,
  facts: ModelFacts,
  format: EncodedTools['format'],
  dropped: string[],
): Plain<GenerationConfig> {
  const json = request.body.json
  const made: Plain<GenerationConfig> = {}
  const limit =
    request.maxOutputTokens ?? wholeAt(json, 'max_completion_tokens') ?? wholeAt(json, 'max_tokens')
  const candidates = wholeAt(json, 'n')
  const stops = stopSequences(json)
  set(made, 'maxOutputTokens', limit)
  set(made, 'temperature', numberAt(json, 'temperature'))
  set(made, 'topP', numberAt(json, 'top_p'))
  set(made, 'topK', numberAt(json, 'top_k'))
  set(made, 'stopSequences', stops.length > 0 ? stops : undefined)
  set(made, 'seed', wholeAt(json, 'seed'))
  set(made, 'candidateCount', candidates === 1 ? undefined : candidates)
  for (const [ours, theirs] of PENALTIES) {
    const value = numberAt(json, ours)
    if (value === undefined || value === 0) continue
    if (facts.takesPenalties) made[theirs] = value
    else dropped.push(ours)
  }
  if (json.logprobs === true) {
    made.responseLogprobs = true
    set(made, 'logprobs', wholeAt(json, 'top_logprobs'))
  }
  set(made, 'thinkingConfig', thinkingConfig(json, facts, dropped))
  set(made, 'mediaResolution', resolutionOf(json, facts, dropped))
  modalities(json, made)
  return { ...made, ...format }
}

const PENALTIES = [
  ['frequency_penalty', 'frequencyPenalty'],
  ['presence_penalty', 'presencePenalty'],
] as const

function set<T extends object, K extends keyof T>(on: T, key: K, value: T[K] | undefined): void {
  if (value !== undefined) on[key] = value
}

function stopSequences(json: Json): string[] {
  const { stop } = json
  if (stop === undefined || stop === null) return []
  const stops: unknown[] = Array.isArray(stop) ? stop : [stop]
  return stops.flatMap((text, i) => {
    if (typeof text !== 'string')
      throw refusal(Array.isArray(stop) ? `stop[${i}]` : 'stop', 'stop must be text')
    return text === '' ? [] : [text]
  })
}

/** Gemini resolves all media of a request alike, so `detail` counts when the parts agree on it. */
function resolutionOf(json: Json, facts: ModelFacts, dropped: string[]): Plain<MediaResolution> | undefined {
  const seen = new Set<unknown>()
  for (const message of listAt(json, 'messages') ?? []) {
    if (!isObject(message) || !Array.isArray(message.content)) continue
    for (const part of message.content as unknown[]) {
      if (isObject(part) && isObject(part.image_url)) seen.add(part.image_url.detail ?? 'auto')
    }
  }
  if (!seen.has('low') && !seen.has('high')) return undefined
  if (facts.modern && seen.size === 1)
    return seen.has('low') ? 'MEDIA_RESOLUTION_LOW' : 'MEDIA_RESOLUTION_HIGH'
  dropped.push('detail')
  return undefined
}

const MODALITIES = ['TEXT', 'IMAGE', 'AUDIO'] as const

function modalities(json: Json, made: Plain<GenerationConfig>): void {
  const asked = (listAt(json, 'modalities') ?? []).map((name, i) => {
    const known = MODALITIES.find(modality => modality.toLowerCase() === name)
    if (known === undefined) {
      throw refusal(`modalities[${i}]`, `modalities[${i}] must be "text", "image" or "audio"`)
    }
    return known
  })
  // Text alone is what every model does unasked.
  if (!asked.some(name => name !== 'TEXT')) return
  // A speaking model takes AUDIO alone: https://ai.google.dev/gemini-api/docs/speech-generation.
  made.responseModalities = asked.includes('AUDIO') ? ['AUDIO'] : asked
  const voiceName = objectAt(json, 'audio')?.voice
  if (typeof voiceName === 'string') {
    made.speechConfig = { voiceConfig: { prebuiltVoiceConfig: { voiceName } } }
  }
}

/** What has a name in Gemini's wire only, by Google's own extension place or in OpenAI's style at the top level. */
function operatorFields(json: Json, offer: Offer, dropped: string[]): Fields {
  const extra = googleExtra(json)
  const made: Fields = {}
  const safety =
    listAt(extra, 'safety_settings', 'extra_body.google.safety_settings') ?? listAt(json, 'safety_settings')
  if (safety !== undefined) made.safetySettings = safety as Plain<SafetySetting>[]
  const cached = extra.cached_content ?? json.cached_content
  if (typeof cached === 'string' && cached !== '') made.cachedContent = cached
  else if (cached != null)
    throw refusal('cached_content', 'cached_content must be a name, as in cachedContents/…')
  const tier = json.service_tier
  // flex and priority have prices of their own
  const isKnown = tier === 'flex' || tier === 'priority'
  if (isKnown && !isUnpricedTier(json, offer)) made.serviceTier = tier
  else if (tier != null && tier !== 'auto' && tier !== 'default') dropped.push('service_tier')
  return made
}
