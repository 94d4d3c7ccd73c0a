/** Keeps the market true in one isolate: configuration + bindings + vault → snapshot, rebuilt when the stored credentials change. */
import { loadCatalog } from '../../../providers/catalog/loader.ts'
import { demo } from '../../../providers/demo.ts'
import { KINDS } from '../../../providers/index.ts'
import { discover } from '../../config/discover.ts'
import { formatFault, loadConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import type { Clock, Log } from '../../deps.ts'
import { createGuard, type Guard } from '../../egress/guard.ts'
import { createMarket, type Market, type OpenCredential } from '../../route/market.ts'
import type { StoredCredential } from '../../store/store.ts'
import { parseRef, type ReadRef } from '../../vault/ref.ts'
import type { Vault } from '../../vault/vault.ts'
import { graceOf, usable } from '../../vault/versions.ts'
import { type Env, SetupFault } from './bindings.ts'
import { createSigning } from './signing.ts'

/** Other isolates change credentials without telling: this old a snapshot is compared with the store before it is used. */
const FRESH_MS = 5_000

/** Read while the isolate starts, where it takes nothing from the time that a request may use. */
const catalog = loadCatalog()

/** What one request works with, from its beginning to its end. */
export interface Stock {
  readonly config: Config
  readonly market: Market
  readonly guard: Guard
  /** Where `send` may go. */
  readonly origins: ReadonlySet<string>
}

export interface Supply {
  /** At most 5 s old. */
  stock(): Promise<Stock>
  /** The vault changed here: the next request looks at once. */
  stale(): void
  readonly providerNames: readonly string[]
}

export interface SupplyOptions {
  readonly configText: string
  readonly env: Env
  readonly vault: Vault
  readonly readRef: ReadRef
  readonly remember: (secret: string) => void
  readonly clock: Clock
  readonly log: Log
}

function readConfig(text: string, env: Env, log: Log): Config {
  const loaded = loadConfig(text, { kinds: KINDS, catalog, env })
  if (loaded.ok) return discover(loaded.config, KINDS, env)
  for (const fault of loaded.faults) log('error', 'config.fault', { fault: formatFault(fault) })
  throw new SetupFault(`SWITCHGATE_CONFIG cannot be used; the Worker's log lists what is wrong with it.`)
}

async function opened(
  config: Config,
  stored: readonly StoredCredential[],
  o: SupplyOptions,
): Promise<Record<string, OpenCredential[]>> {
  const credentials: Record<string, OpenCredential[]> = {}
  const unreadable = (provider: string, credential: string, error: unknown) => {
    const message = error instanceof Error ? error.message : 'cannot be read'
    o.log('warn', 'credential.unreadable', { provider, credential, message })
  }
  // One that cannot be read is left out and told; the others still work.
  const add = async (provider: string, made: Omit<OpenCredential, 'secret'>, read: () => Promise<string>) => {
    try {
      const secret = await read()
      o.remember(secret)
      const list = credentials[provider] ?? []
      list.push({ ...made, secret })
      credentials[provider] = list
    } catch (error) {
      unreadable(provider, made.name, error)
    }
  }
  for (const [provider, { credentials: listed }] of Object.entries(config.providers)) {
    for (const { name, secret, weight } of listed)
      await add(provider, { id: `${provider}:${name}`, name, weight }, async () => {
        const ref = parseRef(secret)
        if ('why' in ref) throw new Error(ref.why)
        return o.readRef(ref)
      })
  }
  for (const each of stored) {
    if (each.status !== 'active') continue
    const open: Vault['open'] = (credential, other) => o.vault.open(credential, other)
    try {
      const list = await usable(each, o.clock.now(), open)
      for (const { secret } of list) o.remember(secret)
      credentials[each.provider] = [...(credentials[each.provider] ?? []), ...list]
    } catch (error) {
      unreadable(each.provider, each.name, error)
    }
  }
  return credentials
}

export async function createSupply(o: SupplyOptions): Promise<Supply> {
  const config = readConfig(o.configText, o.env, o.log)
  const guard = createGuard(config.egress.allow)
  const signing = createSigning(o)
  let current: { readonly stock: Stock; readonly stamp: string } | undefined
  let lookedAtMs = Number.NEGATIVE_INFINITY

  async function look(): Promise<Stock> {
    const stored = await o.vault.list()
    const stamp = JSON.stringify(
      stored.map(each => [
        each.id,
        each.sealed,
        each.ref,
        each.weight,
        each.status,
        graceOf(each, o.clock.now())?.version,
      ]),
    )
    if (current?.stamp === stamp) return current.stock
    const market = createMarket({
      config,
      kinds: KINDS,
      catalog,
      credentials: await opened(config, stored, o),
      refused: (provider, credential, message) =>
        o.log('warn', 'credential.unreadable', { provider, credential, message }),
      signing,
      demo,
    })
    const origins = new Set(market.sites.filter(site => !site.builtIn).map(site => site.origin))
    current = { stock: { config, market, guard, origins }, stamp }
    return current.stock
  }

  return {
    async stock() {
      const nowMs = o.clock.monotonic()
      if (current !== undefined && nowMs - lookedAtMs < FRESH_MS) return current.stock
      // Set before the look: of many requests at once one goes to the database.
      lookedAtMs = nowMs
      return look()
    },
    stale() {
      lookedAtMs = Number.NEGATIVE_INFINITY
      // of many requests at once none may go on with what was there before
      current = undefined
    },
    providerNames: [
      ...new Set([...Object.keys(config.providers), ...Object.keys(config.hosts), ...KINDS.keys()]),
    ],
  }
}
