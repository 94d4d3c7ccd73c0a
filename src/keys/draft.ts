/** What may be said of a key when it is made or changed, and how that is merged onto what is there. For the key book. */
import type { Budget, Environment, Hours, Key, Limits, Scope } from '../terms.ts'
import { mergeMetadata } from './metadata.ts'

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
  readonly regions?: readonly string[] | null
  readonly scopes?: readonly Scope[] | null
  readonly originAllow?: readonly string[] | null
  readonly hours?: Hours | null
  readonly tags?: readonly string[]
  /** Merged name by name onto what is there; null takes a name away, and null for the whole takes all. */
  readonly metadata?: Readonly<Record<string, string | null>> | null
}

const NO_LIMITS: Limits = { rpm: null, tpm: null, rpd: null, concurrency: null }

/** What of a key is not its identity: all that a successor takes over. */
export type Policy = Omit<
  Key,
  'id' | 'lineage' | 'hash' | 'pepperVersion' | 'status' | 'createdAtMs' | 'name' | 'env'
>

/** A key that nothing was said of. */
export const OPEN: Policy = {
  project: null,
  owner: null,
  expiresAtMs: null,
  models: null,
  providers: null,
  limits: NO_LIMITS,
  budgets: [],
  ipAllow: null,
  ipDeny: null,
  maxOutputTokens: null,
  defaultModel: null,
  tags: [],
  metadata: {},
  regions: null,
  scopes: null,
  originAllow: null,
  hours: null,
}

/** Members that are set, with `limits` and `metadata` merged one by one; an absent member leaves what was there. */
export function merge<T extends Policy>(onto: T, draft: KeyDraft): T {
  const { limits, metadata, ...rest } = draft
  const set = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
  return {
    ...onto,
    ...set,
    limits: { ...onto.limits, ...limits },
    metadata: mergeMetadata(onto.metadata, metadata),
  }
}
