/** An old and a new catalogue → what changed, and which prices are not believed. Pure; behind `catalog update` and `catalog diff`. */
import { type CatalogFile, MARKS, type Row } from './import.ts'

/** A price that moves further than this against its group is a slip of units or of a source until somebody says otherwise. */
export const FACTOR_MAX = 4
/** Fewer others than these say nothing about a price. */
const PEERS_MIN = 2

/** The price columns of an offer, pico-USD per token. */
export interface PriceFacts {
  readonly input: number
  readonly output: number
  readonly cacheRead: number | null
  readonly cacheWrite: number | null
  readonly reasoning: number | null
  /** [over input tokens, input, output, cache read, cache write]. */
  readonly tiers: readonly (readonly (number | null)[])[]
}

export interface Change {
  readonly provider: string
  readonly upstream: string
  /** Canonical id. */
  readonly model: string
  readonly before: PriceFacts | undefined
  readonly after: PriceFacts | undefined
}

export interface Refused extends Change {
  readonly reason: string
}

export interface CatalogUpdate {
  /** What is to be used: the new file, with the old row in place of each refused one. */
  readonly file: CatalogFile
  readonly added: readonly Change[]
  readonly removed: readonly Change[]
  readonly repriced: readonly Change[]
  /** Rows whose price is the same and something else is not: limits, capabilities, dates. */
  readonly otherwise: number
  /** A refused new price leaves the old one, marked doubtful; a refused new offer is left out. */
  readonly refused: readonly Refused[]
}

interface Entry {
  readonly provider: string
  readonly row: Row
  readonly date: string
}

const keyOf = (provider: string, row: Row) => `${provider}/${row[0]}`
const modelOf = (row: Row) => row[1] || row[0]

function entriesOf(file: CatalogFile): Map<string, Entry> {
  const entries = new Map<string, Entry>()
  for (const [provider, rows] of Object.entries(file.offers))
    for (const row of rows)
      entries.set(keyOf(provider, row), { provider, row, date: file.sources[row[9]]?.date ?? '' })
  return entries
}

function priceOf(row: Row): PriceFacts {
  return {
    input: row[2],
    output: row[3],
    cacheRead: row[4],
    cacheWrite: row[5],
    reasoning: row[10]?.reasoning ?? null,
    tiers: row[10]?.tiers ?? [],
  }
}

const isSame = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other)

/** Input, output, read, write and reasoning as billed for a prompt of so many tokens. */
function billedAt(price: PriceFacts, inputTokens: number): readonly number[] {
  const tier = price.tiers.findLast(([over]) => inputTokens > (over ?? 0))
  const [input, output, read, write] = tier
    ? [tier[1] ?? 0, tier[2] ?? 0, tier[3] ?? null, tier[4] ?? null]
    : [price.input, price.output, price.cacheRead, price.cacheWrite]
  return [input, output, read ?? input, write ?? input, price.reasoning ?? output]
}

/** How far apart two amounts are, as a factor ≥ 1; something against nothing is infinitely far. */
function factor(one: number, other: number): number {
  if (one === other) return 1
  return Math.min(one, other) === 0 ? Number.POSITIVE_INFINITY : Math.max(one / other, other / one)
}

const shown = (found: number) =>
  Number.isFinite(found) ? `${Number(found.toFixed(1))}×` : 'from or to nothing'

/** The furthest that any part of a price moved, at any prompt length. */
function furthest(before: PriceFacts, after: PriceFacts): number {
  const starts = [0, ...[...before.tiers, ...after.tiers].map(([over]) => (over ?? 0) + 1)]
  return Math.max(
    ...starts.flatMap(start => {
      const old = billedAt(before, start)
      return billedAt(after, start).map((pico, part) => factor(pico, old[part] ?? 0))
    }),
  )
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? 0)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

/** Prices of the same weights elsewhere, by canonical id; what is doubted or free for trials says nothing. */
function groupsOf(entries: Iterable<Entry>): Map<string, Entry[]> {
  const groups = new Map<string, Entry[]>()
  for (const entry of entries) {
    if (entry.row[8].includes(MARKS.doubtful) || entry.row[8].includes(MARKS.trial)) continue
    const group = groups.get(modelOf(entry.row)) ?? []
    group.push(entry)
    groups.set(modelOf(entry.row), group)
  }
  return groups
}

