/** Keeps the market true: config file + environment + vault → snapshot, rebuilt whole when one of them changes. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ConfigPort } from '../../admin/config.ts'
import type { Catalog } from '../../../providers/catalog/loader.ts'
import { demo } from '../../../providers/demo.ts'
import { KINDS } from '../../../providers/index.ts'
import { createKeeper } from '../../catalog/keeper.ts'
import type { ListedModel } from '../../catalog/lists.ts'
import { emptyShops, SELLS_NOTHING, serversOf, withServed } from '../../catalog/local.ts'
import { discover } from '../../config/discover.ts'
import { formatFault, loadConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import type { SigningDeps } from '../../authorize/schemes.ts'
import type { Log } from '../../deps.ts'
import { createMarket, type Market, type OpenCredential } from '../../route/market.ts'
import { parseRef, type ReadRef } from '../../vault/ref.ts'
import type { Send } from '../../terms.ts'
import type { Vault } from '../../vault/vault.ts'
import { usable } from '../../vault/versions.ts'
import { catalogPlace } from './catalog.ts'
import { askServers } from './local.ts'
import { createPreview, type ReadConfig } from './preview.ts'
import { readSettingFile } from './setting-file.ts'
import { type Env, type Settings, SettingsError } from './settings.ts'

export interface Supply {
  readonly config: () => Config
  readonly market: () => Market
  /** For the admin plane: what another file would change. */
  readonly port: ConfigPort
  /** Reads everything again; a faulty file keeps what was there and says so. */
  reload(): Promise<void>
  /** Credentials of the vault, or the catalogue, changed. */
  restock(): Promise<void>
  /** Asks configured model servers of one's own what they serve, and sells that. One that is down keeps what it had. Never rejects. */
  look(send: Send): Promise<void>
  /** Configured providers and built-in kinds: what a credential may be for. */
  providerNames(): readonly string[]
}

export interface SupplyOptions {
  readonly configPath: string | undefined
  readonly env: Env
  readonly vault: Vault
  readonly readRef: ReadRef
  readonly remember: (secret: string) => void
  /** For credentials that compute something for each request. */
  readonly signing?: SigningDeps
  readonly onConfig: (config: Config) => void
  /** Before another configuration is taken; rejects = it is not. */
  readonly onReload?: (before: Config, after: Config) => Promise<void>
  readonly log: Log
  /** The one in use now. */
  readonly catalog: () => Catalog
}

/** The file's text; '' without a file. Throws SettingsError. */
const textAt = (path: string | undefined): string =>
  path === undefined ? '' : readSettingFile('SWITCHGATE_CONFIG', path).toString('utf8')

/** The file as it stands now. Throws SettingsError listing every fault. */
function readConfig(path: string | undefined, env: Env, catalog: Catalog, text = textAt(path)): ReadConfig {
  const loaded = loadConfig(text, { kinds: KINDS, catalog, env })
  if (loaded.ok) return { config: discover(loaded.config, KINDS, env), file: loaded.file }
  throw new SettingsError(`${path}:\n${loaded.faults.map(fault => `  ${formatFault(fault)}`).join('\n')}`)
}

/** A folder that is to be made is made only where the configuration can be used. Throws SettingsError listing every fault. */
export function proveConfig({ configPath, env, dataFolder }: Settings): void {
  if (existsSync(join(dataFolder, 'switchgate.db'))) return
  const place = catalogPlace({ file: name => join(dataFolder, name) })
  const { catalog } = createKeeper({ place, log: () => undefined, onChange: () => undefined })
  readConfig(configPath, env, catalog())
}

/** Secrets of one provider from the file and the environment; one that cannot be read is left out and said. */
async function referenced(name: string, config: Config, o: SupplyOptions): Promise<OpenCredential[]> {
  const found: OpenCredential[] = []
  for (const entry of config.providers[name]?.credentials ?? []) {
    const ref = parseRef(entry.secret)
    try {
      if ('why' in ref) throw new Error(ref.why)
      const secret = await o.readRef(ref)
      o.remember(secret)
      found.push({ id: `${name}:${entry.name}`, name: entry.name, weight: entry.weight, secret })
    } catch (error) {
      const message = error instanceof Error ? error.message : 'cannot be read'
      o.log('warn', 'credential.unreadable', { provider: name, credential: entry.name, message })
    }
  }
  return found
}

