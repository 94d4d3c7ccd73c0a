/** Last stage: one ledger row per attempt, the hold settled, health fed. The only caller of `settle`. */
import { credentialKeyOf, RATE_LIMIT_PAUSE_MS } from './attempt/choose.ts'
import type { Counted } from './count.ts'
import type { Deps, Hold } from './deps.ts'
import { FAILURES, type Failure, type GatewayError } from './errors.ts'
import { BYTES_PER_TOKEN, billFor, estimateUsage, isStated, takesStated } from './meter.ts'
import { type Price, unitPico } from './price.ts'
import { isBelievable } from './plausible.ts'
import type { ExchangeResult } from './relay/contract.ts'
import type { StreamState } from './relay/reader.ts'
import { offerKey, type Target } from './route/plan.ts'
import type { AttemptRow, Bill, Usage } from './terms.ts'
import type { Metering } from './wire/openai.ts'

/** What one attempt used, and how sure that is. */
export interface Metered {
  readonly usage: Usage | undefined
  readonly bill: Bill
}

/** What was asked for, for where the answer does not say what it used. */
export interface Asked {
  readonly likelyInputTokens: number
  /** What was asked for costs this. */
  readonly price: Price | undefined
  readonly metering?: Metering | undefined
  /** The most that the answer can have. */
  readonly outputTokens?: number | undefined
  /** In one piece. */
  readonly isWhole: boolean
  /** By the tokenizer, where it is to be had. */
  readonly count?: (() => Counted | undefined) | undefined
}

/** Usage × price, or the best estimate: what was never answered costs nothing, what broke costs what came. */
export function meter(result: ExchangeResult, target: Target, asked: Asked): Metered {
  const { likelyInputTokens, price, metering, count } = asked
  const outputTokens = asked.outputTokens ?? target.listing.offer.maxOutputTokens ?? undefined
  const { failure, status, textBytes } = result
  const usage = metering ? statedOf(result, target, metering) : result.usage
  if (!result.sent) return nothing(target, 'exact')
  const complete = (failure === undefined && !result.cutShort) || result.usageIsFinal
  const bill =
    usage && complete && (metering || isWhole(usage, result, price))
      ? billFor(usage, price, result.drained ? 'recovered' : 'exact')
      : undefined
  const isAbsurd = usage && bill && (bill.certainty === 'unknown' || !isBelievable(usage))
  if (usage && bill && !isAbsurd) return { usage, bill }
  const refused = status !== 0 && (status < 200 || status >= 300)
  // we or the caller broke it off: the provider was at work
  const brokenOff = failure?.kind === 'cancelled' || failure?.kind === 'draining'
  const unheard = status === 0 && !brokenOff
  // a credential that is refused before there is an answer was refused while signing: nothing had been sent
  const unsent =
    failure?.kind === 'bad_credential' || (failure?.kind === 'unreachable' && result.delivered !== true)
  if (refused || (unheard && unsent)) return nothing(target, 'exact')
  // no head ever came: the provider may have worked, but has shown nothing to be charged for
  if (unheard) return nothing(target, 'estimated')
  const oversized = failure?.kind === 'oversized'
  if (
    failure &&
    !result.committed &&
    status >= 200 &&
    textBytes === 0 &&
    !result.usage &&
    !brokenOff &&
    !oversized
  )
    return nothing(target, 'estimated')
  // a whole answer is written to its end or until the provider notices: nothing of it is seen here
  const abandoned = brokenOff && asked.isWhole
  // of an answer without end no more than could have been asked for
  const most = oversized ? outputTokens : undefined
  const counted = metering || oversized ? undefined : count?.()
  const guess =
    (metering && likelyOf(complete && !isAbsurd ? result.usage : undefined, metering)) ??
    estimateUsage({
      stated: usage && !isAbsurd ? saidOf(usage) : undefined,
      likelyInputTokens: counted?.inputTokens ?? likelyInputTokens,
      countedOutputTokens: counted?.outputTokens,
      outputBytes: Math.min(textBytes, (most ?? Number.POSITIVE_INFINITY) * BYTES_PER_TOKEN),
      contentEvents: result.contentEvents,
      cutAtTokens: result.cutShort || abandoned ? (outputTokens ?? Number.POSITIVE_INFINITY) : undefined,
      unseenMs: abandoned ? result.totalMs : undefined,
    })
  if (isAbsurd && bill && !costsNothing(bill))
    return { usage: guess, bill: { costNanoUsd: undefined, certainty: 'unknown', priceId: bill.priceId } }
  return { usage: guess, bill: billFor(guess, price, 'estimated') }
}

