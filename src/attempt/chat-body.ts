/** The request in the chat wire, for other wires in its words of today. Asked while an attempt is encoded and read. */
import type { ChatCodec } from '../../providers/provider.ts'
import type { Body } from '../wire/body.ts'
import { withLongIntegers } from '../wire/exact.ts'
import { withTools } from '../wire/functions.ts'
import type { Job } from './attempt.ts'

/** Translated once, whatever the number of targets. */
export function chatBody(job: Job, codec: ChatCodec): Body {
  job.chatBody ??= job.inbound.toChat?.(withLongIntegers(job.body), job.facts) ?? job.body
  return codec.decode ? withTools(job.chatBody) : job.chatBody
}
