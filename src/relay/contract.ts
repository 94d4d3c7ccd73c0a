/** What an exchange is given and what it gives back. */
import type { ChatCodec, DecodeContext, Json, NativeCodec, Provider } from '../../providers/provider.ts'
import type { Timeouts } from '../config/schema.ts'
import type { GatewayError } from '../errors.ts'
import type { Send, UpstreamRequest, Usage } from '../terms.ts'
import type { Answer } from './answer.ts'
import type { HoldBack } from './holdback.ts'
import type { Said, StreamReader } from './reader.ts'
import type { WholeAnswer } from './whole.ts'

/** The part of an answer that a running exchange may touch. */
export type CallerSide = Pick<Answer, 'left' | 'onLeft' | 'startStream' | 'keepAlive' | 'write' | 'onResume'>

export interface ExchangeInput {
  readonly request: UpstreamRequest
  readonly send: Send
  readonly stream: boolean
  /** The bytes of the stream are no events but this: they go on under the upstream's own content type. */
  readonly raw?: 'sound' | 'text' | undefined
  readonly codec: ChatCodec
  /** The answer is in the caller's wire and passes untouched; undefined = it is read by `codec`. */
  readonly native: NativeCodec | undefined
  /** A whole chat answer in the caller's wire; undefined = it is chat. */
  readonly answerAs: ((completion: Json) => Json) | undefined
  readonly provider: Provider
  readonly providerName: string
  readonly context: DecodeContext
  readonly usageOf: (chunk: Record<string, unknown>) => Usage | undefined
  readonly reader: StreamReader | undefined
  readonly answer: CallerSide
  /** Keeps content back from the caller; absent = content goes out as it arrives, and commits. */
  readonly holdBack?: HoldBack | undefined
  /** Told once when the first content (or a readable whole answer) has come, before any of it goes to the caller. */
  readonly onContent?: ((ttftMs: number) => void) | undefined
  /** Headers of a stream's head; asked for once, when content commits. */
  readonly headers: () => readonly string[]
  /** As they hold for this request at this target. */
  readonly timeouts: Timeouts
  /** No target is left after this one: only the total limit holds before content. */
  readonly lastResort: boolean
  /** Monotonic ms at which the request came. */
  readonly requestedMs: number
  /** Monotonic ms at which the whole request must be over. */
  readonly deadlineMs: number
  readonly answerBytesMax: number
  readonly onDisconnect: 'abort' | 'drain'
  /** False when a completion without a finish reason is this host's way. */
  readonly needsFinish: boolean
  /** Asked as text arrives, with what was said beside it; false = the money ends here and the stream is to end with `length`. */
  readonly afford: ((textBytes: number, said: Said) => boolean) | undefined
  readonly scrub: (text: string) => string
}

export interface ExchangeResult {
  /** Undefined = a complete answer. */
  readonly failure: GatewayError | undefined
  /** Content of this attempt went to the caller: no other target may follow. */
  readonly committed: boolean
  /** False = nothing left this process. */
  readonly sent: boolean
  /** True = a connection took the request: who breaks off without an answer may have read it. */
  readonly delivered?: boolean | undefined
  /** True = a kept connection turned out to be closed, and no more than that was learned. */
  readonly stale?: boolean | undefined
  /** The upstream's status; 0 = it never answered. */
  readonly status: number
  readonly usage: Usage | undefined
  /** The usage is the provider's last word, though the answer broke. */
  readonly usageIsFinal: boolean
  readonly finishReason: string | undefined
  readonly answerId: string | undefined
  readonly textBytes: number
  readonly contentEvents: number
  readonly ttftMs: number | undefined
  readonly totalMs: number
  /** Set for whole answers. */
  readonly whole: WholeAnswer | undefined
  /** The stream was ended by us because the money ran out. */
  readonly cutShort: boolean
  /** The caller had left, and the rest was read for the sake of its usage. */
  readonly drained: boolean
}

/** Where an exchange stands: before the head; reading an error, a whole answer or a stream; over but for its connection; over. */
export type Phase = 'waiting' | 'error' | 'whole' | 'stream' | 'linger' | 'over'
