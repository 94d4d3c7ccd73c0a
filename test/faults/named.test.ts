/** Each known fault of other gateways has a test that carries its name: F01–F30 (translation), T14–T56 and T92–T96 (users' reports). */
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const TESTS = new URL('../', import.meta.url)

const numbered = (letter: string, from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => `${letter}${String(from + i).padStart(2, '0')}`)

/** Names that titles of tests begin with, as in 'T35 F02 a call …'. */
function named(): Set<string> {
  const found = new Set<string>()
  for (const file of readdirSync(TESTS, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.test.ts')) continue
    const text = readFileSync(new URL(file, TESTS), 'utf8')
    for (const [names] of text.matchAll(/(?<=['"`])(?:[FT]\d\d )+/g))
      for (const name of names.trim().split(' ')) found.add(name)
  }
  return found
}

test('every fault has a test of its name', () => {
  const have = named()
  const want = [...numbered('F', 1, 30), ...numbered('T', 14, 56), ...numbered('T', 92, 96)]
  expect(want.filter(name => !have.has(name))).toEqual([])
})
