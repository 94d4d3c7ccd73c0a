/** Reads an answer that is neither JSON nor events, such as sound: its bytes pass as they come, the first of them commits. */
import { newState, type StreamReader } from './reader.ts'

export function createRaw(): StreamReader {
  const state = newState()
  return {
    state,
    push(chunk) {
      state.content = true
      return chunk
    },
    // only the connection's own end says that all of it has come
    end() {
      state.finishReason = 'stop'
      return undefined
    },
  }
}
