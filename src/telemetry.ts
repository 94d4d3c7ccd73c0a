/** The access line: one structured line a request, with OpenTelemetry's `gen_ai.*` names where it has them. */
import type { Attempted } from './attempt/attempt.ts'
import type { Deps } from './deps.ts'
import type { GatewayError } from './errors.ts'
import { usdFromNano } from './price.ts'
import type { Answer } from './relay/answer.ts'
import type { Call, Caller, Endpoint } from './terms.ts'

interface Finished {
  readonly call: Call
  readonly endpoint: Endpoint
  readonly caller: Caller | undefined
  readonly answer: Answer
  readonly attempted: Attempted | undefined
  readonly failure: GatewayError | undefined
}

/** A trace id of W3C trace context (`00-<32 hex>-<16 hex>-<2 hex>`), if the caller sent a well-formed one. */
function traceOf(call: Call): string | undefined {
  const parent = call.header('traceparent')
  return parent !== undefined && /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(parent)
    ? parent.slice(3, 35)
    : undefined
}

export function logOutcome(finished: Finished, deps: Deps): void {
  const { call, caller, answer, attempted, failure } = finished
  const offer = attempted?.target?.listing.offer
  const usage = attempted?.metered?.usage
  const bill = attempted?.bill
  const totalMs = deps.clock.monotonic() - call.startedAtMs
  deps.tally?.ended(finished.endpoint, answer.status, totalMs, failure)
  deps.log('info', 'request', {
    id: call.id,
    trace_id: traceOf(call),
    method: call.method,
    path: finished.endpoint.path,
    status: answer.status || 499,
    error: failure?.code,
    key: caller?.key.id,
    'gen_ai.operation.name': finished.endpoint.operation,
    'gen_ai.provider.name': offer?.provider,
    'gen_ai.response.model': offer?.upstream,
    'gen_ai.usage.input_tokens': usage?.inputTokens,
    'gen_ai.usage.output_tokens': usage?.outputTokens,
    cost_usd: bill?.costNanoUsd === undefined ? undefined : usdFromNano(bill.costNanoUsd),
    certainty: bill?.certainty,
    attempts: attempted?.attempts,
    ttft_ms: attempted?.result?.ttftMs === undefined ? undefined : Math.round(attempted.result.ttftMs),
    total_ms: Math.round(totalMs),
    peer: call.peer,
  })
}
