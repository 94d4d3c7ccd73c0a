/** Reads a stream through a decoder, event by event, as chat chunks, and writes them in the caller's wire. */
import type { ChunkSink, Json, StreamDecoder } from '../../providers/provider.ts'
import { GatewayError } from '../errors.ts'
import type { StreamWriter } from '../wire/inbound.ts'
import { createSseSplitter } from '../wire/sse.ts'
import { hasCost } from './event.ts'
import {
  finishOf,
  hasContent,
  newState,
  type ReaderOptions,
  type StreamReader,
  textLength,
  withCost,
} from './reader.ts'

/** Chat chunks in the chat wire. */
export const chatWriter: StreamWriter = {
  chunk(chunk, costNanoUsd) {
    const text = JSON.stringify(chunk)
    return `data: ${costNanoUsd === undefined ? text : withCost(text, costNanoUsd)}\n\n`
  },
  end: () => 'data: [DONE]\n\n',
}

/** What a host says of its cost is no longer said where nobody knows it. */
function withoutCost(chunk: Json): Json {
  if (!hasCost(chunk)) return chunk
  const { cost: _, ...usage } = chunk.usage as Json
  return { ...chunk, usage }
}

export function createTranslated(
  open: (out: ChunkSink) => StreamDecoder,
  writer: StreamWriter,
  options: ReaderOptions,
): StreamReader {
  const state = newState()
  state.answerId = writer.id
  let ready: string[] = []

  const out: ChunkSink = {
    chunk(chunk) {
      if (state.failure || state.done) return
      if (!state.content && hasContent(chunk)) state.content = true
      if (typeof chunk.id === 'string' && chunk.id !== '') state.answerId ??= chunk.id
      state.finishReason ??= finishOf(chunk)
      const length = textLength(chunk)
      state.textBytes += length
      if (length > 0) state.contentEvents++
      const usageOnly = Array.isArray(chunk.choices) && chunk.choices.length === 0 && chunk.usage
      if (usageOnly && !options.wantsUsage) return
      const isPriced = chunk.usage && options.costOf
      const cost = isPriced && state.usage ? options.costOf(state.usage, state) : undefined
      const text = writer.chunk(isPriced && cost === undefined ? withoutCost(chunk) : chunk, cost)
      if (text !== '') ready.push(text)
    },
    usage(usage) {
      state.usage = usage
    },
    fail(kind, message) {
      state.failure ??= { kind: state.content && kind !== 'content_filter' ? 'interrupted' : kind, message }
    },
    done() {
      state.done = true
    },
  }
  const decoder = open(out)
  const splitter = createSseSplitter(
    (data, name) => {
      if (!state.done && !state.failure) decoder.event(data, name)
    },
    { eventBytesMax: options.eventBytesMax },
  )

  /** A decoder that stumbles is the upstream's malformed answer, never a crash. */
  function guarded(step: () => void): Uint8Array | undefined {
    try {
      step()
    } catch (error) {
      const kind = error instanceof GatewayError ? error.kind : 'malformed'
      const message =
        error instanceof GatewayError ? error.message : 'the provider sent an event that cannot be read'
      state.failure ??= { kind: state.content && kind !== 'oversized' ? 'interrupted' : kind, message }
    }
    if (!state.content || ready.length === 0) return undefined
    const text = ready.join('')
    ready = []
    return options.bytes.of(text)
  }

  return {
    state,
    push: chunk => guarded(() => splitter.push(chunk)),
    end: () =>
      guarded(() => {
        splitter.end()
        decoder.end()
      }),
  }
}
