/** Counters, gauges and histograms in preallocated number arrays; beside the pipeline, filled by traffic.ts, printed by text.ts. Pure. */

/** A histogram's figures: one count more than it has bounds (the last has no bound), not yet added up, and the sum of what was seen. */
export interface Distribution {
  readonly bounds: readonly number[]
  readonly counts: ArrayLike<number>
  readonly sum: number
}

/** One time series as it stands. `values` in the order of the family's labels; text = a number already written out. */
export interface Sample {
  readonly values: readonly string[]
  readonly value: number | string | Distribution
}

/** What Prometheus calls a metric family. `name` is without `_total`; `unit` must be its last word. */
export interface Family {
  readonly name: string
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly unit?: 'seconds' | 'bytes' | 'usd' | 'ratio'
  readonly labels: readonly string[]
  samples(): Iterable<Sample>
}

/** What stands in a label when a family has all the series that it may have. */
export const OTHER = 'other'

/** Names and numbers of a family's series; above `seriesMax` everything new is counted in one series of `other`s. */
interface Series {
  readonly all: readonly (readonly string[])[]
  slot(values: readonly string[]): number
}

function createSeries(labels: readonly string[], seriesMax: number, grow: (slots: number) => void): Series {
  const slots = new Map<string, number>()
  const all: (readonly string[])[] = []
  const rest = labels.map(() => OTHER)
  const put = (name: string, values: readonly string[]): number => {
    const slot = all.length
    slots.set(name, slot)
    all.push(values)
    grow(all.length)
    return slot
  }
  return {
    all,
    slot(values) {
      const name = values.join('\u0000')
      const known = slots.get(name)
      if (known !== undefined) return known
      if (all.length < seriesMax) return put(name, [...values])
      const left = rest.join('\u0000')
      return slots.get(left) ?? put(left, rest)
    },
  }
}

/** Growing by doubling: a slot is never moved, only its array. */
function grown(values: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  if (values.length >= length) return values
  const larger = new Float64Array(Math.max(length, values.length * 2))
  larger.set(values)
  return larger
}

type Described = Omit<Family, 'kind' | 'samples'>

const SERIES_MAX = 1_000

export interface Counter extends Family {
  /** The series of these label values; kept by whoever counts often. */
  slot(...values: string[]): number
  add(slot: number, by?: number): void
}

/** Only ever grows. `show` writes a value where plain digits of a float would not do (money). */
export function createCounter(
  family: Described,
  show?: (value: number) => string,
  seriesMax = SERIES_MAX,
): Counter {
  let values = new Float64Array(16)
  const series = createSeries(family.labels, seriesMax, slots => {
    values = grown(values, slots)
  })
  return {
    ...family,
    kind: 'counter',
    slot: (...names) => series.slot(names),
    add(slot, by = 1) {
      values[slot] = (values[slot] ?? 0) + by
    },
    *samples() {
      for (const [slot, names] of series.all.entries()) {
        const value = values[slot] ?? 0
        yield { values: names, value: show ? show(value) : value }
      }
    },
  }
}

export interface Histogram extends Family {
  slot(...values: string[]): number
  observe(slot: number, value: number): void
}

/** `bounds` ascending; a value belongs to the first bound that is not below it. */
export function createHistogram(
  family: Described,
  bounds: readonly number[],
  seriesMax = SERIES_MAX,
): Histogram {
  const edges = Float64Array.from(bounds)
  const most = edges.length
  // a series = its counts, one of them without a bound, and the sum
  const width = most + 2
  let cells = new Float64Array(16 * width)
  const series = createSeries(family.labels, seriesMax, slots => {
    cells = grown(cells, slots * width)
  })
  return {
    ...family,
    kind: 'histogram',
    slot: (...names) => series.slot(names),
    observe(slot, value) {
      let at = 0
      while (at < most && value > (edges[at] as number)) at++
      const start = slot * width
      cells[start + at] = (cells[start + at] as number) + 1
      cells[start + most + 1] = (cells[start + most + 1] as number) + value
    },
    *samples() {
      for (const [slot, names] of series.all.entries()) {
        const start = slot * width
        const counts = cells.slice(start, start + most + 1)
        yield { values: names, value: { bounds, counts, sum: cells[start + most + 1] ?? 0 } }
      }
    },
  }
}

/** Read when it is asked for. Series above `seriesMax` are left out: unlike counts, states of many cannot be added up. */
export function createGauge(
  family: Described,
  read: () => Iterable<Sample>,
  kind: 'gauge' | 'counter' = 'gauge',
  seriesMax = SERIES_MAX,
): Family {
  return {
    ...family,
    kind,
    *samples() {
      let left = seriesMax
      for (const sample of read()) {
        if (left-- <= 0) return
        yield sample
      }
    },
  }
}
