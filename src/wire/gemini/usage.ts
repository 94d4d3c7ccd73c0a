/** Usage, endings and talk of chat answers, as Gemini's wire has them. */
import type { Usage } from '../../terms.ts'
import { isObject } from '../extensions.ts'
import type { RenderContext } from '../inbound.ts'
import { field, type Json, objectField } from './proto.ts'

type Part = Record<string, unknown>

/** UTF-16 units of an answer per token, where a host does not count. */
const CHARS_PER_TOKEN = 4

/** Google counts thoughts beside the candidates and cached tokens as part of the prompt. Fields that are 0 are left out, as there. */
export function usageMetadata(usage: Usage): Part {
  const { inputTokens, outputTokens, reasoningOutputTokens, cacheReadInputTokens } = usage
  const thoughts = Math.min(reasoningOutputTokens, outputTokens)
  return {
    promptTokenCount: inputTokens,
    candidatesTokenCount: outputTokens - thoughts,
    totalTokenCount: inputTokens + outputTokens,
    ...(cacheReadInputTokens > 0 ? { cachedContentTokenCount: cacheReadInputTokens } : {}),
    ...(thoughts > 0 ? { thoughtsTokenCount: thoughts } : {}),
  }
}

/** Counts for hosts that do not count: `chars` = length of what was said. */
export function estimatedMetadata({ likelyInputTokens }: RenderContext, chars: number): Part {
  const written = Math.ceil(chars / CHARS_PER_TOKEN)
  return {
    promptTokenCount: likelyInputTokens,
    candidatesTokenCount: written,
    totalTokenCount: likelyInputTokens + written,
    estimated: true,
  }
}

/** `finish_reason` → `finishReason`. A function call ends with STOP in this wire. */
export function finishOf(reason: unknown): string {
  if (reason === 'length') return 'MAX_TOKENS'
  if (reason === 'content_filter') return 'SAFETY'
  return reason === 'error' ? 'OTHER' : 'STOP'
}

/** Did the caller ask to see thoughts? Clients that did not would take them for the answer. */
export function wantsThoughts({ request }: RenderContext): boolean {
  const generation = objectField(request, 'generationConfig') ?? {}
  const thinking = objectField(generation, 'thinkingConfig') ?? {}
  return field(thinking, 'includeThoughts') === true
}

/** Pictures and sounds of a message or a delta as inline data. */
export function mediaParts(said: Json): Part[] {
  const images = Array.isArray(said.images) ? said.images.filter(isObject) : []
  const shown = images.flatMap(image => {
    const url = isObject(image.image_url) ? image.image_url.url : undefined
    const [, mimeType, data] = /^data:([^;,]+);base64,(.+)$/s.exec(typeof url === 'string' ? url : '') ?? []
    return data === undefined ? [] : [{ inlineData: { mimeType, data } }]
  })
  const { audio } = said
  if (isObject(audio) && typeof audio.data === 'string')
    shown.push({ inlineData: { mimeType: 'audio/wav', data: audio.data } })
  return shown
}

/** Pieces of a stream's details, as whole details: those of one index are one. */
export function joined(pieces: readonly Json[]): Json[] {
  const made: Part[] = []
  for (const piece of pieces) {
    const last = made.at(-1)
    const continues =
      last !== undefined &&
      last.type === piece.type &&
      piece.type !== 'reasoning.encrypted' &&
      (last.index === piece.index || piece.index === undefined) &&
      last.signature === undefined
    if (!continues) made.push({ ...piece })
    else {
      const text = `${textOf(last)}${textOf(piece)}`
      made[made.length - 1] = { ...last, ...piece, ...(text === '' ? {} : { text }) }
    }
  }
  return made
}

const textOf = (detail: Json): string => (typeof detail.text === 'string' ? detail.text : '')

/** Is there something in it that has to go back to the model that wrote it? */
export const isSigned = (detail: Json): boolean =>
  (typeof detail.signature === 'string' && detail.signature !== '') ||
  (typeof detail.data === 'string' && detail.data !== '')

/** `annotations` as citations. Chat counts characters of the answer, Google its UTF-8 bytes. */
export function citations(annotations: unknown, text: string): Part {
  const list = Array.isArray(annotations) ? annotations.filter(isObject) : []
  const place = (at: unknown) =>
    typeof at === 'number' ? new TextEncoder().encode(text.slice(0, at)).length : 0
  const citationSources = list.flatMap(({ url_citation: its }) =>
    isObject(its) && typeof its.url === 'string'
      ? [{ startIndex: place(its.start_index), endIndex: place(its.end_index), uri: its.url }]
      : [],
  )
  return citationSources.length > 0 ? { citationMetadata: { citationSources } } : {}
}

/** Chat's log probabilities as Google's. */
export function logprobsResult(logprobs: unknown): Part {
  const tokens =
    isObject(logprobs) && Array.isArray(logprobs.content) ? logprobs.content.filter(isObject) : []
  if (tokens.length === 0) return {}
  const one = (token: Json) => ({ token: token.token, logProbability: token.logprob })
  return {
    logprobsResult: {
      chosenCandidates: tokens.map(one),
      topCandidates: tokens.map(token => ({
        candidates: (Array.isArray(token.top_logprobs) ? token.top_logprobs.filter(isObject) : []).map(one),
      })),
    },
  }
}
