/** The bars that routing has set itself, judged on a comparison and on drills. Pure. */
import { CHEAPEST_HEALTHY, type Comparison, FASTEST_ONLY, type Figures, ORACLE } from './compare.ts'
import { BROWNOUTS, flips, type Leaving, leave } from './drills.ts'
import { ORACLES } from './oracle.ts'
import { OURS } from './ours.ts'

export interface Bar {
  readonly title: string
  /** What was measured, for people. */
  readonly found: string
  readonly isPassed: boolean
}

const FAILURES_AT_MOST = 2
const COST_AT_MOST = 1.05
const P95_AT_MOST = 1.15
const LEAVE_REQUESTS = 20
const LEAVE_MS = 10_000
const FLIPS_AT_MOST = 6

const isOracle = (name: string) => ORACLES.some(policy => policy.name === name)

function figuresOf({ figures }: Comparison, name: string): Figures {
  const found = figures.get(name)
  if (found === undefined) throw new RangeError(`"${name}" was not compared`)
  return found
}

/** Those that are both cheaper and faster. */
export function beating(comparison: Comparison, name: string): readonly string[] {
  const own = figuresOf(comparison, name)
  return [...comparison.figures.values()]
    .filter(other => !isOracle(other.name) && other.costRatio < own.costRatio && other.p95Ms < own.p95Ms)
    .map(other => other.name)
}

export function dayBars(comparison: Comparison): Bar[] {
  const best = figuresOf(comparison, ORACLE.name)
  const price = figuresOf(comparison, 'price')
  const latency = figuresOf(comparison, 'latency')
  const better = beating(comparison, 'balanced')
  return [
    ...OURS.map(({ name }): Bar => {
      const { failures } = figuresOf(comparison, name)
      return {
        title: `${name}: failures at most ${FAILURES_AT_MOST} × the oracle's`,
        found: `${failures} to ${best.failures} of ${comparison.requests} requests`,
        isPassed: failures <= FAILURES_AT_MOST * best.failures,
      }
    }),
    {
      title: `price: cost at most ${COST_AT_MOST} × the cheapest healthy choice (${CHEAPEST_HEALTHY.name})`,
      found: `${price.costRatio.toFixed(3)} ×`,
      isPassed: price.costRatio <= COST_AT_MOST,
    },
    {
      title: `latency: p95 of the first token at most ${P95_AT_MOST} × ${FASTEST_ONLY}`,
      found: `${latency.p95Ratio.toFixed(3)} ×`,
      isPassed: latency.p95Ratio <= P95_AT_MOST,
    },
    {
      title: 'balanced: nobody is both cheaper and faster (p95)',
      found: better.length === 0 ? 'nobody' : better.join(', '),
      isPassed: better.length === 0,
    },
  ]
}

const leftInTime = ({ requests, ms }: Leaving) => requests <= LEAVE_REQUESTS || ms <= LEAVE_MS

function worstOf(leavings: readonly Leaving[]): Leaving | undefined {
  const late = leavings.filter(each => !leftInTime(each))
  return [...(late.length > 0 ? late : leavings)].sort((a, b) => b.requests - a.requests)[0]
}

export function drillBars(seeds: readonly number[]): Bar[] {
  return OURS.flatMap((policy): Bar[] => {
    const leavings = seeds.flatMap(seed => BROWNOUTS.map(brownout => leave(policy, brownout, seed)))
    const judged = leavings.filter(({ brownout }) => policy.name !== 'price' || brownout.kind === 'errors')
    const late = judged.filter(each => !leftInTime(each)).length
    const worst = worstOf(judged)
    const rates = seeds.map(seed => flips(policy, seed))
    const most = Math.max(...rates)
    return [
      {
        title: `${policy.name}: a brown-out is left within ${LEAVE_REQUESTS} requests or ${LEAVE_MS / 1000} s`,
        found: `${judged.length - late} of ${judged.length} drills; worst ${shownLeaving(worst)}`,
        isPassed: late === 0,
      },
      {
        title: `${policy.name}: at most ${FLIPS_AT_MOST} flips an hour between equals`,
        found: `${most.toFixed(1)} at most`,
        isPassed: most <= FLIPS_AT_MOST,
      },
    ]
  })
}

function shownLeaving(leaving: Leaving | undefined): string {
  if (leaving === undefined) return 'none'
  const { brownout, requests, ms } = leaving
  const where = `${brownout.kind}, ${brownout.rate} requests a second`
  return Number.isFinite(ms)
    ? `${requests} requests, ${(ms / 1000).toFixed(1)} s (${where})`
    : `never (${where})`
}
