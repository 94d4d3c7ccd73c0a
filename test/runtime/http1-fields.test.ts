/** Header fields of an upstream's answer, read in one pass: against a reading that takes each line by itself. */
import { expect, test } from 'vitest'
import { type Headers, headersOf, NAME, VALUE } from '../../src/runtime/node/http1/fields.ts'

/** Line by line; a fault is its code. */
function plainly(text: string): Headers | string {
  const headers = Object.create(null) as Headers
  for (const line of text.split('\r\n').slice(0, text === '' || text.endsWith('\r\n') ? -1 : undefined)) {
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(0, colon))
    if (!NAME.test(name)) return 'HPE_INVALID_HEADER_TOKEN'
    const value = line.slice(colon + 1).trim()
    if (!VALUE.test(value)) return 'HPE_INVALID_HEADER_VALUE'
    const known = headers[name.toLowerCase()]
    headers[name.toLowerCase()] = known === undefined ? value : [known, value].flat()
  }
  return headers
}

function read(text: string): Headers | string {
  try {
    return headersOf(text, 0)
  } catch (error) {
    return (error as { code: string }).code
  }
}

const SIGNS = [
  '',
  ' ',
  '\t',
  '  ',
  '\r',
  '\n',
  '\0',
  '\x0b',
  '\xa0',
  '\x85',
  '\x7f',
  '\xff',
  ':',
  'x',
  'two words',
]
const NAMES = ['x-a', 'X-A', 'content-type', '__proto__', 'a b', '', `${'n'.repeat(70)}`, 'caf\xe9']

test('every pair of signs around and inside a value, for every name', () => {
  for (const name of NAMES)
    for (const first of SIGNS)
      for (const second of SIGNS)
        for (const line of [
          `${name}:${first}${second}`,
          `${name}: ${first}v${second}`,
          `${name}:v${first}${second}v`,
        ])
          for (const text of [line, `${line}\r\nx-b: 1`, `x-a: 0\r\n${line}`])
            expect(read(text), JSON.stringify(text)).toEqual(plainly(text))
})

test('lines without a colon, and lines without anything', () => {
  for (const text of ['', 'x', 'x\r\ny: 1', 'a: 1\r\nx', 'a: 1\r\n\r\nb: 2', 'x\ny: 1'])
    expect(read(text), JSON.stringify(text)).toEqual(plainly(text))
})

test('more names than are remembered, each of them twice', () => {
  for (let round = 0; round < 2; round++)
    for (let i = 0; i < 600; i++)
      expect(headersOf(`X-Many-${i}: ${round}`, 0)[`x-many-${i}`]).toBe(String(round))
})
