/** Writes frames of Amazon's event stream, with zlib's CRC-32: independent of the reader under test. */
import { crc32 } from 'node:zlib'

/** Text headers, or their bytes as they are. */
export function frame(headers: Readonly<Record<string, string>> | Uint8Array, payload: string): Uint8Array {
  const head = headers instanceof Uint8Array ? Buffer.from(headers) : textHeaders(headers)
  const body = Buffer.from(payload)
  const prelude = Buffer.alloc(12)
  prelude.writeUInt32BE(16 + head.length + body.length, 0)
  prelude.writeUInt32BE(head.length, 4)
  prelude.writeUInt32BE(crc32(prelude.subarray(0, 8)), 8)
  const all = Buffer.concat([prelude, head, body])
  const end = Buffer.alloc(4)
  end.writeUInt32BE(crc32(all))
  return new Uint8Array(Buffer.concat([all, end]))
}

function textHeaders(headers: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(
    Object.entries(headers).map(([name, value]) => {
      const text = Buffer.from(value)
      const head = Buffer.from([name.length, ...Buffer.from(name), 7, text.length >> 8, text.length & 255])
      return Buffer.concat([head, text])
    }),
  )
}

/** A JSON event of Bedrock's. */
export const eventFrame = (name: string, json: unknown): Uint8Array =>
  frame(
    { ':event-type': name, ':content-type': 'application/json', ':message-type': 'event' },
    JSON.stringify(json),
  )

/** One of Anthropic's events as InvokeModelWithResponseStream wraps it. */
export const chunkFrame = (json: unknown): Uint8Array =>
  eventFrame('chunk', { bytes: Buffer.from(JSON.stringify(json)).toString('base64'), p: 'abcdef' })

export const exceptionFrame = (name: string, message: string): Uint8Array =>
  frame(
    { ':exception-type': name, ':content-type': 'application/json', ':message-type': 'exception' },
    JSON.stringify({ message }),
  )
