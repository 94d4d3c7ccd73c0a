/**
 * A caller's wire: how its requests read as chat, and how chat answers look in it. Pure; one folder a wire.
 * OpenAI chat is the canonical wire, so its hooks are absent: bytes pass, chunks go out as they are.
 */
import type { Json } from '../../providers/provider.ts'
import type { Operation } from '../terms.ts'
import type { Body } from './body.ts'
import { type ChatFacts, readChat } from './openai.ts'

/** What a renderer may use. */
export interface RenderContext {
  /** Model name as the caller wrote it. */
  readonly model: string
  /** Unix seconds. */
  readonly created: number
  newId(prefix: string): string
  /** The request as the caller sent it. */
  readonly request: Json
  /** Likely prompt tokens, for wires that want a count before the provider has told. */
  readonly likelyInputTokens: number
}

export interface StreamWriter {
  /** Event text for one chat chunk, '' = nothing to say yet. The cost is set on the usage chunk when the caller asked for it. */
  chunk(chunk: Json, costNanoUsd: number | undefined): string
  /** Event text that ends a complete stream. */
  end(): string
}

export interface Inbound {
  /** Checks the body and says what the stages need. Throws GatewayError('invalid_request') with `param`. */
  read(body: Body): ChatFacts
  /** The same request in the chat wire, for targets that do not speak the caller's. Called once a request at most. */
  toChat?(body: Body): Body
  /** An OpenAI `chat.completion` as an answer of this wire. */
  answer?(completion: Json, context: RenderContext): Json
  stream?(context: RenderContext): StreamWriter
}

const chat: Inbound = { read: readChat }

/** The wire of each operation that the pipeline serves. */
export const INBOUND: Readonly<Partial<Record<Operation, Inbound>>> = { chat }
