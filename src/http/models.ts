/** `GET /v1/models` and its kin: what this key can call now, in OpenAI's form with OpenRouter's additions, or in Anthropic's. */
import { matching } from '../catalog/search.ts'
import { GatewayError } from '../errors.ts'
import { usdFromNano } from '../price.ts'
import type { Health } from '../route/health.ts'
import type { Listing, Market } from '../route/market.ts'
import { keyAllows, targetKey } from '../route/plan.ts'
import type { Capability, Key } from '../terms.ts'

const PARAMETERS: Readonly<Record<Capability, readonly string[]>> = {
  tools: ['tools', 'tool_choice', 'parallel_tool_calls'],
  json_schema: ['response_format', 'structured_outputs'],
  reasoning: ['reasoning', 'reasoning_effort'],
  images: [],
  audio: [],
  pdf: [],
}
const ALWAYS = ['max_tokens', 'stop', 'stream', 'temperature', 'top_p']

/** USD per token as decimal text, as OpenRouter writes prices. pico-USD has three digits more than nano. */
function perToken(pico: number | undefined): string | undefined {
  if (pico === undefined) return undefined
  const nano = usdFromNano(Math.floor(pico / 1000))
  const rest = pico % 1000
  if (rest === 0) return nano
  const [whole = '0', fraction = ''] = nano.split('.')
  return `${whole}.${fraction.padEnd(9, '0')}${String(rest).padStart(3, '0')}`.replace(/0+$/, '')
}

