/** Our extension fields of a chat body (contract section 2, OpenRouter's names): checked by hand, read once per request. */
import { GatewayError } from '../errors.ts'
import type { StreamGuarantee } from '../terms.ts'

/** Removed before sending, unless the target speaks them itself. */
export const EXTENSION_NAMES = [
  'models',
  'provider',
  'session_id',
  'metadata',
  'user',
  'reasoning',
  'usage',
  'stream_guarantee',
] as const

/** Fields with which other gateways let a caller choose the upstream address or credential: never here. */
export const REFUSED_NAMES = ['api_base', 'base_url', 'azure_endpoint', 'custom_host', 'api_key'] as const

/** `provider: {…}`: which targets, in which order, and at what price at most. Absent members = no wish. */
export interface Preferences {
  readonly order?: readonly string[]
  readonly only?: readonly string[]
  readonly ignore?: readonly string[]
  /** False: only the targets of `order`, and without `order` only the first choice. */
  readonly allowFallbacks?: boolean
  readonly sort?: 'price' | 'latency' | 'throughput'
  /** USD per million tokens. */
  readonly maxPrice?: { readonly prompt?: number; readonly completion?: number }
  readonly requireParameters?: boolean
  readonly preferredMaxLatencyMs?: number
  readonly preferredMinTokensPerSecond?: number
  /** Only where the provider is said not to keep what is sent for its own ends (`providers.<name>.data`). */
  readonly dataCollection?: 'allow' | 'deny'
  /** Only where nothing that is sent is retained at all. */
  readonly zdr?: boolean
  /** Only providers of these regions, as in `eu` or `eu-west-1`. */
  readonly regions?: readonly string[]
}

type Fields = Readonly<Record<string, unknown>>

const OURS: ReadonlySet<string> = new Set(EXTENSION_NAMES)
const REFUSED: ReadonlySet<string> = new Set(REFUSED_NAMES)

const NAMES_MAX = 64
const PREFERENCE_NAMES = [
  'order',
  'only',
  'ignore',
  'allow_fallbacks',
  'sort',
  'max_price',
  'require_parameters',
  'preferred_max_latency',
  'preferred_min_throughput',
  'data_collection',
  'zdr',
  'regions',
]
const PRICE_NAMES = ['prompt', 'completion']
const SORTS: readonly string[] = ['price', 'latency', 'throughput']

/** GatewayError('invalid_request') whose message starts with the place. */
export function wrong(param: string, message: string): GatewayError {
  return new GatewayError('invalid_request', `${param}: ${message}`, { param })
}

/** A JSON object that is not an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function strings(value: unknown, param: string): readonly string[] | undefined {
  if (value == null) return undefined
  if (
    !Array.isArray(value) ||
    value.length > NAMES_MAX ||
    value.some(v => typeof v !== 'string' || v === '')
  ) {
    throw wrong(param, `must be an array of at most ${NAMES_MAX} names.`)
  }
  return value as string[]
}

function flag(value: unknown, param: string): boolean | undefined {
  if (value == null) return undefined
  if (typeof value !== 'boolean') throw wrong(param, 'must be true or false.')
  return value
}

function atLeastZero(value: unknown, param: string): number | undefined {
  if (value == null) return undefined
  if (typeof value !== 'number' || value < 0) throw wrong(param, 'must be a number, 0 or more.')
  return value
}

/** Letters that differ when both names are laid over each other: enough to find the name that was meant. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}

function refuseUnknown(fields: Fields, known: readonly string[], param: string): void {
  for (const name of Object.keys(fields)) {
    if (known.includes(name)) continue
    const shown = name.slice(0, 64)
    const nearest = [...known].sort((a, b) => distance(shown, a) - distance(shown, b))[0] as string
    throw wrong(
      `${param}.${shown}`,
      `is not known here. Did you mean "${nearest}"? Known: ${known.join(', ')}.`,
    )
  }
}

/** `provider` → Preferences; unknown members are refused with the nearest known name. */
export function readPreferences(value: unknown): Preferences | undefined {
  if (value == null) return undefined
  if (!isObject(value)) throw wrong('provider', 'must be an object, as in {"only": ["openai"]}.')
  refuseUnknown(value, PREFERENCE_NAMES, 'provider')
  const sort = value.sort
  if (sort != null && !(typeof sort === 'string' && SORTS.includes(sort))) {
    throw wrong('provider.sort', 'must be "price", "latency" or "throughput".')
  }
  const latencySeconds = atLeastZero(value.preferred_max_latency, 'provider.preferred_max_latency')
  const read: { -readonly [K in keyof Preferences]: Preferences[K] | undefined } = {
    order: strings(value.order, 'provider.order'),
    only: strings(value.only, 'provider.only'),
    ignore: strings(value.ignore, 'provider.ignore'),
    allowFallbacks: flag(value.allow_fallbacks, 'provider.allow_fallbacks'),
    sort: (sort ?? undefined) as Preferences['sort'] | undefined,
    maxPrice: readMaxPrice(value.max_price),
    requireParameters: flag(value.require_parameters, 'provider.require_parameters'),
    preferredMaxLatencyMs: latencySeconds === undefined ? undefined : latencySeconds * 1000,
    preferredMinTokensPerSecond: atLeastZero(
      value.preferred_min_throughput,
      'provider.preferred_min_throughput',
    ),
    dataCollection: readCollection(value.data_collection),
    zdr: flag(value.zdr, 'provider.zdr'),
    regions: strings(value.regions, 'provider.regions'),
  }
  return read as Preferences
}

