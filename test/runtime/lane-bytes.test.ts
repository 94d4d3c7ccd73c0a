/** What goes over the wire: the lane's answers beside node:http's for the same calls of the same handler, byte by byte. */
import { afterEach, describe, expect, test } from 'vitest'
import type { Call, Sink } from '../../src/terms.ts'
import { until } from '../waiting.ts'
import { call, open, request } from './lane-rig.ts'

const text = (body: string) => Buffer.from(body, 'latin1')
const big = (size: number, char = 'b') => Buffer.alloc(size, char)

let errors: unknown[] = []
afterEach(() => {
  errors = []
})

type Handler = (call: Call, sink: Sink) => unknown

const DATE = /^Date: (\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT)$/m

/** Everything until the caller's own mark is answered, or the connection ends. The time of day is taken out. */
async function heardFrom(
  lane: boolean,
  handler: Handler,
  bytes: string,
  isWhole: (heard: string) => boolean,
) {
  const served: string[] = []
  const { port } = await open(
    async (call, sink) => {
      served.push(call.constructor.name)
      // node:http calls before it has looked at the body: what is done at once is done after that, as on the lane
      if (!lane) await new Promise(done => setImmediate(done))
      try {
        await handler(call, sink)
      } catch (error) {
        errors.push(error)
        sink.abort?.()
      }
    },
    { lane },
  )
  const one = call(port)
  one.send(bytes)
  await until(() => one.over() || isWhole(one.text()))
  const heard = one.text()
  const date = DATE.exec(heard)?.[1]
  if (date !== undefined) expect(Math.abs(Date.parse(date) - Date.now())).toBeLessThan(60_000)
  return { heard: heard.replaceAll(new RegExp(DATE, 'gm'), 'Date: now'), over: one.over(), served }
}

/** Chunks put together: how a body is cut into chunks is nobody's business. */
function plain(heard: string): string {
  const end = heard.indexOf('\r\n\r\n') + 4
  if (!/Transfer-Encoding: chunked/.test(heard.slice(0, end))) return heard
  let body = ''
  let rest = heard.slice(end)
  for (;;) {
    const size = Number.parseInt(rest, 16)
    const start = rest.indexOf('\r\n') + 2
    if (Number.isNaN(size)) return `${heard.slice(0, end)}${body}<no end>`
    if (size === 0) return `${heard.slice(0, end)}${body}<end>${rest.slice(start + 2)}`
    body += rest.slice(start, start + size)
    rest = rest.slice(start + size + 2)
  }
}

const JSON_HEAD = ['content-type', 'application/json', 'x-request-id', 'req_1']
const isEnded = (heard: string) => heard.endsWith('0\r\n\r\n')
const hasBody = (size: number) => (heard: string) =>
  heard.includes('\r\n\r\n') && heard.length - heard.indexOf('\r\n\r\n') - 4 >= size

const CASES: readonly (readonly [string, Handler, (heard: string) => boolean])[] = [
  [
    'a whole answer with its length',
    (_, sink) => {
      sink.head(200, [...JSON_HEAD, 'content-length', '5', 'cache-control', 'no-store'])
      sink.end(text('whole'))
    },
    hasBody(5),
  ],
  [
    'a whole answer that is large',
    (_, sink) => {
      sink.head(200, ['Content-Length', '300000'])
      sink.end(big(300_000))
    },
    hasBody(300_000),
  ],
  [
    'a whole answer without a length',
    (_, sink) => {
      sink.head(200, JSON_HEAD)
      sink.end(text('whole'))
    },
    isEnded,
  ],
  [
    'an answer without a body',
    (_, sink) => {
      sink.head(200, JSON_HEAD)
      sink.end()
    },
    isEnded,
  ],
  [
    'a length of nothing',
    (_, sink) => {
      sink.head(200, ['content-length', '0'])
      sink.end(text(''))
    },
    heard => heard.includes('\r\n\r\n'),
  ],
  [
    'a stream',
    async (_, sink) => {
      sink.head(200, ['content-type', 'text/event-stream; charset=utf-8'])
      sink.write(text('data: 1\n\n'))
      sink.write(text('data: 2\n\n'))
      await new Promise(done => setImmediate(done))
      sink.write(text('data: 3\n\n'))
      sink.end(text('data: [DONE]\n\n'))
    },
    isEnded,
  ],
  [
    'a stream of large and small pieces',
    async (_, sink) => {
      sink.head(200, [])
      for (const size of [1, 16_383, 16_384, 70_000, 3]) {
        sink.write(big(size, String(size % 10)))
        await new Promise(done => setImmediate(done))
      }
      sink.end(big(40_000, 'e'))
    },
    isEnded,
  ],
  ['an answer without a head', (_, sink) => sink.end(text('headless')), hasBody(8)],
  ...[400, 401, 403, 404, 413, 429, 500, 502, 503, 504, 299].map(
    status =>
      [
        `status ${status}`,
        (_: Call, sink: Sink) => {
          sink.head(status, ['content-length', '2', 'x-should-retry', 'false'])
          sink.end(text('no'))
        },
        hasBody(2),
      ] as const,
  ),
  ...[204, 304].map(
    status =>
      [
        `status ${status} has no body`,
        (_: Call, sink: Sink) => {
          sink.head(status, ['x-a', 'b'])
          sink.write(text('ignored'))
          sink.end(text('ignored'))
        },
        (heard: string) => heard.includes('\r\n\r\n'),
      ] as const,
  ),
  [
    'values of every byte that may stand in one',
    (_, sink) => {
      const all = Array.from({ length: 224 }, (_, i) => String.fromCharCode(i + 32)).join('')
      sink.head(200, ['x-all', `\t${all.replace('\x7f', '')}`, 'X-MiXed', '', 'x-two', '1', 'x-two', '2'])
      sink.end()
    },
    isEnded,
  ],
  [
    'a date of its own',
    (_, sink) => {
      sink.head(200, ['Date', 'yesterday', 'content-length', '0'])
      sink.end()
    },
    heard => heard.includes('\r\n\r\n'),
  ],
]

