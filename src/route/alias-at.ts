/** An alias at one provider, `<alias>@<provider>` or `<provider>/<alias>`: the part of it that this one sells. Built once, for names.ts. */
import type { Listing, Resolution, Site } from './market.ts'

type Found = Extract<Resolution, { kind: 'found' }>

/** The part of an alias that one provider sells. A rule keeps its requests even where nothing is left of it: no other is theirs. */
function partAt(whole: Found, provider: string): Found {
  const here = (listings: readonly Listing[]) => listings.filter(({ site }) => site.name === provider)
  const choices = whole.choices?.map(choice => ({
    ...choice,
    listings: here(choice.listings),
    parts: choice.parts.map(({ listings, weight }) => ({ listings: here(listings), weight })),
  }))
  return { ...whole, listings: here(whole.listings), ...(choices && { choices }) }
}

/** `aliasAt`: for the providers that sell here; undefined = no such alias, or nobody of that name. */
export function createAliasesAt(aliases: ReadonlyMap<string, Resolution>, sites: readonly Site[]) {
  const providers = new Set(sites.map(site => site.name))
  const parts = new Map<string, Found>()
  const put = (name: string, part: Found) => void (parts.has(name) || parts.set(name, part))
  for (const [alias, whole] of aliases) {
    if (whole.kind !== 'found') continue
    for (const provider of new Set(whole.listings.map(({ site }) => site.name))) {
      const part = partAt(whole, provider)
      put(`${alias}@${provider}`, part)
      put(`${provider}/${alias}`, part)
    }
  }

  /** `an/al` → `al@an`, where there is such an alias; every other name as it is. */
  const signed = (name: string): string => {
    const slash = name.indexOf('/')
    const alias = name.slice(slash + 1)
    return slash > 0 && aliases.has(alias) ? `${alias}@${name.slice(0, slash)}` : name
  }

  const aliasAt = (name: string): Resolution | undefined => {
    const part = parts.get(name)
    if (part) return part
    const written = signed(name)
    const sign = written.lastIndexOf('@')
    const alias = written.slice(0, Math.max(0, sign))
    const provider = written.slice(sign + 1)
    const whole = aliases.get(alias)
    if (!whole || !providers.has(provider)) return undefined
    if (whole.kind !== 'found') return whole
    const there = [...new Set(whole.listings.map(({ site }) => site.name))]
    const message = `the alias ${alias} has no model at ${provider}, but at ${there.slice(0, 5).join(', ')}`
    return { kind: 'not_sold', message }
  }
  return { aliasAt, signed }
}
