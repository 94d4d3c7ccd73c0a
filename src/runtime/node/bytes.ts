/** The Bytes port on Buffer: native searches, no copies. */
import { Buffer, isUtf8 } from 'node:buffer'
import type { Bytes } from '../../deps.ts'

const view = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** `Bytes` for Node. */
export const nodeBytes: Bytes = {
  find: (hay, needle, from) => view(hay).indexOf(needle, from),
  findLast: (hay, needle) => view(hay).lastIndexOf(needle),
  concat: parts => Buffer.concat(parts),
  isUtf8: bytes => isUtf8(bytes),
  text: bytes => view(bytes).toString('utf8'),
  of: text => Buffer.from(text, 'utf8'),
}
