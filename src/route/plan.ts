/** Candidates + policy + health + experience + dice → Plan: the targets to try, in order, and why the others are out. Changes nothing. */
import type { RoutingRule, StrategyName } from '../config/schema.ts'
import { GatewayError } from '../errors.ts'
import type { Capability, Key, Operation } from '../terms.ts'
import type { Preferences } from '../wire/extensions.ts'
import type { Metering } from '../wire/openai.ts'
import { CONTEXT, ELSEWHERE, FORBIDDEN, keyAllows, NOT_FOR, UNPRICED, whyOut, whyShort } from './able.ts'
import { type Group, named } from './choice.ts'
import { nameOf, serves } from './codec.ts'
import type { Experience, Trace } from './experience.ts'
import type { Health } from './health.ts'
import type { Credential, Listing, Market } from './market.ts'
import { orderOf } from './order.ts'
import { type Ready, readyOf, type Spot } from './ready.ts'
import type { Ranked } from './rank.ts'
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
  ranked(order: readonly Ranked[]): void
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
}

/** A listing with the credentials that may be used now, in the order in which they are tried. */
export interface Open {
  readonly ready: Ready
  readonly spots: readonly Spot[]
}

const shown = (name: string) => (name.length > 100 ? `${name.slice(0, 100)}…` : name)

const outOf = ({ listing: { site, offer } }: Ready, reason: string): Excluded => ({
  provider: site.name,
  model: offer.upstream,
  reason,
})

interface Able {
  readonly group: Group
  readonly ready: readonly Ready[]
}

/** Those who can serve it at all; who would cut it short is out while somebody would not. */
function ableOf(groups: readonly Group[], wanted: Wanted, key: Key, excluded: Excluded[]): readonly Able[] {
  const short: Excluded[] = []
  const needs = [...wanted.needs]
  let whole = 0
  const able = groups.map(group => {
    const ready: Ready[] = []
    for (const each of readyOf(group.listings)) {
      const reason = whyOut(each.listing, group, wanted, needs, key)
      if (reason === undefined) {
        ready.push(each)
        const why = whyShort(each.listing, wanted)
        if (why === undefined) whole++
        else short.push(outOf(each, why))
      } else excluded.push(outOf(each, reason))
    }
    return { group, ready }
  })
  if (short.length === 0 || whole === 0) return able
  excluded.push(...short)
  const isWhole = ({ listing }: Ready) => whyShort(listing, wanted) === undefined
  return able.map(({ group, ready }) => ({ group, ready: ready.filter(isWhole) }))
}

/** Throws GatewayError for names that mean nothing here, and when nobody is left; the message says why. */
export function route(wanted: Wanted, key: Key, deps: RouteDeps): Plan {
  const { groups, strategy: chosen } = named(wanted, key, deps)
  const strategy = wanted.preferences?.sort ?? chosen ?? deps.strategy
  const session = deps.experience && sessionOf(key.lineage, wanted.model, wanted)
  const excluded: Excluded[] = []
  const able = ableOf(groups, wanted, key, excluded)
  // Those in trouble are left out while somebody else is there; alone they are better tried than refused.
  const resting: Excluded[] = []
  let open = able.map(({ ready }) => openOf(ready, usableNow, deps, resting))
  if (open.every(group => group.length === 0)) {
    resting.length = 0
    open = able.map(({ ready }) => openOf(ready, notClosed, deps, resting))
  }
  const out = resting.length > 0 ? [...excluded, ...resting] : excluded
  deps.onlooker?.excluded(out)
  if (open.every(group => group.length === 0)) {
    if (excluded.length > 0 && excluded.every(e => e.reason.startsWith(NOT_FOR)))
      throw notFor(wanted, key, deps)
    throw nothingLeft(wanted, key, excluded, soonest(able, deps), deps.nowMs)
  }
  const tail = tailOf(out)
  const targets: Target[] = []
  // what two names have in common is asked once, in its better place
  const asked = open.length > 1 ? new Set<string>() : undefined
  let trace: Trace | undefined
  open.forEach((group, i) => {
    if (group.length === 0) return
    const { listings, preferences } = (able[i] as Able).group
    const ask = { wanted, preferences, strategy, key, session }
    const ordered = orderOf(group, listings, ask, deps, tail)
    for (const target of ordered.targets) {
      if (asked?.has(target.key)) continue
      asked?.add(target.key)
      targets.push(target)
    }
    trace ??= { group: listings, strategy, leader: ordered.leader, session: session?.name }
  })
  const { allowFallbacks, order } = (able[0] as Able).group.preferences ?? {}
  // without fallbacks: the named providers, or the first choice alone
  const kept = allowFallbacks === false && !order ? targets.slice(0, 1) : targets
  return { targets: kept, excluded: out, strategy, trace: trace as Trace }
}

type Test = (name: string, deps: RouteDeps) => boolean
const usableNow: Test = (name, { health, nowMs }) => health.usable(name, nowMs)
const notClosed: Test = (name, { health, nowMs }) => health.closedUntil(name, nowMs) === 0