function pricingOf(listing: Listing): Record<string, string> | null {
  const { price } = listing.offer
  if (!price) return null
  // what is paid by the unit is shown by the unit: a zero for tokens would read as free
  const byUnit = Object.entries(price.units ?? {}).map(([kind, pico]) => [kind, perToken(pico) ?? '0'])
  if (byUnit.length > 0) return Object.fromEntries(byUnit)
  const entries = {
    prompt: perToken(price.inputPico),
    completion: perToken(price.outputPico),
    input_cache_read: perToken(price.cacheReadPico),
    input_cache_write: perToken(price.cacheWritePico),
  }
  return Object.fromEntries(
    Object.entries(entries).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}

/** Of chat, as OpenRouter lists them: what makes pictures or vectors takes none of these. */
function parametersOf(listings: readonly Listing[]): string[] {
  const names = new Set<string>()
  for (const { offer } of listings) {
    if ((offer.type ?? 'chat') !== 'chat') continue
    for (const name of ALWAYS) names.add(name)
    for (const c of offer.supports) for (const name of PARAMETERS[c]) names.add(name)
  }
  return [...names].sort()
}

const cheapestFirst = (a: Listing, b: Listing) =>
  (a.offer.price?.inputPico ?? Number.POSITIVE_INFINITY) -
  (b.offer.price?.inputPico ?? Number.POSITIVE_INFINITY)

/** One model: the cheapest offer gives the price, the largest context is shown. */
function modelObject(id: string, listings: readonly Listing[], owner: string): Record<string, unknown> {
  const sorted = [...listings].sort(cheapestFirst)
  const [first] = sorted
  const contexts = sorted.map(l => l.offer.contextTokens).filter(tokens => tokens !== undefined)
  return {
    id,
    object: 'model',
    created: 0,
    owned_by: owner,
    pricing: first ? pricingOf(first) : null,
    context_length: contexts.length > 0 ? Math.max(...contexts) : null,
    supported_parameters: parametersOf(sorted),
  }
}

function byModel(market: Market, key: Key): Map<string, Listing[]> {
  const models = new Map<string, Listing[]>()
  for (const listing of market.listings) {
    if (!keyAllows(key, listing, undefined)) continue
    const list = models.get(listing.offer.model)
    if (list) list.push(listing)
    else models.set(listing.offer.model, [listing])
  }
  return models
}

/** What `GET /v1/models` may be narrowed to; absent or '' = everything. */
export interface ModelFilter {
  /** Words that must all stand in an offer's ids, author, provider or capabilities, or in the alias. */
  readonly search?: string | undefined
  /** Configured name. */
  readonly provider?: string | undefined
}

/** Every model and alias that this key can call. */
export function modelList(market: Market, key: Key, filter: ModelFilter = {}): Record<string, unknown>[] {
  const isMeant = matching(filter.search)
  const fits =
    (alias?: string) =>
    ({ offer }: Listing) =>
      (!filter.provider || offer.provider === filter.provider) &&
      isMeant(alias === undefined ? offer : { ...offer, variant: alias })
  const data: Record<string, unknown>[] = []
  for (const alias of market.aliases) {
    const { listings } = listingsNamed(alias, market, key)
    if (listings.some(fits(alias))) data.push(modelObject(alias, listings, 'switchgate'))
  }
  for (const [id, all] of byModel(market, key)) {
    const listings = all.filter(fits())
    if (listings.length > 0) data.push(modelObject(id, listings, listings[0]?.offer.provider ?? ''))
  }
  return data.sort((a, b) => String(a.id).localeCompare(String(b.id)))
}

function listingsNamed(
  name: string,
  market: Market,
  key: Key,
): { listings: Listing[]; alias: string | undefined } {
  const found = market.resolve(name)
  if (found.kind !== 'found') return { listings: [], alias: undefined }
  return {
    listings: found.listings.filter(listing => keyAllows(key, listing, found.alias)),
    alias: found.alias,
  }
}

export function modelNamed(name: string, market: Market, key: Key): Record<string, unknown> | undefined {
  const { listings, alias } = listingsNamed(name, market, key)
  const [first] = listings
  if (!first) return undefined
  return modelObject(name, listings, alias ? 'switchgate' : first.offer.provider)
}

/** Every target of a model with price, latency and health. */
export function endpointsOf(
  name: string,
  market: Market,
  key: Key,
  health: Health,
  nowMs: number,
): Record<string, unknown> | undefined {
  const { listings } = listingsNamed(name, market, key)
  if (listings.length === 0) return undefined
  const endpoints = listings.map(listing => {
    const states = (listing.site.credentials.length > 0 ? listing.site.credentials : [undefined]).map(c =>
      targetKey(listing, c),
    )
    const state = states.map(k => health.state(k, nowMs)).find(s => s !== undefined)
    return {
      name: `${listing.offer.provider} | ${listing.offer.upstream}`,
      provider_name: listing.offer.provider,
      model_id: listing.offer.upstream,
      pricing: pricingOf(listing),
      context_length: listing.offer.contextTokens ?? null,
      max_completion_tokens: listing.offer.maxOutputTokens ?? null,
      supported_parameters: parametersOf([listing]),
      status: states.some(k => health.usable(k, nowMs)) ? 'ok' : 'cooling_down',
      error_rate: state?.errorRate ?? null,
      ttft_ms: state?.ttftMs === undefined ? null : Math.round(state.ttftMs),
      tokens_per_second: state?.tokensPerSecond === undefined ? null : Math.round(state.tokensPerSecond),
    }
  })
  return { id: name, object: 'model.endpoints', endpoints }
}

/** Google's list form: chat models alone, since its wire knows no other route here. Source: ai.google.dev/api/models. */
export function googleList(market: Market, key: Key, page: GooglePage = {}): Record<string, unknown> {
  const listings = market.listings.filter(({ offer }) => (offer.type ?? 'chat') === 'chat')
  const models = modelList({ ...market, listings }, key)
  const most = page.pageSize === undefined ? models.length : pageSize(page.pageSize, 'pageSize')
  const start = page.pageToken === undefined ? 0 : placeOf(models, page.pageToken, 'pageToken') + 1
  const end = Math.min(start + most, models.length)
  return {
    models: models.slice(start, end).map(googleModel),
    ...(end < models.length && { nextPageToken: models[end - 1]?.id }),
  }
}

/** Which page of Google's list; without a `pageSize` there is one page. Source: ai.google.dev/api/models#method:-models.list. */
export interface GooglePage {
  readonly pageSize?: string | undefined
  readonly pageToken?: string | undefined
}

function pageSize(text: string, param: string): number {
  const size = Number(text)
  if (Number.isInteger(size) && size >= 1 && size <= 1_000) return size
  throw new GatewayError('invalid_request', `${param}: must be a whole number from 1 to 1000.`, { param })
}

/** Where the model stands that a page begins or ends at. */
function placeOf(models: readonly Record<string, unknown>[], id: string, param: string): number {
  const found = models.findIndex(model => model.id === id)
  if (found >= 0) return found
  throw new GatewayError('invalid_request', `${param}: there is no model of this id in the list.`, { param })
}

export function googleModel(model: Record<string, unknown>): Record<string, unknown> {
  return {
    name: `models/${model.id}`,
    version: '',
    displayName: model.id,
    ...(typeof model.context_length === 'number' ? { inputTokenLimit: model.context_length } : {}),
    supportedGenerationMethods: ['generateContent', 'countTokens'],
  }
}

/** Which page of Anthropic's list; without a `limit` there is one page. Source: platform.claude.com/docs/en/api/models/list. */
export interface Page {
  readonly limit?: string | undefined
  readonly after_id?: string | undefined
  readonly before_id?: string | undefined
}

/** Anthropic's list form, for clients that send `anthropic-version`. Throws `invalid_request` for a page that cannot be. */
export function anthropicList(
  models: readonly Record<string, unknown>[],
  page: Page = {},
): Record<string, unknown> {
  const most = page.limit === undefined ? models.length : pageSize(page.limit, 'limit')
  const from = page.after_id === undefined ? 0 : placeOf(models, page.after_id, 'after_id') + 1
  const to = page.before_id === undefined ? models.length : placeOf(models, page.before_id, 'before_id')
  const back = page.before_id !== undefined && page.after_id === undefined
  const start = back ? Math.max(from, to - most) : from
  const end = back ? to : Math.min(to, from + most)
  const data = models.slice(start, end).map(anthropicModel)
  const more = back ? start > from : end < to
  return { data, has_more: more, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null }
}

export function anthropicModel(model: Record<string, unknown>): Record<string, unknown> {
  return { type: 'model', id: model.id, display_name: model.id, created_at: '1970-01-01T00:00:00Z' }
}
