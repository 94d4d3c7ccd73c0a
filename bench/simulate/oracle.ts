/** Policies that know the truth and the future of every target, but not the dice of a single request: what can be reached at all. Pure. */
import { costPico, queueing, truthAt } from './physics.ts'
import { PATIENCE_MS, type Policy, type Router, walkOf } from './policy.ts'
import type { Request, World } from './world.ts'

/** Above this share of failures a target counts as ill. */
const HEALTHY_BELOW = 0.05

/** First tokens scatter: the slowest of a hundred takes about this much longer than the median. */
const SLOWEST = 2.3

interface Known {
  readonly target: number
  /** Share of attempts that fail, at the worst moment until the request would be over. */
  readonly risk: number
  readonly cost: number
  readonly ttftMs: number
}

/** Smaller is better, among healthy targets. */
type Wish = (its: Known, cheapest: number, soonestMs: number) => number

function knownOf(world: World, request: Request, target: number, nowMs: number, load: Load): Known {
  const truth = truthAt(world, target, nowMs)
  const place = world.places[target]
  const ttftMs = truth.ttftMs * queueing(load.inFlight[target] ?? 0, place?.capacity ?? 1)
  const isFull = load.taken(target, nowMs) >= truth.perMinute
  const isTooSlow = ttftMs * SLOWEST > PATIENCE_MS
  const risk =
    isFull || isTooSlow ? 1 : 1 - (1 - truth.errorRate) * (1 - truth.hangRate) * (1 - truth.breakRate)
  return { target, risk, ttftMs, cost: costPico(world, request, target, nowMs) }
}

interface Load {
  readonly inFlight: number[]
  readonly taken: (target: number, nowMs: number) => number
}

function oracle(name: string, what: string, wish: Wish): Policy {
  return {
    name,
    what,
    begin(world): Router {
      const inFlight = world.places.map(() => 0)
      const minutes = world.places.map(() => ({ minute: -1, count: 0 }))
      const taken = (target: number, nowMs: number) => {
        const its = minutes[target]
        return its?.minute === Math.floor(nowMs / 60_000) ? its.count : 0
      }
      return {
        walk(request, nowMs) {
          const known = world.places.map((_, target) =>
            knownOf(world, request, target, nowMs, { inFlight, taken }),
          )
          const healthy = known.filter(({ risk }) => risk < HEALTHY_BELOW)
          const [cheapest, soonestMs] = [
            Math.min(...healthy.map(({ cost }) => cost)),
            Math.min(...healthy.map(its => its.ttftMs)),
          ]
          const isIll = ({ risk }: Known) => Number(risk >= HEALTHY_BELOW)
          const rank = (its: Known) => (isIll(its) ? its.risk : wish(its, cheapest, soonestMs))
          known.sort((a, b) => isIll(a) - isIll(b) || rank(a) - rank(b))
          return walkOf(known.map(({ target }) => target))
        },
        sent(target, nowMs) {
          inFlight[target] = (inFlight[target] ?? 0) + 1
          minutes[target] = { minute: Math.floor(nowMs / 60_000), count: taken(target, nowMs) + 1 }
        },
        ended(target) {
          inFlight[target] = (inFlight[target] ?? 1) - 1
        },
      }
    },
  }
}

/** The same trade as the default's, on true figures. */
export const ORACLE = oracle(
  'oracle',
  'knows all, trades price for speed as the default does',
  ({ cost, ttftMs }, cheapest, soonestMs) => 0.6 * (cost / cheapest - 1) + 0.2 * (ttftMs / soonestMs - 1),
)
export const CHEAPEST_HEALTHY = oracle(
  'oracle: price',
  'knows all, takes the cheapest healthy',
  ({ cost }) => cost,
)
export const FASTEST_HEALTHY = oracle(
  'oracle: latency',
  'knows all, takes the fastest healthy',
  ({ ttftMs }) => ttftMs,
)

export const ORACLES: readonly Policy[] = [ORACLE, CHEAPEST_HEALTHY, FASTEST_HEALTHY]
