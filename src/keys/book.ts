/** The life of platform keys: made, changed, rotated, suspended, revoked. Memory answers the request path; the store remembers. */
import type { KeyRing } from '../deps.ts'
import type { Budget, Environment, Key, Limits } from '../terms.ts'

/** What a caller of `POST /admin/v1/keys` may set; absent = default. */
export interface KeyDraft {
  readonly name?: string
  readonly env?: Environment
  readonly owner?: string | null
  readonly project?: string | null
  readonly expiresAtMs?: number | null
  readonly models?: readonly string[] | null
  readonly providers?: readonly string[] | null
  readonly limits?: Partial<Limits>
  readonly budgets?: readonly Budget[]
  readonly ipAllow?: readonly string[] | null
  readonly ipDeny?: readonly string[] | null
  readonly maxOutputTokens?: number | null
  readonly defaultModel?: string | null
  readonly tags?: readonly string[]
  readonly metadata?: Readonly<Record<string, string>>
}

/** A fresh key with its text, which exists nowhere else and is shown once. */
export interface MintedKey {
  readonly key: Key
  readonly text: string
}

export interface KeyBook extends KeyRing {
  create(draft: KeyDraft): Promise<MintedKey>
  /** Merges; null clears. Undefined = no such key. */
  patch(id: string, changes: KeyDraft): Promise<Key | undefined>
  /** A successor in the same lineage; the old key ends after the grace. */
  rotate(id: string, graceSeconds: number): Promise<(MintedKey & { readonly replaced: Key }) | undefined>
  /** In force in memory before the promise resolves. Revocation is final: anything else on a revoked key is a conflict (GatewayError `invalid_request`, code `conflict`, status 409). */
  setStatus(id: string, status: Key['status']): Promise<Key | undefined>
  get(id: string): Key | undefined
  list(): readonly Key[]
  /** All keys of a lineage. */
  lineage(lineage: string): readonly Key[]
  /** Called after any change, with the key's new state. */
  onChange(listener: (key: Key) => void): void
}
