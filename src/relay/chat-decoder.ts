/** A stream that is in the chat wire already, for callers who speak another: parses each event and hands it on. */
import type { ChunkSink, StreamDecoder } from '../../providers/provider.ts'
import type { Usage } from '../terms.ts'
import { withToolCalls } from '../wire/functions.ts'
import { parseAnswer } from '../wire/raw-json.ts'
import { isError, parse } from './event.ts'

export function createChatDecoder(
  out: ChunkSink,
  usageOf: (chunk: Record<string, unknown>) => Usage | undefined,
): StreamDecoder {
  return {
    event(data) {
      if (data.trim() === '[DONE]') return out.done()
      const chunk = parse(data, parseAnswer)
      // what is no JSON is skipped: one broken event is no reason to lose the rest
      if (!chunk) return
      const usage = usageOf(chunk)
      if (usage) out.usage(usage)
      if (isError(chunk)) return out.fail('overloaded', 'error event')
      out.chunk(withToolCalls(chunk, 'delta'))
    },
    end() {},
  }
}
