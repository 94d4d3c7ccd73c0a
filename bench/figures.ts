/** Numbers of the benchmark: rounds, medians, and ratios that say how far they can be trusted. Pure. */
import type { TargetName } from './targets.ts'

/** One measurement: a value per round for each target. */
export interface Row {
  readonly id: string
  readonly title: string
  readonly unit: string
  readonly rounds: ReadonlyMap<TargetName, readonly number[]>
}

/** A ratio above this spread of either side's rounds is never shown without saying so. */
export const SPREAD_MAX = 0.35

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** The value below which the given share of ascending values lies. */
export function percentile(ascending: readonly number[], share: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))] ?? Number.NaN
}

/** Of many rounds the outer ones are what else the machine did: so many and more are judged by their middle half. */
const MANY = 12

/** How far the rounds lie from their median at most, as a share of it; of many rounds their middle half. */
export function spread(values: readonly number[]): number {
  const middle = median(values)
  const away = values.map(value => Math.abs(value - middle)).sort((a, b) => a - b)
  return (away.length < MANY ? (away.at(-1) ?? Number.NaN) : percentile(away, 0.5)) / Math.abs(middle)
}

export interface Ratio {
  /** Median of the rounds' ratios: neighbours in time are compared, so that a slow minute of the machine cancels out. */
  readonly value: number
  readonly rounds: number
  /** Of the rounds' ratios; of many rounds the quartiles. */
  readonly min: number
  readonly max: number
  /** The wider spread of the two sides. */
  readonly spread: number
  readonly isSteady: boolean
}

/** One target's rounds over another's. Undefined when a side is missing. */
export function ratio(row: Row, of: TargetName, to: TargetName): Ratio | undefined {
  const above = row.rounds.get(of)
  const below = row.rounds.get(to)
  if (!above?.length || above.length !== below?.length) return undefined
  const each = above.map((value, round) => value / (below[round] as number)).sort((a, b) => a - b)
  const outer = each.length < MANY ? 0 : 0.25
  const widest = Math.max(spread(above), spread(below))
  return {
    value: median(each),
    rounds: each.length,
    min: percentile(each, outer),
    max: percentile(each, 1 - outer),
    spread: widest,
    isSteady: widest <= SPREAD_MAX,
  }
}

export interface Bar {
  readonly title: string
  /** Undefined when the peer was missing. */
  readonly ratio: Ratio | undefined
  readonly limit: number
  readonly isPassed: boolean | undefined
}

const RAW_AT_MOST = 1.8
const PORTKEY_AT_LEAST = 6

/** The bars that the project has set itself, for whole requests and bursts of events at 32 connections. */
export function bars(rows: readonly Row[]): Bar[] {
  const judged = [
    ['cpu_32', 'CPU per whole request'],
    ['burst_32', 'CPU per event of a burst'],
  ] as const
  return judged.flatMap(([id, title]) => {
    const row = rows.find(each => each.id === id)
    if (row === undefined) return []
    const overRaw = ratio(row, 'switchgate', 'raw')
    const underPortkey = ratio(row, 'portkey', 'switchgate')
    return [
      {
        title: `${title}: switchgate at most ${RAW_AT_MOST} × raw`,
        ratio: overRaw,
        limit: RAW_AT_MOST,
        isPassed: overRaw && overRaw.value <= RAW_AT_MOST,
      },
      {
        title: `${title}: portkey at least ${PORTKEY_AT_LEAST} × switchgate`,
        ratio: underPortkey,
        limit: PORTKEY_AT_LEAST,
        isPassed: underPortkey && underPortkey.value >= PORTKEY_AT_LEAST,
      },
    ]
  })
}
