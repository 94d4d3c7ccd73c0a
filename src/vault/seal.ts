/** Authenticated encryption of the vault: AES-256-GCM by WebCrypto, with the record's whole identity as additional data. */

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })
const NONCE_BYTES = 12

/** `v1.<key version>.<nonce>.<ciphertext and tag>`, the last two base64url. */
const BLOB = /^v1\.(\d{1,9})\.([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{22,})$/

/** A blob that cannot be opened: changed, moved from another record, or sealed with another key. */
export class BrokenSeal extends Error {
  override readonly name = 'BrokenSeal'
}

export function toBase64Url(bytes: Uint8Array): string {
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

/** Bytes of base64 or base64url text. Undefined = it is neither. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  const plain = text.replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '')
  if (!/^[A-Za-z0-9+/]*$/.test(plain) || plain.length % 4 === 1) return undefined
  return Uint8Array.from(atob(plain), char => char.charCodeAt(0))
}

const toHex = (bytes: Uint8Array): string =>
  Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')

/** The first `length` hex digits of SHA-256: for people to compare, too short to be of use to anyone else. */
export async function fingerprintOf(
  secret: Uint8Array<ArrayBuffer> | string,
  length: number,
): Promise<string> {
  const bytes = typeof secret === 'string' ? encoder.encode(secret) : secret
  return toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))).slice(0, length)
}

/** A key of 32 bytes as WebCrypto takes it, not extractable again. */
export function importKey(bytes: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt'])
}

/** Who a blob belongs to, unambiguously: `['credential', id, provider, name, 'secret']` and the version of the key. */
const additional = (identity: readonly string[], version: number): Uint8Array<ArrayBuffer> =>
  encoder.encode(JSON.stringify(['switchgate:v1', ...identity, version]))

/** Encrypts under a fresh nonce. The blob opens only with the same key, version and identity. */
export async function sealText(
  key: CryptoKey,
  version: number,
  identity: readonly string[],
  text: string,
  random: (count: number) => Uint8Array,
): Promise<string> {
  const iv = new Uint8Array(random(NONCE_BYTES))
  const sealed = await crypto.subtle.encrypt(
    { name: 'AES-GCM', iv, additionalData: additional(identity, version) },
    key,
    encoder.encode(text),
  )
  return `v1.${version}.${toBase64Url(iv)}.${toBase64Url(new Uint8Array(sealed))}`
}

/** Version of the key that a blob was sealed with. Undefined = not a blob of ours. */
export function versionOf(blob: string): number | undefined {
  const match = BLOB.exec(blob)
  return match === null ? undefined : Number(match[1])
}

/** Decrypts; rejects with BrokenSeal, whose message holds nothing of the blob. */
export async function openText(key: CryptoKey, identity: readonly string[], blob: string): Promise<string> {
  const match = BLOB.exec(blob)
  const [iv, sealed] = [fromBase64(match?.[2] ?? ''), fromBase64(match?.[3] ?? '')]
  if (match === null || iv?.length !== NONCE_BYTES || sealed === undefined)
    throw new BrokenSeal(`${identity.join('/')} is not a sealed blob`)
  // Spare bits at the end of base64 must be zero, or two texts would be one blob.
  if (toBase64Url(iv) !== match[2] || toBase64Url(sealed) !== match[3])
    throw new BrokenSeal(`${identity.join('/')} is not a sealed blob`)
  try {
    const plain = await crypto.subtle.decrypt(
      { name: 'AES-GCM', iv, additionalData: additional(identity, Number(match[1])) },
      key,
      sealed,
    )
    return decoder.decode(plain)
  } catch {
    throw new BrokenSeal(
      `${identity.join('/')} does not open: it was changed, moved, or sealed with another key`,
    )
  }
}
