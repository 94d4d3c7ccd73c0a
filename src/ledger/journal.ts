/** The journal port and its lines: what the ledger said, append-only, so that a killed process forgets nothing. */
import type { HoldFacts } from '../deps.ts'
import { requestIdOf } from '../ids.ts'
import { packDetail, unpackDetail } from '../store/packed.ts'
import type { AttemptRow } from '../terms.ts'
import type { BucketRef } from './lease.ts'

/** Append-only lines in segments. `rotate` is how it forgets. Implemented per runtime; see `createMemoryJournal` for the meaning. */
export interface Journal {
  /** Queues a line without line breaks; it is written in this turn of the event loop whether or not anybody flushes. */
  append(line: string): void
  /** Resolves when every line so far survives the death of the process; the same promise for all callers of a turn. Rejects when it could not be written; the lines are kept and retried. */
  flush(): Promise<void>
  /** Why writing fails at the moment; undefined = it works. */
  failure(): Error | undefined
  /** Bytes in the segments that a restart would read. */
  size(): number
  /** Starts a segment with these lines, which stand for everything said so far, and drops the rest. Throws, changing nothing, when it cannot. */
  rotate(lines: readonly string[]): void
  /** Lines of earlier processes, oldest first. A torn last line of a segment is left out. */
  read(): Iterable<string>
  close(): Promise<void>
}

/** One promise of the journal: money held, another sum in its place (more of it, less, or what it came to), or a finished attempt. Times epoch ms, amounts nano-USD. */
export type Entry =
  | {
      readonly say: 'hold'
      readonly id: string
      /** The row's time: when its request began. */
      readonly atMs: number
      readonly keyId: string
      readonly lineage: string
      readonly project: string | null
      readonly nanoUsd: number
      readonly buckets: readonly BucketRef[]
      readonly facts: HoldFacts | undefined
    }
  | { readonly say: 'extend'; readonly id: string; readonly nanoUsd: number }
  | {
      readonly say: 'settle'
      readonly row: AttemptRow
      readonly buckets: readonly BucketRef[]
      /** The row's packed text. */
      readonly detail: string
    }

export type HoldEntry = Extract<Entry, { say: 'hold' }>

const FACT_NAMES = [
  'requestedModel',
  'provider',
  'model',
  'upstreamModel',
  'credential',
  'operation',
  'stream',
  'priceId',
  'peer',
  'user',
  'tags',
  'why',
] as const satisfies readonly (keyof HoldFacts)[]
// A fact that is added and not listed is a type error.
const allFacts: Exclude<keyof HoldFacts, (typeof FACT_NAMES)[number]> extends never ? true : never = true

/** What a line may hold: of a number or a text every member is undefined. */
type Line = Readonly<Record<string, unknown>>

/** A bucket is named by every request of its window. */
const bucketTexts = new WeakMap<BucketRef, string>()

function formatBucket(bucket: BucketRef): string {
  let text = bucketTexts.get(bucket)
  if (text === undefined) {
    text = JSON.stringify(bucket)
    bucketTexts.set(bucket, text)
  }
  return text
}

function formatBuckets(buckets: readonly BucketRef[]): string {
  let texts = ''
  for (const bucket of buckets)
    texts = texts === '' ? formatBucket(bucket) : `${texts},${formatBucket(bucket)}`
  return `[${texts}]`
}

/** The values in the order of `FACT_NAMES`: half the time and a third of the bytes of named members. */
const formatFacts = (facts: HoldFacts): string =>
  JSON.stringify([
    allFacts && facts.requestedModel,
    facts.provider,
    facts.model,
    facts.upstreamModel,
    facts.credential,
    facts.operation,
    facts.stream,
    facts.priceId,
    facts.peer,
    facts.user,
    facts.tags,
    facts.why,
  ])

const sameTags = (a: readonly string[] | undefined, b: readonly string[] | undefined): boolean =>
  a === b || (a?.length === 0 && b?.length === 0)

const sameFacts = (a: HoldFacts, b: HoldFacts): boolean =>
  a.requestedModel === b.requestedModel &&
  a.provider === b.provider &&
  a.model === b.model &&
  a.upstreamModel === b.upstreamModel &&
  a.credential === b.credential &&
  a.operation === b.operation &&
  a.stream === b.stream &&
  a.priceId === b.priceId &&
  a.peer === b.peer &&
  a.user === b.user &&
  a.why === b.why &&
  sameTags(a.tags, b.tags)

type Whose = Pick<HoldEntry, 'keyId' | 'lineage' | 'project'>

const NOBODY: Whose = { keyId: '', lineage: '', project: null }
// What was said last: neighbours mostly say the same.
let latest: { readonly facts: HoldFacts; readonly text: string } = { facts: {}, text: formatFacts({}) }
let latestWhose = { whose: NOBODY, text: formatWhose(NOBODY) }

function formatWhose({ keyId, lineage, project }: Whose): string {
  return JSON.stringify([keyId, lineage, project]).slice(1, -1)
}

function factsText(facts: HoldFacts): string {
  if (!sameFacts(facts, latest.facts)) latest = { facts, text: formatFacts(facts) }
  return latest.text
}