describe('answers', () => {
  test.each(CASES)('%s', async (_name, handler, isWhole) => {
    const lane = await heardFrom(true, handler, request('x'), isWhole)
    const node = await heardFrom(false, handler, request('x'), isWhole)
    expect(lane.served).toEqual(['LaneExchange'])
    expect(node.served).toEqual(['NodeCall'])
    expect(errors).toEqual([])
    expect(linesOf(lane.heard)).toEqual(linesOf(node.heard))
    expect(lane.over).toBe(false)
  })

  /** The lines of the head and the body. Without a head of its own, node:http puts the length last. */
  function linesOf(heard: string): { lines: string[]; body: string } {
    const whole = plain(heard)
    const at = whole.indexOf('\r\n\r\n')
    const lines = whole.slice(0, at).toString().split('\r\n')
    const isHeadless = whole.endsWith('headless')
    return {
      lines: isHeadless ? lines.map(line => line.toLowerCase()).sort() : lines,
      body: whole.slice(at + 4),
    }
  }

  test.each([
    ['a line end', 'a\r\nx-evil: 1'],
    ['a line feed', 'a\nb'],
    ['a NUL', 'a\0b'],
    ['a control character', 'a\x07b'],
    ['a character beyond latin1', 'a\u2028b'],
  ])('%s in a value is refused before anything is sent', async (_name, value) => {
    const handler: Handler = (_, sink) => {
      sink.head(200, ['x-a', value])
      sink.end(text('never'))
    }
    for (const lane of [true, false]) {
      const { heard } = await heardFrom(lane, handler, request('x'), () => false)
      expect(heard).toBe('')
      expect(errors.splice(0)).toMatchObject([{ name: 'TypeError' }])
    }
  })

  test.each([['x a'], ['x:a'], ['x\r\ny'], ['']])('the name %j is refused', async name => {
    const handler: Handler = (_, sink) => {
      sink.head(200, [name, 'b'])
      sink.end(text('never'))
    }
    for (const lane of [true, false]) {
      const { heard } = await heardFrom(lane, handler, request('x'), () => false)
      expect(heard).toBe('')
      expect(errors.splice(0)).toMatchObject([{ name: 'TypeError' }])
    }
  })

  test.each(['Connection', 'transfer-encoding', 'keep-alive'])(
    'nobody frames an answer of the lane with %s',
    async name => {
      const { heard } = await heardFrom(
        true,
        (_, sink) => sink.head(200, [name, 'x']),
        request('x'),
        () => false,
      )
      expect(heard).toBe('')
      expect(errors).toMatchObject([{ message: `the answer frames itself: ${name}` }])
    },
  )
})

describe('answers to what was not read to its end', () => {
  const LIMIT = 1_000
  const refusing: Handler = async (call, sink) => {
    try {
      await call.read(LIMIT)
    } catch (error) {
      const { kind, message } = error as { kind: string; message: string }
      sink.head(kind === 'too_large' ? 413 : 400, ['content-length', String(message.length)])
      sink.end(text(message))
    }
  }

  test.each([
    ['a body that is too large, by its word', request('x'.repeat(5_000))],
    ['a body that is too large, of which nothing has come', request('x'.repeat(5_000)).slice(0, -5_000)],
    ['a body that is compressed', request('x', 'Content-Encoding: GZIP\r\n')],
  ])('%s: the same words, and the same fate of the connection', async (_name, bytes) => {
    const isWhole = (heard: string) => {
      const declared = /content-length: (\d+)/.exec(heard)
      return declared !== null && hasBody(Number(declared[1]))(heard)
    }
    const lane = await heardFrom(true, refusing, bytes, isWhole)
    const node = await heardFrom(false, refusing, bytes, isWhole)
    expect(lane.served).toEqual(['LaneExchange'])
    // all of a small body is here before anybody looks: the lane need not close, node:http has not counted it yet
    const kept = /Connection: .*\r\n(Keep-Alive: .*\r\n)?/
    expect(lane.heard.replace(kept, '')).toBe(node.heard.replace(kept, ''))
    expect(lane.heard).toMatch(/HTTP\/1\.1 4(13|00)/)
    const isAllHere = bytes.length === request('x'.repeat(5_000)).length || bytes.includes('GZIP')
    expect(lane.heard.includes('Connection: close')).toBe(!isAllHere)
  })

  test('an early answer closes, and both say so alike', async () => {
    const handler: Handler = (_, sink) => {
      sink.head(401, ['content-length', '2'])
      sink.end(text('no'))
    }
    const half = request('x'.repeat(500)).slice(0, -200)
    const lane = await heardFrom(true, handler, half, hasBody(2))
    const node = await heardFrom(false, handler, half, hasBody(2))
    expect(lane.heard).toContain('Connection: close')
    expect(lane.heard).toBe(node.heard)
  })
})
