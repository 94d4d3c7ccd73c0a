/** What a batch of settled attempts adds to each roll-up: per hour and per day, per end user and tag, and per key. Pure; written by fold.ts. */
import type { AttemptRow } from '../terms.ts'
import type { SqlValue } from './sql.ts'

export const HOUR_MS = 3_600_000
export const DAY_MS = 86_400_000

/** Start of the unit of time that holds it, epoch ms. */
export const startOf = (ms: number, sizeMs: number): number => ms - (((ms % sizeMs) + sizeMs) % sizeMs)

/** Start of the UTC hour, epoch ms. */
export const hourOf = (ms: number): number => startOf(ms, HOUR_MS)
/** Start of the UTC day, epoch ms. */
export const dayOf = (ms: number): number => startOf(ms, DAY_MS)

/** What a row of the roll-ups of users and tags counts. */
export type PartKind = 'user' | 'tag' | 'tagged' | 'user_tag'

const UNTAGGED: readonly string[] = ['']

/** Sums of rows that share their names. The first name is the hour or the day. */
export interface Group {
  readonly names: readonly SqlValue[]
  readonly sums: number[]
}

const ZEROES: readonly number[] = [0, 0, 0, 0, 0, 0, 0, 0, 0]

/** requests, attempts, input, output and cached tokens, cost, estimated, unknown, unpriced requests of one row. */
function sumsOf(row: AttemptRow): number[] {
  const cost = row.costNanoUsd ?? 0
  return [
    row.last ? 1 : 0,
    1,
    row.usage?.inputTokens ?? 0,
    row.usage?.outputTokens ?? 0,
    row.usage?.cacheReadInputTokens ?? 0,
    cost,
    row.certainty === 'estimated' ? cost : 0,
    row.certainty === 'unknown' ? cost : 0,
    row.last && row.costNanoUsd === null ? 1 : 0,
  ]
}

function addTo(group: Group, parts: readonly number[]): void {
  for (let i = 0; i < parts.length; i++) group.sums[i] = (group.sums[i] ?? 0) + (parts[i] ?? 0)
}

function groupAt(groups: Map<string, Group>, names: readonly SqlValue[]): Group {
  const at = JSON.stringify(names) // a caller may name a model: no separator is safe
  let group = groups.get(at)
  if (group === undefined) {
    group = { names, sums: [...ZEROES] }
    groups.set(at, group)
  }
  return group
}

const sameNames = (row: AttemptRow, first: AttemptRow, hourMs: number): boolean =>
  row.keyId === first.keyId &&
  row.model === first.model &&
  row.provider === first.provider &&
  row.project === first.project &&
  row.createdAtMs >= hourMs &&
  row.createdAtMs < hourMs + HOUR_MS

/** By hour, key, model, provider and project ('' = none). */
export function hourlySums(rows: readonly AttemptRow[]): Group[] {
  const groups = new Map<string, Group>()
  let latest: { first: AttemptRow; hourMs: number; group: Group } | undefined
  for (const row of rows) {
    // neighbours mostly belong together
    if (latest === undefined || !sameNames(row, latest.first, latest.hourMs)) {
      const hourMs = hourOf(row.createdAtMs)
      const group = groupAt(groups, [hourMs, row.keyId, row.model, row.provider, row.project ?? ''])
      latest = { first: row, hourMs, group }
    }
    addTo(latest.group, sumsOf(row))
  }
  return [...groups.values()]
}

/**
 * By hour, kind, user, tag, key, model, provider and project; '' = none. Kind `user` = rows that name an end user; `tag`
 * = rows with this tag, so that a row with two counts under each; `tagged` = rows with any tag, each once; `user_tag`
 * = rows of this end user with this tag, or, tag '', with none.
 */
export function partSums(rows: readonly AttemptRow[]): Group[] {
  const groups = new Map<string, Group>()
  for (const row of rows) {
    const user = row.user ?? ''
    if (user === '' && row.tags.length === 0) continue
    const hourMs = hourOf(row.createdAtMs)
    const parts = sumsOf(row)
    const add = (kind: PartKind, whose: string, tag: string) => {
      const { keyId, model, provider, project } = row
      addTo(groupAt(groups, [hourMs, kind, whose, tag, keyId, model, provider, project ?? '']), parts)
    }
    if (user !== '') add('user', user, '')
    const tags = new Set(row.tags)
    tags.delete('')
    if (tags.size > 0) add('tagged', '', '')
    for (const tag of tags) add('tag', '', tag)
    if (user !== '') for (const tag of tags.size > 0 ? tags : UNTAGGED) add('user_tag', user, tag)
  }
  return [...groups.values()]
}

/** The same sums by day instead of by hour. */
export function daily(hourly: readonly Group[]): Group[] {
  const [only] = hourly
  if (hourly.length === 1 && only)
    return [{ names: [dayOf(Number(only.names[0])), ...only.names.slice(1)], sums: only.sums }]
  const groups = new Map<string, Group>()
  for (const { names, sums } of hourly)
    addTo(groupAt(groups, [dayOf(Number(names[0])), ...names.slice(1)]), sums)
  return [...groups.values()]
}

/** Last use and money by key, in the order of the columns of `key_use`. */
export function keySums(rows: readonly AttemptRow[]): SqlValue[][] {
  const keys = new Map<string, [id: string, lastUsedAtMs: number, spentNanoUsd: number]>()
  for (const { keyId, createdAtMs, costNanoUsd } of rows) {
    const sum = keys.get(keyId)
    if (sum === undefined) keys.set(keyId, [keyId, createdAtMs, costNanoUsd ?? 0])
    else {
      sum[1] = Math.max(sum[1], createdAtMs)
      sum[2] += costNanoUsd ?? 0
    }
  }
  return [...keys.values()]
}

/** Groups as values in the order of a roll-up's columns. */
export const valuesOf = (groups: readonly Group[]): SqlValue[][] =>
  groups.map(({ names, sums }) => [...names, ...sums])
