/** How an exchange ends, read from what came: pure questions that exchange.ts asks. */
import { classify, type HeaderMap, headerOf, upstreamError } from '../attempt/classify.ts'
import type { Failure, GatewayError } from '../errors.ts'
import type { ExchangeInput, Phase } from './contract.ts'
import type { StreamState } from './reader.ts'

/** The status has said what matters: of a refusal's words so much is read, and waited for so long. */
export const ERROR_BODY = { bytesMax: 65_536, msMax: 2_000 }

const PAGE = /^\s*(text\/html|application\/xhtml\+xml)\b/i
const TEXT = /^\s*(text\/|application\/(xhtml\+)?xml\b)/i

/** What the head says is to come, or what is wrong with it. */
export function phaseOf(status: number, headers: HeaderMap, i: ExchangeInput): Phase | GatewayError {
  if (status < 200 || status >= 300) return 'error'
  const encoding = headerOf(headers, 'content-encoding')
  if (encoding !== undefined && encoding !== 'identity') {
    const found = `its answer came compressed (${encoding}), which was not asked for: turn compression off there`
    return upstreamError('malformed', i.providerName, { scrub: i.scrub, found })
  }
  const type = headerOf(headers, 'content-type') ?? ''
  // bytes that nobody reads here: a page of a proxy or a login would go on as the answer
  if (i.raw && (i.raw === 'sound' ? TEXT : PAGE).test(type)) {
    const found = `its answer is ${i.raw === 'sound' ? 'no sound' : 'a page'} (content-type ${type.slice(0, 60)})`
    return upstreamError('malformed', i.providerName, { scrub: i.scrub, found })
  }
  return i.stream && !/^application\/json/i.test(type) ? 'stream' : 'whole'
}

/** Did the stream say that it is all there? A host that gives fewer choices than were asked for says so by its terminator. */
export function isComplete(state: StreamState, needsFinish: boolean): boolean {
  const { content, finishReason, done, unfinished } = state
  return content && (finishReason === undefined ? done && !needsFinish : done || unfinished === 0)
}

/** Has every choice said how it ended? */
export const hasEnded = (state: StreamState | undefined): boolean =>
  state?.content === true && state.finishReason !== undefined && state.unfinished === 0

/** What a connection that broke, or a time limit, means. `heard` = an answer had begun, so it was reached. */
export function kindOfBreak(named: Failure | undefined, heard: boolean, committed: boolean): Failure {
  if (committed && named !== 'silent') return 'interrupted'
  if (named !== undefined && named !== 'unreachable') return named
  return heard ? 'overloaded' : 'unreachable'
}

/** The failure that a reader met. `committed` = the caller has seen content. */
export function failureIn(state: StreamState, committed: boolean, i: ExchangeInput): GatewayError {
  const { kind, body, message } = state.failure ?? { kind: 'malformed', message: '', body: undefined }
  const before = body === undefined ? kind : classify(i.provider, 200, body)
  // what was held back was seen by nobody: another target may still answer
  const seen = committed ? 'interrupted' : before === 'interrupted' ? 'overloaded' : before
  const named = before === 'oversized' ? before : seen
  const told = body ?? { error: { message } }
  const found = body === undefined ? message : undefined
  return upstreamError(named, i.providerName, { body: told, status: 400, scrub: i.scrub, found })
}
