/**
 * The contract between the gateway and a provider adapter. Adapters are pure: functions over values, no I/O, no clock.
 * An absent hook means "already OpenAI's chat wire": bytes pass untouched.
 */
import type { Failure } from '../src/errors.ts'
import type { Offer, Usage } from '../src/terms.ts'
import type { Body } from '../src/wire/body.ts'
import type { FramedMessage } from '../src/wire/eventstream.ts'
import type { Ambient, OptionRow } from './cloud.ts'

/** JSON as parsed from a wire: read what is needed, trust nothing. */
export type Json = Record<string, unknown>

/** A chat request on its way to one target. */
export interface ChatRequest {
  /** What the caller sent: bytes, parsed value, and the places of its top-level members. */
  readonly body: Body
  readonly stream: boolean
  /** Did the caller ask for the usage event (`stream_options.include_usage`)? */
  readonly wantsUsage: boolean
  /** Our own extension fields, removed unless `quirks.keepsExtensions` (OpenRouter speaks them itself). */
  readonly extensions: readonly string[]
  readonly offer: Offer
  /** Output limit to send instead of the caller's (a budget or the key asked for it). */
  readonly maxOutputTokens: number | undefined
  readonly quirks: Quirks
  /** A thought signature by its tool call's id, for calls that came back without theirs. */
  readonly signatureFor?: ((callId: string) => string | undefined) | undefined
  /** The provider's `options`, filled in: region, project, deployment, api_version. */
  readonly options?: Readonly<Record<string, string>>
}

/** What goes upstream, short of origin and credential. */
export interface Encoded {
  /** Path below the base URL, as in `/chat/completions`. */
  readonly path: string
  readonly body: Uint8Array
  /** More headers, flat, lower case (`anthropic-version`, …). */
  readonly headers: readonly string[]
  /** Media type to ask for; absent = server-sent events for streams, JSON for whole answers. */
  readonly accept?: string
  /** Top-level parameters of the caller that this target cannot take → `x-switchgate-dropped`. */
  readonly dropped: readonly string[]
  /** The output limit that goes upstream, when it is not the caller's own → `x-switchgate-max-tokens`. */
  readonly maxOutputTokens?: number
}

/** A whole answer, translated. */
export interface Decoded {
  /** OpenAI `chat.completion`, including `usage` in OpenAI's form when it is known. */
  readonly body: Json
  readonly usage: Usage | undefined
  readonly finishReason: string | undefined
  readonly answerId: string | undefined
}

/** Where a stream decoder puts what it makes. */
export interface ChunkSink {
  /** One OpenAI `chat.completion.chunk`. A usage chunk (`choices: []`) is emitted whenever usage is known; the relay removes it if unasked. */
  chunk(chunk: Json): void
  /** Latest known usage; replaces the earlier one, never added to it. May be partial early on (input only). */
  usage(usage: Usage): void
  /** The provider reported an error inside the stream. Nothing may be emitted after. */
  fail(kind: Failure, message: string): void
  /** The provider said that the stream is complete (its own terminator). */
  done(): void
}

export interface StreamDecoder {
  /** One server-sent event: `data` lines joined by \n, and the `event:` name if there was one. */
  event(data: string, name: string | undefined): void
  /** The connection ended. The relay decides whether that was a truncation: a decoder only flushes what it holds. */
  end(): void
}

export interface DecodeContext {
  readonly offer: Offer
  /** Unix seconds for `created`. */
  readonly created: number
  /** Makes a fresh id with this prefix (`call_`, `chatcmpl-`), for providers that send none. */
  newId(prefix: string): string
  readonly quirks: Quirks
  /** Told of each signed tool call: clients that lose its signature get it back on the way in (`signatureFor`). */
  readonly keepSignature?: ((callId: string, signature: string) => void) | undefined
  /** Told of thoughts that only the organisation of this credential can have opened again. */
  readonly keepSeal?: ((sealed: string) => void) | undefined
  /** The request as the caller sent it (for schema unwrapping and the like). */
  readonly request: Json
  /** The whole answer as it was written, for what must not be written anew. Absent in streams: events are texts. */
  readonly source?: string
  /** A header of the whole answer, by its name in lower case; for hosts that count there. Absent in streams. */
  answerHeader?(name: string): string | undefined
}

/**
 * Set where streams come in Amazon's binary frames: a message as the text of a server-sent event, '' = nothing to tell.
 * `decodeStream` and `tap` then read those events as from any other host. Must not throw.
 */
export type Unframe = (message: FramedMessage) => string

export interface ChatCodec {
  readonly unframe?: Unframe
  /** Throws GatewayError('invalid_request', …, {param}) for what cannot be said in this wire at all. */
  encode(request: ChatRequest): Encoded
  /** Absent = the answer is already OpenAI's. Throws GatewayError (malformed, content_filter, overloaded …). */
  decode?(answer: unknown, context: DecodeContext): Decoded
  decodeStream?(context: DecodeContext, out: ChunkSink): StreamDecoder
  /** Names of tools that it takes; absent = OpenAI's. Others reach it in a form of this kind, where a request is translated. */
  readonly toolName?: RegExp
  /** Is this whole answer, already in the caller's wire, one at all? Absent = it has `choices`. */
  isAnswer?(answer: Json): boolean
  /** For answers that are OpenAI's but for a host's known faults; undefined = nothing to mend, bytes pass. One for one answer. */
  repair?(context: DecodeContext): Repair | undefined
}

