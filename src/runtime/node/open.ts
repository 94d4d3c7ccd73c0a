/** Wires one gateway on Node: folder, store, vault, keys, ledger, market, way out; nothing is decided here. */
import { createAdmin } from '../../admin/admin.ts'
import type { AdminBindings, AdminDeps } from '../../admin/deps.ts'
import { createGate } from '../../admin/gate.ts'
import { createDataPlane } from '../../app.ts'
import { createSignatures } from '../../attempt/signatures.ts'
import { createAuthGuard } from '../../authenticate.ts'
import { createDashboard } from '../../dashboard/dashboard.tsx'
import type { Log } from '../../deps.ts'
import { createGuard, type Guard } from '../../egress/guard.ts'
import { createProxyFor } from '../../egress/proxy.ts'
import { type AuditLog, refusedKey } from '../../audit/log.ts'
import type { AccountDeps } from '../../http/account.ts'
import type { AdminGate } from '../../keys/admin.ts'
import type { KeyBook } from '../../keys/book.ts'
import type { ProjectBook } from '../../keys/projects.ts'
import { createLedger, type LedgerOwner } from '../../ledger/ledger.ts'
import { startUpkeep } from '../../ledger/upkeep.ts'
import type { Redactor } from '../../redact.ts'
import { createExperience } from '../../route/experience.ts'
import { createPressure } from '../../route/pressure.ts'
import { knownNow } from '../../route/router.ts'
import { expectedFingerprint } from '../../vault/keyring.ts'
import { createVault, type OpenVault } from '../../vault/vault.ts'
import { Hono } from 'hono'
import { openAlerts } from './alerts.ts'
import { beginAudit, openAudit, recordReload } from './audit.ts'
import { type Books, openBooks } from './books.ts'
import { nodeBytes } from './bytes.ts'
import { openCatalog, type OwnCatalog } from './catalog.ts'
import { newId, nodeClock } from './clock.ts'
import { testCredential } from './credential-test.ts'
import { nodeRandomBytes } from './digest.ts'
import { type Durable, openDurable } from './durable.ts'
import { type DataFolder, type MasterKey, openDataFolder, readMasterKey } from './folder.ts'
import { openHealth } from './health.ts'
import { type Meters, openMeters, openMetrics } from './metrics.ts'
import { watchGraces } from './graces.ts'
import { rotateMasterKey } from './master-key.ts'
import { createReadRef } from './refs.ts'
import { createSend } from './send.ts'
import { adminHosts, type Settings } from './settings.ts'
import { createSigning } from './signing.ts'
import { createSupply, type Supply } from './supply.ts'
import { createTokens } from './tokens.ts'
import { createWatch } from './watch.ts'

export type App = Hono<{ Bindings: AdminBindings }>

/** A gateway that is ready to listen. */
export interface Gateway {
  readonly deps: AccountDeps
  /** Data plane alone. */
  readonly data: App
  /** Admin plane and dashboard alone. */
  readonly admin: App
  /** Both, for a loopback listener. */
  readonly whole: App
  readonly folder: DataFolder
  readonly masterKey: MasterKey
  readonly vault: OpenVault
  readonly audit: AuditLog
  readonly keys: KeyBook
  readonly projects: ProjectBook
  readonly adminGate: AdminGate
  readonly ledger: LedgerOwner
  readonly supply: Supply
  /** From now on new requests are refused. */
  drain(): void
  /** Ends what still runs, each with an error in its caller's wire. */
  breakOff(): void
  /** Settles, folds and gives everything free. */
  close(): Promise<void>
}

export interface OpenOptions {
  readonly settings: Settings
  readonly log: Log
  readonly redactor: Redactor
  /** Where clients reach the data plane, for pages that show commands. */
  readonly origin?: string
  /** False for the command line, which serves nobody: an admin token made there would be shown to nobody. */
  readonly makesToken?: boolean
}

/** What a start that fails has to end. */
interface Begun extends Meters {
  audit?: AuditLog
}

export async function openGateway(options: OpenOptions): Promise<Gateway> {
  const folder = openDataFolder(options.settings.dataFolder, options.log)
  let durable: Durable | undefined
  let begun: Begun | undefined
  try {
    durable = openDurable(folder, options.log)
    begun = openMeters(durable)
    return await wire(folder, begun, options)
  } catch (error) {
    // a checkpoint that is due would be written into a folder that is somebody else's by then
    await begun?.audit?.settle()
    // The journal may still be dropping segments, which the next holder of the folder would miss.
    await durable?.journal.close().catch(() => {})
    await durable?.store.close()
    folder.release()
    throw error
  }
}

