/** Provider credentials at rest: envelope encryption, and references to secrets kept elsewhere. */
import type { StoredCredential } from '../store/store.ts'

export interface CredentialDraft {
  readonly provider: string
  readonly name: string
  readonly weight?: number
  /** Exactly one of the two. */
  readonly secret?: string
  /** `env://NAME`, `file:///path`. */
  readonly ref?: string
}

export interface Vault {
  /** First 8 hex of SHA-256 of the master key. */
  readonly masterKeyFingerprint: string
  readonly sealed: boolean
  add(draft: CredentialDraft): Promise<StoredCredential>
  list(): Promise<readonly StoredCredential[]>
  /** A new secret for the same credential; the old one is gone. */
  replace(id: string, secret: string): Promise<StoredCredential | undefined>
  remove(id: string): Promise<boolean>
  /** The secret in clear, for building the market only. Throws GatewayError('sealed'). */
  open(credential: StoredCredential): Promise<string>
  /** Called after any change of credentials: the market is rebuilt. */
  onChange(listener: () => void): void
  /** Forgets the master key and everything derived from it, until restart. */
  seal(): void
}
