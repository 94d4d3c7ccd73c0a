/**
 * Responses in, Responses out: OpenAI's newer wire for callers who speak it and hosts that do (`quirks.speaksResponses`).
 * Bytes pass both ways, so reasoning items come back to the model that sealed them; what is changed stands in `encode`.
 */
import { type Body, elementsAt, type Member } from '../src/wire/body.ts'
import { isObject } from '../src/wire/extensions.ts'
import { effortOf } from '../src/wire/openai.ts'
import { openKept } from '../src/wire/responses/reasoning.ts'
import { isUnpricedTier } from '../src/wire/tiers.ts'
import { type Patch, splice } from '../src/wire/splice.ts'
import { readResponse } from './openai-responses-read.ts'
import { createTap } from './openai-responses-tap.ts'
import type { Encoded, Json, NativeCodec, NativeRequest } from './provider.ts'

/** The Responses codec of OpenAI and of the hosts that took the wire over. */
export const responses: NativeCodec = { encode, read: readResponse, tap: createTap }

/** The edits of one request, gathered before one splice. */
interface Draft {
  readonly set: Record<string, string>
  readonly remove: string[]
  readonly dropped: string[]
}

/** Changed: the model's name, our extension fields, the limit when one is set, a tier without a price, and thoughts that no host of this wire wrote. */
function encode(request: NativeRequest): Encoded {
  const { body, offer, maxOutputTokens, quirks } = request
  const draft: Draft = { set: {}, remove: [], dropped: [] }
  if (body.json.model !== offer.upstream) draft.set.model = JSON.stringify(offer.upstream)
  if (maxOutputTokens !== undefined) draft.set.max_output_tokens = String(maxOutputTokens)
  if (quirks.keepsExtensions !== true) editExtensions(request, draft)
  editStreamOptions(body.json, draft)
  if (isUnpricedTier(body.json, offer)) {
    draft.remove.push('service_tier')
    draft.dropped.push('service_tier')
  }
  return {
    path: '/responses',
    body: splice(body, { set: draft.set, remove: draft.remove, inner: withoutOurThoughts(body) }),
    headers: [],
    dropped: draft.dropped,
  }
}

/** `reasoning` is a member of this wire; only what OpenRouter added to it is ours to take out. */
function editExtensions({ body, extensions }: NativeRequest, draft: Draft): void {
  for (const name of extensions) if (name !== 'reasoning') draft.remove.push(name)
  const { reasoning } = body.json
  if (!extensions.includes('reasoning') || !isObject(reasoning)) return
  const { max_tokens: tokens, enabled: _, exclude, ...rest } = reasoning
  const effort = effortOf(reasoning)
  if (tokens != null) draft.dropped.push('reasoning.max_tokens')
  if (exclude != null) draft.dropped.push('reasoning.exclude')
  const said = { ...rest, ...(effort !== undefined && { effort }) }
  if (Object.keys(said).length > 0) draft.set.reasoning = JSON.stringify(said)
  else draft.remove.push('reasoning')
}

/** `include_usage` is chat's: here usage comes unasked, and the name is refused with 400 `unknown_parameter`. */
function editStreamOptions({ stream_options: options }: Readonly<Json>, draft: Draft): void {
  if (!isObject(options) || !Object.hasOwn(options, 'include_usage')) return
  const { include_usage: _, ...rest } = options
  if (Object.keys(rest).length > 0) draft.set.stream_options = JSON.stringify(rest)
  else draft.remove.push('stream_options')
}

/**
 * Reasoning items that this gateway made of another wire's thoughts: a host looks a reasoning item up by its id or
 * opens its `encrypted_content`, and refuses the request when it can do neither (recording a28c32194f88 and its kin).
 */
const isOurs = (item: unknown): boolean =>
  isObject(item) && item.type === 'reasoning' && openKept(item.encrypted_content) !== undefined

function withoutOurThoughts({ bytes, json, members }: Body): Patch[] {
  const input: readonly unknown[] = Array.isArray(json.input) ? json.input : []
  if (!input.some(isOurs)) return []
  const place = members.findLast(({ key }) => key === 'input') as Member
  const starts = elementsAt(bytes, place.valueStart)
  const kept = starts.flatMap((start, i) => {
    if (isOurs(input[i])) return []
    const end = starts[i + 1] ?? place.valueEnd - 1
    return new TextDecoder().decode(bytes.subarray(start, end)).replace(/[\s,]+$/, '')
  })
  return [{ start: place.valueStart, end: place.valueEnd, text: `[${kept.join(',')}]` }]
}
