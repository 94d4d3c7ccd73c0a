/** Ids of tool calls for hosts that take only some forms of them. Pure: one id always becomes the same other one. */
import type { Quirks } from './provider.ts'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const NINE = /^[a-zA-Z0-9]{9}$/
const CHARS_MAX = 40

/**
 * The id itself when the host takes it, else one made of it. A call and its result say the same id, so both are mapped
 * alike in whichever request they come; what the host makes up passes back untouched, being of its own form.
 */
export function toolId(id: string, form: NonNullable<Quirks['toolIds']>): string {
  if (form === '9_alphanumeric') return NINE.test(id) ? id : digest(id)
  return id.length <= CHARS_MAX ? id : `${id.slice(0, CHARS_MAX - 10)}_${digest(id)}`
}

/** 53 bits of the text in nine characters: two multiplicative hashes (as MurmurHash3 mixes) side by side. Not for secrets. */
function digest(text: string): string {
  let a = 0xdeadbeef
  let b = 0x41c6ce57
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    a = Math.imul(a ^ unit, 0x9e3779b1)
    b = Math.imul(b ^ unit, 0x5f356495)
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35)
  b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35)
  let number = (b & 0x1fffff) * 0x1_0000_0000 + (a >>> 0)
  let out = ''
  for (let i = 0; i < 9; i++) {
    out += ALPHABET[number % 62]
    number = Math.floor(number / 62)
  }
  return out
}
