/** Routing rules that peers publish, rebuilt from their words for the simulator. Pure. */
import { costPico, type Ending } from './physics.ts'
import { type Policy, type Router, walkOf } from './policy.ts'
import type { World } from './world.ts'

/** OpenRouter looks back this far. */
const OUTAGE_MS = 30_000
/** A "significant outage": so large a share of the attempts of that time failed. They do not say how much it is. */
const OUTAGE_SHARE = 0.5

/**
 * OpenRouter's default: providers without significant outages in the last 30 seconds first; among them one is drawn with the
 * inverse square of its price as weight; the others are fallbacks (openrouter.ai/docs/guides/routing/provider-selection).
 */
const openrouter: Policy = {
  name: 'openrouter-rule',
  what: 'weight 1/price², 30 seconds of outage memory',
  begin(world, random): Router {
    const recent: { atMs: number; failed: boolean }[][] = world.places.map(() => [])
    const isDown = (target: number, nowMs: number) => {
      const list = recent[target] ?? []
      while (list[0] && nowMs - list[0].atMs > OUTAGE_MS) list.shift()
      let failed = 0
      for (const each of list) if (each.failed) failed++
      return failed > 0 && failed >= OUTAGE_SHARE * list.length
    }
    return {
      walk(request, nowMs) {
        const drawn = world.places.map((_, target) => ({
          target,
          down: Number(isDown(target, nowMs)),
          // Efraimidis and Spirakis: sorting by u^(1/w) draws without replacement by weight
          key: Math.log(1 - random()) * costPico(world, request, target, nowMs) ** 2,
        }))
        drawn.sort((a, b) => a.down - b.down || b.key - a.key)
        return walkOf(drawn.map(({ target }) => target))
      },
      sent() {},
      ended(target, { kind }, nowMs) {
        recent[target]?.push({ atMs: nowMs, failed: kind !== 'ok' })
      },
    }
  },
}

/** Sums of one minute at one target. */
interface Minute {
  readonly minute: number
  requests: number
  failed: number
  ttfts: number
  ttftMs: number
  speeds: number
  speed: number
}

/**
 * llmgateway's defaults (theopenco/llmgateway, packages/shared/src/routing-config.ts and features/routing.mdx): weights, a
 * window of 60 minutes of which the last one counts tenfold and the last five threefold, what is assumed of the unknown, 1%
 * exploration, and a preferred provider that is kept for an hour unless it falls under 85% or another is better by 0.15.
 */
const LLMGATEWAY = {
  weights: { price: 0.6, uptime: 0.5, throughput: 0.05, latency: 0.025 },
  unknown: { uptime: 100, latencyMs: 1_000, throughput: 50 },
  penaltyBelow: 95,
  exploration: 0.01,
  windowMinutes: 60,
  switchBelow: 85,
  margin: 0.15,
  preferenceMs: 3_600_000,
} as const

const minuteWeight = (ageMinutes: number): number => (ageMinutes < 1 ? 10 : ageMinutes < 5 ? 3 : 1)

function metricsOf(minutes: readonly Minute[], now: number) {
  let [requests, failed, ttfts, ttftMs, speeds, speed] = [0, 0, 0, 0, 0, 0]
  for (const each of minutes) {
    const weight = minuteWeight(now - each.minute)
    requests += weight * each.requests
    failed += weight * each.failed
    ttfts += weight * each.ttfts
    ttftMs += weight * each.ttftMs
    speeds += weight * each.speeds
    speed += weight * each.speed
  }
  const { unknown } = LLMGATEWAY
  return {
    uptime: requests > 0 ? 100 * (1 - failed / requests) : unknown.uptime,
    latencyMs: ttfts > 0 ? ttftMs / ttfts : unknown.latencyMs,
    throughput: speeds > 0 ? speed / speeds : unknown.throughput,
  }
}

/** Quadratic below 95%: 0.07 at 90%, 0.62 at 80%, 1.73 at 70%, 5.61 at 50%. */
export function uptimePenalty(uptime: number): number {
  const deficit = Math.max(0, LLMGATEWAY.penaltyBelow - uptime) / LLMGATEWAY.penaltyBelow
  return (deficit * 5) ** 2
}

/** Every target's score, smaller is better, and its uptime in percent. */
function scoresOf(world: World, history: readonly Minute[][], costs: readonly number[], now: number) {
  const { weights } = LLMGATEWAY
  const total = weights.price + weights.uptime + weights.throughput + weights.latency
  const metrics = history.map(minutes => metricsOf(minutes, now))
  const cheapest = Math.min(...costs)
  const best = Math.max(...metrics.map(m => m.uptime))
  const quickest = Math.max(...metrics.map(m => m.throughput))
  const soonest = Math.min(...metrics.map(m => m.latencyMs))
  return world.places.map((_, target) => {
    const its = metrics[target] ?? metricsOf([], now)
    const price = (costs[target] ?? cheapest) / cheapest - 1
    const uptime = its.uptime > 0 ? best / its.uptime - 1 : 1
    const sum =
      weights.price * price +
      weights.uptime * uptime +
      weights.throughput * (quickest / its.throughput - 1) +
      weights.latency * (its.latencyMs / soonest - 1)
    return { target, score: sum / total + uptimePenalty(its.uptime), uptime: its.uptime }
  })
}

function remember(minutes: Minute[], { kind, ttftMs, totalMs, outputTokens }: Ending, nowMs: number): void {
  const minute = Math.floor(nowMs / 60_000)
  let its = minutes.at(-1)
  if (its?.minute !== minute) {
    its = { minute, requests: 0, failed: 0, ttfts: 0, ttftMs: 0, speeds: 0, speed: 0 }
    minutes.push(its)
    while ((minutes[0]?.minute ?? minute) <= minute - LLMGATEWAY.windowMinutes) minutes.shift()
  }
  its.requests++
  if (kind !== 'ok') its.failed++
  if (kind !== 'ok' || ttftMs === undefined) return
  its.ttfts++
  its.ttftMs += ttftMs
  its.speeds++
  its.speed += outputTokens / Math.max(0.001, (totalMs - ttftMs) / 1000)
}

const llmgateway: Policy = {
  name: 'llmgateway-rule',
  what: 'weighted score, 1% exploration, a preference kept for an hour',
  begin(world, random): Router {
    const history: Minute[][] = world.places.map(() => [])
    let preferred: { target: number; untilMs: number } | undefined
    return {
      walk(request, nowMs) {
        const costs = world.places.map((_, target) => costPico(world, request, target, nowMs))
        const scored = scoresOf(world, history, costs, Math.floor(nowMs / 60_000))
        const sorted = [...scored].sort((a, b) => a.score - b.score)
        const best = sorted[0]?.target ?? 0
        const kept = preferred && nowMs < preferred.untilMs ? scored[preferred.target] : undefined
        const isKept =
          kept !== undefined &&
          kept.uptime >= LLMGATEWAY.switchBelow &&
          kept.score - (sorted[0]?.score ?? 0) < LLMGATEWAY.margin
        if (!isKept) preferred = { target: best, untilMs: nowMs + LLMGATEWAY.preferenceMs }
        let first = isKept && kept ? kept.target : best
        if (random() < LLMGATEWAY.exploration) first = Math.floor(random() * world.places.length)
        return walkOf([first, ...sorted.map(({ target }) => target).filter(target => target !== first)])
      },
      sent() {},
      ended(target, ending, nowMs) {
        const minutes = history[target]
        if (minutes) remember(minutes, ending, nowMs)
      },
    }
  },
}

export const PEERS: readonly Policy[] = [openrouter, llmgateway]
