/** `/admin/v1/catalog` and `/admin/v1/models/refresh`: the catalogue in use, its updates, and what providers list that it does not know. */
import { z } from 'zod'
import type { CatalogFile } from '../../providers/catalog/import.ts'
import type { CatalogOffer } from '../../providers/catalog/loader.ts'
import type { Change, PriceFacts } from '../../providers/catalog/update.ts'
import type { CatalogKeeper, UpdateReport } from '../catalog/keeper.ts'
import type { ProviderList } from '../catalog/refresh.ts'
import { matching } from '../catalog/search.ts'
import { GatewayError } from '../errors.ts'
import { PICO_PER_USD_PER_MTOK, unitUsd } from '../price.ts'
import type { AdminDeps } from './deps.ts'
import { pageOf } from './page.ts'
import { type AdminRoute, withBody } from './route.ts'
import { listOf } from './shapes.ts'

/** The catalogue of this gateway and where its news comes from. */
export interface CatalogPort {
  readonly keeper: CatalogKeeper
  /** Text at an address, through the guarded way out. Throws GatewayError `invalid_request`. */
  fetchText(url: string): Promise<string>
  /** What the configured providers list now. */
  askProviders(): Promise<readonly ProviderList[]>
  /** The file with the prices that these lists state; undefined = nothing new. */
  withListed(lists: readonly ProviderList[]): CatalogFile | undefined
}

function portOf(deps: AdminDeps): CatalogPort {
  if (deps.catalog !== undefined) return deps.catalog
  throw new GatewayError('not_found', 'the catalogue of this gateway changes with its version only')
}

const perMtok = (pico: number | null | undefined): number | null =>
  pico === null || pico === undefined ? null : pico / PICO_PER_USD_PER_MTOK

function priceWire(price: PriceFacts | undefined): Record<string, unknown> | null {
  if (price === undefined) return null
  return {
    input_usd_per_mtok: perMtok(price.input),
    output_usd_per_mtok: perMtok(price.output),
    cache_read_usd_per_mtok: perMtok(price.cacheRead),
    cache_write_usd_per_mtok: perMtok(price.cacheWrite),
    reasoning_usd_per_mtok: perMtok(price.reasoning),
    tiers: price.tiers.map(([over, input, output, read, write]) => ({
      over_input_tokens: over,
      input_usd_per_mtok: perMtok(input),
      output_usd_per_mtok: perMtok(output),
      cache_read_usd_per_mtok: perMtok(read),
      cache_write_usd_per_mtok: perMtok(write),
    })),
  }
}

const changeWire = (change: Change) => ({
  provider: change.provider,
  model: change.upstream,
  canonical_id: change.model,
  before: priceWire(change.before),
  after: priceWire(change.after),
})

const reportWire = (report: UpdateReport) => ({
  applied: report.applied,
  from: report.from,
  to: report.to,
  sha256: report.sha256 || null,
  added: report.added.map(changeWire),
  removed: report.removed.map(changeWire),
  repriced: report.repriced.map(changeWire),
  otherwise_changed: report.otherwise,
  refused: report.refused.map(refused => ({ ...changeWire(refused), reason: refused.reason })),
})

function offerWire(offer: CatalogOffer): Record<string, unknown> {
  const { price } = offer
  return {
    id: offer.model,
    provider: offer.provider,
    model: offer.upstream,
    type: offer.type,
    input_usd_per_mtok: perMtok(price.inputPico),
    output_usd_per_mtok: perMtok(price.outputPico),
    cache_read_usd_per_mtok: perMtok(price.cacheReadPico),
    cache_write_usd_per_mtok: perMtok(price.cacheWritePico),
    cache_write_1h_usd_per_mtok: perMtok(price.cacheWrite1hPico),
    reasoning_usd_per_mtok: perMtok(price.reasoningPico),
    unit_usd: unitUsd(price),
    tiers: (price.tiers ?? []).map(tier => ({
      over_input_tokens: tier.overInputTokens,
      input_usd_per_mtok: perMtok(tier.inputPico),
      output_usd_per_mtok: perMtok(tier.outputPico),
    })),
    context_tokens: offer.contextTokens ?? null,
    max_output_tokens: offer.maxOutputTokens ?? null,
    supports: [...offer.supports],
    deprecated: offer.deprecated,
    trial: offer.trial,
    doubtful: offer.doubtful,
    disputed: offer.disputed,
    price_id: price.id,
    source: offer.source.name,
    as_of: offer.source.date,
  }
}

const price = z.record(z.string(), z.unknown()).nullable()
const changeShape = z.object({
  provider: z.string(),
  model: z.string(),
  canonical_id: z.string(),
  before: price,
  after: price,
})
const reportShape = z.object({
  applied: z.boolean(),
  from: z.string(),
  to: z.string(),
  sha256: z.string().nullable(),
  added: z.array(changeShape),
  removed: z.array(changeShape),
  repriced: z.array(changeShape),
  otherwise_changed: z.int(),
  refused: z.array(changeShape.extend({ reason: z.string() })),
})

