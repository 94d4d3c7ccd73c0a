/** The master key as text: 32 bytes in base64. Where it comes from is the runtime's business. */
import { fromBase64 } from './seal.ts'
import { Secret } from './secret.ts'

/** How to make one, for error messages. */
export const MASTER_KEY_CURE = 'make one with: head -c 32 /dev/urandom | base64'

/** Reads base64 (or base64url) of exactly 32 bytes. Throws an error that names `source` and the cure, never the text. */
export function parseMasterKey(text: string, source: string): Secret {
  const bytes = fromBase64(text.trim())
  if (bytes === undefined) throw new Error(`${source} is not base64; ${MASTER_KEY_CURE}`)
  if (bytes.length !== 32)
    throw new Error(
      `${source} holds ${bytes.length} bytes, the master key has exactly 32; ${MASTER_KEY_CURE}`,
    )
  // 32 equal bytes are a placeholder that somebody forgot to replace.
  if (bytes.every(byte => byte === bytes[0])) throw new Error(`${source} is not random; ${MASTER_KEY_CURE}`)
  const secret = new Secret(bytes, 'master key')
  bytes.fill(0)
  return secret
}
