/** The store of thought signatures: an hour, bounded, each lineage for itself. */
import { expect, test } from 'vitest'
import { createSignatures } from '../../src/attempt/signatures.ts'

function storeAt(limits = {}) {
  let nowMs = 0
  const store = createSignatures({ now: () => nowMs, monotonic: () => nowMs }, limits)
  return { store, wait: (ms: number) => (nowMs += ms) }
}

test('kept for an hour, for the lineage that it was told to', () => {
  const { store, wait } = storeAt()
  store.keep('a', 'call_1', 'SIG')
  expect([store.find('a', 'call_1'), store.find('b', 'call_1'), store.find('a', 'call_2')]).toEqual([
    'SIG',
    undefined,
    undefined,
  ])
  wait(3_599_999)
  expect(store.find('a', 'call_1')).toBe('SIG')
  wait(1)
  expect(store.find('a', 'call_1')).toBeUndefined()
})

test('the oldest go when there are too many, or too long ones', () => {
  const { store } = storeAt({ entriesMax: 2, charsMax: 100, signatureCharsMax: 60 })
  for (const id of ['1', '2', '3']) store.keep('a', id, `S${id}`)
  expect(['1', '2', '3'].map(id => store.find('a', id))).toEqual([undefined, 'S2', 'S3'])
  // said again, it is the newest
  store.keep('a', '2', 'S2b')
  store.keep('a', '4', 'S4')
  expect(['2', '3', '4'].map(id => store.find('a', id))).toEqual(['S2b', undefined, 'S4'])
  store.keep('a', '5', 'x'.repeat(60))
  store.keep('a', '6', 'y'.repeat(50))
  expect(['5', '6'].map(id => store.find('a', id)?.length)).toEqual([undefined, 50])
  store.keep('a', '7', 'z'.repeat(61))
  expect([store.find('a', '7'), store.find('a', '6')?.length]).toEqual([undefined, 50])
})

test('a hundred thousand calls leave no more behind than the bound', () => {
  const { store } = storeAt({ entriesMax: 1_000 })
  for (let i = 0; i < 100_000; i++) store.keep('a', String(i), 'SIG')
  const left = Array.from({ length: 100_000 }, (_, i) => store.find('a', String(i))).filter(Boolean)
  expect(left).toHaveLength(1_000)
})
