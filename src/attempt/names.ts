/** The names of tools between a caller's wire and a target that takes fewer: told one way in `throughChat`, the other in `carry`. */
import type { ChatCodec, ChunkSink, Json } from '../../providers/provider.ts'
import type { Body } from '../wire/body.ts'
import { asksInFunctions, withFunctionCall, withToolCalls } from '../wire/functions.ts'
import type { RenderContext } from '../wire/inbound.ts'
import { type ToolNames, toolNames, withCallersNames } from '../wire/tool-names.ts'
import type { Job } from './attempt.ts'

/** Undefined = nothing is translated, or every name fits. `chat` = the request in the chat wire. */
export const namesFor = ({ inbound }: Job, codec: ChatCodec, chat: Body): ToolNames | undefined =>
  codec.decode || inbound.toChat ? toolNames(chat.json, codec.toolName) : undefined

/** The caller speaks chat, and calls tools by their old name. */
const asksOld = ({ inbound, body }: Job): boolean => !inbound.toChat && asksInFunctions(body.json)

/** A whole answer in the caller's wire, and with his names; undefined = it is as it came. */
export function answerAs(
  job: Job,
  codec: ChatCodec,
  render: RenderContext,
  names: ToolNames | undefined,
): ((completion: Json) => Json) | undefined {
  const { inbound } = job
  const old = codec.decode !== undefined && asksOld(job)
  if (!inbound.answer && !names && !old) return undefined
  return completion => {
    const today = inbound.answer ? withToolCalls(completion, 'message') : completion
    const named = names ? withCallersNames(today, names) : today
    return inbound.answer?.(named, render) ?? (old ? withFunctionCall(named) : named)
  }
}

/** The same of a stream's chunks. */
export function sinkWith(job: Job, out: ChunkSink, names: ToolNames | undefined): ChunkSink {
  const old = asksOld(job)
  if (!names && !old) return out
  const chunk = (said: Json) => {
    const named = names ? withCallersNames(said, names) : said
    out.chunk(old ? withFunctionCall(named) : named)
  }
  return { ...out, chunk }
}