/** Is the cost known whatever the count: because all of it is free? Else it is unknown, which the ledger makes the hold. */
const costsNothing = ({ costNanoUsd, certainty }: Bill): boolean =>
  costNanoUsd === 0 && certainty !== 'unknown'

/**
 * Nobody asks without a token, and no text is none: such a count is one that was not made, unless the provider says what it
 * cost. The words that stand for a prompt which was refused are nobody's output.
 */
export const isWhole = (
  usage: Usage,
  {
    textBytes,
    contentEvents,
    finishReason,
  }: Pick<StreamState, 'textBytes' | 'contentEvents' | 'finishReason'>,
  price: Price | undefined,
): boolean =>
  takesStated(usage, price) ||
  (usage.inputTokens > 0 &&
    (usage.outputTokens > 0 || textBytes + contentEvents === 0 || finishReason === 'content_filter'))

/** What was really said of the counts, as far as it can be true. */
function saidOf(usage: Usage): Partial<Usage> {
  const { inputTokens, ...others } = usage
  if (!isBelievable(usage)) return {}
  return inputTokens > 0 ? usage : others
}

/** Usage that this price can be asked with: the answer's, or the request's where that alone decides (characters). */
function statedOf({ usage }: ExchangeResult, { listing }: Target, metering: Metering): Usage | undefined {
  const { price } = listing.offer
  if (usage && isStated(usage, price)) return usage
  const { certain, units } = metering
  return certain && price && unitPico(price, units.kind) !== undefined ? likelyOf(usage, metering) : undefined
}

/** What the request tells of its units, beside the tokens that the answer states. */
const likelyOf = (usage: Usage | undefined, { likely }: Metering): Usage =>
  usage !== undefined && usage.units === undefined ? { ...usage, units: likely.units } : likely

/** The result of an attempt that ended before anything was sent. */
export const notSent = (failure: GatewayError): ExchangeResult => ({
  failure,
  committed: false,
  sent: false,
  status: 0,
  usage: undefined,
  usageIsFinal: false,
  finishReason: undefined,
  answerId: undefined,
  textBytes: 0,
  contentEvents: 0,
  ttftMs: undefined,
  totalMs: 0,
  whole: undefined,
  cutShort: false,
  drained: false,
})

function nothing(target: Target, certainty: 'exact' | 'estimated'): Metered {
  const { price } = target.listing.offer
  return { usage: undefined, bill: { costNanoUsd: 0, certainty, priceId: price?.id } }
}

/** Everything about an attempt that is not in its result. */
export interface Told {
  readonly hold: Hold
  readonly target: Target
  readonly row: Pick<
    AttemptRow,
    'id' | 'requestId' | 'attempt' | 'requestedModel' | 'operation' | 'stream' | 'peer' | 'user' | 'tags'
  >
  /** Set when no other attempt follows: the status that the caller sees. */
  readonly finalStatus: number | undefined
}

export function record(told: Told, result: ExchangeResult, metered: Metered, deps: Deps): void {
  const { hold, target, row } = told
  const { key } = hold
  const { offer } = target.listing
  const { bill, usage } = metered
  const cost = bill.costNanoUsd ?? null
  const shown = told.finalStatus ?? result.status
  // every member by name: a copy of `row` with members added to it grows five times
  deps.ledger.settle(hold, {
    id: row.id,
    requestId: row.requestId,
    attempt: row.attempt,
    last: told.finalStatus !== undefined,
    createdAtMs: hold.createdAtMs,
    keyId: key.id,
    lineage: key.lineage,
    project: key.project,
    requestedModel: row.requestedModel,
    provider: offer.provider,
    model: offer.model,
    upstreamModel: offer.upstream,
    credential: target.credential?.id ?? '',
    operation: row.operation,
    stream: row.stream,
    status: shown,
    upstreamStatus: shown === result.status ? undefined : result.status,
    error: result.failure?.kind ?? null,
    finishReason: result.finishReason ?? null,
    usage: usage ?? null,
    costNanoUsd: cost,
    heldNanoUsd: hold.heldNanoUsd,
    // the ledger's own figure: only it knows what the budgets held
    overrunNanoUsd: 0,
    certainty: bill.certainty,
    priceId: bill.priceId ?? null,
    ttftMs: result.ttftMs === undefined ? null : Math.round(result.ttftMs),
    totalMs: Math.round(result.totalMs),
    peer: row.peer,
    user: row.user,
    tags: row.tags,
    answerId: result.answerId ?? null,
    why: target.why,
  })
}

