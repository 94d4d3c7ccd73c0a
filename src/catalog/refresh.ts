/** Asks the configured providers what they sell now, and holds the answer against the catalogue. Behind `models --refresh`. */
import type { CatalogFile, Row } from '../../providers/catalog/import.ts'
import type { Catalog } from '../../providers/catalog/loader.ts'
import { isLocalKind } from '../../providers/local.ts'
import type { Site } from '../route/market.ts'
import { canonicalOf } from '../route/names.ts'
import { type ListedModel, type ListedPrice, parseList } from './lists.ts'

/** One provider's list beside what the catalogue knows of it. */
export interface ProviderList {
  /** Configured name. */
  readonly provider: string
  readonly kind: string
  /** At an address of the operator's: not the seller whom the catalogue knows by this kind. */
  readonly isOwn: boolean
  readonly models: readonly ListedModel[]
  /** Listed, but the catalogue knows no such id there. */
  readonly unknown: readonly ListedModel[]
  /** Ids of the catalogue, not announced to end, that the list has not. */
  readonly missing: readonly string[]
  /** Why there is no list. */
  readonly error: string | undefined
}

export interface AskOptions {
  readonly fetch: typeof globalThis.fetch
  readonly catalog: Catalog
  /** Kind of a configured provider. */
  readonly kindOf: (provider: string) => string
  /** Does a configured provider have an own address? */
  readonly isOwn: (provider: string) => boolean
  /** Own models of a configured provider, by the id that the provider knows. */
  readonly ownOf: (provider: string) => readonly string[]
  readonly scrub: (text: string) => string
}

const ANSWER_MS_MAX = 15_000

/** Where the whole list comes in one page, and the version that Anthropic's API wants to hear. */
const SPECIAL: Readonly<Record<string, { query: string; headers: Record<string, string> }>> = {
  anthropic: { query: '?limit=1000', headers: { 'anthropic-version': '2023-06-01' } },
  gemini: { query: '?pageSize=1000', headers: {} },
}
const SCHEMES: ReadonlySet<string> = new Set(['bearer', 'x-api-key', 'x-goog-api-key', 'api-key', 'none'])

async function listOf(
  site: Site,
  kind: string,
  fetch: typeof globalThis.fetch,
): Promise<readonly ListedModel[]> {
  if (!SCHEMES.has(site.auth))
    throw new Error('its list is not asked for: the requests of this kind are signed')
  const credential = site.credentials[0]
  if (credential === undefined) throw new Error('it has no credential that works')
  const headers = new Headers(SPECIAL[kind]?.headers)
  for (const flat of [site.headers, credential.headers])
    for (let i = 0; i + 1 < flat.length; i += 2) headers.set(flat[i] ?? '', flat[i + 1] ?? '')
  const url = `${site.origin}${site.basePath}/models${SPECIAL[kind]?.query ?? ''}`
  const answer = await fetch(url, { headers, signal: AbortSignal.timeout(ANSWER_MS_MAX) })
  if (!answer.ok) throw new Error(`it answered its list with status ${answer.status}`)
  const models = parseList(await answer.json().catch(() => undefined), kind)
  if (models === undefined) throw new Error('it answered with something that is no list of models')
  return models
}

/** Asks one provider. Never throws; an error's words hold no secret. */
async function ask(site: Site, o: AskOptions): Promise<ProviderList> {
  const kind = o.kindOf(site.name)
  const isOwn = o.isOwn(site.name)
  const none = { provider: site.name, kind, isOwn, models: [], unknown: [], missing: [] }
  try {
    const models = await listOf(site, kind, o.fetch)
    const offers = isOwn ? [] : (o.catalog.byProvider.get(kind) ?? [])
    const known = new Set([...offers.map(offer => offer.upstream), ...o.ownOf(site.name)])
    const listed = new Set(models.map(model => model.id))
    return {
      provider: site.name,
      kind,
      isOwn,
      models,
      // A server of one's own is the only one who knows, and all that it serves is sold.
      unknown: isLocalKind(kind) ? [] : models.filter(model => !known.has(model.id)),
      missing: offers
        .filter(offer => !offer.deprecated && !listed.has(offer.upstream))
        .map(offer => offer.upstream),
      error: undefined,
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : 'no answer'
    return { ...none, error: o.scrub(message).slice(0, 200) }
  }
}

/** Every provider that is sent to, side by side. */
export function askProviders(sites: readonly Site[], o: AskOptions): Promise<readonly ProviderList[]> {
  // In a cloud each model may have a place of its own: one site by each name is enough.
  const byName = new Map(sites.filter(site => !site.builtIn).map(site => [site.name, site]))
  return Promise.all([...byName.values()].map(site => ask(site, o)))
}

/** Nothing is known against a model that its seller has not described: it is never filtered out. */
const ALL_MARKS = 'tjirap'

const samePrice = (row: Row, price: ListedPrice) =>
  row[2] === price.input &&
  row[3] === price.output &&
  (price.cacheRead === null || row[4] === price.cacheRead)

/** A known row at the list's price; what the list does not say stays. */
function repriced(row: Row, price: ListedPrice, source: number): Row {
  const next: Row = [...row]
  next[2] = price.input
  next[3] = price.output
  // A cache price that the list leaves out must not outlive the input price it was made for.
  next[4] = price.cacheRead ?? (row[4] !== null && row[4] <= price.input ? row[4] : null)
  next[5] = price.cacheWrite ?? row[5]
  next[9] = source
  return next
}

function newRow(model: ListedModel, price: ListedPrice, catalog: Catalog, source: number): Row {
  const bare = model.id.slice(model.id.lastIndexOf('/') + 1).toLowerCase()
  const canonical = canonicalOf(model.id, catalog) ?? canonicalOf(bare, catalog) ?? model.id
  return [
    model.id,
    canonical === model.id ? '' : canonical,
    price.input,
    price.output,
    price.cacheRead,
    price.cacheWrite,
    model.contextTokens ?? 0,
    model.maxOutputTokens ?? 0,
    model.marks ?? ALL_MARKS,
    source,
  ]
}

/**
 * The catalogue with the prices that the lists state, as of `today`; undefined = none states a price that is new. Tiered prices
 * stay: lists state the first tier only. Whether each price is believed is the update's to decide.
 */
export function withListed(
  file: CatalogFile,
  catalog: Catalog,
  lists: readonly ProviderList[],
  today: string,
): CatalogFile | undefined {
  const sources = [...file.sources]
  const offers: Record<string, readonly Row[]> = { ...file.offers }
  let changed = false
  for (const { kind, isOwn, models } of lists) {
    const priced = isOwn ? [] : models.filter(model => model.price !== undefined)
    if (priced.length === 0) continue
    const listed = new Map(priced.map(model => [model.id, model]))
    const source = sources.push({ name: `the list of ${kind} itself`, date: today }) - 1
    const rows = (offers[kind] ?? []).map(row => {
      const price = listed.get(row[0])?.price
      listed.delete(row[0])
      if (price === undefined || row[10]?.tiers !== undefined || samePrice(row, price)) return row
      changed = true
      return repriced(row, price, source)
    })
    const added = [...listed.values()].flatMap(model =>
      model.price === undefined ? [] : [newRow(model, model.price, catalog, source)],
    )
    changed ||= added.length > 0
    offers[kind] = [...rows, ...added]
  }
  return changed ? { ...file, date: today > file.date ? today : file.date, sources, offers } : undefined
}
