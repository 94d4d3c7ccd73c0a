/** The names of tools between a caller's wire and a target that takes fewer: told one way in `throughChat`, the other in `carry`. */
import type { ChatCodec, ChunkSink, Json } from '../../providers/provider.ts'
import type { Body } from '../wire/body.ts'
import type { RenderContext } from '../wire/inbound.ts'
import { type ToolNames, toolNames, withCallersNames } from '../wire/tool-names.ts'
import type { Job } from './attempt.ts'

/** Undefined = nothing is translated, or every name fits. `chat` = the request in the chat wire. */
export const namesFor = ({ inbound }: Job, codec: ChatCodec, chat: Body): ToolNames | undefined =>
  codec.decode || inbound.toChat ? toolNames(chat.json, codec.toolName) : undefined

/** A whole answer in the caller's wire, and with his names; undefined = it is as it came. */
export function answerAs(
  { inbound }: Job,
  render: RenderContext,
  names: ToolNames | undefined,
): ((completion: Json) => Json) | undefined {
  if (!inbound.answer && !names) return undefined
  return completion => {
    const named = names ? withCallersNames(completion, names) : completion
    return inbound.answer?.(named, render) ?? named
  }
}

/** The same of a stream's chunks. */
export const sinkWith = (out: ChunkSink, names: ToolNames | undefined): ChunkSink =>
  names ? { ...out, chunk: chunk => out.chunk(withCallersNames(chunk, names)) } : out