/** Mends what a host is known to get wrong (`quirks`) in answers of the chat wire. What is right stays as it came, byte for byte. */
export interface Repair {
  /** One parsed chunk, which it may change → what goes on in its place; undefined = it goes on as it came. */
  chunk(chunk: Json): readonly Json[] | undefined
  /** Chunks that are still owed at the end; `complete` = the host said `[DONE]`, else the connection just closed. */
  end(complete: boolean): readonly Json[]
  /** A whole answer, which it may change; false = it is as it came. */
  whole(answer: Json): boolean
}

/** A request that goes to its target in the caller's own wire. */
export interface NativeRequest extends ChatRequest {
  /** A header of the caller's, by its name in lower case. */
  header(name: string): string | undefined
  /** The caller's query without `?`, or ''. */
  readonly query: string
}

/** What a whole answer says; its bytes pass untouched. */
export type NativeFacts = Omit<Decoded, 'body'> & {
  /** UTF-8 bytes that the model wrote, for estimates when usage is missing. */
  readonly textBytes: number
}

/** What one event of a stream says. Absent = nothing of that kind. */
export interface NativeSign {
  /** Something that a person or a program would act on: the target is committed. */
  readonly content?: boolean
  /** Upper bound of the text's UTF-8 bytes. */
  readonly textBytes?: number
  /** Latest known usage; replaces the earlier one, never added to it. */
  readonly usage?: Usage | undefined
  /** In the chat wire's words. */
  readonly finishReason?: string | undefined
  readonly answerId?: string | undefined
  readonly failure?: { readonly kind: Failure; readonly message: string }
  /** The provider's own terminator. */
  readonly done?: boolean
  /** In wires without a terminator: nothing but an ending can follow, so the bytes wait from here on for the connection's end. */
  readonly closing?: boolean
}

/** Listens to a stream that passes untouched. One tap for one stream. */
export interface NativeTap {
  /** How deep in the JSON of an event `usage` stands; absent = 1, a member of the event itself. */
  readonly usageDepth?: number
  /** One event: its joined `data:` lines, its name, and how many bytes it has in all. */
  event(data: string, name: string | undefined, eventBytes: number): NativeSign
  /** Events that end the stream here as the model would at its limit; `usage` is an estimate. */
  cut(usage: Usage | undefined): string
  /** Events that a complete stream still lacks, for hosts that just hang up; '' = none. */
  missing(): string
}

/** A wire that callers and this provider both speak: nothing is translated. */
export interface NativeCodec {
  readonly unframe?: Unframe
  /** Throws GatewayError('invalid_request', …, {param}) for what cannot be metered. */
  encode(request: NativeRequest): Encoded
  /** Throws GatewayError (malformed, overloaded …) for what is no answer. */
  read(answer: unknown, context?: DecodeContext): NativeFacts
  tap(context?: DecodeContext): NativeTap
}

/** How a credential is put on a request. The last three compute something for each request: src/authorize/schemes.ts. */
export type AuthScheme =
  | 'bearer'
  | 'x-api-key'
  | 'x-goog-api-key'
  | 'api-key'
  | 'none'
  | 'sigv4'
  | 'google'
  | 'entra'

export interface Provider {
  /** OpenTelemetry `gen_ai.provider.name`. */
  readonly name: string
  readonly auth: AuthScheme
  readonly chat?: ChatCodec
  /** Anthropic's Messages wire, where this provider speaks it. */
  readonly messages?: NativeCodec
  /** OpenAI's Responses wire; used at hosts whose row says `speaksResponses`. */
  readonly responses?: NativeCodec
  /** Gemini's generateContent wire, where this provider speaks it. */
  readonly gemini?: NativeCodec
  /** OpenAI's `/completions` and `/embeddings`; absent = not offered. Requests come in OpenAI's form. */
  readonly completions?: ChatCodec
  readonly embeddings?: ChatCodec
  /** Metered pass-through: OpenAI's `/images/generations`, `/audio/*`, `/moderations`, and `/rerank`; absent = not offered. */
  readonly images?: NativeCodec
  readonly speech?: NativeCodec
  readonly transcriptions?: NativeCodec
  readonly rerank?: NativeCodec
  readonly moderations?: NativeCodec
  /**
   * Names the failure of a non-2xx answer (or of an error object inside a 200) from structured fields.
   * Undefined = the status table decides.
   */
  classify?(status: number, body: unknown): Failure | undefined
  /** Can this model read thoughts that were signed in that format (of `reasoning_details`)? Absent = none. */
  readsSignature?(format: string, upstreamModel: string): boolean
}

