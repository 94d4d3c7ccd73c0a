/** The one shape of head that the lane reads, and everything near it that it leaves to node:http. */
import { describe, expect, test } from 'vitest'
import { readHead } from '../../src/runtime/node/lane/head.ts'

const LINE = 'POST /v1/chat/completions HTTP/1.1'
const head = (...lines: string[]) => Buffer.from([...lines, '', ''].join('\r\n'), 'latin1')
const read = (...lines: string[]) => readHead(head(...lines))
const GOOD = ['Host: here', 'Content-Length: 5']

test('what is read: target, length, where the body begins, values without the white space around them', () => {
  const bytes = head(
    'POST /v1/messages?a=1?b HTTP/1.1',
    'hOST:\t here \t',
    'Content-length:0012',
    'X-A: \xe9\tb',
    'X-B:',
  )
  const found = readHead(Buffer.concat([bytes, Buffer.from('body')]))
  expect(found).toMatchObject({ target: '/v1/messages?a=1?b', mark: 12, length: 12, end: bytes.length })
  expect(
    ['host', 'content-length', 'x-a', 'x-b', 'x-c', 'x', 'host:'].map(name => found?.value(name)),
  ).toEqual(['here', '0012', '\xe9\tb', '', undefined, undefined, undefined])
})

test.each([
  ['keep-alive in any case', ['Connection: Keep-ALIVE']],
  ['names of every token character', ["!#$%&'*+-.^_`|~0aZ: x"]],
  ['a name that objects have', ['__proto__: x', 'constructor: y', 'toString: z']],
  ['98 more headers', Array.from({ length: 98 }, (_, i) => `x-${i}: ${i}`)],
])('is read: %s', (_name, lines) => {
  expect(read(LINE, ...GOOD, ...lines)?.length).toBe(5)
})

describe('is left to node:http', () => {
  test.each([
    'GET /v1/chat/completions HTTP/1.1',
    'post /v1/chat/completions HTTP/1.1',
    'POST  /v1/chat/completions HTTP/1.1',
    'POST /v1/chat/completions  HTTP/1.1',
    'POST /v1/chat/completions HTTP/1.0',
    'POST /v1/chat/completions HTTP/1.1 ',
    'POST http://here/v1/chat/completions HTTP/1.1',
    'POST v1/chat/completions HTTP/1.1',
    'POST * HTTP/1.1',
    'POST /v1/chat\x7f HTTP/1.1',
    'POST /v1/chat\x80 HTTP/1.1',
    'POST /v1/chat\0 HTTP/1.1',
    'POST /v1/chat\t HTTP/1.1',
    'POST /v1/chat#x HTTP/1.1',
    '\r\nPOST /v1/chat/completions HTTP/1.1',
  ])('the request line %j', line => {
    expect(read(line, ...GOOD)).toBeUndefined()
  })

  test.each([
    ['no host', ['Content-Length: 5']],
    ['no length', ['Host: here']],
    ['two hosts', [...GOOD, 'host: there']],
    ['two lengths', [...GOOD, 'content-length: 5']],
    ['any name twice', [...GOOD, 'X-A: 1', 'x-a: 1']],
    ['two authorizations', [...GOOD, 'Authorization: Bearer a', 'authorization: Bearer b']],
    ['101 headers', [...GOOD, ...Array.from({ length: 99 }, (_, i) => `x-${i}: ${i}`)]],
    ...['+5', '-5', '5,5', '5 5', '0x5', '5.0', '', '\xb25', '1234567890123456', '5\0'].map(
      length =>
        [`the length ${JSON.stringify(length)}`, ['Host: here', `Content-Length: ${length}`]] as const,
    ),
    ...[
      'Transfer-Encoding: chunked',
      'Expect: 100-continue',
      'Upgrade: h2c',
      'Trailer: x',
      'transfer-encoding:',
    ].map(line => [line, [...GOOD, line]] as const),
    ...['close, x', 'keep-alive, upgrade', 'upgrade', '', 'keep-alivee'].map(
      value => [`Connection: ${value}`, [...GOOD, `Connection: ${value}`]] as const,
    ),
    ['Proxy-Connection', [...GOOD, 'Proxy-Connection: keep-alive']],
    ['a folded line', [...GOOD, 'X-A: a', ' b']],
    ['white space before the colon', [...GOOD, 'X-A : b']],
    ['white space before a name', [...GOOD, ' X-A: b']],
    ['no name', [...GOOD, ': b']],
    ['no colon', [...GOOD, 'X-A']],
    ['a name that is no token', [...GOOD, 'X(A): b']],
    ['a name beyond ASCII', [...GOOD, 'X\xe9: b']],
    ['a bare line feed', [...GOOD, 'X-A: a\nX-B: b']],
    ['a bare carriage return', [...GOOD, 'X-A: a\rb']],
    ['a NUL', [...GOOD, 'X-A: a\0']],
    ['a control character', [...GOOD, 'X-A: a\x0b']],
    ['DEL', [...GOOD, 'X-A: a\x7f']],
  ] as const)('%s', (_name, lines) => {
    expect(read(LINE, ...lines)).toBeUndefined()
  })

  test('a head that is not all there, cut anywhere', () => {
    const bytes = head(LINE, ...GOOD)
    for (let at = 0; at < bytes.length; at++) expect(readHead(bytes.subarray(0, at)), `${at}`).toBeUndefined()
    expect(readHead(bytes)).toBeDefined()
  })

  test('a head above 16 KiB, and lines that end in a line feed alone', () => {
    const room = 16_384 - head(LINE, ...GOOD, 'X-A: ').length
    expect(read(LINE, ...GOOD, `X-A: ${'v'.repeat(room)}`)).toBeDefined()
    expect(read(LINE, ...GOOD, `X-A: ${'v'.repeat(room + 1)}`)).toBeUndefined()
    expect(readHead(Buffer.from([LINE, ...GOOD, '', ''].join('\n')))).toBeUndefined()
  })
})
