/** Configured providers → sites: address, adapter, credentials ready for use. Part of building the market. */
import { adapterOf, isVendors, type Kind, kindOfHost } from '../../providers/index.ts'
import type { OptionRow, Place, PlaceRequest } from '../../providers/cloud.ts'
import { isLocalKind } from '../../providers/local.ts'
import type { HostRow, Provider, Quirks } from '../../providers/provider.ts'
import { authorizationOf } from '../authorize/schemes.ts'
import type { Config, ProviderConfig } from '../config/schema.ts'
import type { Credential, MarketInput, Site } from './market.ts'

/** Built-in kinds and the file's own hosts, by name. Own hosts speak OpenAI's wire. */
export function kindsOf(
  kinds: ReadonlyMap<string, Kind>,
  hosts: Readonly<Record<string, HostRow>>,
): ReadonlyMap<string, Kind> {
  return new Map([
    ...kinds,
    ...Object.entries(hosts).map(([name, host]) => [name, kindOfHost(name, host)] as const),
  ])
}

/** Names of `{account}`-like places in a base URL. */
export function placeholdersOf(baseUrl: string): readonly string[] {
  return [...baseUrl.matchAll(/\{([a-z_]+)\}/g)].map(match => match[1] ?? '')
}

/** The address with its options filled in; an absent option leaves its place, so that the URL is refused later. */
export function filledUrl(baseUrl: string, options: Readonly<Record<string, string>>): string {
  return baseUrl.replace(/\{([a-z_]+)\}/g, (place, name: string) => options[name] ?? place)
}

/** Environment variables by name; undefined or '' = not set. */
export type ReadEnv = (name: string) => string | undefined

/** Every option that a kind takes, by name. */
export function optionsTaken({ baseUrl, options = {} }: HostRow): Readonly<Record<string, OptionRow>> {
  return { ...Object.fromEntries(placeholdersOf(baseUrl).map(name => [name, { env: [] }])), ...options }
}

/** The options of a provider: what the file says, else the environment, else the kind's default. */
export function filledOptions(
  host: HostRow,
  given: Readonly<Record<string, string>>,
  env: ReadEnv,
): Readonly<Record<string, string>> {
  const filled: Record<string, string> = {}
  for (const [name, row] of Object.entries(optionsTaken(host))) {
    const variable = row.env.find(each => isOption(env(each)) || (row.isAddress && isAddress(env(each))))
    const value = given[name] ?? (variable === undefined ? row.default : env(variable)?.trim())
    if (value !== undefined) filled[name] = value
  }
  return { ...filled, ...given }
}

/** It goes into an address: letters, digits, ".", "_" and "-", as in the file. */
const isOption = (value: string | undefined): boolean => /^\s*[A-Za-z0-9._-]{1,200}\s*$/.test(value ?? '')

const isAddress = (value: string | undefined): boolean => /^\s*https?:\/\/[^\s]{1,500}\s*$/.test(value ?? '')

/** The adapter and the address of one model at a kind; or, for clouds, why it has none. */
export function placeOf(kind: Kind, request: PlaceRequest): Place | { readonly why: string } {
  return (
    kind.cloud?.(request) ?? {
      provider: adapterOf(kind, request),
      baseUrl: request.baseUrl ?? filledUrl(kind.host.baseUrl, request.options),
    }
  )
}

/** Stands for every model, where the place of the provider itself is asked for. */
export const ANY_MODEL = { model: '', upstream: '' }

/** A provider as the file would have it with nothing said: for credentials added to a kind that the file does not mention. */
export const plainProvider = (kind: string): ProviderConfig => ({
  kind,
  baseUrl: undefined,
  credentials: [],
  models: {},
  options: {},
  headers: {},
  onDisconnect: 'abort',
  timeouts: {},
})

/** Stands where a server asks for no credential. */
const ANONYMOUS: Credential = { id: 'none', name: 'none', weight: 1, headers: [] }

function credentialsOf(
  name: string,
  config: ProviderConfig,
  kind: Kind,
  input: MarketInput,
  authorize: NonNullable<Site['authorize']>,
): readonly Credential[] {
  const opened = input.credentials[name] ?? []
  // None listed is none needed at an own address, and at hosts that no variable is known for (servers on one's own machines).
  const needsNone =
    kind.host.auth === 'none' ||
    (config.credentials.length === 0 && (config.baseUrl !== undefined || kind.host.env.length === 0))
  if (opened.length === 0) return needsNone ? [ANONYMOUS] : []
  return opened.flatMap(({ id, name: credential, weight, secret, standsInFor }) => {
    const made = authorize(secret)
    const own = { id, name: credential, weight, ...(standsInFor !== undefined && { standsInFor }) }
    if ('headers' in made) return { ...own, headers: made.headers }
    if ('sign' in made) return { ...own, headers: [], sign: made.sign }
    input.refused?.(name, credential, made.why)
    return []
  })
}

