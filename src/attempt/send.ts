/** Makes one upstream request of a job and a target, and runs the exchange. */
import type { ChatCodec, ChatRequest, ChunkSink, DecodeContext, Encoded } from '../../providers/provider.ts'
import { authorizedSend } from '../authorize/authorize.ts'
import type { Config } from '../config/schema.ts'
import type { Deps } from '../deps.ts'
import { GatewayError } from '../errors.ts'
import { billFor } from '../meter.ts'
import { type Metered, observeContent } from '../record.ts'
import type { CallerSide, ExchangeResult } from '../relay/contract.ts'
import type { Answer } from '../relay/answer.ts'
import { runExchange } from '../relay/exchange.ts'
import { createChatDecoder } from '../relay/chat-decoder.ts'
import { createFramed } from '../relay/framed.ts'
import { createHoldBack, type HoldBack } from '../relay/holdback.ts'
import { createNative } from '../relay/native.ts'
import { createPassthrough } from '../relay/passthrough.ts'
import { createRaw } from '../relay/raw.ts'
import type { ReaderOptions, StreamReader } from '../relay/reader.ts'
import { createRepaired } from '../relay/repaired.ts'
import { createSampled, type SampledReader } from '../relay/sample.ts'
import { chatWriter, createTranslated } from '../relay/translated.ts'
import { codecFor } from '../route/codec.ts'
import type { Target } from '../route/plan.ts'
import type { Send, UpstreamRequest, Usage } from '../terms.ts'
import type { Body } from '../wire/body.ts'
import { withLongIntegers } from '../wire/exact.ts'
import { FUNCTION_WORDS, withTools } from '../wire/functions.ts'
import type { RenderContext, StreamWriter } from '../wire/inbound.ts'
import { usageOfAnswer } from '../wire/openai.ts'
import { withToolNames } from '../wire/tool-names.ts'
import { callersError, callersNames } from '../wire/words.ts'
import type { Job } from './attempt.ts'
import { builtInSend } from './built-in.ts'
import { ending } from './ending.ts'
import { answerHeaders } from './headers.ts'
import type { Money } from './hold.ts'
import { keeping } from './keeping.ts'
import { answerAs, namesFor, sinkWith } from './names.ts'
import { timeoutsFor } from './limits.ts'
import { billOfAll } from './rows.ts'

/** What goes with one attempt. */
export interface Carried {
  readonly encoded: Encoded
  readonly money: Money
  readonly attempt: number
  /** Time that earlier attempts spent waiting for their upstreams. */
  readonly elsewhereMs: number
  readonly lastResort: boolean
  /** Set while another target may answer first. */
  readonly side?: CallerSide
  readonly onContent?: () => void
  /** `Answer.lastWords` of this attempt, should it be the one that the caller hears. */
  lastWords?: Answer['lastWords']
  /** Set for streams, where tokens can be counted. */
  sampled?: SampledReader
  /** Last events of a finished stream, `[DONE]` included. */
  ending?: (result: ExchangeResult, metered: Metered) => string
}

/** The request in the chat wire, for other wires in its words of today; translated once, whatever the number of targets. */
function chatBody(job: Job, codec: ChatCodec): Body {
  job.chatBody ??= job.inbound.toChat?.(withLongIntegers(job.body), job.facts) ?? job.body
  return codec.decode ? withTools(job.chatBody) : job.chatBody
}

/** A host whose wire is OpenAI's as it is gets a translated body without what it would refuse; losses are told in the caller's words. */
function throughChat(job: Job, codec: ChatCodec, request: ChatRequest): Encoded {
  const { inbound, call, body: asked } = job
  const chat = chatBody(job, codec)
  const body = codec.decode || inbound.toChat ? withLongIntegers(chat) : chat
  const fitted = codec.decode ? undefined : inbound.fit?.(body, request.offer, request.quirks)
  const names = namesFor(job, codec, chat)
  const told = names ? withToolNames(fitted?.body ?? body, names) : (fitted?.body ?? body)
  const words = inbound.words ?? (chat === asked ? undefined : FUNCTION_WORDS)
  if (words === undefined) return codec.encode({ ...request, body: told })
  try {
    const encoded = codec.encode({ ...request, body: told })
    const quirks = codec.decode ? undefined : request.quirks
    const lost = inbound.lost?.(asked, quirks, name => call.header(name)) ?? []
    const dropped = [...lost, ...(fitted?.dropped ?? []), ...encoded.dropped]
    return { ...encoded, dropped: callersNames(dropped, words, asked.json) }
  } catch (error) {
    throw callersError(error, words, asked.json)
  }
}

