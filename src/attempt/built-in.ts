/** A Send for the built-in demo model: nothing leaves the process, the rest of the pipeline cannot tell the difference. */
import { demoAnswer, demoChunks } from '../../providers/demo.ts'
import type { DecodeContext } from '../../providers/provider.ts'
import type { Deps } from '../deps.ts'
import type { Receiver, Send } from '../terms.ts'

/** Between events, so that a stream is seen to stream. */
const PACE_MS = 15

export function builtInSend(deps: Deps, context: DecodeContext): Send {
  return (request, to) => {
    let gone = false
    const stream = request.headers.includes('text/event-stream')
    void answer(stream, to, () => gone, deps, context)
    return {
      pause() {},
      resume() {},
      abort() {
        gone = true
      },
    }
  }
}

async function answer(
  stream: boolean,
  to: Receiver,
  gone: () => boolean,
  deps: Deps,
  context: DecodeContext,
): Promise<void> {
  await deps.pause(0)
  if (gone()) return
  to.head(200, { 'content-type': stream ? 'text/event-stream' : 'application/json' })
  if (!stream) {
    to.chunk(deps.bytes.of(JSON.stringify(demoAnswer(context.request, context.created, context.newId))))
    return to.end()
  }
  for (const chunk of demoChunks(context.request, context.created, context.newId)) {
    if (gone()) return
    to.chunk(deps.bytes.of(`data: ${JSON.stringify(chunk)}\n\n`))
    await deps.pause(PACE_MS)
  }
  if (gone()) return
  to.chunk(deps.bytes.of('data: [DONE]\n\n'))
  to.end()
}