async function wire(folder: DataFolder, meters: Begun, options: OpenOptions): Promise<Gateway> {
  const { journal, promise } = meters
  const { settings, log, redactor, makesToken = true } = options
  const { env } = settings
  const audit = openAudit({ folder, store: meters.store, keyring: () => vault.keyring(), log })
  meters.audit = audit
  const { store } = audit
  const masterKey = readMasterKey({ folder, env, expected: await expectedFingerprint(store), mayMake: true })
  const readRef = createReadRef({ env, privateFolder: folder.path })
  const remember = (secret: string) => redactor.remember(secret)
  const vault = await createVault({
    store,
    masterKey: masterKey.key,
    clock: nodeClock,
    random: nodeRandomBytes,
    readRef,
    log,
    onOpen: remember,
  })
  await beginAudit(audit, store)
  const books = await openBooks({ store, vault, settings, clock: nodeClock, log, makesToken })
  const { keys, projects, adminGate } = books
  const ledger = createLedger({
    store,
    journal,
    clock: nodeClock,
    log,
    limitsOf: id => projects.get(id)?.limits,
    alert: (event, fields) => alert(event, fields),
  })
  projects.onChange(ledger.adopt)
  keys.onChange(ledger.renew)
  log('debug', 'ledger.recovered', { ...(await ledger.recover()) })

  let guard: Guard = createGuard([])
  const signing = createSigning({ env, way: () => send, remember, log })
  const own = openCatalog({ folder, log, onChange: () => void supply.restock() })
  const supply = await createSupply({
    catalog: own.keeper.catalog,
    configPath: settings.configPath,
    env,
    vault,
    readRef,
    remember,
    signing,
    log,
    onConfig: config => {
      guard = createGuard(config.egress.allow)
      promise(config.durability)
    },
    onReload: (before, after) => recordReload(audit, before, after),
  })
  vault.onChange(async id => {
    await supply.restock()
    kept.health.renew(id)
  })
  const graces = watchGraces(vault, log)
  const send = createSend({
    guard: { origin: text => guard.origin(text), addresses: (at, found) => guard.addresses(at, found) },
    connectTimeoutMs: supply.config().timeouts.connectMs,
    proxyFor: createProxyFor(env),
    log,
  })
  const alert = openAlerts({ config: supply.config, readRef, send, clock: nodeClock, log })
  const watch = createWatch({ monotonic: nodeClock.monotonic, log })
  let draining = false
  const kept = await openHealth(store, log)
  const deps: AccountDeps = {
    config: supply.config,
    market: supply.market,
    keys,
    env: settings.environment,
    guard: createAuthGuard({ clock: nodeClock }),
    refused: refusedKey(audit),
    signatures: createSignatures(nodeClock),
    ledger,
    account: ledger,
    lineage: name => keys.lineage(name),
    health: kept.health,
    experience: createExperience(),
    pressure: createPressure(),
    store,
    send,
    bytes: nodeBytes,
    clock: nodeClock,
    watch,
    pause: ms => new Promise(resolve => setTimeout(resolve, ms)),
    random: Math.random,
    newId,
    log,
    tally: meters.traffic,
    tokens: createTokens(log),
    scrub: text => redactor.scrub(text),
    closed: () => (vault.sealed ? 'sealed' : draining ? 'draining' : undefined),
  }
  const days = () => supply.config().retention.requestsDays
  const upkeep = startUpkeep({ store, clock: nodeClock, log, days })
  const planes = mount(deps, { ...books, ...options, vault, masterKey, audit, ledger, supply, own, meters })
  return {
    deps,
    ...planes,
    folder,
    masterKey,
    vault,
    audit,
    keys,
    projects,
    adminGate,
    ledger,
    supply,
    drain: () => {
      draining = true
    },
    breakOff: () => watch.stopAll(),
    async close() {
      upkeep.stop()
      graces.stop()
      await Promise.all([send.destroy(), signing.close()])
      await kept.close()
      await ledger.close()
      await audit.settle()
      await store.close()
      folder.release()
    },
  }
}

interface Offices extends Books, OpenOptions {
  readonly vault: OpenVault
  readonly masterKey: MasterKey
  readonly audit: AuditLog
  readonly ledger: LedgerOwner
  readonly supply: Supply
  readonly own: OwnCatalog
  readonly meters: Meters
}

function mount(deps: AccountDeps, o: Offices): { data: App; admin: App; whole: App } {
  const gate = createGate({
    verifyAdminToken: async text => o.adminGate.check(text),
    hosts: adminHosts(o.settings),
    audit: o.audit,
    now: deps.clock.now,
    randomBytes: nodeRandomBytes,
    // bound to the admin token's hash: a reset ends every session
    sessionKey: async () =>
      deps.bytes.of(
        o.sessionHmac(
          `session ${o.settings.env.SWITCHGATE_ADMIN_TOKEN || ((await deps.store.setting('admin_token_hash')) ?? '')}`,
        ),
      ),
  })
  const adminDeps: AdminDeps = {
    store: deps.store,
    keys: o.keys,
    projects: o.projects,
    vault: o.vault,
    audit: o.audit,
    ledger: o.ledger,
    isAlone: o.makesToken === false,
    health: deps.health,
    market: deps.market,
    routing: () => knownNow(deps),
    clock: deps.clock,
    log: deps.log,
    gate,
    providerNames: () => o.supply.providerNames(),
    resetAdminToken: () => o.adminGate.reset(),
    rotateMasterKey: given =>
      rotateMasterKey({ vault: o.vault, store: deps.store, masterKey: o.masterKey, given }),
    catalog: o.own.port(deps),
    config: o.supply.port,
    metrics: openMetrics({ ...o, health: deps.health, pressure: deps.pressure }),
    testCredential: (provider, secret) =>
      testCredential(provider, secret, deps.market(), deps.send, deps.scrub),
  }
  const data = createDataPlane(deps) as unknown as App
  const admin = new Hono() as App
  const pages = () =>
    [createAdmin(adminDeps), createDashboard(adminDeps, o.origin ? { origin: o.origin } : {})] as const
  for (const part of pages()) admin.route('/', part as unknown as App)
  admin.get('/', c => c.redirect('/dashboard'))
  // one listener for both: admin paths first, everything else is the data plane's
  const whole = new Hono() as App
  whole.all('*', c => {
    const { path } = c.req
    const isAdmin = path === '/' || /^\/(admin|dashboard|metrics)(\/|$)/.test(path)
    return (isAdmin ? admin : data).fetch(c.req.raw, c.env)
  })
  return { data, admin, whole }
}
