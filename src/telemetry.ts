/** The access line: one structured line a request, with OpenTelemetry's `gen_ai.*` names where it has them. */
import type { Attempted } from './attempt/attempt.ts'
import type { Deps } from './deps.ts'
import type { GatewayError } from './errors.ts'
import { usdFromNano } from './price.ts'
import type { Answer } from './relay/answer.ts'
import type { Call, Caller, Endpoint } from './terms.ts'

/** The line's members, in their order; undefined = left out. A type, for an interface is no `LogFields`. */
export type AccessFields = {
  readonly id: string
  /** 32 hexadecimal digits of the caller's. */
  readonly trace_id: string | undefined
  readonly method: string
  readonly path: string
  readonly status: number
  readonly error: string | undefined
  readonly key: string | undefined
  readonly 'gen_ai.operation.name': string
  readonly 'gen_ai.provider.name': string | undefined
  readonly 'gen_ai.response.model': string | undefined
  readonly 'gen_ai.usage.input_tokens': number | undefined
  readonly 'gen_ai.usage.output_tokens': number | undefined
  readonly cost_usd: string | undefined
  readonly certainty: string | undefined
  readonly attempts: number | undefined
  readonly ttft_ms: number | undefined
  readonly total_ms: number
  readonly peer: string
}

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
  const fields: AccessFields = {
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
  }
  if (deps.log.request) deps.log.request(fields)
  else deps.log('info', 'request', fields)
}

/** So many texts of one member are kept; longer ones are not. */
const KEPT_MAX = 512
const KEPT_CHARS = 256

/** Writes one member as it stands behind others: names and addresses come again and again, so what they became is kept. */
interface Member {
  (text: string | undefined): string
  forget(): void
}

function createMember(name: string, scrub: (text: string) => string): Member {
  const kept = new Map<string, string>()
  // joined, not added: a text in one piece, for it will be copied again and again
  const made = (text: string) => [',"', name, '":', JSON.stringify(scrub(text))].join('')
  const member = (text: string | undefined): string => {
    if (text === undefined) return ''
    const known = kept.get(text)
    if (known !== undefined) return known
    const fresh = made(text)
    if (text.length > KEPT_CHARS) return fresh
    if (kept.size >= KEPT_MAX) kept.clear()
    kept.set(text, fresh)
    return fresh
  }
  return Object.assign(member, { forget: () => kept.clear() })
}

/** `,"name":` and a number as JSON has it. */
const counted = (name: string, value: number | undefined): string =>
  value === undefined ? '' : Number.isFinite(value) ? name + value : `${name}null`

/**
 * Writes the members of an access line as JSON, each with a comma in front: the text that any line with these fields has, by
 * hand, because each request has one. What may be somebody else's word is scrubbed, and anew when another secret is known;
 * ids, sums and counts are our own.
 */
export function createAccessWriter(
  scrub: (text: string) => string,
  /** `Redactor.count`. */
  secrets: () => number,
): (fields: AccessFields) => string {
  const method = createMember('method', scrub)
  const path = createMember('path', scrub)
  const error = createMember('error', scrub)
  const key = createMember('key', scrub)
  const operation = createMember('gen_ai.operation.name', scrub)
  const provider = createMember('gen_ai.provider.name', scrub)
  const model = createMember('gen_ai.response.model', scrub)
  const certainty = createMember('certainty', scrub)
  const peer = createMember('peer', scrub)
  const all = [method, path, error, key, operation, provider, model, certainty, peer]
  let known = secrets()
  return fields => {
    if (secrets() !== known) {
      known = secrets()
      for (const member of all) member.forget()
    }
    const { trace_id: trace, cost_usd: cost } = fields
    return (
      `,"id":"${fields.id}"` +
      (trace === undefined ? '' : `,"trace_id":${JSON.stringify(scrub(trace))}`) +
      method(fields.method) +
      path(fields.path) +
      counted(',"status":', fields.status) +
      error(fields.error) +
      key(fields.key) +
      operation(fields['gen_ai.operation.name']) +
      provider(fields['gen_ai.provider.name']) +
      model(fields['gen_ai.response.model']) +
      counted(',"gen_ai.usage.input_tokens":', fields['gen_ai.usage.input_tokens']) +
      counted(',"gen_ai.usage.output_tokens":', fields['gen_ai.usage.output_tokens']) +
      (cost === undefined ? '' : `,"cost_usd":"${cost}"`) +
      certainty(fields.certainty) +
      counted(',"attempts":', fields.attempts) +
      counted(',"ttft_ms":', fields.ttft_ms) +
      counted(',"total_ms":', fields.total_ms) +
      peer(fields.peer)
    )
  }
}
