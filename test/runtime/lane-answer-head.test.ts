/** Heads of answers from what is known of the answers before: each is what it would be by itself. */
import { expect, test } from 'vitest'
import { type AnswerHead, answerHead, sent } from '../../src/runtime/node/lane/answer-head.ts'

/** The lines that the headers should have become, by themselves. */
const plain = (headers: readonly string[]): string => {
  let text = ''
  for (let i = 0; i < headers.length; i += 2) text += `\r\n${headers[i]}: ${headers[i + 1]}`
  return text
}
const textOf = ({ bytes }: AnswerHead): string => Buffer.from(bytes).toString('latin1')
const linesOf = (text: string): string => text.slice(text.indexOf('\r\n'), text.indexOf('\r\nDate: '))

test('values that change, that return, and that are empty', () => {
  for (const value of ['1', '2', '1', '', '1', 'a\tb', '\xe9', '\xe9', 'a\tb']) {
    const headers = ['x-test-turn', value, 'X-Test-Turn', `${value}${value}`, 'x-test-turn', '3']
    expect(linesOf(textOf(answerHead(200, headers, false)))).toBe(plain(headers))
  }
})

test('a value that was refused is refused again, and the good one before it is still good', () => {
  const good = ['x-test-split', 'fine']
  const bad = ['x-test-split', 'fine\r\nset-cookie: a=b']
  for (let i = 0; i < 3; i++) {
    expect(linesOf(textOf(answerHead(200, good, false)))).toBe(plain(good))
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
      const head = answerHead(200, headers, true)
      expect(linesOf(textOf(head))).toBe(plain(headers))
      expect(head.framing).toBe('length')
    }
  const dated = answerHead(200, ['dAte', 'once'], false)
  expect(textOf(dated)).toContain('\r\ndAte: once\r\nConnection: keep-alive')
  expect(dated.framing).toBe('chunked')
})

/** What stands in a head that is written for the first time, apart from those before it. */
const whole = (status: string, headers: readonly string[], end: string): RegExp => {
  const said = `HTTP/1.1 ${status}${plain(headers)}`.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${said}\r\nDate: [A-Za-z]{3}, [^\r]* GMT\r\n${end}\r\n\r\n$`)
}
const KEPT = 'Connection: keep-alive\r\nKeep-Alive: timeout=65'

test('values grow and shrink in any order, beyond the room that the last head had', () => {
  const fill = (length: number, sign: string) => sign.repeat(length)
  for (let i = 0; i < 400; i++) {
    const [a, b, c] = [(i * 7) % 40, (i * 31) % 301, i % 97 === 0 ? 5_000 : (i * 13) % 9]
    const headers = ['x-test-a', fill(a, 'a'), 'x-test-b', fill(b, 'b'), 'x-test-c', fill(c, 'c')]
    const head = answerHead(200, headers, false)
    expect(textOf(head)).toMatch(whole('200 OK', headers, `${KEPT}\r\nTransfer-Encoding: chunked`))
    sent(head)
  }
})

test('heads of the same number of headers that differ in status, names, framing or what becomes of the connection', () => {
  const chunked = '\r\nTransfer-Encoding: chunked'
  for (let i = 0; i < 3; i++) {
    const some = ['x-test-a', String(i), 'x-test-b', 'b']
    const others = ['x-test-b', String(i), 'content-length', '7']
    expect(textOf(answerHead(200, some, false))).toMatch(whole('200 OK', some, KEPT + chunked))
    expect(textOf(answerHead(200, others, false))).toMatch(whole('200 OK', others, KEPT))
    expect(textOf(answerHead(200, others, true))).toMatch(whole('200 OK', others, 'Connection: close'))
    expect(textOf(answerHead(404, others, true))).toMatch(whole('404 Not Found', others, 'Connection: close'))
    expect(textOf(answerHead(204, some, false))).toMatch(whole('204 No Content', some, KEPT))
  }
})

test('a head that has not left stays as it is while others are made', () => {
  const headersOf = (i: number) => ['x-test-wait', `value ${i}`, 'x-test-more', 'm'.repeat(i)]
  const heads = [0, 1, 2, 3].map(i => answerHead(200, headersOf(i), false))
  sent(heads[1] as AnswerHead)
  expect(() => answerHead(200, ['x-test-wait', '\n', 'x-test-more', ''], false)).toThrow(TypeError)
  answerHead(200, headersOf(9), false)
  for (const [i, head] of heads.entries()) expect(linesOf(textOf(head))).toBe(plain(headersOf(i)))
})
