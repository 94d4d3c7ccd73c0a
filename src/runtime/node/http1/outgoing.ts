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

/** As `socket.write` answers: false = wait for `drain`. The texts are latin1; a large `bytes` is not copied and must not change. */
export function writeTogether(
  socket: Socket,
  before: string,
  bytes: Uint8Array = NOTHING,
  after = '',
): boolean {
  const { length } = bytes
  if (before === '' && after === '') return socket.write(bytes)
  const size = before.length + length + after.length
  if (size > COPY_BYTES_MAX) return writeApart(socket, before, bytes, after)
  if (used + size > ROOM_BYTES) {
    room = Buffer.allocUnsafeSlow(ROOM_BYTES)
    used = 0
  }
  const start = used
  const middle = start + before.length
  if (before !== '') room.write(before, start, 'latin1')
  if (length > 0) room.set(bytes, middle)
  if (after !== '') room.write(after, middle + length, 'latin1')
  const goOn = socket.write(room.subarray(start, start + size))
  // nothing waits in the socket: the system has it all, and the room is free again
  if (socket.writableLength > 0) used = start + size
  return goOn
}

function writeApart(socket: Socket, before: string, bytes: Uint8Array, after: string): boolean {
  socket.cork()
  if (before !== '') socket.write(before, 'latin1')
  let goOn = socket.write(bytes)
  if (after !== '') goOn = socket.write(after, 'latin1')
  socket.uncork()
  return goOn
}
