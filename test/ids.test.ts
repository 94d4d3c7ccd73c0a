/** The ids that the gateway gives: what is read back out of them. */
import { expect, test } from 'vitest'
import { requestIdOf, timeOfId } from '../src/ids.ts'
import { newId } from '../src/runtime/node/clock.ts'

test.each([
  ['req_0mfz1a2b30001abc123.1', 'req_0mfz1a2b30001abc123'],
  ['req_0mfz1a2b30001abc123.10', 'req_0mfz1a2b30001abc123'],
  ['req_0mfz1a2b30001abc123', 'req_0mfz1a2b30001abc123'],
  ['a.b.3', 'a.b'],
  ['a.', 'a'],
  ['.1', '.1'],
  ['.', '.'],
  ['', ''],
])('the request of attempt "%s" is "%s"', (attempt, request) => {
  expect(requestIdOf(attempt)).toBe(request)
})

test('an id says when it was made, and its attempts the same', () => {
  const before = Date.now()
  const ids = Array.from({ length: 5_000 }, () => newId('req_'))
  const after = Date.now()
  expect(new Set(ids).size).toBe(ids.length)
  expect([...ids].sort()).toEqual(ids)
  for (const id of ids) {
    const time = timeOfId(requestIdOf(`${id}.1`))
    expect(time).toBeGreaterThanOrEqual(before)
    expect(time).toBeLessThanOrEqual(after)
  }
})
