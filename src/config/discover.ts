/** Providers from the environment: `OPENAI_API_KEY=… npm start` works with no file. Pure: the environment is passed in. */
import type { Kind } from '../../providers/index.ts'
import { ANY_MODEL, filledOptions, kindsOf, optionsTaken, placeOf, plainProvider } from '../route/sites.ts'
import type { Env } from './load.ts'
import type { Config, CredentialConfig, ProviderConfig } from './schema.ts'

/** The environment's credential of a kind: the first of its variables that is set. */
function credentialFrom(
  env: Env,
  kind: Kind,
  given: Readonly<Record<string, string>> = {},
): readonly CredentialConfig[] {
  const variable = kind.host.env.find(name => env[name]?.trim())
  if (variable !== undefined) return [{ name: variable, secret: `env://${variable}`, weight: 1 }]
  const { ambient } = kind.host
  const filled = filledOptions(kind.host, given, name => env[name])
  const isThere =
    ambient?.env.some(name => env[name]?.trim()) && (ambient.needs ?? []).every(name => name in filled)
  return ambient && isThere ? [{ name: 'default', secret: ambient.reference, weight: 1 }] : []
}

/** Does the environment say all that the kind needs to know beside its credential? */
function isPlaced(kind: Kind, env: Env): boolean {
  const filled = filledOptions(kind.host, {}, name => env[name])
  const isFilled = Object.entries(optionsTaken(kind.host)).every(
    ([name, row]) => row.optional || name in filled,
  )
  return isFilled && !('why' in placeOf(kind, { options: filled, baseUrl: undefined, ...ANY_MODEL }))
}

/**
 * The file's configuration plus what the environment adds, unless `discover_env: false`. Each kind whose variable is set becomes a
 * provider of the kind's name; an entry of the file with that name replaces it. An entry that lists no credentials uses its
 * kind's variable, but never together with an own base URL: a key must not go to an address it was not made for.
 */
export function discover(config: Config, kinds: ReadonlyMap<string, Kind>, env: Env): Config {
  if (!config.discoverEnv) return config
  const known = kindsOf(kinds, config.hosts)
  const providers: Record<string, ProviderConfig> = {}
  for (const [name, provider] of Object.entries(config.providers)) {
    const kind = known.get(provider.kind)
    const wants = provider.credentials.length === 0 && provider.baseUrl === undefined && kind !== undefined
    providers[name] = wants
      ? { ...provider, credentials: credentialFrom(env, kind, provider.options) }
      : provider
  }
  for (const kind of known.values()) {
    if (Object.hasOwn(providers, kind.kind) || !isPlaced(kind, env)) continue
    const credentials = credentialFrom(env, kind)
    if (credentials.length > 0) providers[kind.kind] = { ...plainProvider(kind.kind), credentials }
  }
  return { ...config, providers }
}
