/** Candidates + policy + health + dice → Plan: the targets to try, in order, and why the others are out. Pure. */
import type { StrategyName } from '../config/schema.ts'
import { GatewayError } from '../errors.ts'
import type { Capability, Key, Operation } from '../terms.ts'
import type { Metering } from '../wire/openai.ts'
import type { Preferences } from '../wire/extensions.ts'
import { nameOf, serves } from './codec.ts'
import type { Health } from './health.ts'
import type { Credential, Listing, Market } from './market.ts'
import { isPriced, likelyCost, tooDear } from './cost.ts'
import { readersFirst } from './signed.ts'
import { type Candidate, missesWish, type Sort, STRATEGIES, shuffled } from './strategy.ts'

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
  /** Operations that are counted in more than tokens. */
  readonly metering?: Metering
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
}

export interface RouteDeps {
  readonly market: Market
  readonly health: Health
  readonly nowMs: number
  readonly random: () => number
  readonly strategy: StrategyName
}

export function targetKey(listing: Listing, credential: Credential | undefined): string {
  return `${listing.site.name}/${listing.offer.upstream}/${credential?.id ?? '-'}`
}

export const offerKey = (listing: Listing): string => `${listing.site.name}/${listing.offer.upstream}`

/** The contract's `models` and `providers` of a key: canonical id, `model@provider`, `*@provider`, alias. */
export function keyAllows(key: Key, listing: Listing, alias: string | undefined): boolean {
  const { provider, model } = listing.offer
  if (key.providers && !key.providers.includes(provider)) return false
  if (!key.models) return true
  return key.models.some(
    entry =>
      entry === model || entry === alias || entry === `${model}@${provider}` || entry === `*@${provider}`,
  )
}

interface Named {
  readonly listing: Listing
  readonly alias: string | undefined
}

/** Every listing that the asked-for names can mean, best name first. Throws when a name means nothing. */
function named(wanted: Wanted, market: Market): { groups: Named[][]; strategy: StrategyName | undefined } {
  const groups: Named[][] = []
  let strategy: StrategyName | undefined
  let first: GatewayError | undefined
  for (const name of [wanted.model, ...wanted.fallbackModels]) {
    const found = market.resolve(name)
    if (found.kind === 'found') {
      strategy ??= found.strategy
      groups.push(found.listings.map(listing => ({ listing, alias: found.alias })))
    } else if (found.kind === 'refused') {
      throw new GatewayError('invalid_request', found.message, { param: 'model' })
    } else if (found.kind === 'not_sold') {
      first ??= new GatewayError('unknown_model', found.message, { param: 'model' })
    } else {
      const others = found.near.filter(other => other !== name)
      const near = others.length > 0 ? ` Did you mean ${others.join(', ')}?` : ''
      first ??= new GatewayError('unknown_model', `The model '${shown(name)}' does not exist here.${near}`, {
        param: 'model',
      })
    }
  }
  // a fallback that exists serves the request even if the first name does not
  if (groups.length === 0 && first) throw first
  return { groups, strategy }
}

const shown = (name: string) => (name.length > 100 ? `${name.slice(0, 100)}…` : name)

export function route(wanted: Wanted, key: Key, deps: RouteDeps): Plan {
  const { groups, strategy: asked } = named(wanted, deps.market)
  const sort = wanted.preferences?.sort
  const strategy = sort ?? asked ?? deps.strategy
  const excluded: Excluded[] = []
  const able = groups.map(group =>
    group.filter(({ listing, alias }) => {
      const reason = whyOut(listing, alias, wanted, key)
      if (reason) excluded.push({ provider: listing.site.name, model: listing.offer.upstream, reason })
      return reason === undefined
    }),
  )
  // Those in trouble are left out while somebody else is there; alone they are better tried than refused.
  let targets = able.flatMap(group => walk(group, usableNow, wanted, strategy, deps))
  if (targets.length === 0) targets = able.flatMap(group => walk(group, notClosed, wanted, strategy, deps))
  if (targets.length === 0) {
    if (excluded.length > 0 && excluded.every(e => e.reason.startsWith(NOT_FOR)))
      throw notFor(wanted, key, deps)
    throw nothingLeft(wanted, excluded, soonest(able.flat(), deps), deps.nowMs)
  }
  const { allowFallbacks, order } = wanted.preferences ?? {}
  // without fallbacks: the named providers, or the first choice alone
  const kept = allowFallbacks === false && !order ? targets.slice(0, 1) : targets
  return { targets: kept, excluded, strategy }
}

type Open = (name: string, deps: RouteDeps) => boolean
const usableNow: Open = (name, { health, nowMs }) => health.usable(name, nowMs)
const notClosed: Open = (name, { health, nowMs }) => health.closedUntil(name, nowMs) === 0