/** Where an OpenAI-compatible host departs from OpenAI. Data, one row a host; every member optional, absent = as OpenAI. */
export interface Quirks {
  /** Name of the output limit this host takes; the other one is renamed. */
  readonly maxTokensField?: 'max_tokens' | 'max_completion_tokens'
  /** `developer` messages become `system`. */
  readonly developerRole?: 'system'
  /** Other top-level renames, ours → theirs (`seed` → `random_seed`). */
  readonly renames?: Readonly<Record<string, string>>
  /** Top-level parameters that this host refuses: removed and reported. */
  readonly drops?: readonly string[]
  /** False: do not add `stream_options`, the host refuses it (it sends usage anyway or never). */
  readonly streamOptions?: boolean
  /** False: the host never sends a finish reason in streams; `[DONE]` alone is a proper end. */
  readonly sendsFinishReason?: boolean
  /** The host understands `models`, `provider`, `reasoning` …: our extension fields are left in place. */
  readonly keepsExtensions?: boolean
  /** It wants `reasoning_content` back in assistant messages; other hosts refuse it there. Asked of translated requests only. */
  readonly replaysReasoning?: boolean
  /** It answers `/responses` too: callers of that wire get its own events. Not assumed at an address of the file's own. */
  readonly speaksResponses?: boolean
  /** Models that it answers at `/responses` alone, `*` standing for anything: chat is said in that wire. Needs `speaksResponses`. */
  readonly responsesOnly?: readonly string[]
  /** completion_tokens leaves reasoning out: add it. */
  readonly reasoningOutsideCompletion?: boolean
  /** It refuses `null` and empty arrays (`tools: []`, `function_call: null`): they are left out, which says the same. */
  readonly refusesNull?: boolean
  /** Its templates fail on `content: null`: '' is sent. */
  readonly refusesNullContent?: boolean
  /** Members of messages that it refuses: removed and reported. Reasoning that goes back by another name is none of them. */
  readonly messageDrops?: readonly string[]
  /** Ids of tool calls it takes; others are mapped to ids that it does, the same for a call and its result, always. */
  readonly toolIds?: '9_alphanumeric' | '40_chars'
  /** What it takes of `tool_choice`; 'required_only' knows no names: only that tool is sent, and `required`. */
  readonly toolChoice?: 'auto_only' | 'required_only'
  /** False: it refuses `tools[].function.strict`: removed and reported. */
  readonly strictTools?: boolean
  /** It has `json_object` only: a schema goes into the system message, and `response_format` is reported. */
  readonly jsonSchema?: 'object_only'
  /** It fetches no pictures: `data:` URLs only, others are refused with the cure. */
  readonly pictures?: 'inline_only'
  /** It states in `usage` what an answer cost, and is believed: that wins over the list price. */
  readonly statesCost?: boolean
  /** Where reasoning comes, if not in `reasoning_content`: it comes out there too, and goes back by the host's own way. */
  readonly reasoningField?: 'reasoning' | 'reasoning_details' | 'think_tags' | 'content_parts'
  /**
   * Where a stream's usage comes: in a chunk of its own when asked (OpenAI's way), or unasked in these. It is read wherever
   * it is; out of `x_groq` and `choice`, where no client looks, it is moved to a chunk of its own.
   */
  readonly usageIn?: 'own_chunk' | 'finish_chunk' | 'every_chunk' | 'x_groq' | 'choice'
  /** Its streamed tool calls miss `index`, repeat or empty their ids, or come whole with the finish reason: mended. */
  readonly repairsToolCalls?: boolean
  /** Its own finish reasons → OpenAI's; 'error' = the answer failed. Its own word stays in `native_finish_reason`. */
  readonly finishReasons?: Readonly<Record<string, string>>
  /** A stream's deltas may repeat all of the text so far instead of going on. */
  readonly cumulativeDeltas?: boolean
  /** Codes of its errors that OpenAI's and other hosts' tables do not have, or mean otherwise. */
  readonly errorCodes?: Readonly<Record<string, Failure>>
  /** Headers that tell what is left of a limit and when it is whole again; absent = OpenAI's names. For 429s without Retry-After. */
  readonly rateLimits?: readonly RateLimitHeaders[]
}

/** Names in lower case. The form of the reset is told by its look: seconds, `6m0s`, epoch seconds or ms, RFC 3339. */
export interface RateLimitHeaders {
  readonly remaining: string
  readonly reset: string
}

/** One OpenAI-compatible host. The same schema reads `hosts:` of the config file. */
export interface HostRow {
  /** Up to and including the version segment. */
  readonly baseUrl: string
  readonly auth: AuthScheme
  /** Environment variables that may hold the key, first set wins. */
  readonly env: readonly string[]
  readonly quirks: Quirks
  /** Options by name; `{name}` in `baseUrl` is filled from them. Absent = each place in the address, from the file only. */
  readonly options?: Readonly<Record<string, OptionRow>>
  readonly ambient?: Ambient
  /** Where these facts come from. */
  readonly source: string
}
