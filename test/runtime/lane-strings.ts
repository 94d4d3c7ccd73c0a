/** Byte strings for listeners: requests good and bad, and what is done to them on the way. Seeded: the same each time. */

const CHAT = '/v1/chat/completions'

/** Mulberry32: small, and good enough to pick with. */
export function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const REQUEST_LINES = [
  `post ${CHAT} HTTP/1.1`,
  `GET ${CHAT} HTTP/1.1`,
  `PUT ${CHAT} HTTP/1.1`,
  `HEAD ${CHAT} HTTP/1.1`,
  `OPTIONS ${CHAT} HTTP/1.1`,
  `POSTS ${CHAT} HTTP/1.1`,
  ` POST ${CHAT} HTTP/1.1`,
  `\r\nPOST ${CHAT} HTTP/1.1`,
  `\nPOST ${CHAT} HTTP/1.1`,
  `POST  ${CHAT} HTTP/1.1`,
  `POST\t${CHAT} HTTP/1.1`,
  `POST ${CHAT}  HTTP/1.1`,
  `POST ${CHAT}\tHTTP/1.1`,
  `POST ${CHAT} HTTP/1.1 `,
  `POST ${CHAT} HTTP/1.0`,
  `POST ${CHAT} HTTP/1.2`,
  `POST ${CHAT} HTTP/2.0`,
  `POST ${CHAT} HTTP/0.9`,
  `POST ${CHAT} http/1.1`,
  `POST ${CHAT} HTTP/1.10`,
  `POST ${CHAT}`,
  `POST http://evil.test${CHAT} HTTP/1.1`,
  `POST https://evil.test:443${CHAT} HTTP/1.1`,
  `POST evil.test:443 HTTP/1.1`,
  'POST * HTTP/1.1',
  'OPTIONS * HTTP/1.1',
  'CONNECT evil.test:443 HTTP/1.1',
  `POST /${CHAT} HTTP/1.1`,
  `POST ${CHAT}/ HTTP/1.1`,
  `POST ${CHAT}#part HTTP/1.1`,
  `POST ${CHAT}?a=1#part HTTP/1.1`,
  `POST ${CHAT}?a=\x80 HTTP/1.1`,
  `POST ${CHAT}\x7f HTTP/1.1`,
  `POST ${CHAT}\0 HTTP/1.1`,
  `POST /v1/../v1/chat/completions HTTP/1.1`,
  `POST /V1/chat/completions HTTP/1.1`,
  `POST /v1/chat%2fcompletions HTTP/1.1`,
  'PRI * HTTP/2.0\r\n\r\nSM',
  '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  '',
]

/** Paths that the lane may serve, and how they may be written. */
const PATHS = [
  CHAT,
  CHAT,
  `${CHAT}?a=1&b=2`,
  `${CHAT}??"<>[]^\`{|}\\~`,
  '/openai/v1/embeddings',
  '/v1/messages',
  '/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse',
  '/v1beta/models/a%2fb%zz:generateContent',
  '/v1/rerank',
]

/** Lengths that are none, or are two. `#` is the real one. */
const LENGTHS = [
  'Content-Length: +#',
  'Content-Length: -#',
  'Content-Length: #,#',
  'Content-Length: #, #',
  'Content-Length: # #',
  'Content-Length: 0x#',
  'Content-Length: #.0',
  'Content-Length: #;',
  'Content-Length: ',
  'Content-Length: 99999999999999999999999',
  'Content-Length: 18446744073709551617',
  'Content-Length : #',
  ' Content-Length: #',
  'Content-Length:\x0b#',
  'Content-Length: #\x0c',
  'Content-Length: \0#',
  'Content-Length: #\r\nContent-Length: #',
  'Content-Length: #\r\ncontent-length: 1',
  'Content-Length: 1\r\nContent-Length: #',
  'Content-Length\0: #',
  'Content_Length: #',
  'Content-Length: #\r\n ',
  'Content-Length: \xb9#',
]

/** Lengths that both sides read. */
const GOOD_LENGTHS = [
  'Content-Length: #',
  'content-length:#',
  'CONTENT-LENGTH:   #  ',
  'Content-Length: 00#',
  'Content-Length:\t#\t',
]

const CHUNKED = [
  'Transfer-Encoding: chunked',
  'transfer-encoding:chunked',
  'Transfer-Encoding: chunked\r\nContent-Length: #',
  'Content-Length: #\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: identity\r\nContent-Length: #',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding:\x0bchunked',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
  'Transfer-Encoding\n: chunked',
  'X: y\nTransfer-Encoding: chunked',
]