function readCollection(value: unknown): Preferences['dataCollection'] {
  if (value == null) return undefined
  if (value !== 'allow' && value !== 'deny')
    throw wrong('provider.data_collection', 'must be "allow" or "deny".')
  return value
}

function readMaxPrice(value: unknown): Preferences['maxPrice'] {
  if (value == null) return undefined
  if (!isObject(value)) {
    throw wrong('provider.max_price', 'must be an object in USD per million tokens, as in {"prompt": 1}.')
  }
  refuseUnknown(value, PRICE_NAMES, 'provider.max_price')
  const prompt = atLeastZero(value.prompt, 'provider.max_price.prompt')
  const completion = atLeastZero(value.completion, 'provider.max_price.completion')
  return { ...(prompt === undefined ? {} : { prompt }), ...(completion === undefined ? {} : { completion }) }
}

/** What the extension fields ask for, short of `reasoning`, which belongs to the model. */
export interface Extensions {
  /** Names present in the body, to be taken out before sending. */
  readonly names: readonly string[]
  readonly fallbackModels: readonly string[]
  readonly preferences: Preferences | undefined
  readonly sessionId: string | undefined
  readonly user: string | undefined
  /** `metadata.tags`: one tag or a list. */
  readonly tags: readonly string[]
  /** Absent = as configured. */
  readonly streamGuarantee?: StreamGuarantee
  /** `usage: {include: true}`. */
  readonly includeUsage: boolean
}

/** The model that is asked first, and those after it: `models` alone names them all, as at OpenRouter. */
export function modelsOf(
  model: string | undefined,
  { fallbackModels }: Pick<Extensions, 'fallbackModels'>,
): { readonly model: string | undefined; readonly fallbackModels: readonly string[] } {
  return model === undefined
    ? { model: fallbackModels[0], fallbackModels: fallbackModels.slice(1) }
    : { model, fallbackModels }
}

const ID_CHARS_MAX = 256
const TAGS_MAX = 16
const TAG_CHARS_MAX = 64

function id(value: unknown, param: string): string | undefined {
  if (value == null) return undefined
  if (typeof value !== 'string' || value.length > ID_CHARS_MAX) {
    throw wrong(param, `must be a string of at most ${ID_CHARS_MAX} characters.`)
  }
  return value
}

function readTags(metadata: unknown): readonly string[] {
  if (metadata == null) return []
  if (!isObject(metadata)) throw wrong('metadata', 'must be an object of strings.')
  const { tags } = metadata
  if (tags == null) return []
  const list: readonly unknown[] = Array.isArray(tags) ? tags : [tags]
  if (
    list.length > TAGS_MAX ||
    list.some(t => typeof t !== 'string' || t === '' || t.length > TAG_CHARS_MAX)
  ) {
    throw wrong('metadata.tags', `must be at most ${TAGS_MAX} strings of 1 to ${TAG_CHARS_MAX} characters.`)
  }
  return list as string[]
}

const isGuarantee = (value: unknown): value is StreamGuarantee =>
  value === 'fast' || value === 'settled' || value === 'complete'

/** Reads and checks our fields; throws for the refused names too. */
export function readExtensions(json: Fields): Extensions {
  const names: string[] = []
  for (const name of Object.keys(json)) {
    if (REFUSED.has(name))
      throw wrong(name, 'is not accepted from callers. Providers and their keys are set up in the gateway.')
    if (OURS.has(name)) names.push(name)
  }
  const { usage, stream_guarantee: guarantee } = json
  if (usage != null && !isObject(usage)) throw wrong('usage', 'must be an object, as in {"include": true}.')
  if (guarantee != null && !isGuarantee(guarantee))
    throw wrong('stream_guarantee', 'must be "fast", "settled" or "complete".')
  return {
    names,
    fallbackModels: strings(json.models, 'models') ?? [],
    preferences: readPreferences(json.provider),
    sessionId: id(json.session_id, 'session_id'),
    user: id(json.user, 'user'),
    tags: readTags(json.metadata),
    ...(guarantee != null && { streamGuarantee: guarantee }),
    includeUsage: (isObject(usage) ? flag(usage.include, 'usage.include') : undefined) ?? false,
  }
}
