/**
 * Keeps the beginning of a stream (`settled`) or all of it (`complete`) back from the caller, so that a target that breaks
 * meanwhile can still be replaced. Between the reader and the caller's side; absent under `fast`.
 */
import type { Bytes } from '../deps.ts'
import type { StreamGuarantee } from '../terms.ts'
import type { StreamState } from './reader.ts'

export interface HoldBack {
  /** Nothing is held any more: what `take` gives may go to the caller. */
  readonly open: boolean
  /** Bytes for the caller; undefined = held. Time passes only when something arrives: silence is no sign of health. */
  take(bytes: Uint8Array | undefined, state: StreamState, nowMs: number): Uint8Array | undefined
  /** The stream ended well: everything that is held. */
  release(): Uint8Array | undefined
}

export interface HoldBackOptions {
  readonly bytes: Bytes
  /** `settled` lets go after so long a time since the first content, or so many events with text. */
  readonly settleMs: number
  readonly settleTokens: number
  /** More than this is not held; what comes after it is as under `fast`. */
  readonly bytesMax: number
}

export function createHoldBack(
  guarantee: Exclude<StreamGuarantee, 'fast'>,
  { bytes, settleMs, settleTokens, bytesMax }: HoldBackOptions,
): HoldBack {
  const held: Uint8Array[] = []
  let heldBytes = 0
  let sinceMs: number | undefined
  let open = false
  const release = () => {
    open = true
    return held.length > 0 ? bytes.concat(held.splice(0)) : undefined
  }
  return {
    get open() {
      return open
    },
    release,
    take(more, state, nowMs) {
      if (state.content) sinceMs ??= nowMs
      if (more) {
        held.push(more)
        heldBytes += more.length
      }
      const settled =
        guarantee === 'settled' &&
        sinceMs !== undefined &&
        (nowMs - sinceMs >= settleMs || state.contentEvents >= settleTokens)
      return settled || heldBytes > bytesMax ? release() : undefined
    },
  }
}
