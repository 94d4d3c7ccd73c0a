/** Model servers on the operator's own machines: what they serve, and the lines that configure one. Pure. */
import type { Catalog } from '../../providers/catalog/loader.ts'
import { isLocalKind, LOCAL_SERVERS, type LocalServer } from '../../providers/local.ts'
import type { Config, ModelConfig, ProviderConfig } from '../config/schema.ts'
import { canonicalOf } from '../route/names.ts'
import { type ListedModel, parseList } from './lists.ts'

/** A server that answered, and what it serves. */
export interface FoundServer extends LocalServer {
  readonly models: readonly string[]
}

/** What answered at a usual address, if it is that server. */
export function recognised(server: LocalServer, body: unknown): FoundServer | undefined {
  const models = parseList(body, server.kind)
  if (models === undefined) return undefined
  const owners = (body as { data?: unknown }).data
  const isIts = (entry: unknown) => (entry as { owned_by?: unknown } | null)?.owned_by === server.signature
  if (server.signature !== undefined && !(Array.isArray(owners) && owners.some(isIts))) return undefined
  return { ...server, models: models.map(model => model.id) }
}

/** Servers that no configured provider stands for. */
export function unconfigured(config: Pick<Config, 'providers'>): readonly LocalServer[] {
  const providers = Object.entries(config.providers)
  return LOCAL_SERVERS.filter(
    ({ kind, address }) =>
      !providers.some(([name, own]) => name === kind || own.kind === kind || own.baseUrl?.includes(address)),
  )
}

/** What enables these servers in switchgate.yaml: two lines, as they are pasted into an empty file or merged into one. */
export function linesFor(servers: readonly LocalServer[]): readonly [providers: string, egress: string] {
  const providers = servers.map(({ kind }) => `${kind}: {}`).join(', ')
  const allow = servers.map(({ address }) => `"${address}"`).join(', ')
  return [`providers: { ${providers} }`, `egress: { allow: [${allow}] }`]
}

/** Whether the models of this provider come from its server: always at the usual address, at an own one unless the file lists them. */
const isListedByServer = (provider: ProviderConfig): boolean =>
  isLocalKind(provider.kind) && (provider.baseUrl === undefined || Object.keys(provider.models).length === 0)

/** Configured providers that sell nothing: at an address of their own only models that the file names are sold. */
export const emptyShops = (config: Config): readonly string[] =>
  Object.keys(config.providers).filter(name => {
    const provider = config.providers[name]
    return (
      provider?.baseUrl !== undefined &&
      Object.keys(provider.models).length === 0 &&
      !isListedByServer(provider)
    )
  })

/** What is said of such a provider. */
export const SELLS_NOTHING =
  'with a base_url only the models listed under `models` are sold, and there are none'

/** Configured providers whose servers are to be asked for their models. */
export const serversOf = (config: Config): readonly string[] =>
  Object.keys(config.providers).filter(name => {
    const provider = config.providers[name]
    return provider !== undefined && isListedByServer(provider)
  })

const free = (model: ListedModel): ModelConfig => ({
  upstream: model.id,
  inputUsdPerMtok: 0,
  outputUsdPerMtok: 0,
  cacheReadUsdPerMtok: undefined,
  cacheWriteUsdPerMtok: undefined,
  contextTokens: model.contextTokens,
  maxOutputTokens: model.maxOutputTokens,
})

/** The configuration with what the servers serve as own models at price 0, under their canonical ids where the catalogue knows them. */
export function withServed(
  config: Config,
  served: ReadonlyMap<string, readonly ListedModel[]>,
  catalog: Catalog,
): Config {
  const providers: Record<string, ProviderConfig> = { ...config.providers }
  for (const name of serversOf(config)) {
    const provider = config.providers[name]
    if (provider === undefined) continue
    const models = new Map(Object.entries(provider.models))
    const listed = new Set(Object.values(provider.models).map(model => model.upstream))
    for (const model of served.get(name) ?? []) {
      if (listed.has(model.id)) continue
      const canonical = canonicalOf(model.id, catalog)
      const id = canonical === undefined || models.has(canonical) ? model.id : canonical
      if (!models.has(id)) models.set(id, free(model))
    }
    providers[name] = { ...provider, models: Object.fromEntries(models) }
  }
  return { ...config, providers }
}
