/** The last events of a finished stream, for the caller's wire. Asked once the settlement is durable. */
import type { DecodeContext } from '../../providers/provider.ts'
import type { Metered } from '../record.ts'
import type { ExchangeResult } from '../relay/contract.ts'
import type { StreamWriter } from '../wire/inbound.ts'

/** A stream cut by the budget is ended as the model would end it at its limit. */
export function ending(
  result: ExchangeResult,
  metered: Metered,
  wantsUsage: boolean,
  context: DecodeContext,
  wantsCost: boolean,
  writer: StreamWriter,
): string {
  if (!result.cutShort) return writer.end()
  const frame = {
    id: result.answerId ?? '',
    object: 'chat.completion.chunk',
    created: context.created,
    model: context.offer.upstream,
  }
  let text = writer.chunk(
    { ...frame, choices: [{ index: 0, delta: {}, finish_reason: 'length' }] },
    undefined,
  )
  const { usage, bill } = metered
  if (wantsUsage && usage) {
    const counts = {
      prompt_tokens: usage.inputTokens,
      completion_tokens: usage.outputTokens,
      total_tokens: usage.inputTokens + usage.outputTokens,
      estimated: true,
    }
    text += writer.chunk({ ...frame, choices: [], usage: counts }, wantsCost ? bill.costNanoUsd : undefined)
  }
  return text + writer.end()
}
