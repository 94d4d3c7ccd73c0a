/** Makes one upstream request of a job and a target, and runs the exchange. */
import type { ChatCodec, ChatRequest, Encoded } from '../../providers/provider.ts'
import { authorizedSend } from '../authorize/authorize.ts'
import type { Deps } from '../deps.ts'
import { GatewayError } from '../errors.ts'
import type { Price } from '../price.ts'
import type { Metered } from '../record.ts'
import type { CallerSide, ExchangeResult } from '../relay/contract.ts'
import type { Answer } from '../relay/answer.ts'
import { runExchange } from '../relay/exchange.ts'
import type { SampledReader } from '../relay/sample.ts'
import { codecFor } from '../route/codec.ts'
import type { Target } from '../route/plan.ts'
import type { Send, UpstreamRequest } from '../terms.ts'
import { withLongIntegers } from '../wire/exact.ts'
import { FUNCTION_WORDS } from '../wire/functions.ts'
import type { RenderContext } from '../wire/inbound.ts'
import { usageOfAnswer } from '../wire/openai.ts'
import { askedTier, withTier } from '../wire/tiers.ts'
import { withToolNames } from '../wire/tool-names.ts'
import { callersError, callersNames } from '../wire/words.ts'
import type { Job } from './attempt.ts'
import { builtInSend } from './built-in.ts'
import { chatBody } from './chat-body.ts'
import { contextFor } from './context.ts'
import type { Money } from './hold.ts'
import { listen } from './listen.ts'
import { answerAs, namesFor } from './names.ts'
import { timeoutsFor } from './limits.ts'

/** What goes with one attempt. */
export interface Carried {
  encoded: Encoded
  /** The offer's, in the service tier that was asked for. */
  readonly price: Price | undefined
  readonly money: Money
  readonly attempt: number
  /** Time that earlier attempts spent waiting for their upstreams. */
  readonly elsewhereMs: number
  readonly lastResort: boolean
  /** Set while another target may answer first. */
  readonly side?: CallerSide
  readonly onContent?: () => void
  /** `Answer.lastWords` of this attempt, should it be the one that the caller hears. Of streams alone, as what follows. */
  lastWords: Answer['lastWords']
  /** Set where tokens can be counted. */
  sampled: SampledReader | undefined
  /** Last events of a finished stream, `[DONE]` included. */
  ending: ((result: ExchangeResult, metered: Metered) => string) | undefined
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

/** The service tier with a price of its own that goes upstream, in whichever wire. */
export function tierFor(job: Job, { site }: Target['listing']): string | undefined {
  const codec = codecFor(site.provider, job.endpoint.operation)
  if (codec === undefined) return undefined
  const isNative = job.inbound.native?.(site.provider, site.quirks) !== undefined
  return askedTier(isNative ? job.body.json : chatBody(job, codec).json)
}

/** A whole answer's head is made when its cost is known. */
const noHeaders = (): readonly string[] => []

export function carry(job: Job, target: Target, carried: Carried, deps: Deps): Promise<ExchangeResult> {
  const { site, offer } = target.listing
  const { inbound, facts } = job
  const codec = codecFor(site.provider, job.endpoint.operation)
  if (!codec) throw new GatewayError('bug', 'a target without a codec')
  const native = inbound.native?.(site.provider, site.quirks)
  const chat = native ? job.body : chatBody(job, codec)
  const context = contextFor(job, target, chat.json, deps)
  const render: RenderContext = {
    model: job.model,
    created: context.created,
    newId: deps.newId,
    request: job.body.json,
    likelyInputTokens: job.likelyInputTokens,
  }
  const usageOf = (answer: Record<string, unknown>) =>
    withTier(usageOfAnswer(answer, site.quirks), answer, chat.json)
  const names = native ? undefined : namesFor(job, codec, chat)
  const spoken = { codec, native, context, render, usageOf, names }
  const heard = facts.stream ? listen(job, target, carried, spoken, deps) : undefined
  return runExchange(
    {
      request: requestOf(job, target, carried),
      send: site.builtIn ? builtInSend(deps, context) : wayOut(target, deps),
      stream: facts.stream,
      raw: facts.raw,
      codec,
      native,
      answerAs: native ? undefined : answerAs(job, codec, render, names),
      provider: site.provider,
      providerName: site.name,
      context,
      usageOf,
      reader: heard?.reader,
      holdBack: heard?.holdBack,
      onContent: heard ? heard.onContent : carried.onContent,
      answer: carried.side ?? job.answer,
      headers: heard ? heard.headers : noHeaders,
      timeouts: timeoutsFor(site.timeouts, offer, facts, deps.health.state(target.key)),
      lastResort: carried.lastResort,
      requestedMs: job.call.startedAtMs,
      deadlineMs: job.call.startedAtMs + site.timeouts.totalMs,
      answerBytesMax: deps.config().limits.answerBytes,
      onDisconnect: site.onDisconnect,
      needsFinish: site.quirks.sendsFinishReason !== false,
      afford: carried.money.afford,
      scrub: deps.scrub,
    },
    deps,
  )
}

function wayOut(target: Target, deps: Deps): Send {
  const sign = target.credential?.sign
  return sign === undefined ? deps.send : authorizedSend(deps.send, sign)
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
