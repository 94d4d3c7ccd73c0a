/** Bytes on their way out of a connection, the lane's and those of `send`: text, bytes and text in one write. */
import { Buffer } from 'node:buffer'
import type { Socket } from 'node:net'

/** Up to here bytes are copied behind the text before them: one write of one buffer is cheaper than a list of three. */
const COPY_BYTES_MAX = 32_768
const ROOM_BYTES = 65_536
const NOTHING = new Uint8Array(0)

/** Where what is written together is put together; what a socket could not hand to the system at once stays where it is. */
let room = Buffer.allocUnsafeSlow(ROOM_BYTES)
let used = 0

/**
 * As `socket.write` answers: false = wait for `drain`. The texts are latin1; a large `bytes` is not copied and must not change.
 * `head` goes before all of it, and is copied.
 */
export function writeTogether(
  socket: Socket,
  before: string,
  bytes: Uint8Array = NOTHING,
  after = '',
  head: Uint8Array = NOTHING,
): boolean {
  const { length } = bytes
  if (before === '' && after === '' && head.length === 0) return length === 0 || socket.write(bytes)
  const size = head.length + before.length + length + after.length
  if (size > COPY_BYTES_MAX) return writeApart(socket, [Buffer.from(head), before, bytes, after])
  if (used + size > ROOM_BYTES) {
    room = Buffer.allocUnsafeSlow(ROOM_BYTES)
    used = 0
  }
  let at = used
  if (head.length > 0) room.set(head, at)
  at += head.length
  if (before !== '') room.write(before, at, 'latin1')
  at += before.length
  if (length > 0) room.set(bytes, at)
  if (after !== '') room.write(after, at + length, 'latin1')
  const end = used + size
  const goOn = socket.write(room.subarray(used, end))
  // nothing waits in the socket: the system has it all, and the room is free again
  if (socket.writableLength > 0) used = end
  return goOn
}

function writeApart(socket: Socket, parts: readonly (string | Uint8Array)[]): boolean {
  let goOn = true
  socket.cork()
  for (const part of parts) if (part.length > 0) goOn = socket.write(part as Uint8Array, 'latin1')
  socket.uncork()
  return goOn
}
