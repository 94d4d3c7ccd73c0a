/** The asked-for names → groups of listings, with the strategy and the wishes that apply to them. First part of planning, pure. */
import type { Condition, RoutingRule, StrategyName } from '../config/schema.ts'
import { GatewayError } from '../errors.ts'
import type { Key } from '../terms.ts'
import type { Preferences } from '../wire/extensions.ts'
import { holds } from './conditions.ts'
import type { Listing, Market, Resolution } from './market.ts'
import { didYouMean } from './near.ts'
import type { Wanted } from './plan.ts'
import { shuffled } from './strategy.ts'

/** One way to serve an alias: which models, how they are chosen among, and for which requests. */
export interface Choice {
  /** Undefined = always. */
  readonly when: Condition | undefined
  readonly strategy: StrategyName | undefined
  readonly preferences: Preferences | undefined
  /** Everything of `parts` once. */
  readonly listings: readonly Listing[]
  /** By name, in the file's order; `weight` = its share of the traffic, where shares are given. */
  readonly parts: readonly { readonly listings: readonly Listing[]; readonly weight: number | undefined }[]
}

/** Listings that are ranked together; groups come one after the other. */
export interface Group {
  readonly listings: readonly Listing[]
  readonly alias: string | undefined
  readonly preferences: Preferences | undefined
  /** By which it is ranked, as its own name says, or else the first one; undefined = nobody says. */
  readonly strategy: StrategyName | undefined
}

export interface Named {
  readonly groups: readonly Group[]
  /** What the names and the file's rules say; undefined = nothing. */
  readonly strategy: StrategyName | undefined
}

/** A limit of the file holds whatever the caller wishes; for the rest the caller's word counts before the file's. */
export function merged(file: Preferences | undefined, own: Preferences | undefined): Preferences | undefined {
  if (!file || !own) return own ?? file
  const least = (a: number | undefined, b: number | undefined) =>
    a === undefined || b === undefined ? (a ?? b) : Math.min(a, b)
  const both = (a: readonly string[] | undefined, b: readonly string[] | undefined) =>
    a && b ? a.filter(name => b.includes(name)) : (a ?? b)
  const prompt = least(file.maxPrice?.prompt, own.maxPrice?.prompt)
  const completion = least(file.maxPrice?.completion, own.maxPrice?.completion)
  const strict: { -readonly [K in keyof Preferences]: Preferences[K] | undefined } = {
    only: both(file.only, own.only),
    regions: both(file.regions, own.regions),
    ignore: file.ignore && own.ignore ? [...file.ignore, ...own.ignore] : (file.ignore ?? own.ignore),
    ...((file.maxPrice || own.maxPrice) && {
      maxPrice: { ...(prompt !== undefined && { prompt }), ...(completion !== undefined && { completion }) },
    }),
    dataCollection: file.dataCollection === 'deny' ? 'deny' : own.dataCollection,
    zdr: file.zdr || own.zdr,
    allowFallbacks: file.allowFallbacks === false ? false : own.allowFallbacks,
  }
  const present = Object.fromEntries(Object.entries(own).filter(([, wish]) => wish !== undefined))
  return { ...file, ...present, ...strict } as Preferences
}

const shown = (name: string) => (name.length > 100 ? `${name.slice(0, 100)}…` : name)

function whyUnknown(
  name: string,
  found: Exclude<Resolution, { kind: 'found' }>,
  key: Key,
  market: Pick<Market, 'resolve'>,
): GatewayError {
  if (found.kind === 'refused') return new GatewayError('invalid_request', found.message, { param: 'model' })
  if (found.kind === 'not_sold') return new GatewayError('unknown_model', found.message, { param: 'model' })
  const near = didYouMean(name, found, key, market)
  const message = `The model '${shown(name)}' does not exist here.${near}`
  return new GatewayError('unknown_model', message, { param: 'model' })
}

export interface ChoiceDeps {
  readonly market: Pick<Market, 'resolve'>
  readonly rules?: readonly RoutingRule[]
  readonly nowMs: number
  readonly random: () => number
}

/** 32-bit FNV-1a as a number in [0, 1): the same session always falls on the same side of a split. */
function diceOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32
}

/** The lists of a choice, in the order in which they are asked. */
function listsOf(
  choice: Choice,
  strategy: StrategyName | undefined,
  session: string | undefined,
  random: () => number,
): readonly (readonly Listing[])[] {
  const { parts } = choice
  if (parts.some(part => part.weight !== undefined)) {
    let turn = 0
    const dice = session === undefined ? random : () => diceOf(`${session} ${turn++}`)
    const open = parts.filter(part => (part.weight ?? 0) > 0)
    // those with no share are asked when nobody else can
    const rest = parts.filter(part => (part.weight ?? 0) === 0)
    return [...shuffled(open, part => part.weight ?? 0, dice), ...rest].map(part => part.listings)
  }
  return strategy === 'priority' ? parts.map(part => part.listings) : [choice.listings]
}

/** Falls away with the market that found it. */
const plain = new WeakMap<Resolution, Named>()

/** What a name alone says, where nobody wishes for anything: made once for each that the market answers with. */
function plainly(found: Extract<Resolution, { kind: 'found' }>): Named {
  const known = plain.get(found)
  if (known !== undefined) return known
  const { listings, alias, strategy } = found
  const made = { groups: [{ listings, alias, preferences: undefined, strategy }], strategy }
  plain.set(found, made)
  return made
}

/** Throws when no name means anything that is sold here. A fallback that exists serves the request even if the first name does not. */
export function named(wanted: Wanted, key: Key, deps: ChoiceDeps): Named {
  const { market, rules = [], nowMs } = deps
  const rule = rules.find(({ when }) => holds(when, wanted, key, nowMs))
  const own = merged(rule?.preferences, wanted.preferences)
  const sort = wanted.preferences?.sort
  const groups: Group[] = []
  let strategy: StrategyName | undefined
  let first: GatewayError | undefined
  for (const name of [wanted.model, ...wanted.fallbackModels]) {
    const found = market.resolve(name)
    if (found.kind !== 'found') {
      const error = whyUnknown(name, found, key, market)
      if (found.kind === 'refused') throw error
      first ??= error
      continue
    }
    if (!rule && !own && !found.choices && wanted.fallbackModels.length === 0) return plainly(found)
    const { alias } = found
    const choice = found.choices?.find(({ when }) => !when || holds(when, wanted, key, nowMs))
    const its = choice ? choice.strategy : found.strategy
    // a fallback's word is about itself
    if (groups.length === 0) strategy = its
    const lists = choice
      ? listsOf(choice, sort ?? its ?? rule?.strategy, wanted.sessionId, deps.random)
      : [found.listings]
    const preferences = merged(choice?.preferences, own)
    for (const listings of lists)
      groups.push({ listings, alias, preferences, strategy: its ?? strategy ?? rule?.strategy })
  }
  if (groups.length === 0 && first) throw first
  return { groups, strategy: strategy ?? rule?.strategy }
}