/** Why a price is not believed beside its peers; undefined = it may be so, or there are too few to tell. */
function whyNotAmong(peers: readonly Entry[], { input, output }: PriceFacts): string | undefined {
  if (peers.length < PEERS_MIN) return undefined
  for (const [what, pico, part] of [
    ['input', input, 2],
    ['output', output, 3],
  ] as const) {
    const median = medianOf(peers.map(peer => peer.row[part]))
    const found = factor(pico, median)
    if (found > FACTOR_MAX)
      return `its ${what} price is ${shown(found)} off the median of ${peers.length} other providers of the same model`
  }
  return undefined
}

interface Rules {
  readonly before: ReadonlyMap<string, Entry>
  readonly old: ReadonlyMap<string, readonly Entry[]>
  readonly fresh: ReadonlyMap<string, readonly Entry[]>
  readonly accepted: ReadonlySet<string>
}

/** Why a new or changed price is not taken over; undefined = it is. */
function whyRefused(key: string, entry: Entry, { before, old, fresh, accepted }: Rules): string | undefined {
  const price = priceOf(entry.row)
  const known = before.get(key)
  if (known !== undefined) {
    // Ledger rows name their price by source and day: two prices must not share a name.
    if (entry.date <= known.date)
      return `its price changed but the day of its source did not (${entry.date}): give the fact a newer source`
    const found = furthest(priceOf(known.row), price)
    if (found > FACTOR_MAX && !accepted.has(key))
      return `it moved ${shown(found)} against its own earlier price`
  }
  if (accepted.has(key) || entry.row[8].includes(MARKS.trial)) return undefined
  const others = (groups: ReadonlyMap<string, readonly Entry[]>) =>
    (groups.get(modelOf(entry.row)) ?? []).filter(peer => keyOf(peer.provider, peer.row) !== key)
  const here = others(old)
  const peers = here.length >= PEERS_MIN ? here : others(fresh)
  // One that stood apart before is judged by its own earlier price alone.
  if (known !== undefined && whyNotAmong(peers, priceOf(known.row)) !== undefined) return undefined
  return whyNotAmong(peers, price)
}

/** Collects the rows that are to be used and the sources they name. */
function createDraft(next: CatalogFile) {
  const sources = [...next.sources]
  const offers: Record<string, Row[]> = {}
  return {
    put(provider: string, row: Row) {
      offers[provider] ??= []
      offers[provider].push(row)
    },
    /** An old row, its source carried over, marked as doubtful. */
    keep(provider: string, row: Row, from: CatalogFile) {
      const source = from.sources[row[9]] ?? { name: 'unknown', date: from.date }
      let at = sources.findIndex(one => isSame(one, source))
      if (at < 0) at = sources.push(source) - 1
      const copy: Row = [...row]
      copy[9] = at
      if (!copy[8].includes(MARKS.doubtful)) copy[8] += MARKS.doubtful
      this.put(provider, copy)
    },
    file: (): CatalogFile => ({ ...next, marks: MARKS, sources, offers }),
  }
}

/** Compares; `accepted` are `provider/upstream` ids whose far moves are meant. */
export function planUpdate(
  current: CatalogFile,
  next: CatalogFile,
  accepted: ReadonlySet<string> = new Set(),
): CatalogUpdate {
  const before = entriesOf(current)
  const after = entriesOf(next)
  const rules = { before, old: groupsOf(before.values()), fresh: groupsOf(after.values()), accepted }
  const draft = createDraft(next)
  const found = { added: [] as Change[], repriced: [] as Change[], refused: [] as Refused[] }
  let otherwise = 0
  for (const [key, entry] of after) {
    const { provider, row } = entry
    const known = before.get(key)
    const change: Change = {
      provider,
      upstream: row[0],
      model: modelOf(row),
      before: known && priceOf(known.row),
      after: priceOf(row),
    }
    const isSamePrice = known !== undefined && isSame(change.before, change.after)
    const reason = isSamePrice ? undefined : whyRefused(key, entry, rules)
    if (reason !== undefined) {
      found.refused.push({ ...change, reason })
      if (known !== undefined) draft.keep(provider, known.row, current)
      continue
    }
    draft.put(provider, row)
    if (known === undefined) found.added.push(change)
    else if (!isSamePrice) found.repriced.push(change)
    else if (known.date !== entry.date || !isSame(known.row.toSpliced(9, 1), row.toSpliced(9, 1))) otherwise++
  }
  const removed = [...before].flatMap(([key, { provider, row }]) =>
    after.has(key)
      ? []
      : [{ provider, upstream: row[0], model: modelOf(row), before: priceOf(row), after: undefined }],
  )
  return { file: draft.file(), ...found, removed, otherwise }
}
