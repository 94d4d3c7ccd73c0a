/** The text of a platform key: made, and checked offline before anything is looked up. Pure and portable. */
import type { Environment } from '../terms.ts'

/** What a key text opens: the data plane of one environment, or the admin plane. */
export type KeyKind = Environment | 'admin'

export interface KeyText {
  readonly env: KeyKind
  /** Public id, safe in logs. */
  readonly id: string
}

/** Every credential of ours starts with this; values that do not are somebody else's. */
export const KEY_PREFIX = 'sgate_'

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const ID_LENGTH = 12
/** 62^43 ≥ 2^256. */
const SECRET_LENGTH = 43
/** 62^6 > 2^32. */
const CHECK_LENGTH = 6
const FORM = /^sgate_(live|staging|test|admin)_([0-9A-Za-z]{12})_[0-9A-Za-z]{49}$/
const LENGTH_MIN = 73
const LENGTH_MAX = 76

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1
  return c
})

/** CRC-32 (IEEE 802.3) of ASCII text, unsigned. */
export function crc32(text: string, end = text.length): number {
  let c = 0xffffffff
  for (let i = 0; i < end; i++) c = (CRC[(c ^ text.charCodeAt(i)) & 255] ?? 0) ^ (c >>> 8)
  return (c ^ 0xffffffff) >>> 0
}

function checkOf(text: string, end = text.length): string {
  let value = crc32(text, end)
  let digits = ''
  for (let i = 0; i < CHECK_LENGTH; i++) {
    digits = DIGITS.charAt(value % 62) + digits
    value = Math.floor(value / 62)
  }
  return digits
}

/** Base62 of a whole 256-bit number: each of the 2^256 values has its own text, so no digit is biased by a modulo. */
function encodeSecret(bytes: Uint8Array): string {
  let value = 0n
  for (const byte of bytes) value = value * 256n + BigInt(byte)
  let digits = ''
  for (let i = 0; i < SECRET_LENGTH; i++) {
    digits = DIGITS.charAt(Number(value % 62n)) + digits
    value /= 62n
  }
  return digits
}

/** Random base62 characters, each equally likely: bytes of 248 and above are thrown away. */
export function randomBase62(length: number, randomBytes: (count: number) => Uint8Array): string {
  let text = ''
  while (text.length < length) {
    for (const byte of randomBytes(length * 2))
      if (byte < 248 && text.length < length) text += DIGITS.charAt(byte % 62)
  }
  return text
}

/** A fresh key text with 256 bits of secret: `sgate_<env>_<id 12>_<secret 43><CRC-32 of all before it, 6>`. */
export function mint(env: KeyKind, randomBytes: (count: number) => Uint8Array): { id: string; text: string } {
  const id = randomBase62(ID_LENGTH, randomBytes)
  const body = `${KEY_PREFIX}${env}_${id}_${encodeSecret(randomBytes(32))}`
  return { id, text: body + checkOf(body) }
}

/** Environment and id of a well-formed key text, or undefined. A checksum is no proof: it only keeps typos and garbage from costing a hash. */
export function parse(text: string): KeyText | undefined {
  if (text.length < LENGTH_MIN || text.length > LENGTH_MAX) return undefined
  const match = FORM.exec(text)
  if (match === null) return undefined
  const end = text.length - CHECK_LENGTH
  if (checkOf(text, end) !== text.slice(end)) return undefined
  return { env: match[1] as KeyKind, id: match[2] ?? '' }
}

/** Id in a text that has the form of a key but not its checksum: mistyped, cut or made up. Undefined = not even that. */
export function mistypedId(text: string): string | undefined {
  return text.length <= LENGTH_MAX ? FORM.exec(text)?.[2] : undefined
}
