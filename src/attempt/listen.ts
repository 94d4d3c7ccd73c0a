/** The streaming half of an attempt: who reads its events, what stands before the first and behind the last. Between send.ts and the relay. */
import type { ChatCodec, ChunkSink, DecodeContext, NativeCodec } from '../../providers/provider.ts'
import type { Deps } from '../deps.ts'
import { billFor } from '../meter.ts'
import { isWhole, observeContent } from '../record.ts'
import { createChatDecoder } from '../relay/chat-decoder.ts'
import type { ExchangeInput } from '../relay/contract.ts'
import { createFramed } from '../relay/framed.ts'
import { createHoldBack, type HoldBack } from '../relay/holdback.ts'
import { createNative } from '../relay/native.ts'
import { createPassthrough } from '../relay/passthrough.ts'
import { createRaw } from '../relay/raw.ts'
import type { ReaderOptions, StreamReader, StreamState } from '../relay/reader.ts'
import { createRepaired } from '../relay/repaired.ts'
import { createSampled } from '../relay/sample.ts'
import { chatWriter, createTranslated } from '../relay/translated.ts'
import type { Target } from '../route/plan.ts'
import type { Usage } from '../terms.ts'
import type { RenderContext, StreamWriter } from '../wire/inbound.ts'
import type { ToolNames } from '../wire/tool-names.ts'
import type { Job } from './attempt.ts'
import { ending } from './ending.ts'
import { answerHeaders } from './headers.ts'
import { sinkWith } from './names.ts'
import { billOfAll } from './rows.ts'
import type { Carried } from './send.ts'

/** In which wire the target answers, and in which the caller is told. */
export interface Spoken {
  readonly codec: ChatCodec
  readonly native: NativeCodec | undefined
  readonly context: DecodeContext
  readonly render: RenderContext
  readonly usageOf: ExchangeInput['usageOf']
  readonly names: ToolNames | undefined
}

/** Sets the last words of the attempt, too. */
export function listen(
  job: Job,
  target: Target,
  carried: Carried,
  spoken: Spoken,
  deps: Deps,
): Pick<ExchangeInput, 'reader' | 'holdBack' | 'onContent' | 'headers'> {
  const { facts, inbound } = job
  const { codec, native, context } = spoken
  const costOf = facts.wantsCost
    ? (usage: Usage, seen: StreamState) =>
        isWhole(usage, seen, carried.price)
          ? billOfAll(job, billFor(usage, carried.price, 'exact')).costNanoUsd
          : undefined
    : undefined
  const options: ReaderOptions = {
    bytes: deps.bytes,
    wantsUsage: facts.wantsUsageEvent,
    costOf,
    eventBytesMax: deps.config().limits.eventBytes,
    scrub: deps.scrub,
  }
  const writer = inbound.stream?.(spoken.render) ?? inbound.untouched ?? chatWriter
  // named first, then assigned: see `start` in relay/exchange.ts
  const lastWords: Carried['lastWords'] = error => writer.error?.(error)
  job.answer.lastWords = lastWords
  carried.lastWords = lastWords
  const tapped = native && !facts.raw ? createNative(native.tap(context), options) : undefined
  const plain = tapped ?? readerFor(job, spoken, writer, options)
  const lastEvents: Carried['ending'] = (result, metered) =>
    (facts.raw ? '' : tapped?.ending(result.cutShort, metered.usage)) ??
    (result.cutShort ? undefined : plain.state.terminator) ??
    ending(result, metered, facts.wantsUsageEvent, context, costOf !== undefined, writer)
  carried.ending = lastEvents
  const sentAtMs = deps.clock.monotonic()
  const headers = () => {
    const waitedMs = carried.elsewhereMs + (deps.clock.monotonic() - sentAtMs)
    return answerHeaders(job, target, carried, deps, waitedMs)
  }
  // health learns of a stream's first content when it comes, as it learns of failures, and not when the answer has ended
  const onContent = (ttftMs: number) => {
    observeContent(target, ttftMs, deps)
    carried.onContent?.()
  }
  const reader = sampled(plain, native ?? codec, carried, options, deps)
  return { reader, holdBack: holdBackFor(job, deps), onContent, headers }
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

/** Nothing under `fast`, which is the default: the plain path pays one comparison. */
function holdBackFor({ facts }: Job, { config, bytes }: Deps): HoldBack | undefined {
  const { routing, limits } = config()
  const guarantee = facts.streamGuarantee ?? routing.streamGuarantee
  if (guarantee === 'fast') return undefined
  const { settleMs, settleTokens } = routing
  return createHoldBack(guarantee, { bytes, settleMs, settleTokens, bytesMax: limits.answerBytes })
}

/** What the host is known to get wrong is put right first, whoever reads it then. */
function readerFor(job: Job, spoken: Spoken, writer: StreamWriter, options: ReaderOptions): StreamReader {
  if (job.facts.raw) return createRaw()
  const reader = plainReader(job, spoken, writer, options)
  const repair = spoken.codec.repair?.(spoken.context)
  return repair ? createRepaired(reader, repair, options) : reader
}

/** Same wire in and out: bytes pass. Else event by event, through chat chunks. */
function plainReader(job: Job, spoken: Spoken, writer: StreamWriter, options: ReaderOptions): StreamReader {
  const { codec, context, usageOf, names } = spoken
  const decodeStream = codec.decodeStream?.bind(codec)
  if (!decodeStream && !job.inbound.stream) {
    const { n, prompts } = job.facts
    return createPassthrough({ ...options, usageOf, choices: n * (prompts?.length ?? 1) })
  }
  const open = (out: ChunkSink) =>
    decodeStream?.(context, sinkWith(job, out, names)) ??
    createChatDecoder(sinkWith(job, out, names), usageOf)
  return createTranslated(open, writer, options)
}
