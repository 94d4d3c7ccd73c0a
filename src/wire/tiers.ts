/** Service tiers: what was asked for, and in which one an answer was made. Read where bodies are encoded and usage is read. */
import type { Offer, Usage } from '../terms.ts'

type Fields = Readonly<Record<string, unknown>>

/** Words for the usual price. `auto` is the caller's leave to let the project decide; what the answer says is billed. */
const STANDARD: ReadonlySet<unknown> = new Set([
  'auto',
  'default',
  'standard',
  'standard_only',
  'on_demand',
  '',
])

/** Is it a word for the usual price? */
export const isStandardTier = (tier: unknown): boolean => STANDARD.has(tier)

const isSpecial = (tier: unknown): tier is string => typeof tier === 'string' && !STANDARD.has(tier)

/** The tier with a price of its own that a body asks for; undefined = the usual one. Gemini's wire writes it `serviceTier`. */
export const askedTier = ({ service_tier: tier, serviceTier = tier }: Fields): string | undefined =>
  isSpecial(serviceTier) ? serviceTier.toLowerCase() : undefined

/** Does nobody know what this body's tier costs there? Then it is not asked for: a budget could not count it. */
export function isUnpricedTier(json: Fields, { price }: Offer): boolean {
  const { service_tier: tier, serviceTier = tier } = json
  if (serviceTier == null || STANDARD.has(serviceTier) || price === undefined || price.isOwn) return false
  const asked = askedTier(json)
  // cheaper than what is held, and billed by what the host itself says
  if (asked === 'flex' && price.isStatedByHost) return false
  return asked === undefined || price.byTier?.[asked] === undefined
}

/**
 * The usage with the tier that the answer was made in: one with a price of its own, or any where one was asked for
 * (`request`): who asks for `flex` and is served as usual pays as usual.
 */
export function withTier(usage: Usage | undefined, answer: Fields, request?: Fields): Usage | undefined {
  const tier = answer.service_tier
  if (usage === undefined || typeof tier !== 'string' || tier === '') return usage
  if (!isSpecial(tier) && (request === undefined || askedTier(request) === undefined)) return usage
  return { ...usage, serviceTier: tier }
}
