/** Key texts: their form, their checksum, and that no digit is favoured. */
import { crc32 as zlibCrc32 } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { crc32, mint, parse, randomBase62 } from '../../src/keys/format.ts'
import { bytes } from './parts.ts'

test('every minted text has the published form and parses to its own id', () => {
  for (const env of ['live', 'staging', 'test', 'admin'] as const)
    for (let i = 0; i < 250; i++) {
      const { id, text } = mint(env, bytes)
      expect(text).toMatch(new RegExp(`^sgate_${env}_${id}_[0-9A-Za-z]{49}$`))
      expect(parse(text)).toEqual({ env, id })
    }
})

test('the extremes of the 256 bits fit the form', () => {
  for (const fill of [0, 255]) {
    let call = 0
    const { text } = mint('live', count => (call++ === 0 ? bytes(count) : new Uint8Array(count).fill(fill)))
    expect(parse(text)).toBeDefined()
  }
})

test('CRC-32 is the one that zlib computes', () => {
  expect(crc32('123456789')).toBe(0xcbf43926)
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme-ascii', maxLength: 90 }),
      text => crc32(text) === zlibCrc32(text),
    ),
  )
})

test('any wrong character, any swap of neighbours and any cut is noticed', () => {
  const { text } = mint('live', bytes)
  const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
  for (let at = 11; at < text.length; at++) {
    for (const digit of digits)
      if (digit !== text[at]) expect(parse(text.slice(0, at) + digit + text.slice(at + 1))).toBeUndefined()
    const swapped = text.slice(0, at) + (text[at + 1] ?? '') + text[at] + text.slice(at + 2)
    if (swapped !== text) expect(parse(swapped)).toBeUndefined()
    expect(parse(text.slice(0, at))).toBeUndefined()
  }
  expect(parse(text.replace('live', 'test'))).toBeUndefined()
  for (const odd of [
    `${text} `,
    ` ${text}`,
    `${text}\n`,
    text.toUpperCase(),
    `${text}0`,
    '',
    'sgate_',
    'sk-abc',
    'x'.repeat(1e6),
  ])
    expect(parse(odd)).toBeUndefined()
})

test('each of the 62 characters is as likely as any other', () => {
  const counts = new Map<string, number>()
  const drawn = 62_000
  for (const char of randomBase62(drawn, bytes)) counts.set(char, (counts.get(char) ?? 0) + 1)
  // Chi-squared with 61 degrees of freedom: above 120 once in 10^5 runs; a plain modulo of a byte gives about 2,000.
  let chi = 0
  for (const count of counts.values()) chi += (count - 1000) ** 2 / 1000
  expect(counts.size).toBe(62)
  expect(chi).toBeLessThan(130)
})
