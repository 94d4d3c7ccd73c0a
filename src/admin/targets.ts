/** `GET /admin/v1/targets`: every offer at every credential, its health and its price. */
import { matching } from '../catalog/search.ts'
import { PICO_PER_USD_PER_MTOK, type Price, unitUsd } from '../price.ts'
import { type Durations, percentile } from '../route/durations.ts'
import type { HealthState } from '../route/health.ts'
import type { Credential, Listing } from '../route/market.ts'
import { isoOrNull } from '../wire/plain.ts'
import type { AdminDeps } from './deps.ts'
import { pageOf } from './page.ts'
import type { AdminRoute } from './route.ts'
import { listOf, targetShape } from './shapes.ts'

export type TargetHealth = 'untried' | 'ok' | 'failing' | 'cooling_down'

/** A target as the views show it. */
export interface TargetView {
  readonly id: string
  readonly listing: Listing
  /** Undefined = the provider has no credential, and may need none. */
  readonly credential: Credential | undefined
  readonly state: HealthState | undefined
  readonly health: TargetHealth
  readonly outUntilMs: number | null
  readonly usable: boolean
}

function viewOf(deps: AdminDeps, listing: Listing, credential: Credential | undefined): TargetView {
  const now = deps.clock.now()
  const offerKey = `${listing.site.name}/${listing.offer.upstream}`
  const id = `${offerKey}/${credential?.id ?? ''}`
  const places = [id, offerKey, ...(credential === undefined ? [] : [credential.id])]
  const states = places.map(place => deps.health.state(place)).filter(state => state !== undefined)
  const state = deps.health.state(id, now)
  const outUntilMs = Math.max(0, ...states.map(entry => entry.outUntilMs))
  const out = outUntilMs > now
  const failing = states.some(entry => entry.consecutiveFaults > 0)
  const health = out ? 'cooling_down' : failing ? 'failing' : state === undefined ? 'untried' : 'ok'
  return { id, listing, credential, state, health, outUntilMs: out ? outUntilMs : null, usable: !out }
}

/** All targets for sale now, optionally of one provider or model. */
export function targetViews(
  deps: AdminDeps,
  provider?: string | null,
  model?: string | null,
  search?: string | null,
): TargetView[] {
  const isMeant = matching(search)
  return deps
    .market()
    .listings.filter(({ site }) => !provider || site.name === provider)
    .filter(({ offer }) => (!model || offer.model === model) && isMeant(offer))
    .flatMap(listing => {
      const { credentials } = listing.site
      if (credentials.length === 0) return [viewOf(deps, listing, undefined)]
      return credentials.map(credential => viewOf(deps, listing, credential))
    })
}

const perMtok = (pico: number | undefined): number | null =>
  pico === undefined ? null : pico / PICO_PER_USD_PER_MTOK

/** A price as scripts read it, USD; null = unknown. */
export function priceWire(price: Price | undefined): Record<string, unknown> | null {
  if (price === undefined) return null
  return {
    id: price.id,
    input_usd_per_mtok: perMtok(price.inputPico),
    output_usd_per_mtok: perMtok(price.outputPico),
    cache_read_usd_per_mtok: perMtok(price.cacheReadPico),
    unit_usd: unitUsd(price),
  }
}

/** Estimates, at most a fifth off; null = nothing measured. */
function percentilesOf(measured: Durations | undefined): Record<string, number> | null {
  if (measured === undefined) return null
  const at = (share: number) => Math.round(percentile(measured, share) ?? 0)
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}

function targetWire(view: TargetView): Record<string, unknown> {
  const { offer, site } = view.listing
  return {
    provider: site.name,
    model: offer.model,
    upstream_model: offer.upstream,
    credential: view.credential === undefined ? null : { id: view.credential.id, name: view.credential.name },
    health: view.health,
    usable: view.usable,
    out_until: isoOrNull(view.outUntilMs),
    error_rate: view.state?.errorRate ?? null,
    samples: view.state?.samples ?? 0,
    consecutive_faults: view.state?.consecutiveFaults ?? 0,
    ttft_ms: view.state?.ttftMs ?? null,
    ttft_percentiles_ms: percentilesOf(view.state?.ttft),
    whole_percentiles_ms: percentilesOf(view.state?.whole),
    tokens_per_second: view.state?.tokensPerSecond ?? null,
    tokens_per_second_percentiles: percentilesOf(view.state?.speeds),
    context_tokens: offer.contextTokens ?? null,
    max_output_tokens: offer.maxOutputTokens ?? null,
    supports: [...offer.supports],
    price: priceWire(offer.price),
  }
}

export const targetRoutes: readonly AdminRoute[] = [
  {
    method: 'GET',
    path: '/targets',
    summary: 'Every target: health, error rate, time to first token, throughput, price.',
    query: {
      provider: 'configured provider name',
      model: 'canonical model id',
      search: 'words that must all stand in ids, author, provider or capabilities',
      cursor: 'next_cursor of the page before',
      limit: '1–500, default 50',
    },
    response: listOf(targetShape),
    handle(deps, call) {
      const { query } = call
      const views = targetViews(deps, query.get('provider'), query.get('model'), query.get('search'))
      const page = pageOf(views, view => view.id, query)
      return { json: { data: page.data.map(targetWire), next_cursor: page.nextCursor } }
    },
  },
]
