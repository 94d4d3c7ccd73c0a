/** Heads of answers from what is known of the answers before: each is what it would be by itself. */
import { expect, test } from 'vitest'
import { answerHead } from '../../src/runtime/node/lane/answer-head.ts'

/** The lines that the headers should have become, by themselves. */
const plain = (headers: readonly string[]): string => {
  let text = ''
  for (let i = 0; i < headers.length; i += 2) text += `\r\n${headers[i]}: ${headers[i + 1]}`
  return text
}
const linesOf = (text: string): string => text.slice(text.indexOf('\r\n'), text.indexOf('\r\nDate: '))

test('values that change, that return, and that are empty', () => {
  for (const value of ['1', '2', '1', '', '1', 'a\tb', '\xe9', '\xe9', 'a\tb']) {
    const headers = ['x-test-turn', value, 'X-Test-Turn', `${value}${value}`, 'x-test-turn', '3']
    expect(linesOf(answerHead(200, headers, false).text)).toBe(plain(headers))
  }
})

test('a value that was refused is refused again, and the good one before it is still good', () => {
  const good = ['x-test-split', 'fine']
  const bad = ['x-test-split', 'fine\r\nset-cookie: a=b']
  for (let i = 0; i < 3; i++) {
    expect(linesOf(answerHead(200, good, false).text)).toBe(plain(good))
    expect(() => answerHead(200, bad, false)).toThrow(/x-test-split/)
    for (const sign of ['\n', '\r', '\0', '\x7f', 'Ā'])
      expect(() => answerHead(200, ['x-test-split', sign], false)).toThrow(TypeError)
  }
})

test('names are refused each time, however often they come', () => {
  for (let i = 0; i < 3; i++)
    for (const name of ['a b', 'a:b', '', 'ä', 'Connection', 'TRANSFER-encoding', 'trailer'])
      expect(() => answerHead(200, [name, 'x'], false)).toThrow(TypeError)
})

test('more names than are remembered', () => {
  for (let round = 0; round < 2; round++)
    for (let i = 0; i < 1_000; i++) {
      const headers = [`x-test-${i}`, String(round), 'Content-Length', String(i)]
      const { text, framing } = answerHead(200, headers, true)
      expect(linesOf(text)).toBe(plain(headers))
      expect(framing).toBe('length')
    }
  const dated = answerHead(200, ['dAte', 'once'], false)
  expect(dated.text).toContain('\r\ndAte: once\r\nConnection: keep-alive')
  expect(dated.framing).toBe('chunked')
})
