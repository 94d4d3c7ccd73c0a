/** A list of listings as a key may use it, with what holds for all of them: a plain request is judged once for the list, not once for each. Part of planning, pure. */
import { billsTokens } from '../price.ts'
import type { Capability, Key, Operation } from '../terms.ts'
import { keyAllows, takes, whyForbidden } from './able.ts'
import type { Group } from './choice.ts'
import { serves } from './codec.ts'
import type { Excluded, Wanted } from './plan.ts'
import { type Ready, readyOf } from './ready.ts'

/** Nothing in it depends on the moment: it is made once for a list and a key's policy. */
interface Pool {
  /** Those that the key may use. */
  readonly ready: readonly Ready[]
  readonly out: readonly Excluded[]
  /** The least of them; Infinity = nobody is known to have a limit. */
  readonly contextTokens: number
  readonly maxOutputTokens: number
  readonly priced: boolean
  /** Does everybody serve it? Filled as it is asked. */
  readonly operations: Map<Operation, boolean>
  readonly needs: Map<Capability, boolean>
}

/** Of a listing, as the request's record and `explain` say it. */
export const outOf = ({ listing: { site, offer } }: Ready, reason: string): Excluded => ({
  provider: site.name,
  model: offer.upstream,
  reason,
})

function poolFor(all: readonly Ready[], alias: string | undefined, key: Key): Pool {
  const ready = all.filter(({ listing }) => keyAllows(key, listing, alias))
  const offers = ready.map(({ listing }) => listing.offer)
  const least = (limits: readonly (number | undefined)[]) =>
    Math.min(...limits.map(limit => limit ?? Number.POSITIVE_INFINITY))
  return {
    ready: ready.length === all.length ? all : ready,
    out: all.flatMap(each => {
      const reason = whyForbidden(key, each.listing, alias)
      return reason === undefined ? [] : [outOf(each, reason)]
    }),
    contextTokens: least(offers.map(offer => offer.contextTokens)),
    maxOutputTokens: least(offers.map(offer => offer.maxOutputTokens)),
    priced: offers.every(offer => offer.price !== undefined && billsTokens(offer.price)),
    operations: new Map(),
    needs: new Map(),
  }
}

/** Keys without a policy of their own share one pool; of the others so many are kept. */
const KEYS_MAX = 64

interface Pools {
  open?: Pool
  readonly byKey: Map<Key, Pool>
}

/** By list, and by the alias that it was asked for under. Falls away with the market that made the list; a changed key is another object. */
const known = new WeakMap<readonly Ready[], Map<string | undefined, Pools>>()

function poolOf(all: readonly Ready[], alias: string | undefined, key: Key): Pool {
  let byAlias = known.get(all)
  if (byAlias === undefined) {
    byAlias = new Map()
    known.set(all, byAlias)
  }
  let pools = byAlias.get(alias)
  if (pools === undefined) {
    pools = { byKey: new Map() }
    byAlias.set(alias, pools)
  }
  if (!key.models && !key.providers && !key.regions) {
    pools.open ??= poolFor(all, alias, key)
    return pools.open
  }
  let pool = pools.byKey.get(key)
  if (pool === undefined) {
    if (pools.byKey.size >= KEYS_MAX) pools.byKey.clear()
    pool = poolFor(all, alias, key)
    pools.byKey.set(key, pool)
  }
  return pool
}

function everyone<Name>(known: Map<Name, boolean>, name: Name, pool: Pool, can: (each: Ready) => boolean) {
  let all = known.get(name)
  if (all === undefined) {
    all = pool.ready.every(can)
    known.set(name, all)
  }
  return all
}

/**
 * Everybody of the list whom the key may use, if all of them can serve the request without any exception; undefined = each
 * must be looked at. `excluded` gets those whom the key may not use.
 */
export function wholePool(
  { listings, alias, preferences }: Group,
  wanted: Wanted,
  key: Key,
  excluded: Excluded[],
): readonly Ready[] | undefined {
  // wishes and units are questions to each by itself
  if (preferences !== undefined || wanted.metering !== undefined) return undefined
  const pool = poolOf(readyOf(listings), alias, key)
  const { likelyInputTokens, longestPromptTokens: prompt = likelyInputTokens, operation = 'chat' } = wanted
  const { maxOutputTokens: output } = wanted
  if (!pool.priced || prompt > pool.contextTokens) return undefined
  if (
    output !== undefined &&
    (output > pool.maxOutputTokens || likelyInputTokens + output > pool.contextTokens)
  )
    return undefined
  if (!everyone(pool.operations, operation, pool, ({ listing }) => serves(listing, operation)))
    return undefined
  for (const need of wanted.needs)
    if (!everyone(pool.needs, need, pool, ({ listing }) => takes(listing, need))) return undefined
  if (pool.out.length > 0) excluded.push(...pool.out)
  return pool.ready
}