/** A refused credential rests until somebody mends it, but is looked at again now and then. */
const BAD_CREDENTIAL_MS = 60_000
const MISSING_MODEL_MS = 60_000

const WORKS = { kind: 'ok', ttftMs: undefined, totalMs: 0, outputTokens: undefined } as const

/** A stream of which content came: `observeContent` was called. */
const hasBegun = ({ whole, ttftMs }: ExchangeResult): boolean => whole === undefined && ttftMs !== undefined

/** Feeds health with a stream's first content, when it comes. */
export function observeContent(target: Target, ttftMs: number, deps: Deps): void {
  deps.health.observe(target.key, { kind: 'content', ttftMs }, deps.clock.now())
}

/** Feeds health with how long nothing was heard of an attempt that was given up before its first content: no failure by itself. */
export function observeLate(
  target: Target,
  { stream, raced }: { readonly stream: boolean; readonly raced: boolean },
  { totalMs, ttftMs }: ExchangeResult,
  deps: Deps,
): void {
  if (ttftMs !== undefined) return
  deps.health.observe(target.key, { kind: 'late', waitedMs: totalMs, stream, raced }, deps.clock.now())
}

/** Asked with a secret that another has replaced by now: its refusal says nothing of that one. */
function isReplaced({ credential, listing }: Target, { market }: Deps): boolean {
  const site = market().sites.find(({ name }) => name === listing.site.name)
  const now = site?.credentials.find(({ id }) => id === credential?.id)
  return now !== undefined && now.headers.join('\n') !== credential?.headers.join('\n')
}

/** Feeds health. A client's mistake or departure says nothing about a target. */
export function observe(target: Target, result: ExchangeResult, deps: Deps): void {
  const now = deps.clock.now()
  const { failure } = result
  if (!failure) {
    const { ttftMs, totalMs, whole, usage } = result
    const stream = whole === undefined
    const begun = hasBegun(result)
    const outputTokens = usage && isBelievable(usage) ? usage.outputTokens : undefined
    const ok = { kind: 'ok', ttftMs, totalMs, outputTokens, stream, begun } as const
    deps.health.observe(target.key, ok, now)
    if (deps.health.calm) return
    // an offer or a credential that was out works again
    for (const key of [offerKey(target.listing), credentialKeyOf(target)])
      if (key !== undefined && deps.health.state(key)?.outUntilMs) deps.health.observe(key, WORKS, now)
    return
  }
  if (result.stale) return
  const coolDown = (key: string, ms: number, told = false) =>
    deps.health.observe(key, { kind: 'cool_down', untilMs: now + ms, told }, now)
  const kind: Failure = failure.kind
  switch (FAILURES[kind].blame) {
    case 'offer': {
      // of several credentials another one may have access
      const isAlone = target.listing.site.credentials.length <= 1
      return coolDown(isAlone ? offerKey(target.listing) : target.key, MISSING_MODEL_MS)
    }
    case 'credential':
      if (isReplaced(target, deps)) return
      return coolDown(credentialKeyOf(target) ?? target.key, BAD_CREDENTIAL_MS)
    case 'target':
      if (kind === 'rate_limited') {
        const { retryAfterMs } = failure
        return coolDown(target.key, retryAfterMs ?? RATE_LIMIT_PAUSE_MS, retryAfterMs !== undefined)
      }
      return deps.health.observe(target.key, { kind: 'fault', begun: hasBegun(result) }, now)
    case 'nobody':
      return
  }
}
