/** The port of the store: a closed union of writes committed as one unit, and named reads. No interactive transactions. */
import type { AttemptRow, Environment, Key, KeyStatus, Project } from '../terms.ts'

/** Another secret of a credential, beside the current one. Times are epoch ms. */
export interface SecretVersion {
  /** Counted from 1 within the credential; part of the blob's identity. */
  readonly version: number
  /** `pending` waits to be promoted; `previous` stands in while the current one is refused. At most one of each. */
  readonly stage: 'pending' | 'previous'
  readonly sealed: string
  readonly fingerprint: string
  /** When it got there. */
  readonly sinceMs: number
  /** From then on it is not used any more; null = it has no end (`pending`). */
  readonly endsAtMs: number | null
}

/** A provider credential at rest. `sealed` is the vault's blob; `ref` names a secret elsewhere; exactly one is set. */
export interface StoredCredential {
  readonly id: string
  readonly provider: string
  readonly name: string
  readonly weight: number
  readonly sealed: string | null
  readonly ref: string | null
  /** First 6 hex of SHA-256 of the secret, for people. */
  readonly fingerprint: string | null
  readonly status: 'active' | 'retired'
  readonly createdAtMs: number
  readonly lastOkAtMs: number | null
  readonly lastFailedAtMs: number | null
  /** Of the current secret. */
  readonly version: number
  readonly others: readonly SecretVersion[]
}

/** A sum of spent money per budget bucket, so that a restart knows the windows. `lineage` = whose budget it is (owners.ts). */
export interface BudgetBucket {
  readonly lineage: string
  readonly window: string
  readonly bucketStartMs: number
  readonly spentNanoUsd: number
}

/** One row of the audit log, as it is kept (src/audit/entry.ts says what `prev` and `hash` are). */
export interface AuditRow {
  /** 1, 2, 3, … without gaps. */
  readonly seq: number
  readonly atMs: number
  /** `admin`, `dashboard`, `local`, `gateway`, `caller`, `stranger`. */
  readonly actor: string
  readonly address: string | null
  /** `<thing>.<what happened to it>`, as in `key.rotate`. */
  readonly action: string
  /** `<kind>:<id>`, as in `key:1a2b…`; null = the gateway itself. */
  readonly target: string | null
  /** A JSON object as text: what was changed, without any secret. */
  readonly detail: string
  /** Hex. */
  readonly prev: string
  /** Hex. */
  readonly hash: string
}

/** Which rows of the audit log; all that is given must fit. */
export interface AuditQuery {
  /** Newest first and below `seq`, or oldest first and above it. */
  readonly order: 'newest' | 'oldest'
  readonly seq?: number
  readonly limit: number
  readonly actor?: string
  /** A whole action, or the thing before the dot. */
  readonly action?: string
  /** Any of these. */
  readonly targets?: readonly string[]
  /** Inclusive, epoch ms. */
  readonly fromMs?: number
  /** Exclusive. */
  readonly toMs?: number
}

export type Op =
  | { readonly op: 'put_key'; readonly key: Key }
  | { readonly op: 'set_key_status'; readonly id: string; readonly status: KeyStatus }
  | { readonly op: 'put_project'; readonly project: Project }
  | { readonly op: 'put_credential'; readonly credential: StoredCredential }
  | { readonly op: 'delete_credential'; readonly id: string }
  /** Names: `keyring`, `admin_token_hash`, `health`, … */
  | { readonly op: 'put_setting'; readonly name: string; readonly value: string }
  /** Only if absent; used for first-start races. */
  | { readonly op: 'put_setting_once'; readonly name: string; readonly value: string }
  /** Buckets that began before this and that no window counts any more; `total` stays. */
  | { readonly op: 'forget_buckets'; readonly beforeMs: number }
  /** Gives so much of a slice back: what of it was folded as spent, or is not needed. */
  | {
      readonly op: 'return_slice'
      readonly holder: string
      readonly owner: string
      readonly window: string
      readonly nanoUsd: number
    }
  | { readonly op: 'renew_slices'; readonly holder: string; readonly expiresAtMs: number }
  /** All slices of a process whose holds are known to be settled. */
  | { readonly op: 'release_slices'; readonly holder: string }
  /** Refused, and everything committed with it, when the log has a row with this number. Only src/audit/ makes these. */
  | { readonly op: 'put_audit'; readonly row: AuditRow }

