/** The names in a key's policy, held against what is for sale: what cannot be meant is refused, what may come later is warned of. Part of `/admin/v1/keys`. */
import { didYouMean } from '../config/nearest.ts'
import { GatewayError } from '../errors.ts'
import { type KeyDraft, merge, OPEN } from '../keys/draft.ts'
import { keyAllows } from '../route/able.ts'
import type { Key } from '../terms.ts'
import { countedWarnings } from './counted-models.ts'
import type { AdminDeps } from './deps.ts'

type Shop = Pick<AdminDeps, 'market' | 'providerNames'>

/** Why a policy's entry matches nothing now; undefined = it does. */
function whyNoModel(entry: string, { market, providerNames }: Shop): string | undefined {
  const at = entry.lastIndexOf('@')
  if (at > 0) return whyNoProvider(entry.slice(at + 1), providerNames())
  const { aliases, listings, resolve } = market()
  if (aliases.includes(entry)) return undefined
  const found = resolve(entry)
  if (found.kind === 'not_sold') return undefined
  if (found.kind !== 'found')
    return `is no model and no alias here now${didYouMean(entry, [...aliases, ...listings.map(({ offer }) => offer.model)])}`
  const { model } = found.listings[0]?.offer ?? { model: entry }
  return found.listings.some(({ offer }) => offer.model === entry)
    ? undefined
    : `matches nothing: write "${model}"`
}

function whyNoProvider(name: string, known: readonly string[]): string | undefined {
  return known.includes(name) ? undefined : `is no provider here now${didYouMean(name, known)}`
}

/** Throws `invalid_request` for a default model that the key itself may not call. */
function checkDefault(key: Key, { market }: Shop): void {
  const { defaultModel } = key
  const found = defaultModel === null ? undefined : market().resolve(defaultModel)
  if (found?.kind !== 'found' || found.listings.some(each => keyAllows(key, each, found.alias))) return
  const message = `\`default_model\`: this key may not call ${JSON.stringify(defaultModel)}: add it to its \`models\`, or choose another`
  throw new GatewayError('invalid_request', message, { param: 'default_model' })
}

/**
 * What a person should look at again, a line each, as in `models[0]: "gtp-5" is no model and no alias here now`. Only what
 * `draft` sets is looked at. `onto` = the key that is changed. Throws `invalid_request` for what cannot be meant.
 */
export function policyWarnings(draft: KeyDraft, shop: Shop, onto?: Key): readonly string[] {
  const warnings: string[] = []
  const look = (place: string, name: string, why: string | undefined) => {
    if (why !== undefined) warnings.push(`${place}: ${JSON.stringify(name)} ${why}`)
  }
  const isChanged = [draft.defaultModel, draft.models, draft.providers, draft.regions].some(
    each => each !== undefined,
  )
  if (isChanged) checkDefault(merge((onto ?? OPEN) as Key, draft), shop)
  for (const [i, name] of (draft.models ?? []).entries()) look(`models[${i}]`, name, whyNoModel(name, shop))
  for (const [i, name] of (draft.providers ?? []).entries())
    look(`providers[${i}]`, name, whyNoProvider(name, shop.providerNames()))
  warnings.push(...countedWarnings(draft, shop))
  const { defaultModel } = draft
  if (defaultModel && shop.market().resolve(defaultModel).kind === 'unknown')
    look('default_model', defaultModel, whyNoModel(defaultModel, shop))
  return warnings
}
