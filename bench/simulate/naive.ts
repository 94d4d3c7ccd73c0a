/** Policies that everyone knows, with the failover that gateways give them: in simulated competition with Switchgate. Pure. */
import { costPico, type Ending } from './physics.ts'
import { type Policy, type Router, walkOf } from './policy.ts'
import type { Request, World } from './world.ts'

/**
 * A target that failed is asked last for this long: LiteLLM's default cool-down
 * (docs.litellm.ai/docs/routing, `cooldown_time`).
 */
const COOL_DOWN_MS = 5_000

/** Smaller is better; asked for every target of every request. */
type Score = (target: number, request: Request, nowMs: number) => number

interface Memory {
  readonly failedAtMs: number[]
  readonly inFlight: number[]
}

function naive(
  name: string,
  what: string,
  make: (world: World, random: () => number, memory: Memory) => Naive,
): Policy {
  return {
    name,
    what,
    begin(world, random): Router {
      const memory: Memory = {
        failedAtMs: world.places.map(() => Number.NEGATIVE_INFINITY),
        inFlight: world.places.map(() => 0),
      }
      const { score, learn } = make(world, random, memory)
      return {
        walk(request, nowMs) {
          const isOut = (target: number) => Number(nowMs - (memory.failedAtMs[target] ?? 0) < COOL_DOWN_MS)
          const scored = world.places.map((_, target) => ({
            target,
            out: isOut(target),
            score: score(target, request, nowMs),
            die: random(),
          }))
          scored.sort((a, b) => a.out - b.out || a.score - b.score || a.die - b.die)
          return walkOf(scored.map(({ target }) => target))
        },
        sent(target) {
          memory.inFlight[target] = (memory.inFlight[target] ?? 0) + 1
        },
        ended(target, ending, nowMs) {
          memory.inFlight[target] = (memory.inFlight[target] ?? 1) - 1
          if (ending.kind !== 'ok') memory.failedAtMs[target] = nowMs
          learn?.(target, ending, nowMs)
        },
      }
    },
  }
}

interface Naive {
  readonly score: Score
  readonly learn?: (target: number, ending: Ending, nowMs: number) => void
}

const ALPHA = 0.2
/** What was measured longer ago is forgotten, so that a target that was slow once is tried again. */
const FRESH_MS = 300_000

export const NAIVE: readonly Policy[] = [
  naive('round-robin', 'one after the other', ({ places }) => {
    let turn = 0
    let last: Request | undefined
    return {
      score(target, request) {
        if (request !== last) {
          last = request
          turn++
        }
        return (target - turn + places.length * (1 + Math.ceil(turn / places.length))) % places.length
      },
    }
  }),
  naive('cheapest-only', 'always the lowest list price', world => ({
    score: (target, request, nowMs) => costPico(world, request, target, nowMs),
  })),
  naive('fastest-only', 'always the best average of recent first tokens', ({ places }) => {
    const seen = places.map(() => ({ ttftMs: 0, atMs: Number.NEGATIVE_INFINITY }))
    return {
      score(target, _request, nowMs) {
        const its = seen[target]
        return its && nowMs - its.atMs < FRESH_MS ? its.ttftMs : 0
      },
      learn(target, { kind, ttftMs, totalMs }, nowMs) {
        const its = seen[target]
        // a target that stayed silent was as slow as one has waited
        const ms = ttftMs ?? (kind === 'silent' ? totalMs : undefined)
        if (its === undefined || ms === undefined) return
        const isFresh = nowMs - its.atMs < FRESH_MS
        seen[target] = { ttftMs: isFresh ? its.ttftMs + ALPHA * (ms - its.ttftMs) : ms, atMs: nowMs }
      },
    }
  }),
  naive('least-loaded', 'the fewest requests in flight', (_world, _random, { inFlight }) => ({
    score: target => inFlight[target] ?? 0,
  })),
]