/** What one of several processes asks of a budget window for itself. Amounts nano-USD, times epoch ms. */
export interface SliceAsk {
  /** The process. */
  readonly holder: string
  /** Whose budget (owners.ts). */
  readonly owner: string
  readonly window: string
  /** Buckets that begin at or after this count. */
  readonly sinceMs: number
  readonly limitNanoUsd: number
  /** Less is of no use, unless nobody else has a slice: then the rest. */
  readonly needNanoUsd: number
  readonly wantNanoUsd: number
  readonly expiresAtMs: number
}

/** Where a window stands after an ask, nano-USD. */
export interface SliceAnswer {
  /** All that the process has of it now. */
  readonly sliceNanoUsd: number
  /** By everybody, as far as it was folded. */
  readonly spentNanoUsd: number
  /** Slices of others. */
  readonly othersNanoUsd: number
}

export type SpendGroup = 'key' | 'project' | 'model' | 'provider' | 'day' | 'hour' | 'user' | 'tag'

export interface SpendQuery {
  /** Inclusive, epoch ms. */
  readonly fromMs: number
  /** Exclusive. */
  readonly toMs: number
  /** What the clock shows, where it is known: nothing is later, so a running hour or day may be read from its sums. */
  readonly nowMs?: number
  readonly groupBy: readonly SpendGroup[]
  /** Only these keys; undefined = all. */
  readonly keyIds?: readonly string[]
}

/** One group of a spend view. `estimatedNanoUsd` and `unknownNanoUsd` are parts of `costNanoUsd`. */
export interface SpendRow {
  readonly group: Readonly<Partial<Record<SpendGroup, string | null>>>
  readonly requests: number
  readonly attempts: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly cachedTokens: number
  readonly costNanoUsd: number
  readonly estimatedNanoUsd: number
  readonly unknownNanoUsd: number
  /** Requests whose price was unknown: their cost is not in `costNanoUsd`. */
  readonly unpricedRequests: number
}

export interface RequestQuery {
  readonly keyIds?: readonly string[]
  readonly model?: string
  /** Exact status or a class such as 4 for 4xx. */
  readonly status?: number
  readonly cursor?: string
  readonly limit: number
}

/** Attempts of one request, in order. */
export interface StoredRequest {
  readonly id: string
  readonly attempts: readonly AttemptRow[]
}

export interface KeyUse {
  readonly keyId: string
  readonly lastUsedAtMs: number
  readonly spentNanoUsd: number
}

/** Where sums are taken from: computed from the ledger's rows, or kept beside them. */
export type SummedFrom = 'rows' | 'hours' | 'days'

/** Another cost for a row of the ledger; `to` differs from `from` in nothing that sums are grouped by. */
export interface Correction {
  /** As the store has it. */
  readonly from: AttemptRow
  readonly to: AttemptRow
  /** Where its cost was counted. */
  readonly buckets: readonly {
    /** Absent = the row's lineage. */
    readonly owner?: string | undefined
    readonly window: string
    readonly bucketStartMs: number
  }[]
}

export interface Endings {
  readonly requests: number
  readonly wrong: readonly { readonly id: string; readonly endings: number; readonly createdAtMs: number }[]
}