function whoseText(hold: HoldEntry): string {
  const { keyId, lineage, project } = hold
  const { whose } = latestWhose
  if (keyId !== whose.keyId || lineage !== whose.lineage || project !== whose.project)
    latestWhose = { whose: { keyId, lineage, project }, text: formatWhose(hold) }
  return latestWhose.text
}

function formatHold(hold: HoldEntry): string {
  const { id, nanoUsd, atMs, buckets, facts } = hold
  const of = `${atMs},${whoseText(hold)},${formatBuckets(buckets)}`
  const told = facts === undefined ? '' : `,"facts":${factsText(facts)}`
  return `{"say":"hold","id":${JSON.stringify(id)},"nanoUsd":${nanoUsd},"of":[${of}]${told}}`
}

function parseHold({ id, nanoUsd, of, facts }: Line): HoldEntry | undefined {
  if (typeof id !== 'string' || typeof nanoUsd !== 'number' || !Array.isArray(of)) return undefined
  const [atMs, keyId, lineage, project, buckets] = of
  if (!Array.isArray(buckets)) return undefined
  const named = Array.isArray(facts)
    ? Object.fromEntries(FACT_NAMES.map((name, i) => [name, facts[i]]).filter(([, fact]) => fact != null))
    : undefined
  return { say: 'hold', id, nanoUsd, atMs, keyId, lineage, project, buckets, facts: named }
}

/** An entry as its line. */
export function formatEntry(entry: Entry): string {
  if (entry.say === 'hold') return formatHold(entry)
  if (entry.say === 'extend') return JSON.stringify(entry)
  const { id, createdAtMs, keyId, answerId } = entry.row
  const row = JSON.stringify([id, createdAtMs, keyId, answerId])
  return `{"say":"settle","named":${row},"detail":${entry.detail},"buckets":${formatBuckets(entry.buckets)}}`
}

/** A finished attempt as an entry; its text is made here, once. */
export const settlement = (
  row: AttemptRow,
  buckets: readonly BucketRef[],
): Extract<Entry, { say: 'settle' }> => ({ say: 'settle', row, buckets, detail: packDetail(row) })

function parseSettlement({ named, detail, buckets }: Line): Entry | undefined {
  if (!Array.isArray(named) || typeof named[0] !== 'string' || !Array.isArray(buckets)) return undefined
  const [id, createdAtMs, keyId, answerId] = named
  const row = unpackDetail({ id, createdAtMs, keyId, answerId }, detail)
  return row && { say: 'settle', row, buckets, detail: JSON.stringify(detail) }
}

function parseExtend({ id, nanoUsd }: Line): Entry | undefined {
  return typeof id === 'string' && typeof nanoUsd === 'number' ? { say: 'extend', id, nanoUsd } : undefined
}

function parseLine(line: string): Line | null {
  try {
    return JSON.parse(line) as Line | null
  } catch {
    return null
  }
}

/** A line's entry; undefined = not one of ours (torn or damaged). */
export function parseEntry(line: string): Entry | undefined {
  const value = parseLine(line)
  if (value?.say === 'settle') return parseSettlement(value)
  if (value?.say === 'hold') return parseHold(value)
  if (value?.say === 'extend') return parseExtend(value)
  return undefined
}

/**
 * The row of an attempt whose process died. Charged at the full hold, of a key without budgets too; without an amount
 * and without a price the cost is unknown, which is not zero.
 */
export function interruptedRow(hold: HoldEntry, nanoUsd: number, last: boolean): AttemptRow {
  const dot = hold.id.lastIndexOf('.')
  const attempt = Number(hold.id.slice(dot + 1))
  const facts = hold.facts ?? {}
  const budgeted = hold.buckets.length > 0
  return {
    id: hold.id,
    requestId: requestIdOf(hold.id),
    attempt: dot > 0 && Number.isSafeInteger(attempt) ? attempt : 1,
    last,
    createdAtMs: hold.atMs,
    keyId: hold.keyId,
    lineage: hold.lineage,
    project: hold.project,
    requestedModel: facts.requestedModel ?? '',
    provider: facts.provider ?? '',
    model: facts.model ?? '',
    upstreamModel: facts.upstreamModel ?? '',
    credential: facts.credential ?? '',
    operation: facts.operation ?? 'chat',
    stream: facts.stream ?? false,
    status: 0,
    error: 'interrupted',
    finishReason: null,
    usage: null,
    costNanoUsd: budgeted || nanoUsd > 0 || facts.priceId ? nanoUsd : null,
    heldNanoUsd: budgeted ? nanoUsd : 0,
    overrunNanoUsd: 0,
    certainty: 'unknown',
    priceId: facts.priceId ?? null,
    ttftMs: null,
    totalMs: 0,
    peer: facts.peer ?? '',
    user: facts.user ?? null,
    tags: facts.tags ?? [],
    answerId: null,
    why: facts.why ?? null,
  }
}

/** A journal that survives nothing: for tests, and for what a second ledger over the same `lines` would read. */
export function createMemoryJournal(lines: string[] = []): Journal & { readonly lines: string[] } {
  const earlier = [...lines]
  const turn = Promise.resolve()
  return {
    lines,
    append: line => void lines.push(line),
    flush: () => turn,
    failure: () => undefined,
    size: () => lines.reduce((sum, line) => sum + line.length + 1, 0),
    rotate(carried) {
      lines.length = 0
      lines.push(...carried)
    },
    read: () => earlier,
    close: () => turn,
  }
}
