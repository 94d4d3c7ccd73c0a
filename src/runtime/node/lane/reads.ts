/**
 * What a caller's socket reads is told by a call, out of one buffer for all of them: `data` allocates 64 KiB for each read and
 * queues it. Node offers this (`onread`) to sockets that connect, and has no option of it for those that are accepted: they are
 * given what it gives the others (nodejs/node, lib/net.js, initSocketHandle; lib/internal/stream_base_commons.js, onStreamRead).
 */
import { Buffer } from 'node:buffer'
import type { Socket } from 'node:net'

/** As much as Node reads at once. */
const READ_BYTES = 65_536
const arrived = Buffer.allocUnsafeSlow(READ_BYTES)

/** The two that hold what `onread` gives, as they are called in every socket. */
let symbols: readonly (symbol | undefined)[] | undefined
const symbolsOf = (socket: Socket): readonly (symbol | undefined)[] => {
  const all = Object.getOwnPropertySymbols(socket)
  return ['kBuffer', 'kBufferCb'].map(name => all.find(({ description }) => description === name))
}

/** What a socket has and Node's types do not. */
interface Inner {
  encrypted?: boolean
  _handle?: { useUserBuffer?: (buffer: Buffer) => void } | null
  [name: symbol]: unknown
}

/**
 * Has `tell` called, as a method of the socket, with a copy of what each read brings; its answer is `push`'s. False = listen to `data`:
 * this Node knows nothing of it, or the socket is TLS', which may have queued something already.
 */
export function readByCall(socket: Socket, tell: (this: Socket, bytes: Buffer) => boolean): boolean {
  const inner = socket as unknown as Inner
  symbols ??= symbolsOf(socket)
  const [buffer, callback] = symbols
  const { _handle: handle } = inner
  if (buffer === undefined || callback === undefined || inner.encrypted) return false
  if (typeof handle?.useUserBuffer !== 'function') return false
  const read = function (this: Socket, count: number): boolean {
    // not of Buffer's pool: a request that runs for minutes would keep all of its 64 KiB
    const bytes = Buffer.allocUnsafeSlow(count)
    arrived.copy(bytes, 0, 0, count)
    return tell.call(this, bytes)
  }
  inner[buffer] = arrived
  inner[callback] = read
  handle.useUserBuffer(arrived)
  return true
}
