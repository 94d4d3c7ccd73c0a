/**
 * A caller's wire: how its requests read as chat, and how chat answers look in it. Pure; one folder a wire.
 * OpenAI chat is the canonical wire, so its hooks are absent: bytes pass, chunks go out as they are.
 */
import type { Json, NativeCodec, Provider, Quirks } from '../../providers/provider.ts'
import type { GatewayError } from '../errors.ts'
import type { Call, Endpoint, Offer, Operation } from '../terms.ts'
import type { Body } from './body.ts'
import { completions } from './completions.ts'
import { embeddings } from './embeddings.ts'
import { geminiCount, generateContent } from './gemini/index.ts'
import { countTokens, messages } from './messages/index.ts'
import { images } from './metered/images.ts'
import { moderations } from './metered/moderations.ts'
import { rerank } from './metered/rerank.ts'
import { speech } from './metered/speech.ts'
import { transcriptions } from './metered/transcriptions.ts'
import { type ChatFacts, readChat } from './openai.ts'
import { responses } from './responses/index.ts'
import { sealedInChat, signedInChat } from './signed.ts'

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
  /** The id that the caller sees, when it is not the upstream's own. */
  readonly id?: string
  /** Event text for one chat chunk, '' = nothing to say yet. The cost is set on the usage chunk when the caller asked for it. */
  chunk(chunk: Json, costNanoUsd: number | undefined): string
  /** Event text that ends a complete stream. */
  end(): string
  /** Event text that ends a broken stream; absent = the wire's error event as it is. */
  error?(error: GatewayError): string
}

export interface Inbound {
  /** Checks the request and says what the stages need; some wires say a part of it in the URL. Throws GatewayError('invalid_request') with `param`. */
  read(body: Body, call: Call): ChatFacts
  /** The same request in the chat wire, for targets that do not speak the caller's. Called once a request at most. */
  toChat?(body: Body, facts: ChatFacts): Body
  /** Members that `toChat` leaves out, by the caller's names. `quirks` = of a host whose wire is OpenAI's as it is. */
  lost?(
    body: Body,
    quirks: Quirks | undefined,
    header: (name: string) => string | undefined,
  ): readonly string[]
  /** Formats of the signed thoughts that the conversation holds (`Provider.readsSignature`). */
  signedBy?(body: Body): ReadonlySet<string>
  /** The last thoughts in the conversation that were sealed for one organisation, as they came; undefined = none. */
  sealedIn?(body: Body): string | undefined
  /** Chat's names → the caller's, for what an adapter reports or refuses. */
  readonly words?: Readonly<Record<string, string | readonly string[]>>
  /** The request is a form with a file in it. */
  readonly upload?: true
  /** The codec of a target that speaks the caller's wire: nothing is translated for it. */
  native?(provider: Provider, quirks: Quirks): NativeCodec | undefined
  /** The chat body fitted to a host whose wire is OpenAI's as it is; `dropped` names what it could not take. */
  fit?(chat: Body, offer: Offer, quirks: Quirks): { readonly body: Body; readonly dropped: readonly string[] }
  /** An answer that the gateway gives by itself once the caller may have the model: nothing is sent or billed. */
  local?(facts: ChatFacts, likelyInputTokens: number, upstreamModel: string): Json
  /** An OpenAI `chat.completion` as an answer of this wire. */
  answer?(completion: Json, context: RenderContext): Json
  stream?(context: RenderContext): StreamWriter
  /** Ends a stream whose bytes passed untouched, in wires whose chunks are not chat's. */
  readonly untouched?: StreamWriter
}

const chat: Inbound = { read: readChat, signedBy: signedInChat, sealedIn: sealedInChat }

/** The wire of each operation that the pipeline serves. */
const INBOUND: Readonly<Partial<Record<Operation, Inbound>>> = {
  chat,
  responses,
  embeddings,
  text_completion: completions,
  messages,
  generate_content: generateContent,
  count_tokens: countTokens,
  image_generation: images,
  speech,
  transcription: transcriptions,
  rerank,
  moderation: moderations,
}

/** Two wires ask for counts, each in its own words. Undefined = nobody serves it. */
export function inboundOf({ operation, wire }: Endpoint): Inbound | undefined {
  return operation === 'count_tokens' && wire === 'gemini' ? geminiCount : INBOUND[operation]
}
