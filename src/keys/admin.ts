/** The admin token: made once, kept as a hash, checked without a database. Not part of the request path. */
import { GatewayError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import { mint } from './format.ts'

export interface AdminGateOptions {
  readonly store: Pick<Store, 'setting' | 'commit'>
  /** HMAC-SHA-256 with the keyring's session key, hex. */
  readonly hmac: (text: string) => string
  readonly randomBytes: (count: number) => Uint8Array
  /** `SWITCHGATE_ADMIN_TOKEN`: used instead of a stored one, and not stored. */
  readonly configured: string | undefined
  /** False: a token is not made now, because nobody would be shown it (the command line over a fresh folder). Default true. */
  readonly mayMake?: boolean
}

export interface AdminGate {
  /** Text of the token if it was made just now; it is shown once and exists nowhere else. */
  readonly made: string | undefined
  check(token: string): boolean
  /** A new token; the old one ends. Rejects when the token is configured. */
  reset(): Promise<string>
}

const SETTING = 'admin_token_hash'
const LENGTH_MIN = 32
/** No sensible token is longer; nothing longer is hashed. */
const LENGTH_MAX = 1024

/** Opens the admin plane's lock, making a token on the first start. Throws when the configured token is too short. */
export async function createAdminGate(options: AdminGateOptions): Promise<AdminGate> {
  const { store, hmac, configured } = options
  if (configured !== undefined && (configured.length < LENGTH_MIN || configured.length > LENGTH_MAX))
    throw new Error(
      `SWITCHGATE_ADMIN_TOKEN has ${configured.length} characters; use ${LENGTH_MIN} to ${LENGTH_MAX}, for example from: openssl rand -hex 32`,
    )
  let hash = configured === undefined ? await store.setting(SETTING) : hmac(configured)
  let made: string | undefined
  if (hash === undefined && options.mayMake !== false) {
    const { text } = mint('admin', options.randomBytes)
    await store.commit([{ op: 'put_setting_once', name: SETTING, value: hmac(text) }])
    hash = await store.setting(SETTING)
    // Another first start may have been quicker: then its token is the one, and ours was never valid.
    if (hash === hmac(text)) made = text
  }
  return {
    made,
    // Comparing keyed hashes leaks nothing by timing: who guesses cannot steer the hash.
    check: token => token.length >= LENGTH_MIN && token.length <= LENGTH_MAX && hmac(token) === hash,
    async reset() {
      if (configured !== undefined)
        throw new GatewayError(
          'invalid_request',
          'The admin token is set by SWITCHGATE_ADMIN_TOKEN. Change it there and restart.',
          { code: 'conflict', status: 409 },
        )
      const { text } = mint('admin', options.randomBytes)
      const next = hmac(text)
      await store.commit([{ op: 'put_setting', name: SETTING, value: next }])
      hash = next
      return text
    },
  }
}
