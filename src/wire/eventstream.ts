/**
 * Amazon's event stream: bytes from an upstream → messages, each checked. In front of the decoders of Bedrock's streams.
 * Form: prelude (total length, headers' length, CRC-32 of both), headers, payload, CRC-32 of all before it; big-endian.
 * https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html "Event stream encoding" (smithy.io "Amazon event stream").
 */
import { GatewayError } from '../errors.ts'

/** One message. `headers` holds the text ones (`:message-type`, `:event-type`, `:exception-type`, …). */
export interface FramedMessage {
  readonly headers: Readonly<Record<string, string>>
  readonly payload: string
}

export interface FrameSplitter {
  /** Any piece of the stream, cut anywhere. Throws GatewayError('malformed') for what is no frame, or one above the limit. */
  push(bytes: Uint8Array): void
  /** Bytes of a frame that is still coming in: at the end of a whole stream there are none. */
  readonly pendingBytes: number
}

const PRELUDE_BYTES = 12
const CRC_BYTES = 4
/** Headers are a few dozen bytes; the format allows 128 KiB of them. */
const HEADERS_BYTES_MAX = 131_072

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let crc = n
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc >>> 0
})

/** CRC-32 (IEEE 802.3, as zlib's), going on from `before`. */
export function crc32(bytes: Uint8Array, before = 0): number {
  let crc = ~before
  for (let i = 0; i < bytes.length; i++)
    crc = (CRC_TABLE[(crc ^ (bytes[i] as number)) & 0xff] as number) ^ (crc >>> 8)
  return ~crc >>> 0
}

const fault = (what: string): GatewayError =>
  new GatewayError('malformed', `the upstream sent a broken event stream: ${what}`)

/** Cuts a byte stream into messages. `frameBytesMax` bounds what is kept for one of them. */
export function createFrameSplitter(
  onMessage: (message: FramedMessage) => void,
  frameBytesMax: number,
): FrameSplitter {
  /** Grows to the frame that is coming in; pieces are copied into it once. */
  let held = new Uint8Array(1_024)
  let filled = 0

  function keep(bytes: Uint8Array): void {
    if (filled + bytes.length > held.length) {
      const larger = new Uint8Array(Math.max(held.length * 2, filled + bytes.length))
      larger.set(held.subarray(0, filled))
      held = larger
    }
    held.set(bytes, filled)
    filled += bytes.length
  }

  /** Length of the frame that begins at `start`; undefined = not all of its prelude is there. */
  function lengthAt(bytes: Uint8Array, start: number): number | undefined {
    if (bytes.length - start < PRELUDE_BYTES) return undefined
    const view = new DataView(bytes.buffer, bytes.byteOffset + start)
    const total = view.getUint32(0)
    const headers = view.getUint32(4)
    if (view.getUint32(8) !== crc32(bytes.subarray(start, start + 8))) throw fault('wrong prelude checksum')
    if (total < PRELUDE_BYTES + CRC_BYTES + headers || headers > HEADERS_BYTES_MAX)
      throw fault('impossible lengths')
    if (total > frameBytesMax)
      throw new GatewayError('malformed', `the upstream sent an event of more than ${frameBytesMax} bytes`)
    return total
  }

  /** Reads whole frames; gives back where the rest begins. */
  function take(bytes: Uint8Array): number {
    let start = 0
    for (;;) {
      const length = lengthAt(bytes, start)
      if (length === undefined || bytes.length - start < length) return start
      onMessage(messageOf(bytes.subarray(start, start + length)))
      start += length
    }
  }

  return {
    push(bytes) {
      if (filled > 0) {
        keep(bytes)
        const read = take(held.subarray(0, filled))
        held.copyWithin(0, read, filled)
        filled -= read
        return
      }
      const read = take(bytes)
      if (read < bytes.length) keep(bytes.subarray(read))
    },
    get pendingBytes() {
      return filled
    },
  }
}

function messageOf(frame: Uint8Array): FramedMessage {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  const end = frame.length - CRC_BYTES
  if (view.getUint32(end) !== crc32(frame.subarray(0, end))) throw fault('wrong message checksum')
  const bodyStart = PRELUDE_BYTES + view.getUint32(4)
  return {
    headers: headersIn(frame, view, bodyStart),
    payload: new TextDecoder().decode(frame.subarray(bodyStart, end)),
  }
}

/** Bytes of a value by its type: true, false, byte, short, int, long, bytes, text, time, UUID; undefined = a length stands before it. */
const VALUE_BYTES: readonly (number | undefined)[] = [0, 0, 1, 2, 4, 8, undefined, undefined, 8, 16]
const TEXT = 7

function headersIn(frame: Uint8Array, view: DataView, end: number): Record<string, string> {
  const headers: Record<string, string> = {}
  const decoder = new TextDecoder()
  let at = PRELUDE_BYTES
  while (at < end) {
    const nameEnd = at + 1 + view.getUint8(at)
    if (nameEnd >= end) throw fault('a header without a value')
    const type = view.getUint8(nameEnd)
    if (type >= VALUE_BYTES.length) throw fault('a header of an unknown type')
    const fixed = VALUE_BYTES[type]
    const valueStart = nameEnd + (fixed === undefined ? 3 : 1)
    if (valueStart > end) throw fault('a header without a value')
    const valueEnd = valueStart + (fixed ?? view.getUint16(nameEnd + 1))
    if (valueEnd > end) throw fault('a header that is longer than all of them')
    if (type === TEXT)
      headers[decoder.decode(frame.subarray(at + 1, nameEnd))] = decoder.decode(
        frame.subarray(valueStart, valueEnd),
      )
    at = valueEnd
  }
  return headers
}
