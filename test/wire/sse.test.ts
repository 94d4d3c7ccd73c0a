/** The event splitter: every form the standard allows, cut at every byte. */
import { describe, expect, it } from 'vitest'
import { GatewayError } from '../../src/errors.ts'
import { createSseSplitter } from '../../src/wire/sse.ts'
import { quickest } from '../waiting.ts'

type Event = [data: string, name: string | undefined]
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

function split(pieces: readonly Uint8Array[], eventBytesMax = 1_000): Event[] {
  const events: Event[] = []
  const splitter = createSseSplitter((data, name) => events.push([data, name]), { eventBytesMax })
  for (const piece of pieces) splitter.push(piece)
  splitter.end()
  return events
}

const CASES: [title: string, text: string, events: Event[]][] = [
  [
    'LF',
    'data: a\n\ndata: b\n\n',
    [
      ['a', undefined],
      ['b', undefined],
    ],
  ],
  [
    'CRLF',
    'event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n',
    [
      ['a', 'x'],
      ['b', undefined],
    ],
  ],
  [
    'CR',
    'data: a\r\rdata: b\r\r',
    [
      ['a', undefined],
      ['b', undefined],
    ],
  ],
  [
    'mixed ends',
    'data: a\r\ndata: b\rdata: c\n\r\ndata: d\n\r',
    [
      ['a\nb\nc', undefined],
      ['d', undefined],
    ],
  ],
  ['byte order mark', '\uFEFFdata: a\n\n', [['a', undefined]]],
  ['a mark inside stays', 'data: \uFEFFa\n\n', [['\uFEFFa', undefined]]],
  ['comments', ': ping\n\n:\n: x\ndata: a\n: y\n\n', [['a', undefined]]],
  ['several data lines', 'data: {\ndata: }\n\n', [['{\n}', undefined]]],
  ['no space after the colon', 'event:x\ndata:a\n\n', [['a', 'x']]],
  ['only one space is cut', 'data:  a \n\n', [[' a ', undefined]]],
  ['colons in the value', 'data: {"a":"b:c"}\n\n', [['{"a":"b:c"}', undefined]]],
  ['data without a colon', 'data\n\n', [['', undefined]]],
  ['id and retry are ignored', 'id: 1\nretry: 5\ndata: a\n\n', [['a', undefined]]],
  ['an event name without data is no event', 'event: x\n\ndata: a\n\n', [['a', undefined]]],
  ['several bytes a character', 'data: é→🙂\n\n', [['é→🙂', undefined]]],
  [
    'last blank line missing',
    'data: a\n\ndata: {"b":1}\n',
    [
      ['a', undefined],
      ['{"b":1}', undefined],
    ],
  ],
  [
    'last line end missing',
    'data: a\n\ndata: [DONE]',
    [
      ['a', undefined],
      ['[DONE]', undefined],
    ],
  ],
  ['cut off in the last event', 'data: a\n\ndata: {"b":', [['a', undefined]]],
  ['cut off between data lines', 'data: a\n\ndata: {\n', [['a', undefined]]],
  ['nothing', '', []],
]

describe('createSseSplitter', () => {
  for (const [title, text, events] of CASES) {
    it(`${title}: whole, cut in two at every byte, and byte by byte`, () => {
      const all = bytes(text)
      expect(split([all])).toEqual(events)
      for (let at = 0; at <= all.length; at++) {
        expect(split([all.subarray(0, at), all.subarray(at)]), `cut at ${at}`).toEqual(events)
      }
      expect(split(Array.from(all, byte => Uint8Array.of(byte)))).toEqual(events)
    })
  }

  it('replaces bytes that are not UTF-8 and goes on', () => {
    expect(split([Uint8Array.of(...bytes('data: a'), 0xff), bytes('\n\ndata: b\n\n')])).toEqual([
      ['a\uFFFD', undefined],
      ['b', undefined],
    ])
  })

  it('takes an event of exactly the limit and refuses one more, on one line or many, in pieces or whole', () => {
    const limit = 20
    const fits = 'data: 12345678901234' // 20
    expect(split([bytes(`${fits}\n\n`)], limit)).toEqual([['12345678901234', undefined]])
    const tooLong = [
      `${fits}5\n\n`,
      `${fits}5\n`,
      `: ${'x'.repeat(limit)}`,
      `data: 123456\ndata: 123456\ndata: 12\n\n`,
      `event: ${'x'.repeat(14)}\n\n`,
    ]
    for (const text of tooLong) {
      for (const pieces of [[bytes(text)], Array.from(bytes(text), byte => Uint8Array.of(byte))]) {
        expect(() => split(pieces, limit), text).toThrow(GatewayError)
      }
    }
  })

  it('does not count keep-alive comments towards an event', () => {
    expect(split([bytes(`${': ping\n'.repeat(100)}data: a\n\n`)], 10)).toEqual([['a', undefined]])
  })

  it('takes a long line in tiny pieces in linear time', async () => {
    const size = 300_000
    const piece = bytes('x')
    // Searching the whole line on each piece would copy 45 GB here.
    const tookMs = await quickest(8_000, async () => {
      const started = performance.now()
      const events = split(
        [bytes('data: '), ...Array.from({ length: size }, () => piece), bytes('\n\n')],
        size + 10,
      )
      expect(events[0]?.[0].length).toBe(size)
      return performance.now() - started
    })
    expect(tookMs).toBeLessThan(8_000)
  })
})
