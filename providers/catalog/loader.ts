/** The catalogue: who sells which weights at what price, with the date of each fact. Read once at start; the market is built from it. */
import type { Price, Rates, TierRates } from '../../src/price.ts'
import type { Capability, OfferType } from '../../src/terms.ts'
import { authorsOf, thinksUnseen } from './authors.ts'
import type { CatalogFile, Row } from './import.ts'
import { METERED_OFFERS } from './metered.ts'
import { tiersOf } from './tiers.ts'
import { soundOf } from './sound.ts'
import { withTaken } from './taken.ts'
import { callsOf } from './tool-fees.ts'
import data from './offers.json' with { type: 'json' }

/** A model sold by a provider at a list price, as the catalogue knows it. */
export interface CatalogOffer {
  /** Kind of provider: a host row's or a native adapter's name. */
  readonly provider: string
  /** Id that the provider knows. */
  readonly upstream: string
  /** Canonical id: same weights, same id. */
  readonly model: string
  readonly type: OfferType
  readonly price: Price
  readonly contextTokens: number | undefined
  readonly maxOutputTokens: number | undefined
  readonly supports: ReadonlySet<Capability>
  readonly thinksUnseen: boolean
  /** Sold by the weights' own author. */
  readonly firstParty: boolean
  /** Announced to end: found only under its exact name. */
  readonly deprecated: boolean
  /** The price is more than 4× off the median of the same weights: billed as listed, never preferred for it. */
  readonly doubtful: boolean
  /** Sources disagree about the price; the newest one was taken. */
  readonly disputed: boolean
  /** A free trial endpoint, not for production: found only under its exact name. */
  readonly trial: boolean
  /** turbo, fp8, fast, tee, global … */
  readonly variant: string | undefined
  readonly embeddingDimensions: number | undefined
  readonly source: Source
}

/** Where a fact comes from and the day on which it was stated last, `YYYY-MM-DD`. */
export interface Source {
  readonly name: string
  readonly date: string
}

export interface Catalog {
  /** The day on which it was put together. */
  readonly date: string
  readonly offers: readonly CatalogOffer[]
  readonly byProvider: ReadonlyMap<string, readonly CatalogOffer[]>
  /** By canonical id. */
  readonly byModel: ReadonlyMap<string, readonly CatalogOffer[]>
  /** By upstream id, over all providers. */
  readonly byUpstream: ReadonlyMap<string, readonly CatalogOffer[]>
  /** `openai/gpt-5`, `x-ai/grok-4.3`, `xai/grok-4.3` → canonical id. */
  readonly byAuthor: ReadonlyMap<string, string>
}

const CAPABILITIES: Readonly<Record<string, Capability>> = {
  t: 'tools',
  j: 'json_schema',
  i: 'images',
  r: 'reasoning',
  a: 'audio',
  p: 'pdf',
}

const capabilitySets = new Map<string, ReadonlySet<Capability>>()
function capabilitiesOf(marks: string): ReadonlySet<Capability> {
  let set = capabilitySets.get(marks)
  if (set === undefined) {
    set = new Set([...marks].flatMap(mark => CAPABILITIES[mark] ?? []))
    capabilitySets.set(marks, set)
  }
  return set
}

/** Anthropic's one-hour cache writes cost twice the input price, five-minute ones 1.25× (platform.claude.com, prompt caching). */
const hourWrite = (model: string, input: number) =>
  model.startsWith('claude-') ? { cacheWrite1hPico: 2 * input } : undefined

function ratesOf(
  model: string,
  input: number,
  output: number,
  read: number | null,
  write: number | null,
): Rates {
  return {
    inputPico: input,
    outputPico: output,
    ...(read !== null && { cacheReadPico: read }),
    ...(write !== null && { cacheWritePico: write, ...hourWrite(model, input) }),
  }
}

function offerOf(provider: string, row: Row, sources: readonly Source[]): CatalogOffer {
  const [upstream, canonical, input, output, read, write, context, maxOutput, marks, sourceIndex, more] = row
  const model = canonical === '' ? upstream : canonical
  const source = sources[sourceIndex]
  if (source === undefined) throw new Error(`catalogue: ${provider}/${upstream} names no source`)
  const supports = capabilitiesOf(withTaken(provider, upstream, marks))
  const apart = (inputPico: number) => ({
    ...(more?.reasoning !== undefined && { reasoningPico: more.reasoning }),
    ...soundOf(provider, model, inputPico),
  })
  const rates: TierRates = {
    ...ratesOf(model, input, output, read, write),
    ...apart(input),
    ...(more?.tiers && {
      tiers: more.tiers.map(([over, tierInput, tierOutput, tierRead, tierWrite]) => ({
        overInputTokens: over ?? 0,
        ...ratesOf(model, tierInput ?? 0, tierOutput ?? 0, tierRead ?? null, tierWrite ?? null),
        ...apart(tierInput ?? 0),
      })),
    }),
  }
  const price: Price = {
    id: `${provider}/${upstream}@${source.date}`,
    ...rates,
    ...callsOf(provider, upstream),
    ...tiersOf(provider, upstream, rates),
  }
  return {
    provider,
    upstream,
    model,
    type: marks.includes('E') ? 'embedding' : 'chat',
    price,
    contextTokens: context || undefined,
    maxOutputTokens: maxOutput || undefined,
    supports,
    thinksUnseen: supports.has('reasoning') && thinksUnseen(model),
    firstParty: marks.includes('F'),
    deprecated: marks.includes('D'),
    doubtful: marks.includes('X'),
    disputed: marks.includes('C'),
    trial: marks.includes('T'),
    variant: more?.variant,
    embeddingDimensions: more?.dimensions,
    source,
  }
}

function groupBy(offers: readonly CatalogOffer[], key: 'provider' | 'model' | 'upstream') {
  const groups = new Map<string, CatalogOffer[]>()
  for (const offer of offers) {
    const group = groups.get(offer[key])
    if (group) group.push(offer)
    else groups.set(offer[key], [offer])
  }
  return groups
}

/** Builds the catalogue and its indexes from the data file's content; about 5 ms for 1,500 offers. */
export function createCatalog(file: CatalogFile): Catalog {
  const listed = Object.entries(file.offers).flatMap(([provider, rows]) =>
    rows.map(row => offerOf(provider, row, file.sources)),
  )
  const offers = [...listed, ...METERED_OFFERS]
  const byModel = groupBy(offers, 'model')
  const byAuthor = new Map<string, string>()
  for (const model of byModel.keys())
    for (const author of authorsOf(model)) byAuthor.set(`${author}/${model}`, model)
  return {
    date: file.date,
    offers,
    byProvider: groupBy(offers, 'provider'),
    byModel,
    byUpstream: groupBy(offers, 'upstream'),
    byAuthor,
  }
}

/** The data that ships with this version. */
export const SHIPPED = data as unknown as CatalogFile

let shipped: Catalog | undefined

/** The catalogue that ships with this version; built on first use. */
export function loadCatalog(): Catalog {
  shipped ??= createCatalog(SHIPPED)
  return shipped
}