const updateBody = z
  .strictObject({
    text: z.string().min(1).optional().describe('The catalogue file itself'),
    url: z
      .string()
      .regex(/^https?:\/\/[^\s@]+$/, 'must be an address without user or password, as in https://host/file')
      .refine(url => URL.canParse(url), 'must be an address')
      .optional()
      .describe('Where it is to be fetched from, through the egress guard'),
    sha256: z
      .string()
      .regex(/^[0-9a-fA-F]{64}$/, 'must be a SHA-256 in hex, 64 digits')
      .optional(),
    accept: z
      .array(z.string().regex(/^[^/\s]+\/\S+$/, 'must be provider/model, the id that the provider knows'))
      .max(1_000)
      .optional()
      .describe('Offers whose price may move more than four times'),
    dry_run: z.boolean().optional(),
  })
  .refine(body => (body.text === undefined) !== (body.url === undefined), {
    error: 'one of the two is needed: the text or its url',
    path: ['text'],
  })

const refreshBody = z.strictObject({
  save: z.boolean().optional().describe('Take over the prices that the lists state'),
  accept: z.array(z.string()).max(1_000).optional(),
})

const listWire = (list: ProviderList) => ({
  provider: list.provider,
  kind: list.kind,
  listed: list.models.length,
  new: list.unknown.map(model => ({
    id: model.id,
    call_as: `${model.id}@${list.provider}`,
    context_tokens: model.contextTokens ?? null,
    input_usd_per_mtok: perMtok(model.price?.input),
    output_usd_per_mtok: perMtok(model.price?.output),
  })),
  missing: list.missing,
  error: list.error ?? null,
})

const showRoute: AdminRoute = {
  method: 'GET',
  path: '/catalog',
  summary: 'The catalogue in use: its day, its sources, how much it knows.',
  response: z.object({
    origin: z.enum(['built-in', 'updated']),
    date: z.string(),
    built_in_date: z.string(),
    offers: z.int(),
    models: z.int(),
    providers: z.int(),
    doubtful: z.int(),
    disputed: z.int(),
    deprecated: z.int(),
    sources: z.array(z.object({ name: z.string(), date: z.string() })),
    ignored_update: z.string().nullable(),
  }),
  handle(deps) {
    const { keeper } = portOf(deps)
    const { origin, file, builtInDate, ignored } = keeper.state()
    const catalog = keeper.catalog()
    const count = (mark: 'doubtful' | 'disputed' | 'deprecated') =>
      catalog.offers.filter(offer => offer[mark]).length
    return {
      json: {
        origin,
        date: file.date,
        built_in_date: builtInDate,
        offers: catalog.offers.length,
        models: catalog.byModel.size,
        providers: catalog.byProvider.size,
        doubtful: count('doubtful'),
        disputed: count('disputed'),
        deprecated: count('deprecated'),
        sources: file.sources,
        ignored_update: ignored ?? null,
      },
    }
  },
}

const offersRoute: AdminRoute = {
  method: 'GET',
  path: '/catalog/offers',
  summary: 'Every offer that the catalogue knows, with the day and the source of its price.',
  query: {
    search: 'words that must all stand in ids, author, provider or capabilities',
    provider: 'kind of provider',
    cursor: 'next_cursor of the page before',
    limit: '1–500, default 50',
  },
  response: listOf(z.record(z.string(), z.unknown())),
  handle(deps, call) {
    const provider = call.query.get('provider')
    const isMeant = matching(call.query.get('search'))
    const offers = portOf(deps)
      .keeper.catalog()
      .offers.filter(offer => (!provider || offer.provider === provider) && isMeant(offer))
    const page = pageOf(offers, offer => `${offer.provider}/${offer.upstream}`, call.query)
    return { json: { data: page.data.map(offerWire), next_cursor: page.nextCursor } }
  },
}

/** Where a catalogue came from; an address may have a secret in its path or query. */
const originOf = (url: string | undefined): string => (url === undefined ? 'file' : new URL(url).origin)

export const catalogRoutes: readonly AdminRoute[] = [
  showRoute,
  offersRoute,
  withBody({
    method: 'POST',
    path: '/catalog',
    summary: 'Take over a newer catalogue, or only say what it would change (`dry_run`).',
    body: updateBody,
    response: reportShape,
    audit: ({ body }) =>
      body.dry_run === true
        ? undefined
        : {
            action: 'catalog.update',
            target: 'catalog',
            detail: { from: originOf(body.url), sha256: body.sha256 },
          },
    async handle(deps, { body }) {
      const port = portOf(deps)
      const text = body.text ?? (await port.fetchText(body.url ?? ''))
      const { sha256, accept, dry_run: dryRun } = body
      return { json: reportWire(await port.keeper.update(text, { sha256, accept, dryRun })) }
    },
  }),
  {
    method: 'DELETE',
    path: '/catalog',
    summary: 'Back to the catalogue that ships with this version.',
    response: z.object({ date: z.string() }),
    audit: () => ({ action: 'catalog.reset', target: 'catalog', detail: {} }),
    handle(deps) {
      const { keeper } = portOf(deps)
      keeper.reset()
      return { json: { date: keeper.state().file.date } }
    },
  },
  withBody({
    method: 'POST',
    path: '/models/refresh',
    summary: 'Ask every configured provider for its list: what is new, what is gone, which prices it states.',
    body: refreshBody,
    response: z.object({ data: z.array(z.record(z.string(), z.unknown())), prices: reportShape.nullable() }),
    audit: ({ body }) =>
      body.save === true
        ? { action: 'catalog.update', target: 'catalog', detail: { from: 'providers' } }
        : undefined,
    async handle(deps, { body }) {
      const port = portOf(deps)
      const lists = await port.askProviders()
      const next = port.withListed(lists)
      const options = { accept: body.accept, dryRun: body.save !== true }
      const prices = next === undefined ? null : reportWire(await port.keeper.take(next, options))
      return { json: { data: lists.map(listWire), prices } }
    },
  }),
]