/** Targets of one model name, in order. */
function walk(
  group: readonly Named[],
  open: Open,
  wanted: Wanted,
  strategy: Sort,
  deps: RouteDeps,
): Target[] {
  const candidates: Candidate[] = []
  for (const { listing } of group) {
    const credentials = openCredentials(listing, open, deps)
    if (!credentials) continue
    const health = deps.health.state(targetKey(listing, credentials[0]))
    candidates.push({ listing, credentials, likelyNanoUsd: likelyCost(listing, wanted), health })
  }
  return inOrder(candidates, strategy, wanted, deps)
}

/** Epoch ms at which the first of them may be asked again; Infinity = none is waiting. */
function soonest(group: readonly Named[], { health, nowMs }: RouteDeps): number {
  let at = Number.POSITIVE_INFINITY
  for (const { listing } of group) {
    const { credentials } = listing.site
    for (const credential of credentials.length > 0 ? credentials : [undefined]) {
      const until = Math.max(
        health.closedUntil(targetKey(listing, credential), nowMs),
        health.closedUntil(offerKey(listing), nowMs),
      )
      if (until > 0) at = Math.min(at, until)
    }
  }
  return at
}

const NOT_FOR = 'it is not for'
const FORBIDDEN = 'this key may not use it'
const UNPRICED = 'its price is unknown and this key has a budget'

function whyOut(listing: Listing, alias: string | undefined, wanted: Wanted, key: Key): string | undefined {
  const { offer } = listing
  const p = wanted.preferences
  if (!keyAllows(key, listing, alias)) return FORBIDDEN
  const operation = wanted.operation ?? 'chat'
  if (!serves(listing, operation)) return `${NOT_FOR} ${nameOf(operation)}`
  if (p?.only && !p.only.includes(offer.provider)) return 'not in provider.only'
  if (p?.allowFallbacks === false && p.order && !p.order.includes(offer.provider))
    return 'not in provider.order'
  if (p?.ignore?.includes(offer.provider)) return 'in provider.ignore'
  if (!isPriced(offer.price, wanted) && key.budgets.length > 0) return UNPRICED
  if (p?.maxPrice && tooDear(listing, p.maxPrice)) return 'above provider.max_price'
  for (const need of wanted.needs) if (!takes(listing, need)) return `does not take ${need}`
  const context = wanted.longestPromptTokens ?? wanted.likelyInputTokens
  if (offer.contextTokens !== undefined && context > offer.contextTokens) return CONTEXT
  return undefined
}

const CONTEXT = 'its context is too short'

/** A host that can be told a schema in words is told so. */
const takes = ({ offer, site }: Listing, need: Capability): boolean =>
  offer.supports.has(need) || (need === 'json_schema' && site.quirks.jsonSchema !== undefined)

/** Credentials of a listing that may be used, in weighted random order; a site without any has one empty place. Undefined = none may. */
function openCredentials(listing: Listing, open: Open, deps: RouteDeps): readonly Credential[] | undefined {
  const { credentials } = listing.site
  if (!open(offerKey(listing), deps)) return undefined
  if (credentials.length === 0) return open(targetKey(listing, undefined), deps) ? [] : undefined
  const usable = credentials.filter(c => open(c.id, deps) && open(targetKey(listing, c), deps))
  if (usable.length === 0) return undefined
  return usable.length === 1 ? usable : shuffled(usable, c => c.weight, deps.random)
}

function inOrder(
  candidates: readonly Candidate[],
  strategy: Sort,
  { preferences, signed }: Wanted,
  deps: RouteDeps,
): Target[] {
  let ordered: readonly Candidate[] = candidates
  if (candidates.length > 1) {
    ordered = STRATEGIES[strategy](shuffled(candidates, () => 1, deps.random))
    const slow = (c: Candidate) => Number(missesWish(c, preferences))
    ordered = readersFirst(
      [...ordered].sort((a, b) => slow(a) - slow(b)),
      signed,
    )
    const wish = preferences?.order
    if (wish) {
      const place = (c: Candidate) => {
        const at = wish.indexOf(c.listing.site.name)
        return at < 0 ? wish.length : at
      }
      ordered = [...ordered].sort((a, b) => place(a) - place(b))
    }
  }
  const why = candidates.length > 1 ? `${strategy} of ${candidates.length}` : 'only candidate'
  return ordered.flatMap(({ listing, credentials }) =>
    (credentials.length > 0 ? credentials : [undefined]).map(credential => ({
      listing,
      credential,
      key: targetKey(listing, credential),
      why,
    })),
  )
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
