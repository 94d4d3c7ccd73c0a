/** A market from a config text and an environment, the way the program builds it. */
import { loadCatalog } from '../../providers/catalog/loader.ts'
import { demo } from '../../providers/demo.ts'
import { KINDS } from '../../providers/index.ts'
import { discover } from '../../src/config/discover.ts'
import { formatFault, loadConfig } from '../../src/config/load.ts'
import type { Config } from '../../src/config/schema.ts'
import { createMarket, type Market, type OpenCredential } from '../../src/route/market.ts'

export function configFrom(text: string, env: Record<string, string> = {}): Config {
  const loaded = loadConfig(text, { kinds: KINDS, catalog: loadCatalog(), env })
  if (!loaded.ok) throw new Error(loaded.faults.map(formatFault).join('\n'))
  return discover(loaded.config, KINDS, env)
}

/** Opens env:// references only. */
export function opened(config: Config, env: Record<string, string>): Record<string, OpenCredential[]> {
  return Object.fromEntries(
    Object.entries(config.providers).map(([name, provider]) => [
      name,
      provider.credentials.map(({ name: credential, secret, weight }) => ({
        id: `${name}:${credential}`,
        name: credential,
        weight,
        secret: env[secret.replace('env://', '')] ?? '',
      })),
    ]),
  )
}

export function marketFrom(text: string, env: Record<string, string> = {}): Market {
  const config = configFrom(text, env)
  return createMarket({
    config,
    kinds: KINDS,
    catalog: loadCatalog(),
    credentials: opened(config, env),
    demo,
  })
}

/** What a name came to, as short text: `openai/gpt-5 azure/gpt-5`, sorted; `?near`, `-message`, `!refused`. */
export function shortly(market: Market, name: string): string {
  const resolution = market.resolve(name)
  switch (resolution.kind) {
    case 'found': {
      const offers = resolution.listings.map(({ site, offer }) => `${site.name}>${offer.upstream}`).sort()
      return [...offers, ...(resolution.strategy ? [`by ${resolution.strategy}`] : [])].join(' ')
    }
    case 'unknown':
      return `? ${resolution.near.slice(0, 3).join(' ')}`.trim()
    case 'not_sold':
      return `- ${resolution.message}`
    case 'refused':
      return `! ${resolution.message}`
  }
}