export interface Store {
  readonly schemaVersion: number
  /** `as` = what the audit log calls this change when the ops alone do not say it, as in `key.rotate`; stores themselves do not look at it. */
  commit(ops: readonly Op[], as?: string): Promise<void>
  /**
   * Folds settled attempts into rows, hourly roll-ups and budget buckets in one transaction. Idempotent by attempt id:
   * a row that is already there changes nothing at all (a crash may replay the journal). Throws or rejects with nothing
   * written: RangeError for a row that cannot be summed, else what the engine says. `buckets` may be called twice a row.
   * `detail` = the row's packed text (packed.ts) where it is already made.
   */
  fold(
    rows: readonly AttemptRow[],
    buckets: (row: AttemptRow) => readonly {
      /** Absent = the row's lineage. */
      readonly owner?: string | undefined
      readonly window: string
      readonly bucketStartMs: number
    }[],
    detail?: (row: AttemptRow) => string | undefined,
  ): void | Promise<void>
  /** Gives rows another cost, and the difference to every sum and bucket that counted them, in one transaction with `also`. Rejects with nothing written when a row is no longer as given. */
  correct(all: readonly Correction[], also?: readonly Op[]): Promise<void>
  /** Enlarges a slice if spent money and all slices together stay within the limit. Two asks at once never get the same money. */
  lease(ask: SliceAsk): Promise<SliceAnswer>
  /** Processes that have slices, and when the last of each expires, epoch ms. */
  sliceHolders(): Promise<ReadonlyMap<string, number>>
  keys(): Promise<readonly Key[]>
  keyByHash(hash: string): Promise<Key | undefined>
  keyById(id: string): Promise<Key | undefined>
  /** Entries of `originAllow` of all active keys, each once. */
  origins(): Promise<readonly string[]>
  /** The organisation among them, once it was given budgets or limits. */
  projects(): Promise<readonly Project[]>
  credentials(): Promise<readonly StoredCredential[]>
  setting(name: string): Promise<string | undefined>
  /** Buckets that start at or after `sinceMs`, plus every `total` bucket. */
  buckets(sinceMs: number): Promise<readonly BudgetBucket[]>
  spend(query: SpendQuery): Promise<readonly SpendRow[]>
  requests(
    query: RequestQuery,
  ): Promise<{ readonly data: readonly StoredRequest[]; readonly nextCursor: string | null }>
  /**
   * By request id, or by the answer's own id. Upstreams may repeat an answer's id: the newest wins, among these keys
   * when `keyIds` is given.
   */
  request(id: string, keyIds?: readonly string[]): Promise<StoredRequest | undefined>
  /** Sums by key, model, provider, project and user, with and without tags, as one of the three sources has them; spans are whole hours, or days for `days`. */
  summed(from: SummedFrom, fromMs: number, toMs: number): Promise<readonly SpendRow[]>
  /** How many requests began in the span, and those that do not have exactly one row that ends them. */
  endings(fromMs: number, toMs: number): Promise<Endings>
  /** Deletes attempts of requests that began before this time, the oldest first and at most so many; how many it were. All sums stay. */
  forgetRequests(beforeMs: number, most: number): Promise<number>
  /** Start of the UTC day of the oldest attempt that is kept, epoch ms; undefined = there is none. */
  oldestDay(): Promise<number | undefined>
  /**
   * Adds up days that had ended by then by end user and tag alone, so that views of many days read less; nothing else
   * changes. How many it were. `goOn` is waited for between steps of about a millisecond; false = enough for now.
   */
  closeDays(beforeMs: number, goOn: () => Promise<boolean>): Promise<number>
  /** Total spend and last use per key. */
  keyUse(): Promise<readonly KeyUse[]>
  /** Rows of the audit log, at most `limit`. */
  auditRows(query: AuditQuery): Promise<readonly AuditRow[]>
  /** Copies the database to a file that can be opened elsewhere. */
  backup(path: string): Promise<void>
  /** `SELECT 1`, for readiness. Rejects when storage is gone. */
  ping(): Promise<void>
  close(): Promise<void>
}

export type { Environment }
