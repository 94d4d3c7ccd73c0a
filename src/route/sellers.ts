/** Models that the catalogue knows and nobody sells here: who does, and the cure. Part of resolving names. */
import type { Resolution } from './market.ts'
import type { ResolverInput } from './names.ts'

/** What to say about a model that the catalogue knows: who sells it, and how to get it from them. */
export function createSellers(
  { catalog, kinds }: Pick<ResolverInput, 'catalog' | 'kinds'>,
  configured: ReadonlySet<string>,
) {
  const sellersOf = (model: string): readonly string[] => {
    const offers = catalog.byModel.get(model) ?? []
    const open = offers.filter(offer => !offer.deprecated && !offer.trial)
    const listed = (open.length > 0 ? open : offers).toSorted(
      (a, b) =>
        Number(b.firstParty) - Number(a.firstParty) ||
        Number(kinds.has(b.provider)) - Number(kinds.has(a.provider)),
    )
    return [...new Set(listed.map(offer => offer.provider))]
  }

  const cure = (sellers: readonly string[]): string => {
    const built = sellers.filter(name => kinds.has(name))
    const variable = built.map(name => kinds.get(name)?.host.env[0]).find(name => name !== undefined)
    if (variable !== undefined) return `set ${variable}`
    return built.length > 0
      ? `add ${built[0]} to the config file`
      : "not built in yet; describe it under `hosts` if it speaks OpenAI's wire"
  }

  const notThere = (name: string, provider: string, sellers: string): Resolution => ({
    kind: 'not_sold',
    message: `${name} is not known to be sold by ${provider}, but by ${sellers}: if it is, add it to providers.${provider}.models`,
  })

  const notSold = (name: string, canonical: string, provider?: string): Resolution => {
    const sellers = sellersOf(canonical)
    const list = `${sellers.slice(0, 5).join(', ')}${sellers.length > 5 ? ', …' : ''}`
    if (provider !== undefined && configured.has(provider)) return notThere(name, provider, list)
    const only = provider !== undefined && sellers.includes(provider) ? [provider] : sellers
    return {
      kind: 'not_sold',
      message: `${name} is sold by ${only.length === 1 ? only[0] : list}: ${cure(only)}`,
    }
  }

  return { cure, notThere, notSold }
}
