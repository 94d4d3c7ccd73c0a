/** Near names against the textbook definition of edit distance. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { distance, nearest } from '../../src/config/nearest.ts'

/** Levenshtein, written as its definition. */
function plainly(one: string, other: string): number {
  if (one === '' || other === '') return one.length + other.length
  const rest = plainly(one.slice(1), other.slice(1))
  if (one[0] === other[0]) return rest
  return 1 + Math.min(rest, plainly(one.slice(1), other), plainly(one, other.slice(1)))
}

test('the distance is the textbook one, cut off above its bound', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 })
  fc.assert(
    fc.property(word, word, fc.integer({ min: 0, max: 4 }), (one, other, most) => {
      expect(distance(one, other, most)).toBe(Math.min(plainly(one, other), most + 1))
    }),
  )
})

test('nearest first, short names strictly, case aside, at most three', () => {
  expect(nearest('GPT-5', ['gpt-5-mini', 'gpt-5', 'gpt-4', 'gpt-5.1', 'o1', 'gpt-4o'])).toEqual([
    'gpt-5',
    'gpt-4',
    'gpt-5.1',
  ])
  expect(nearest('o1', ['o3', 'sonar', 'gpt'])).toEqual(['o3'])
  expect(nearest('x'.repeat(300), ['x'.repeat(300)])).toEqual([])
})
