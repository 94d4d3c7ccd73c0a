/** Keyed hashes and random bytes on Node: synchronous, because a key is looked up while the request is being read. */
import { createHmac, randomBytes } from 'node:crypto'
import { GatewayError } from '../../errors.ts'
import type { Hmac } from '../../keys/memory.ts'
import type { Keyring } from '../../vault/keyring.ts'
import type { Secret } from '../../vault/secret.ts'

function hmacHex(key: Secret | undefined, text: string): string {
  const bytes = key?.reveal()
  if (bytes === undefined)
    throw new GatewayError('sealed', 'The vault is sealed. Restart the gateway to open it.')
  return createHmac('sha256', bytes).update(text, 'utf8').digest('hex')
}

/** HMAC-SHA-256 of a platform key with one version of the pepper, hex. Throws GatewayError('sealed') once the vault is sealed. */
export function createKeyHmac(keyring: () => Keyring): Hmac {
  return (version, text) => hmacHex(keyring().peppers.get(version), text)
}

/** HMAC-SHA-256 with the session key, hex: admin tokens and dashboard sessions. */
export function createSessionHmac(keyring: () => Keyring): (text: string) => string {
  return text => hmacHex(keyring().session, text)
}

/**
 * HMAC-SHA-256 for the audit log, hex, with a key of its own that is derived from the session key: whoever can write the
 * database but has no master key cannot make a row. Throws GatewayError('sealed') once the vault is sealed.
 */
export function createAuditHmac(keyring: () => Keyring): (text: string) => string {
  return text =>
    createHmac('sha256', hmacHex(keyring().session, 'switchgate audit key 1'))
      .update(text, 'utf8')
      .digest('hex')
}

/** Bytes of the system's CSPRNG. */
export const nodeRandomBytes = (count: number): Uint8Array => randomBytes(count)
