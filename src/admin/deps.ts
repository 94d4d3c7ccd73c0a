/** What the admin plane and the dashboard need from outside; the runtime builds it once. */
import type { AuditLog } from '../audit/log.ts'
import type { Clock, Log } from '../deps.ts'
import type { KeyBook } from '../keys/book.ts'
import type { ProjectBook } from '../keys/projects.ts'
import type { OpenMoney } from '../ledger/ledger.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { Health } from '../route/health.ts'
import type { Market } from '../route/market.ts'
import type { RouteDeps } from '../route/plan.ts'
import type { Store, StoredRequest } from '../store/store.ts'
import type { Key, Project } from '../terms.ts'
import type { Vault } from '../vault/vault.ts'
import type { BudgetUse } from '../wire/account.ts'
import type { CatalogPort } from './catalog.ts'
import type { ConfigPort } from './config.ts'
import type { Gate } from './gate.ts'

/** The part of the ledger that views need. */
export interface LedgerView {
  /** Every budget of the key's lineage as it stands now. */
  usageOf(key: Key): readonly BudgetUse[]
  usageOfProject(project: Project): readonly BudgetUse[]
  /** Money of every open hold, by budget. */
  openMoney(): readonly OpenMoney[]
  /** Moves what is settled into the store; awaited before every read, so that a view includes what has ended. */
  fold(): void | Promise<void>
  /** Gives what a crash left `unknown` of a request this cost, nano-USD. Rejects with `not_found` or `conflict`. */
  release(requestId: string, costNanoUsd: number): Promise<StoredRequest>
}

/** Answer of a credential's test; `message` is shown to the admin and holds no secret. */
export interface CredentialTest {
  readonly ok: boolean
  readonly message: string
  /** False: the provider could not be asked, so it refused nothing. Absent = it was. */
  readonly asked?: boolean
}

/** Fingerprints of the master key before and now, and the files that hold them; null = the operator keeps them elsewhere. */
export interface MasterKeyRotation {
  readonly from: string
  readonly to: string
  readonly path: string | null
  readonly oldPath: string | null
}

export interface AdminDeps {
  readonly store: Store
  readonly keys: KeyBook
  /** Absent where projects are not supported yet (Workers). */
  readonly projects?: ProjectBook
  readonly vault: Vault
  /** Whose `store` is the one that all of these write to. */
  readonly audit: AuditLog
  /** The folder was opened for one command, and no gateway works on it: nothing is written meanwhile. Absent = one may. */
  readonly isAlone?: boolean
  readonly ledger: LedgerView
  readonly health: Health
  readonly market: () => Market
  /** What a plan would depend on now; absent = routes cannot be explained. */
  readonly routing?: () => RouteDeps
  readonly clock: Clock
  readonly log: Log
  /** One for admin plane and dashboard: they share sessions and the limit on failed logins. */
  readonly gate: Gate
  /** Names that a credential may be for: configured providers and built-in kinds. */
  readonly providerNames: () => readonly string[]
  /** The catalogue and its news; absent where it changes with the version only (Workers). */
  readonly catalog?: CatalogPort
  /** What another config file would change; absent where there is none (Workers). */
  readonly config?: ConfigPort
  /** Absent where processes come and go by themselves (Workers): what one of them counts says nothing. */
  readonly metrics?: Metrics
  /** Asks the provider whether this secret works. Never throws. */
  testCredential(provider: string, secret: string): Promise<CredentialTest>
  /** Replaces the master key by this one (base64), or by one that is made. Absent where it is the platform's secret (Workers). */
  readonly rotateMasterKey?: (given: string | undefined) => Promise<MasterKeyRotation>
  /** A new admin token in clear, shown once; the old one and every session end. Rejects with 409 when it is set by the environment. */
  resetAdminToken(): Promise<string>
}

/**
 * What the runtime says about a connection: the second argument of `fetch`. Nothing in it may come from a header
 * but `peer`, and that by the trusted-proxies rule alone.
 */
export interface AdminBindings {
  /** Client address, for the limit on failed logins. */
  readonly peer?: string
  /** True only for the data folder's unix socket and the in-process command line, where file permissions have decided. */
  readonly trusted?: boolean
  /** The connection is TLS (here or at a trusted proxy): cookies get `Secure`. */
  readonly secure?: boolean
}
