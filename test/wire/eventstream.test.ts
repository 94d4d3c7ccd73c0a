/** Amazon's binary frames: whole, cut anywhere, and broken in every way that a peer or an attacker could. */
import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../src/errors.ts'
import { crc32, createFrameSplitter, type FramedMessage } from '../../src/wire/eventstream.ts'
import { frame } from './frames.ts'

const text = (value: string) => new TextEncoder().encode(value)

function read(pieces: Iterable<Uint8Array>, most = 1 << 20) {
  const messages: FramedMessage[] = []
  const splitter = createFrameSplitter(message => messages.push(message), most)
  for (const piece of pieces) splitter.push(piece)
  return { messages, pending: splitter.pendingBytes }
}

const joined = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts))

describe('frames', () => {
  test('CRC-32 of the check string (ITU-T V.42)', () => {
    expect(crc32(text('123456789'))).toBe(0xcbf43926)
    expect(crc32(text('6789'), crc32(text('12345')))).toBe(0xcbf43926)
  })

  test('a message that AWS publishes (smithy "Amazon event stream", empty message)', () => {
    const bytes = Uint8Array.from([0, 0, 0, 0x10, 0, 0, 0, 0, 0x05, 0xc2, 0x48, 0xeb, 0x7d, 0x98, 0xc8, 0xff])
    expect(read([bytes]).messages).toEqual([{ headers: {}, payload: '' }])
  })

  test('the published message with one header of type int32 and a payload', () => {
    const bytes = Buffer.from(
      '0000002d00000010 41c424b8 0a6576656e742d747970650400 00a00c 7b27666f6f273a27626172277d 36f480a0'.replace(
        / /g,
        '',
      ),
      'hex',
    )
    expect(read([bytes]).messages).toEqual([{ headers: {}, payload: "{'foo':'bar'}" }])
  })

  const one = frame({ ':message-type': 'event', ':event-type': 'chunk' }, '{"é":"ü"}')
  const two = frame({ ':message-type': 'event', ':event-type': 'end' }, '')
  const both = joined(one, two)
  const wanted = [
    { headers: { ':message-type': 'event', ':event-type': 'chunk' }, payload: '{"é":"ü"}' },
    { headers: { ':message-type': 'event', ':event-type': 'end' }, payload: '' },
  ]

  test('cut at every byte, and byte by byte', () => {
    for (let at = 0; at <= both.length; at++)
      expect(read([both.subarray(0, at), both.subarray(at)]).messages).toEqual(wanted)
    expect(read(Array.from(both, byte => Uint8Array.of(byte))).messages).toEqual(wanted)
  })

  test('an incomplete frame is kept, not told', () => {
    const { messages, pending } = read([both.subarray(0, both.length - 1)])
    expect(messages).toEqual(wanted.slice(0, 1))
    expect(pending).toBe(two.length - 1)
  })

  test('any flipped bit is found', () => {
    for (let at = 0; at < one.length; at++) {
      const broken = one.slice()
      broken[at] = (broken[at] as number) ^ 1
      // a length that grew under a wrong checksum must not be waited for
      expect(() => read([broken]), `byte ${at}`).toThrow(GatewayError)
    }
  })

  test('a frame above the bound is refused before it is gathered', () => {
    const large = frame({}, 'x'.repeat(5_000))
    expect(() => read([large.subarray(0, 12)], 4_096)).toThrow(/more than 4096 bytes/)
    expect(read([large], 8_192).messages).toHaveLength(1)
  })

  test('headers that lie about their lengths are refused', () => {
    const lies: Uint8Array[] = [
      Uint8Array.from([200, 65]),
      Uint8Array.from([1, 65]),
      Uint8Array.from([1, 65, 7, 0]),
      Uint8Array.from([1, 65, 7, 255, 255, 66]),
      Uint8Array.from([1, 65, 99]),
      Uint8Array.from([1, 65, 8, 0, 0]),
    ]
    for (const lie of lies) expect(() => read([frame(lie, '{}')])).toThrow(/broken event stream/)
  })

  test('every other type of header is stepped over', () => {
    const name = (letter: string, ...value: number[]) => [1, letter.charCodeAt(0), ...value]
    const headers = Uint8Array.from([
      ...name('a', 0),
      ...name('b', 1),
      ...name('c', 2, 9),
      ...name('d', 3, 9, 9),
      ...name('e', 4, 9, 9, 9, 9),
      ...name('f', 5, 1, 2, 3, 4, 5, 6, 7, 8),
      ...name('g', 6, 0, 2, 9, 9),
      ...name('h', 8, 1, 2, 3, 4, 5, 6, 7, 8),
      ...name('i', 9, ...new Array<number>(16).fill(7)),
      ...name('j', 7, 0, 2, 111, 107),
    ])
    expect(read([frame(headers, 'p')]).messages).toEqual([{ headers: { j: 'ok' }, payload: 'p' }])
  })
})