/** Lines that the lane reads itself. */
const GOOD_LINES = [
  'Authorization: Bearer one',
  'X-Api-Key: two',
  'Content-Type: application/json',
  'Cookie: a=1',
  'Connection: keep-alive',
  'Connection: Keep-Alive',
  'Keep-Alive: timeout=5',
  'TE: trailers',
  'X-Forwarded-For: 203.0.113.1',
  'X-A: \x80\xff\xe9',
  'X-A:\t padded \t ',
  'X-A:',
  'X-A: a\tb',
  '__proto__: x',
  "!#$%&'*+-.^_`|~: x",
  `X-Long: ${'v'.repeat(3_000)}`,
]

/** Lines that are another's, or nobody's. */
const LINES = [
  'Authorization: Bearer one\r\nAuthorization: Bearer two',
  'authorization: Bearer one\r\nX-Api-Key: two',
  'X-Api-Key: one\r\nx-api-key: two',
  'Content-Type: application/json\r\nContent-Type: text/plain',
  'Cookie: a=1\r\nCookie: b=2',
  'Set-Cookie: a=1\r\nSet-Cookie: b=2',
  'Connection: keep-alive, upgrade',
  'Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
  'Connection: \tclose',
  'Proxy-Connection: close',
  'Proxy-Connection: keep-alive',
  'Upgrade: websocket',
  'Expect: 100-continue',
  'Expect: 200-ok',
  'Trailer: x-a',
  'X-Forwarded-For: 203.0.113.1\r\nX-Forwarded-For: 203.0.113.2',
  'Host: again',
  'X-A: a\x01b',
  'X-A: a\0b',
  'X-A: a\x7fb',
  'X-A: a\rb',
  'X-A: a\nb',
  'X-A: folded\r\n line',
  'X-A: folded\r\n\tline',
  'X-A : spaced',
  ' X-A: first is a space',
  'X-A',
  ': no name',
  'X A: b',
  'X(A): b',
  'X\x80A: b',
  `X-TooLong: ${'v'.repeat(17_000)}`,
  Array.from({ length: 98 }, (_, i) => `x-${i}: ${i}`).join('\r\n'),
  Array.from({ length: 130 }, (_, i) => `x-${i}: ${i}`).join('\r\n'),
]

export interface Written {
  /** latin1 */
  readonly text: string
  /** Where it is cut into writes. */
  readonly cuts: readonly number[]
}

/** The next byte string of these dice. */
export function write(roll: () => number): Written {
  const pick = <T>(all: readonly T[]): T => all[Math.floor(roll() * all.length)] as T
  const odds = (chance: number): boolean => roll() < chance

  const one = (): string => {
    const line = odds(0.8) ? `POST ${pick(PATHS)} HTTP/1.1` : pick(REQUEST_LINES)
    let body = pick(['', 'x', '{"model":"a"}', 'y'.repeat(600), '\0\r\n\r\nPOST / HTTP/1.1\r\n\r\n'])
    const isChunked = odds(0.1)
    const length = isChunked ? pick(CHUNKED) : pick(odds(0.85) ? GOOD_LENGTHS : LENGTHS)
    const headers = [odds(0.96) ? pick(['Host: here', 'host:here', 'HOST: ']) : 'X-No: host']
    if (odds(0.97)) headers.push(length.replaceAll('#', String(body.length)))
    while (odds(0.35)) headers.push(pick(odds(0.85) ? GOOD_LINES : LINES))
    headers.sort(() => roll() - 0.5)
    if (isChunked) body = `${body.length.toString(16)}${odds(0.1) ? ';ext=1' : ''}\r\n${body}\r\n0\r\n\r\n`
    if (odds(0.05)) body = body.slice(0, Math.floor(roll() * body.length))
    if (odds(0.05)) body += 'tail'
    const end = odds(0.97) ? '\r\n' : pick(['\n', '\r', '\r\r\n'])
    return [line, ...headers, '', ''].join(end) + body
  }

  let text = one()
  while (odds(0.3)) text += one()
  if (odds(0.2)) text = damaged(text, roll)
  const cuts: number[] = []
  while (odds(0.3)) cuts.push(Math.floor(roll() * text.length))
  return { text, cuts: cuts.sort((a, b) => a - b) }
}

/** One byte more, less or other. */
function damaged(text: string, roll: () => number): string {
  const at = Math.floor(roll() * text.length)
  const byte = String.fromCharCode(Math.floor(roll() * 256))
  const kind = roll()
  if (kind < 0.33) return text.slice(0, at) + byte + text.slice(at)
  if (kind < 0.66) return text.slice(0, at) + text.slice(at + 1)
  return text.slice(0, at) + byte + text.slice(at + 1)
}