async function allCredentials(config: Config, o: SupplyOptions): Promise<Record<string, OpenCredential[]>> {
  const credentials: Record<string, OpenCredential[]> = {}
  const nowMs = Date.now()
  for (const name of Object.keys(config.providers)) credentials[name] = await referenced(name, config, o)
  for (const stored of await o.vault.list()) {
    if (stored.status !== 'active') continue
    try {
      const list = await usable(stored, nowMs, (each, other) => o.vault.open(each, other))
      credentials[stored.provider] = [...(credentials[stored.provider] ?? []), ...list]
    } catch (error) {
      const message = error instanceof Error ? error.message : 'cannot be opened'
      o.log('warn', 'credential.unreadable', { provider: stored.provider, credential: stored.id, message })
    }
  }
  return credentials
}

function warnOf(config: Config, log: Log): void {
  for (const provider of emptyShops(config))
    log('warn', 'provider.sells_nothing', { provider, cure: SELLS_NOTHING })
}

const EMPTIED =
  'the file is empty now, as it is in the middle of a save: what it said before stays. To take everything away, write `providers: {}`'

/** An editor empties a file before it writes it: to have no providers on purpose is to say so. Throws SettingsError. */
function nextText(path: string | undefined, before: string): string {
  const text = textAt(path)
  if (text.trim() === '' && before.trim() !== '') throw new SettingsError(EMPTIED)
  return text
}

const namesIn = (config: Config): readonly string[] => [
  ...new Set([...Object.keys(config.providers), ...Object.keys(config.hosts), ...KINDS.keys()]),
]

export async function createSupply(o: SupplyOptions): Promise<Supply> {
  let text = textAt(o.configPath)
  let { config, file } = readConfig(o.configPath, o.env, o.catalog(), text)
  o.onConfig(config)
  warnOf(config, o.log)
  let served: ReadonlyMap<string, readonly ListedModel[]> = new Map()
  let market = await build(config)

  async function build(next: Config, say: Log = o.log): Promise<Market> {
    return createMarket({
      config: withServed(next, served, o.catalog()),
      kinds: KINDS,
      catalog: o.catalog(),
      credentials: await allCredentials(next, { ...o, log: say }),
      refused: (provider, credential, message) =>
        say('warn', 'credential.unreadable', { provider, credential, message }),
      ...(o.signing && { signing: o.signing }),
      demo,
    })
  }
  // one after the other: what was read earlier must not replace what was read later
  let turn = Promise.resolve()
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    turn = turn.then(work)
    return turn
  }
  const supply: Supply = {
    config: () => config,
    market: () => market,
    port: createPreview({ env: o.env, catalog: o.catalog, current: () => ({ config, file }), build }),
    async reload() {
      try {
        const read = nextText(o.configPath, text)
        const { config: next, file: written } = readConfig(o.configPath, o.env, o.catalog(), read)
        const fresh = await build(next)
        await o.onReload?.(config, next)
        config = next
        file = written
        text = read
        market = fresh
        o.onConfig(next)
        warnOf(next, o.log)
        o.log('info', 'config.reloaded', { path: o.configPath })
      } catch (error) {
        const message = error instanceof Error ? error.message : 'unreadable'
        o.log('error', 'config.kept', { path: o.configPath, message })
      }
    },
    async restock() {
      try {
        market = await build(config)
      } catch (error) {
        o.log('error', 'market.kept', { message: error instanceof Error ? error.message : 'cannot be built' })
      }
    },
    async look(send) {
      const names = new Set(serversOf(config))
      const sites = market.sites.filter(site => names.has(site.name) && !site.builtIn)
      if (sites.length === 0) return
      const found = new Map([...served, ...(await askServers(sites, send))])
      if (JSON.stringify([...found]) === JSON.stringify([...served])) return
      served = found
      await inTurn(supply.restock)
      for (const [name, models] of found)
        o.log('info', 'local_server.serves', { provider: name, models: models.length })
    },
    providerNames: () => namesIn(config),
  }
  return { ...supply, reload: () => inTurn(supply.reload), restock: () => inTurn(supply.restock) }
}
