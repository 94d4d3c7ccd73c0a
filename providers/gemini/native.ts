/** generateContent in, generateContent out: Google's own wire for callers who speak it. Bytes pass; what is changed stands in `encode`. */
import { GatewayError } from '../../src/errors.ts'
import type { Usage } from '../../src/terms.ts'
import { type Body, elementsAt, type Member, membersAt } from '../../src/wire/body.ts'
import { isPacked } from '../../src/wire/gemini/signatures.ts'
import { isUnpricedTier } from '../../src/wire/tiers.ts'
import { type Patch, splice } from '../../src/wire/splice.ts'
import type {
  DecodeContext,
  Encoded,
  Json,
  NativeCodec,
  NativeFacts,
  NativeRequest,
  NativeSign,
  NativeTap,
} from '../provider.ts'
import { finishReasonOf } from './choice.ts'
import { blockReasonOf } from './decode.ts'
import { failureOf } from './failure.ts'
import { Searches } from './grounding.ts'
import { factsOf } from './model.ts'
import { isObject } from './params.ts'
import { SKIP_SIGNATURE } from './signatures.ts'
import { readUsage } from './usage.ts'
import { answerSchema, errorOf, groundingMetadata, type UsageMetadata, usageMetadata } from './wire.ts'

/** The codec of a provider whose models lie at `pathOf`: the model stands in the path, never in the body. */
export const nativeAt = (pathOf: (request: NativeRequest) => string): NativeCodec => ({
  encode: request => encode(request, pathOf(request)),
  read,
  tap: context => new Tap(context),
})

const TIER_NAMES = ['serviceTier', 'service_tier']

/** Changed: our extension fields, `model` and a tier without a price go, the limit when one is set, and signatures that Gemini never wrote. */
function encode(request: NativeRequest, path: string): Encoded {
  const { body, offer, maxOutputTokens, extensions } = request
  const limit = maxOutputTokens === undefined ? undefined : withLimit(body, maxOutputTokens)
  const inner = [...withoutForeign(body, factsOf(offer.upstream).modern), ...(limit?.inner ?? [])]
  inner.sort((a, b) => a.start - b.start)
  const tier = isUnpricedTier(body.json, offer) ? TIER_NAMES.filter(name => body.json[name] != null) : []
  return {
    path,
    body: splice(body, { set: limit?.set ?? {}, remove: [...extensions, 'model', ...tier], inner }),
    headers: [],
    dropped: body.json.reasoning == null ? tier : ['reasoning', ...tier],
  }
}

/** Names of a field as Google's servers take them: https://protobuf.dev/programming-guides/json. */
const memberAt = (members: readonly Member[], ...names: readonly string[]): Member | undefined =>
  members.findLast(({ key }) => names.includes(key))

/** `generationConfig.maxOutputTokens`, wherever it has to be written. */
function withLimit(
  { bytes, json, members }: Body,
  limit: number,
): { set?: Record<string, string>; inner?: Patch[] } {
  const place = memberAt(members, 'generationConfig', 'generation_config')
  const config = place && json[place.key]
  if (!place || !isObject(config)) return { set: { generationConfig: `{"maxOutputTokens":${limit}}` } }
  const inside = membersAt(bytes, place.valueStart)
  const known = memberAt(inside, 'maxOutputTokens', 'max_output_tokens')
  if (known) return { inner: [{ start: known.valueStart, end: known.valueEnd, text: String(limit) }] }
  const at = place.valueStart + 1
  return {
    inner: [{ start: at, end: at, text: `"maxOutputTokens":${limit}${inside.length > 0 ? ',' : ''}` }],
  }
}

const signatureIn = (part: unknown): unknown =>
  isObject(part) ? (part.thoughtSignature ?? part.thought_signature) : undefined

const partsIn = (content: unknown): readonly unknown[] =>
  isObject(content) && Array.isArray(content.parts) ? content.parts : []

/** What another model signed, in a conversation that has come to Gemini: it would be refused. Calls get the documented stand-in. */
function withoutForeign({ bytes, json, members }: Body, modern: boolean): Patch[] {
  const contents = Array.isArray(json.contents) ? (json.contents as unknown[]) : []
  const isMixed = (content: unknown) => partsIn(content).some(part => isPacked(signatureIn(part)))
  if (!contents.some(isMixed)) return []
  const place = memberAt(members, 'contents') as Member
  const starts = elementsAt(bytes, place.valueStart)
  return contents.flatMap((content, i) => {
    if (!isMixed(content)) return []
    const parts = memberAt(membersAt(bytes, starts[i] as number), 'parts') as Member
    const places = elementsAt(bytes, parts.valueStart)
    return partsIn(content).flatMap((part, j) => {
      if (!isPacked(signatureIn(part))) return []
      const own = membersAt(bytes, places[j] as number)
      const isCall = memberAt(own, 'functionCall', 'function_call') !== undefined
      const text = modern && isCall ? JSON.stringify(SKIP_SIGNATURE) : '""'
      const { valueStart: start, valueEnd: end } = memberAt(
        own,
        'thoughtSignature',
        'thought_signature',
      ) as Member
      return { start, end, text }
    })
  })
}

/**
 * Media by their price instead of their base64: a picture of 4K is 2,000 tokens, 32 of them are a second of sound
 * (https://ai.google.dev/gemini-api/docs/pricing), which is 64,000 characters of PCM.
 */
const TOKENS_PER_PICTURE = 2_000
const CHARS_PER_TOKEN = 500

