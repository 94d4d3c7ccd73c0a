/** Names of models in budgets and limits, which are counted by canonical id: what would never be counted is refused. Part of `/admin/v1/keys` and `/projects`. */
import { didYouMean } from '../config/nearest.ts'
import { GatewayError } from '../errors.ts'
import type { Market } from '../route/market.ts'
import type { Budget, Limits } from '../terms.ts'
import type { AdminDeps } from './deps.ts'

type Shop = Pick<AdminDeps, 'market' | 'providerNames'>

const NAMES_SHOWN = 5
const quoted = (names: readonly string[]): string =>
  names
    .slice(0, NAMES_SHOWN)
    .map(name => JSON.stringify(name))
    .join(', ')

/** Canonical ids that a name stands for now; none = nothing here or in the catalogue has it. */
function idsOf(name: string, market: Market): readonly string[] {
  const found = market.resolve(name)
  if (found.kind === 'found') return [...new Set(found.listings.map(({ offer }) => offer.model))]
  const known = market.canonical(name)
  return known === undefined ? [] : [known]
}

/** `model@provider` and `provider/model` without their provider; undefined = the name has none. */
function withoutProvider(name: string, providers: readonly string[]): string | undefined {
  const sign = name.lastIndexOf('@')
  if (sign > 0) return name.slice(0, sign)
  const slash = name.indexOf('/')
  return slash > 0 && providers.includes(name.slice(0, slash)) ? name.slice(slash + 1) : undefined
}

/**
 * Undefined = calls of this name's model are counted, or will be once it is for sale; a text = nothing is known of it yet.
 * Throws `invalid_request` for an alias, a model at one provider, and every other name that is no canonical id.
 */
function whyUncounted(place: string, name: string, shop: Shop): string | undefined {
  const market = shop.market()
  // an alias may have a model's own name: that model is what is counted
  if (market.listings.some(({ offer }) => offer.model === name)) return undefined
  const ids = idsOf(name, market)
  if (ids.includes(name)) return undefined
  const plain = withoutProvider(name, shop.providerNames())
  const isAll = plain === '*'
  const meant = isAll || ids.length > 0 || plain === undefined ? ids : idsOf(plain, market)
  if (meant.length === 0 && !isAll) {
    if (market.resolve(name).kind === 'not_sold') return undefined
    return `is no model here now${didYouMean(name, [...new Set(market.listings.map(({ offer }) => offer.model))])}`
  }
  const each = meant.length > 1 ? 'one for each of ' : ''
  const cure = isAll ? 'the name of one model' : `${each}${quoted(meant)}`
  const why = 'would never be counted: budgets and limits of a model go by its canonical id, at all providers'
  throw new GatewayError('invalid_request', `\`${place}\`: ${JSON.stringify(name)} ${why}. Write ${cure}`, {
    param: place,
  })
}

/** A line for each model of these budgets and limits of which nothing is known yet. Throws as told above. */
export function countedWarnings(
  draft: { readonly budgets?: readonly Budget[]; readonly limits?: Partial<Limits> },
  shop: Shop,
): readonly string[] {
  const warnings: string[] = []
  const look = (place: string, name: string) => {
    const why = whyUncounted(place, name, shop)
    if (why !== undefined) warnings.push(`${place}: ${JSON.stringify(name)} ${why}`)
  }
  for (const [i, { scope }] of (draft.budgets ?? []).entries())
    if (scope?.kind === 'model' && scope.name !== null) look(`budgets[${i}].model`, scope.name)
  for (const name of Object.keys(draft.limits?.perModel ?? {})) look('limits.per_model', name)
  return warnings
}
