/** Reads a stream that comes in binary frames: each message becomes the server-sent event that the reader behind it knows. */
import type { Unframe } from '../../providers/provider.ts'
import type { Bytes } from '../deps.ts'
import { GatewayError } from '../errors.ts'
import { createFrameSplitter } from '../wire/eventstream.ts'
import type { StreamReader } from './reader.ts'

export interface FramedOptions {
  readonly bytes: Bytes
  readonly eventBytesMax: number
}

/** An event as text outgrows its frame a little, and base64 inside a frame outgrows the event. */
const FRAME_SHARE = 1.5

/** The same reader behind a splitter of frames. A broken frame breaks the stream: there is no way to find the next one. */
export function createFramed(reader: StreamReader, unframe: Unframe, options: FramedOptions): StreamReader {
  const { bytes, eventBytesMax } = options
  const { state } = reader
  let ready = ''
  const splitter = createFrameSplitter(
    message => {
      ready += unframe(message)
    },
    Math.ceil(eventBytesMax * FRAME_SHARE),
  )
  return {
    state,
    push(chunk) {
      if (state.done || state.failure) return undefined
      let fault: string | undefined
      try {
        splitter.push(chunk)
      } catch (error) {
        fault = error instanceof GatewayError ? error.message : 'unreadable frame'
      }
      // what came before a broken frame is whole
      const text = ready
      ready = ''
      const out = text === '' ? undefined : reader.push(bytes.of(text))
      if (fault !== undefined && !state.done)
        state.failure ??= { kind: state.content ? 'interrupted' : 'malformed', message: fault }
      return out
    },
    end: () => reader.end(),
  }
}