/** What stands at an address of the file's own is not known to speak more than chat, unless a row of the file's own says so. */
function quirksAt({ baseUrl }: ProviderConfig, host: HostRow): Quirks {
  const { quirks } = host
  return quirks.speaksResponses !== true || isVendors(host, baseUrl)
    ? quirks
    : { ...quirks, speaksResponses: false }
}

/** Every configured provider with an address; one that needs a credential and has none that works has an empty list. */
export function createSites(input: MarketInput, kinds: ReadonlyMap<string, Kind>): readonly Site[] {
  const providers = new Map(Object.entries(input.config.providers))
  for (const name of Object.keys(input.credentials))
    if (!providers.has(name) && kinds.has(name)) providers.set(name, plainProvider(name))

  const env: ReadEnv = variable => input.signing?.env(variable)
  return [...providers].flatMap(([name, config]) => {
    const kind = kinds.get(config.kind)
    if (kind === undefined) return []
    const options = filledOptions(kind.host, config.options, env)
    const { baseUrl } = config
    const place = placeOf(kind, { options, baseUrl, ...ANY_MODEL })
    if ('why' in place) input.refused?.(name, 'options', place.why)
    const url = 'why' in place ? null : URL.parse(place.baseUrl)
    if ('why' in place || url === null) return []
    const authorize = (secret: string) =>
      authorizationOf(kind.host.auth, { secret, origin: url.origin, options, deps: input.signing })
    const credentials = credentialsOf(name, config, kind, input, authorize)
    const site = {
      name,
      provider: place.provider,
      origin: url.origin,
      basePath: pathOf(url),
      auth: kind.host.auth,
      quirks: quirksAt(config, kind.host),
      options,
      headers: Object.entries(config.headers).flatMap(([header, value]) => [header.toLowerCase(), value]),
      onDisconnect: config.onDisconnect,
      timeouts: { ...input.config.timeouts, ...config.timeouts },
      credentials,
      authorize,
      builtIn: false,
      ...(isLocalKind(config.kind) && { free: true }),
      ...chosenBy(config, options),
    } satisfies Site
    const isOne = kind.cloud === undefined && kind.overResponses === undefined
    if (isOne) return site
    const branch = branches(site, kind, { options, baseUrl })
    // a model that is where the site itself is has no site of its own
    const whole: Site = { ...site, at: good => asOne(branch(good), whole) }
    return whole
  })
}

const asOne = (branch: Site | undefined, site: Site): Site | undefined =>
  branch?.provider === site.provider && branch.origin === site.origin && branch.basePath === site.basePath
    ? site
    : branch

/** What the file says of a provider for choosing. A cloud's region is where it was asked to be. */
function chosenBy(
  { weight, priority, region, data }: ProviderConfig,
  options: Readonly<Record<string, string>>,
): Pick<Site, 'weight' | 'priority' | 'region' | 'data'> {
  const where = region ?? options.region ?? options.location
  return {
    ...(weight !== undefined && { weight }),
    ...(priority !== undefined && { priority }),
    ...(where !== undefined && { region: where }),
    ...(data && { data }),
  }
}

const pathOf = (url: URL): string => url.pathname.replace(/\/+$/, '')

/** A cloud's site as each model sees it; models at one address share one object. */
function branches(
  site: Site,
  kind: Kind,
  request: Pick<PlaceRequest, 'options' | 'baseUrl'>,
): NonNullable<Site['at']> {
  const made = new Map<Provider, Map<string, Site>>()
  return ({ model, upstream }) => {
    const place = placeOf(kind, { ...request, model, upstream })
    const url = 'why' in place ? null : URL.parse(place.baseUrl)
    if ('why' in place || url === null) return undefined
    const { provider } = place
    // two wires may stand at one address
    const its = made.get(provider) ?? new Map<string, Site>()
    const branch = its.get(place.baseUrl) ?? { ...site, provider, origin: url.origin, basePath: pathOf(url) }
    made.set(provider, its.set(place.baseUrl, branch))
    return branch
  }
}

/** Why a site without a credential that works is shut, and the cure; for callers, so no path and no reference stands in it. */
export function whyShut(name: string, config: Config, kinds: ReadonlyMap<string, Kind>): string {
  const listed = config.providers[name]?.credentials ?? []
  if (listed.length > 0) {
    const names = listed.map(credential => `"${credential.name}"`).join(', ')
    return `its credential ${names} cannot be read or used: \`switchgate config check\` and the log say why`
  }
  const [variable] = kindOfSite(name, config, kinds)?.host.env ?? []
  const set = variable === undefined ? '' : `set ${variable} or `
  return `it has no credential that works: ${set}run \`switchgate credential add ${name}\``
}

/** The kind of a configured provider; undefined when the file does not mention it and no kind has its name. */
export function kindOfSite(name: string, config: Config, kinds: ReadonlyMap<string, Kind>): Kind | undefined {
  return kinds.get(config.providers[name]?.kind ?? name)
}