/** The request body for this target. Throws `invalid_request` for what its wire cannot say, or when parameters would be dropped and the caller forbids it. */
export function prepare(
  job: Job,
  target: Target,
  maxOutputTokens: number | undefined,
  { signatures }: Pick<Deps, 'signatures'>,
): Encoded {
  const { site, offer } = target.listing
  const { operation } = job.endpoint
  const codec = codecFor(site.provider, operation)
  if (!codec) throw new GatewayError('invalid_request', `${site.name} does not offer ${operation}.`)
  const { facts } = job
  const { lineage } = job.caller.key
  const request = {
    body: job.body,
    stream: facts.stream,
    wantsUsage: facts.wantsUsageEvent,
    extensions: facts.extensionNames,
    offer,
    maxOutputTokens,
    quirks: site.quirks,
    options: site.options,
    signatureFor: signatures && ((callId: string) => signatures.find(lineage, callId)),
  }
  const native = job.inbound.native?.(site.provider, site.quirks)
  const encoded = native
    ? native.encode({ ...request, header: name => job.call.header(name), query: job.call.query })
    : throughChat(job, codec, request)
  if (encoded.dropped.length > 0 && facts.preferences?.requireParameters) {
    const message = `${site.name} does not take ${encoded.dropped.join(', ')} and provider.require_parameters is set.`
    throw new GatewayError('invalid_request', message, { param: encoded.dropped[0] })
  }
  return encoded
}

export function carry(job: Job, target: Target, carried: Carried, deps: Deps): Promise<ExchangeResult> {
  const { site, offer } = target.listing
  const { facts, call } = job
  const codec = codecFor(site.provider, job.endpoint.operation)
  if (!codec) throw new GatewayError('bug', 'a target without a codec')
  const native = job.inbound.native?.(site.provider, site.quirks)
  const config = deps.config()
  const { timeouts } = site
  const context: DecodeContext = {
    offer,
    created: Math.floor(deps.clock.now() / 1000),
    newId: deps.newId,
    ...keeping(deps.signatures, job.caller, target),
    quirks: site.quirks,
    request: native ? job.body.json : chatBody(job, codec).json,
  }
  const usageOf = (answer: Record<string, unknown>) => usageOfAnswer(answer, site.quirks)
  const costOf = facts.wantsCost
    ? (usage: Usage) => billOfAll(job, billFor(usage, offer.price, 'exact')).costNanoUsd
    : undefined
  const options = {
    bytes: deps.bytes,
    wantsUsage: facts.wantsUsageEvent,
    costOf,
    eventBytesMax: config.limits.eventBytes,
    scrub: deps.scrub,
  }
  const render: RenderContext = {
    model: job.model,
    created: context.created,
    newId: deps.newId,
    request: job.body.json,
    likelyInputTokens: job.likelyInputTokens,
  }
  const writer = job.inbound.stream?.(render) ?? job.inbound.untouched ?? chatWriter
  // named first, then assigned: see `start` in relay/exchange.ts
  const lastWords: typeof job.answer.lastWords = error => writer.error?.(error)
  job.answer.lastWords = lastWords
  carried.lastWords = lastWords
  const tapped = native && facts.stream && !facts.raw ? createNative(native.tap(context), options) : undefined
  const plain =
    tapped ?? (facts.stream ? readerFor(job, codec, context, writer, { ...options, usageOf }) : undefined)
  const reader = plain && sampled(plain, native ?? codec, carried, options, deps)
  const lastEvents: Carried['ending'] = (result, metered) =>
    (facts.raw ? '' : tapped?.ending(result.cutShort, metered.usage)) ??
    ending(result, metered, facts.wantsUsageEvent, context, costOf !== undefined, writer)
  carried.ending = lastEvents
  const sentAtMs = deps.clock.monotonic()
  const headers = () => {
    const waitedMs = carried.elsewhereMs + (deps.clock.monotonic() - sentAtMs)
    return answerHeaders(job, target, carried, deps, waitedMs)
  }
  return runExchange(
    {
      request: requestOf(job, target, carried),
      send: site.builtIn ? builtInSend(deps, context) : wayOut(target, deps),
      stream: facts.stream,
      raw: facts.raw === true,
      codec,
      native,
      answerAs: native ? undefined : answerAs(job, codec, render, namesFor(job, codec, chatBody(job, codec))),
      provider: site.provider,
      providerName: site.name,
      context,
      usageOf,
      reader,
      holdBack: holdBackFor(job, config, deps),
      onContent: hearing(job, target, carried, deps),
      answer: carried.side ?? job.answer,
      headers,
      timeouts: timeoutsFor(timeouts, offer, facts, deps.health.state(target.key)),
      lastResort: carried.lastResort,
      deadlineMs: call.startedAtMs + timeouts.totalMs,
      answerBytesMax: config.limits.answerBytes,
      onDisconnect: site.onDisconnect,
      needsFinish: site.quirks.sendsFinishReason !== false,
      afford: carried.money.afford,
      scrub: deps.scrub,
    },
    deps,
  )
}