/** Listings that may be asked now, each with its credentials that may be used. */
function openOf(all: readonly Ready[], test: Test, deps: RouteDeps, resting: Excluded[]): readonly Open[] {
  const open: Open[] = []
  for (const ready of all) {
    const spots = test(ready.offerKey, deps) ? openSpots(ready.spots, test, deps) : []
    if (spots.length > 0) open.push({ ready, spots })
    else resting.push(outOf(ready, whyResting(ready, deps)))
  }
  return open
}

function openSpots(spots: readonly Spot[], test: Test, deps: RouteDeps): readonly Spot[] {
  const isOpen = ({ credential, key }: Spot) =>
    test(key, deps) && (credential === undefined || test(credential.id, deps))
  // mostly all of them are, and there is but one
  return spots.every(isOpen) ? spots : spots.filter(isOpen)
}

function whyResting({ offerKey, spots }: Ready, { health, nowMs }: RouteDeps): string {
  const outMs = (name: string) => Math.max(0, (health.state(name)?.outUntilMs ?? 0) - nowMs)
  const waits = spots.map(({ key, credential }) =>
    Math.max(outMs(offerKey), outMs(key), credential ? outMs(credential.id) : 0),
  )
  const waitMs = Math.min(...waits)
  return waitMs > 0
    ? `it is in trouble and rests for another ${Math.ceil(waitMs / 1000)} s`
    : 'it was in trouble and one request is finding out whether it still is'
}

const TAIL_MAX = 6

/** "; out: b (does not take images)", for the request's record. */
function tailOf(excluded: readonly Excluded[]): string {
  if (excluded.length === 0) return ''
  const told = excluded.slice(0, TAIL_MAX).map(({ provider, reason }) => `${provider} (${reason})`)
  const more = excluded.length > TAIL_MAX ? ` and ${excluded.length - TAIL_MAX} more` : ''
  return `; out: ${told.join(', ')}${more}`
}

/** Epoch ms at which the first of them may be asked again; Infinity = none is waiting. */
function soonest(able: readonly Able[], { health, nowMs }: RouteDeps): number {
  let at = Number.POSITIVE_INFINITY
  for (const { ready } of able)
    for (const { offerKey, spots } of ready)
      for (const { key, credential } of spots) {
        const names = credential ? [offerKey, key, credential.id] : [offerKey, key]
        const until = Math.max(...names.map(name => health.closedUntil(name, nowMs)))
        if (until > 0) at = Math.min(at, until)
      }
  return at
}

/** The model exists but does something else: says who does what was asked. */
function notFor({ model, operation = 'chat' }: Wanted, key: Key, { market }: RouteDeps): GatewayError {
  const able = market.listings.filter(l => serves(l, operation) && keyAllows(key, l, undefined))
  const names = [...new Set(able.map(l => l.offer.model))]
  const list = `${names.slice(0, 5).join(', ')}${names.length > 5 ? ', …' : ''}`
  const cure = names.length > 0 ? `Here these are: ${list}.` : 'No model here is.'
  return new GatewayError('invalid_request', `'${shown(model)}' is not for ${nameOf(operation)}. ${cure}`, {
    param: 'model',
  })
}

function nothingLeft(
  wanted: Wanted,
  { regions }: Key,
  excluded: readonly Excluded[],
  soonestMs: number,
  nowMs: number,
): GatewayError {
  const model = shown(wanted.model)
  if (Number.isFinite(soonestMs)) {
    const retryAfterMs = Math.max(1000, soonestMs - nowMs)
    return new GatewayError('no_candidate', `Every provider of '${model}' asked to be left alone for now.`, {
      retryAfterMs,
    })
  }
  const only = (...reasons: string[]) =>
    excluded.length > 0 && excluded.every(e => reasons.includes(e.reason))
  if (only(FORBIDDEN))
    return new GatewayError('forbidden', `This key may not use the model '${model}'.`, { param: 'model' })
  if (only(FORBIDDEN, ELSEWHERE)) {
    const where = regions?.length ? `in ${shown(regions.join(', '))}` : 'in no region at all'
    const message = `This key may only use providers ${where}, and nobody there sells '${model}' (providers.<name>.region says where one is).`
    return new GatewayError('forbidden', message, { param: 'model', code: 'region_not_allowed' })
  }
  if (only(FORBIDDEN, UNPRICED)) {
    const message = `The price of '${model}' is unknown and this key has a budget. Set input_usd_per_mtok and output_usd_per_mtok for it in switchgate.yaml.`
    return new GatewayError('model_unpriced', message, { param: 'model' })
  }
  const reasons = [...new Set(excluded.map(e => `${e.provider}: ${e.reason}`))].slice(0, 8).join('; ')
  if (excluded.some(e => e.reason === CONTEXT)) {
    const message = `The request is too long for '${model}' at every provider (${reasons}).`
    return new GatewayError('context_length', message, { param: 'messages' })
  }
  return new GatewayError(
    'invalid_request',
    `No provider of '${model}' can serve this request (${reasons}).`,
    { param: 'model' },
  )
}
