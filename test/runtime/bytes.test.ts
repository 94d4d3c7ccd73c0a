/** Two implementations of the Bytes port, one behaviour: Buffer's is the reference. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { nodeBytes } from '../../src/runtime/node/bytes.ts'
import { portableBytes } from '../../src/wire/bytes.ts'

// Few different values, so that needles are often found and nearly found.
const some = (maxLength: number) => fc.uint8Array({ max: 2, maxLength })

test('find and findLast agree everywhere', () => {
  fc.assert(
    fc.property(some(40), some(4), fc.nat(45), (hay, needle, from) => {
      expect(portableBytes.find(hay, needle, from)).toBe(nodeBytes.find(hay, needle, from))
      expect(portableBytes.find(hay, needle)).toBe(nodeBytes.find(hay, needle))
      expect(portableBytes.findLast(hay, needle)).toBe(nodeBytes.findLast(hay, needle))
    }),
    { numRuns: 5000 },
  )
})

test('a view into a larger buffer is searched in its own bounds', () => {
  const whole = new TextEncoder().encode('needle-needle-needle')
  const part = whole.subarray(7, 13)
  const needle = new TextEncoder().encode('needle')
  for (const bytes of [nodeBytes, portableBytes]) {
    expect(bytes.find(part, needle)).toBe(0)
    expect(bytes.findLast(part, needle)).toBe(0)
    expect(bytes.find(part, needle, 1)).toBe(-1)
    expect(bytes.text(part)).toBe('needle')
  }
})

test('text, of and concat agree, with broken UTF-8 and byte order marks too', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 12 })), fc.string({ unit: 'binary' }), (parts, text) => {
      const whole = portableBytes.concat(parts)
      expect([...whole]).toEqual([...nodeBytes.concat(parts)])
      expect(portableBytes.text(whole)).toBe(nodeBytes.text(whole))
      expect([...portableBytes.of(text)]).toEqual([...nodeBytes.of(text)])
    }),
  )
  const marked = Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)
  expect(portableBytes.text(marked)).toBe('\ufeffa')
  expect(nodeBytes.text(marked)).toBe('\ufeffa')
})