/** The reader with what stands before it: a wire's frames are taken off, and the beginning is kept for who counts tokens. */
function sampled(
  plain: StreamReader,
  { unframe }: Pick<ChatCodec, 'unframe'>,
  carried: Carried,
  options: ReaderOptions,
  { tokens }: Deps,
): StreamReader {
  let reader = plain
  if (tokens) {
    carried.sampled = createSampled(plain)
    reader = carried.sampled
  }
  return unframe ? createFramed(reader, unframe, options) : reader
}

/** Health learns of a stream's first content when it comes, as it learns of failures, and not when the answer has ended. */
function hearing({ facts }: Job, target: Target, carried: Carried, deps: Deps): (ttftMs: number) => void {
  return ttftMs => {
    if (facts.stream) observeContent(target, ttftMs, deps)
    carried.onContent?.()
  }
}

function wayOut(target: Target, deps: Deps): Send {
  const sign = target.credential?.sign
  return sign === undefined ? deps.send : authorizedSend(deps.send, sign)
}

/** Nothing under `fast`, which is the default: the plain path pays one comparison. */
function holdBackFor({ facts }: Job, { routing, limits }: Config, { bytes }: Deps): HoldBack | undefined {
  const guarantee = facts.streamGuarantee ?? routing.streamGuarantee
  if (guarantee === 'fast' || !facts.stream) return undefined
  const { settleMs, settleTokens } = routing
  return createHoldBack(guarantee, { bytes, settleMs, settleTokens, bytesMax: limits.answerBytes })
}

/** What goes over the wire: our own headers, the site's, the codec's, and the credential last. */
function requestOf(job: Job, target: Target, carried: Carried): UpstreamRequest {
  const { site } = target.listing
  return {
    origin: site.origin,
    path: site.basePath + carried.encoded.path,
    method: 'POST',
    headers: [
      'content-type',
      job.body.type ?? 'application/json',
      'accept',
      carried.encoded.accept ?? (job.facts.stream ? 'text/event-stream' : 'application/json'),
      'accept-encoding',
      'identity',
      'user-agent',
      'switchgate',
      ...site.headers,
      ...carried.encoded.headers,
      ...(target.credential?.headers ?? []),
    ],
    body: carried.encoded.body,
  }
}

/** What the host is known to get wrong is put right first, whoever reads it then. */
function readerFor(
  job: Job,
  codec: ChatCodec,
  context: DecodeContext,
  writer: StreamWriter,
  options: ReaderOptions & { usageOf: (chunk: Record<string, unknown>) => Usage | undefined },
): StreamReader {
  if (job.facts.raw) return createRaw()
  const reader = plainReader(job, codec, context, writer, options)
  const repair = codec.repair?.(context)
  return repair ? createRepaired(reader, repair, options) : reader
}

/** Same wire in and out: bytes pass. Else event by event, through chat chunks. */
function plainReader(
  job: Job,
  codec: ChatCodec,
  context: DecodeContext,
  writer: StreamWriter,
  options: ReaderOptions & { usageOf: (chunk: Record<string, unknown>) => Usage | undefined },
): StreamReader {
  const decodeStream = codec.decodeStream?.bind(codec)
  if (!decodeStream && !job.inbound.stream) {
    const { n, prompts } = job.facts
    return createPassthrough({ ...options, choices: n * (prompts?.length ?? 1) })
  }
  const names = namesFor(job, codec, chatBody(job, codec))
  const open = (out: ChunkSink) =>
    decodeStream?.(context, sinkWith(job, out, names)) ??
    createChatDecoder(sinkWith(job, out, names), options.usageOf)
  return createTranslated(open, writer, options)
}
