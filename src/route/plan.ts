/** Candidates + policy + health + experience + dice → Plan: the targets to try, in order, and why the others are out. Changes nothing. */
import type { RoutingRule, StrategyName } from '../config/schema.ts'
import type { Capability, Key, Operation } from '../terms.ts'
import type { Preferences } from '../wire/extensions.ts'
import type { Metering } from '../wire/openai.ts'
import { whyOut, whyShort } from './able.ts'
import { type Group, named } from './choice.ts'
import type { Experience, Trace } from './experience.ts'
import type { Candidate } from './field.ts'
import type { Health } from './health.ts'
import type { Credential, Listing, Market } from './market.ts'
import { openOf, soonestOf } from './open.ts'
import { ALONE, alone, orderOf } from './order.ts'
import { outOf, wholePool } from './pool.ts'
import { type Ready, readyOf } from './ready.ts'
import { nobodyLeft } from './refusals.ts'
import { sessionOf } from './sticky.ts'
import type { Sort } from './strategy.ts'

export { keyAllows } from './able.ts'
export { offerKey, targetKey } from './ready.ts'

/** What routing needs to know about a request. */
export interface Wanted {
  readonly model: string
  readonly fallbackModels: readonly string[]
  readonly preferences: Preferences | undefined
  readonly needs: ReadonlySet<Capability>
  /** Only a host of the Responses wire can serve it. */
  readonly hosted?: { readonly param: string; readonly message: string }
  readonly likelyInputTokens: number
  /** Where prompts are read one by one; absent = together. */
  readonly longestPromptTokens?: number | undefined
  /** Absent = chat. */
  readonly operation?: Operation
  readonly maxOutputTokens: number | undefined
  /** Formats of the signed thoughts in the conversation; asked only when targets differ in what they can read. */
  readonly signed?: (() => ReadonlySet<string>) | undefined
  /** Does a budget count this model? Then it needs a price. Absent = where the key itself has budgets. */
  readonly budgeted?: (model: string) => boolean
  /** Operations that are counted in more than tokens. */
  readonly metering?: Metering
  readonly stream?: boolean
  readonly sessionId?: string | undefined
  readonly tags?: readonly string[]
  /** The parsed body: for conditions on its metadata, and to tell conversations apart. */
  readonly json?: Readonly<Record<string, unknown>>
}

export interface Target {
  readonly listing: Listing
  readonly credential: Credential | undefined
  /** Health key of this target. */
  readonly key: string
  readonly why: string
}

/** Why a listing is not in the plan. */
export interface Excluded {
  readonly provider: string
  readonly model: string
  readonly reason: string
}

export interface Plan {
  readonly targets: readonly Target[]
  readonly excluded: readonly Excluded[]
  readonly strategy: Sort
  /** For `Experience.learn`, once it is known how it went. */
  readonly trace: Trace
}

/** Told what a plan alone does not say. */
export interface Onlooker {
  /** Each group as it was ranked. */
  ranked(order: readonly Candidate[]): void
  /** Also told when nobody is left. */
  excluded(excluded: readonly Excluded[]): void
}

export interface RouteDeps {
  readonly market: Pick<Market, 'resolve' | 'listings'>
  readonly health: Health
  readonly nowMs: number
  readonly random: () => number
  /** The file's default. */
  readonly strategy: StrategyName
  /** The file's `routing.rules`, first match wins. */
  readonly rules?: readonly RoutingRule[]
  /** Absent = nothing was learned yet. */
  readonly experience?: Experience | undefined
  /** For `explain`. */
  readonly onlooker?: Onlooker
}

/** What one group is planned by. */
export interface Ask {
  readonly wanted: Wanted
  readonly preferences: Preferences | undefined
  readonly strategy: Sort
  readonly key: Key
  readonly session: { readonly name: string; readonly given: boolean } | undefined
  /** Other models are in the plan too. */
  readonly isOfSeveral?: boolean
}

interface Able {
  readonly group: Group
  readonly ready: readonly Ready[]
}

/** Looks at each of the group's listings; `short` gets those who would cut the answer short. */
function eachOf(
  group: Group,
  wanted: Wanted,
  key: Key,
  excluded: Excluded[],
  short: Excluded[],
): readonly Ready[] {
  const needs = [...wanted.needs]
  const ready: Ready[] = []
  for (const each of readyOf(group.listings)) {
    const reason = whyOut(each.listing, group, wanted, needs, key)
    if (reason === undefined) {
      ready.push(each)
      const why = whyShort(each.listing, wanted)
      if (why !== undefined) short.push(outOf(each, why))
    } else excluded.push(outOf(each, reason))
  }
  return ready
}

