/** How an exchange ends, read from what came: pure questions that exchange.ts asks. */
import { classify, type HeaderMap, headerOf, upstreamError } from '../attempt/classify.ts'
import type { GatewayError } from '../errors.ts'
import type { ExchangeInput, Phase } from './contract.ts'
import type { StreamState } from './reader.ts'

/** What the head says is to come; undefined = nothing that was asked for. */
export function phaseOf(status: number, headers: HeaderMap, stream: boolean): Phase | undefined {
  if (status < 200 || status >= 300) return 'error'
  const encoding = headerOf(headers, 'content-encoding')
  if (encoding !== undefined && encoding !== 'identity') return undefined
  const type = headerOf(headers, 'content-type') ?? ''
  return stream && !/^application\/json/i.test(type) ? 'stream' : 'whole'
}

/** Did the stream say that it is all there? */
export function isComplete(state: StreamState, needsFinish: boolean): boolean {
  return state.content && (state.finishReason !== undefined || (state.done && !needsFinish))
}

/** The failure that a reader met. `committed` = the caller has seen content. */
export function failureIn(state: StreamState, committed: boolean, i: ExchangeInput): GatewayError {
  const { kind, body, message } = state.failure ?? { kind: 'malformed', message: '', body: undefined }
  const before = body === undefined ? kind : classify(i.provider, 200, body)
  // what was held back was seen by nobody: another target may still answer
  const named =
    before === 'oversized'
      ? before
      : committed
        ? 'interrupted'
        : before === 'interrupted'
          ? 'overloaded'
          : before
  const told = body ?? { error: { message } }
  return upstreamError(named, i.providerName, { body: told, status: 400, scrub: i.scrub })
}