/** What one part says, as JSON characters: an upper bound of its text, and so of its tokens. Signatures are no text. */
function saidIn(part: unknown): number {
  if (!isObject(part)) return 0
  const { thoughtSignature: _, text, inlineData, ...rest } = part
  let said = typeof text === 'string' ? new TextEncoder().encode(text).length : 0
  if (isObject(inlineData) && typeof inlineData.data === 'string') {
    const least = String(inlineData.mimeType).startsWith('image/') ? TOKENS_PER_PICTURE : 1
    said += Math.max(least, Math.ceil(inlineData.data.length / CHARS_PER_TOKEN))
  }
  return Object.keys(rest).length === 0 ? said : said + JSON.stringify(rest).length
}

/** Answers pass as they came, also those that end in a fault of the model: the caller's own SDK has words for them. */
function read(answer: unknown, context?: DecodeContext): NativeFacts {
  const error = errorOf(answer)
  if (error !== undefined) throw failureOf(error)
  const parsed = answerSchema.safeParse(answer)
  const candidates = parsed.success ? (parsed.data.candidates ?? []) : []
  const blocked = parsed.success && blockReasonOf(parsed.data) !== undefined
  if (!parsed.success || (candidates.length === 0 && !blocked))
    throw new GatewayError('malformed', 'the provider sent an answer without candidates')
  const parts = candidates.flatMap(({ content }) => content?.parts ?? [])
  const calls = parts.filter(part => part.functionCall != null).length
  const reason = candidates.length === 0 ? 'SAFETY' : (candidates[0]?.finishReason ?? '')
  const searches = new Searches(context?.offer.upstream ?? parsed.data.modelVersion ?? '')
  for (const { groundingMetadata } of candidates) searches.add(groundingMetadata)
  return {
    usage: readUsage(parsed.data.usageMetadata ?? {}, searches.calls),
    finishReason: finishReasonOf(reason, calls),
    answerId: parsed.data.responseId || undefined,
    textBytes: parts.reduce((sum, part) => sum + saidIn(part), 0),
  }
}

class Tap implements NativeTap {
  private calls = 0
  /** Candidates that have been seen, and whether they are finished. */
  private readonly candidates = new Map<unknown, boolean>()
  private head: Json = {}
  private readonly searches: Searches
  private counts: UsageMetadata = {}

  constructor(context: DecodeContext | undefined) {
    this.searches = new Searches(context?.offer.upstream ?? '')
  }

  event(data: string): NativeSign {
    const text = data.trim()
    if (text === '' || text === '[DONE]') return {}
    let json: unknown
    try {
      json = JSON.parse(text)
    } catch {
      return { failure: { kind: 'malformed', message: 'the provider sent an event that is no JSON' } }
    }
    const error = errorOf(json)
    if (error !== undefined) {
      const { kind, message } = failureOf(error)
      return { failure: { kind, message } }
    }
    return isObject(json) ? this.read(json) : {}
  }

  private read(said: Json): NativeSign {
    const { modelVersion, responseId } = said
    this.head = { modelVersion, responseId }
    let textBytes = 0
    let finishReason = this.blocked(said)
    for (const [at, candidate] of (Array.isArray(said.candidates) ? said.candidates : []).entries()) {
      if (!isObject(candidate)) continue
      const ended = typeof candidate.finishReason === 'string' && candidate.finishReason !== ''
      const index = candidate.index ?? at
      this.candidates.set(index, ended || this.candidates.get(index) === true)
      if (candidate.groundingMetadata != null)
        this.searches.add(groundingMetadata.safeParse(candidate.groundingMetadata).data)
      for (const part of partsIn(candidate.content)) {
        textBytes += saidIn(part)
        if (isObject(part) && part.functionCall != null) this.calls++
      }
      if (ended) finishReason ??= finishReasonOf(String(candidate.finishReason), this.calls)
    }
    const usage = this.usage(said.usageMetadata)
    return {
      content: textBytes > 0 || finishReason !== undefined,
      textBytes,
      ...(usage && { usage }),
      ...(finishReason === undefined ? {} : { finishReason }),
      ...(typeof responseId === 'string' && responseId !== '' ? { answerId: responseId } : {}),
      closing: finishReason !== undefined && [...this.candidates.values()].every(isOver => isOver),
    }
  }

  private usage(said: unknown): Usage | undefined {
    const counts = usageMetadata.safeParse(said)
    if (counts.success && readUsage(counts.data) !== undefined) this.counts = counts.data
    return readUsage(this.counts, this.searches.calls)
  }

  private blocked(said: Json): string | undefined {
    if (said.promptFeedback == null) return undefined
    const parsed = answerSchema.safeParse(said)
    return parsed.success && blockReasonOf(parsed.data) !== undefined ? 'content_filter' : undefined
  }

  cut(usage: Usage | undefined): string {
    const counts = usage && {
      promptTokenCount: usage.inputTokens,
      candidatesTokenCount: usage.outputTokens,
      totalTokenCount: usage.inputTokens + usage.outputTokens,
      estimated: true,
    }
    const open = [...this.candidates].filter(([, isOver]) => !isOver).map(([index]) => index)
    const candidates = (open.length > 0 ? open : [0]).map(index => ({
      content: { parts: [{ text: '' }], role: 'model' },
      finishReason: 'MAX_TOKENS',
      index,
    }))
    const event = { candidates, ...(counts && { usageMetadata: counts }), ...this.head }
    return `data: ${JSON.stringify(event)}\r\n\r\n`
  }

  /** There is no terminator: the connection's end is the end. */
  missing(): string {
    return ''
  }
}