/** Those who can serve it at all; who would cut it short is out while somebody would not. */
function ableOf(groups: readonly Group[], wanted: Wanted, key: Key, excluded: Excluded[]): readonly Able[] {
  const short: Excluded[] = []
  const able: Able[] = []
  let count = 0
  for (const group of groups) {
    const ready = wholePool(group, wanted, key, excluded) ?? eachOf(group, wanted, key, excluded, short)
    count += ready.length
    able.push({ group, ready })
  }
  if (short.length === 0 || short.length === count) return able
  excluded.push(...short)
  const isWhole = ({ listing }: Ready) => whyShort(listing, wanted) === undefined
  return able.map(({ group, ready }) => ({ group, ready: ready.filter(isWhole) }))
}

/** A listing without an alternative, and the list in which it is the only one. */
interface Sole {
  readonly ready: Ready
  readonly listings: readonly Listing[]
}

/** The one listing at one credential that a plain request can go to while all are well; undefined = there is something to decide. */
function soleOf(groups: readonly Group[], wanted: Wanted, key: Key, deps: RouteDeps): Sole | undefined {
  if (groups.length > 1 || deps.onlooker || !deps.health.calm) return undefined
  const group = groups[0] as Group
  const { listings, alias } = group
  if (listings.length > 1 || alias !== undefined) return undefined
  const ready = wholePool(group, wanted, key, [])?.[0]
  return ready?.spots.length === 1 ? { ready, listings } : undefined
}

/** Falls away with the market that sells it. */
const plans = new WeakMap<Ready, Map<Sort, Plan>>()

/** Its plan, which is the same for every request: made once. */
function solePlan({ ready, listings }: Sole, strategy: Sort): Plan {
  let byStrategy = plans.get(ready)
  if (byStrategy === undefined) {
    byStrategy = new Map()
    plans.set(ready, byStrategy)
  }
  const known = byStrategy.get(strategy)
  if (known !== undefined) return known
  const { targets, leader } = alone(ready, undefined, NO_DICE, ALONE)
  const trace = { group: listings, strategy, leader, session: undefined }
  const made = { targets, excluded: [], strategy, trace }
  byStrategy.set(strategy, made)
  return made
}

/** One credential: there is no turn to throw dice for. */
const NO_DICE = () => 0

/** Throws GatewayError for names that mean nothing here, and when nobody is left; the message says why. */
export function route(wanted: Wanted, key: Key, deps: RouteDeps): Plan {
  const { groups, strategy: chosen } = named(wanted, key, deps)
  const strategy = wanted.preferences?.sort ?? chosen ?? deps.strategy
  const sole = soleOf(groups, wanted, key, deps)
  if (sole !== undefined) return solePlan(sole, strategy)
  const excluded: Excluded[] = []
  const able = ableOf(groups, wanted, key, excluded)
  const ready = able.map(each => each.ready)
  const resting: Excluded[] = []
  const open = openOf(ready, deps, resting)
  const out = resting.length > 0 ? [...excluded, ...resting] : excluded
  deps.onlooker?.excluded(out)
  if (open.every(list => list.length === 0))
    throw nobodyLeft(wanted, key, excluded, soonestOf(ready, deps), deps)
  // where there is never a choice, nobody needs the conversation's name, which costs a look at its beginning
  const isChoice = deps.experience && groups.some(({ listings, alias }) => listings.length > 1 || alias)
  const session = isChoice ? sessionOf(key.lineage, wanted.model, wanted) : undefined
  const tail = tailOf(out)
  const orders: (readonly Target[])[] = []
  let trace: Trace | undefined
  open.forEach((list, i) => {
    if (list.length === 0) return
    const { listings, preferences, strategy: its } = (able[i] as Able).group
    const strategy = wanted.preferences?.sort ?? its ?? deps.strategy
    const ask = { wanted, preferences, strategy, key, session, isOfSeveral: groups.length > 1 }
    const ordered = orderOf(list, listings, ask, deps, tail)
    orders.push(ordered.targets)
    const { leader, byScore } = ordered
    trace ??= { group: listings, strategy, leader, byScore, session: session?.name }
  })
  const targets = open.length === 1 ? (orders[0] as readonly Target[]) : together(orders)
  const { allowFallbacks, order } = (able[0] as Able).group.preferences ?? {}
  // without fallbacks: the named providers, or the first choice alone
  const kept = allowFallbacks === false && !order ? targets.slice(0, 1) : targets
  return { targets: kept, excluded: out, strategy, trace: trace as Trace }
}

/** What two names have in common is asked once, in its better place. */
function together(orders: readonly (readonly Target[])[]): readonly Target[] {
  const byKey = new Map<string, Target>()
  for (const order of orders)
    for (const target of order) if (!byKey.has(target.key)) byKey.set(target.key, target)
  return [...byKey.values()]
}

const TAIL_MAX = 6

/** "; out: b (does not take images)", for the request's record. */
function tailOf(excluded: readonly Excluded[]): string {
  if (excluded.length === 0) return ''
  const told = excluded.slice(0, TAIL_MAX).map(({ provider, reason }) => `${provider} (${reason})`)
  const more = excluded.length > TAIL_MAX ? ` and ${excluded.length - TAIL_MAX} more` : ''
  return `; out: ${told.join(', ')}${more}`
}
