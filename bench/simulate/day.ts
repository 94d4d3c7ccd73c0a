/** Replays the requests of a world under one policy and measures it: a discrete-event loop over an injected clock. Pure. */
import { createDice } from './dice.ts'
import { addTo, createSpread, type Spread } from './spread.ts'
import { attemptOf, type Ending } from './physics.ts'
import { ATTEMPTS_MAX, type Failed, PATIENCE_MS, type Policy, type Router, type Walk } from './policy.ts'
import { createTimetable, type Timetable } from './timetable.ts'
import type { Request, World } from './world.ts'

/** A day under one policy. */
export interface Day {
  requests: number
  /** Requests whose caller got an error, before or after content. */
  failures: number
  attempts: number
  /** Attempts that failed, though the caller may not have noticed. */
  faults: number
  costPico: number
  /** From arrival to the first content, ms, earlier attempts included; a failed request counts as never. */
  readonly ttft: Spread
}

/** Told of each first choice; drills look at it. */
export type Watcher = (request: Request, target: number, nowMs: number) => void

interface Stage {
  readonly world: World
  readonly router: Router
  readonly timetable: Timetable
  readonly day: Day
  readonly inFlight: number[]
  readonly minutes: { minute: number; count: number }[]
  readonly watch: Watcher | undefined
}

/** Requests that a target has taken in the minute of `nowMs`. */
function minuteOf({ minutes }: Stage, target: number, nowMs: number) {
  const minute = Math.floor(nowMs / 60_000)
  const kept = minutes[target]
  if (kept?.minute === minute) return kept
  const fresh = { minute, count: 0 }
  minutes[target] = fresh
  return fresh
}

function send(stage: Stage, request: Request, walk: Walk, attempt: number, failed?: Failed): void {
  const { timetable } = stage
  const step = walk(timetable.nowMs, failed)
  if (step === undefined || attempt > ATTEMPTS_MAX) return fail(stage, request)
  if (step.pauseMs > 0) {
    const later = () => carry(stage, request, walk, attempt, step.target, step.lastResort)
    timetable.at(timetable.nowMs + step.pauseMs, later)
  } else carry(stage, request, walk, attempt, step.target, step.lastResort)
}

function carry(
  stage: Stage,
  request: Request,
  walk: Walk,
  attempt: number,
  target: number,
  lastResort: boolean,
): void {
  const { world, router, timetable, day, inFlight, watch } = stage
  const { nowMs } = timetable
  if (attempt === 1) watch?.(request, target, nowMs)
  const others = inFlight[target] ?? 0
  const taken = minuteOf(stage, target, nowMs)
  const ending = attemptOf(world, request, target, {
    nowMs,
    attempt,
    inFlight: others,
    thisMinute: taken.count,
    patienceMs: lastResort ? Number.POSITIVE_INFINITY : PATIENCE_MS,
  })
  taken.count++
  inFlight[target] = others + 1
  day.attempts++
  router.sent(target, nowMs)
  const { ttftMs } = ending
  if (ttftMs !== undefined && router.content)
    timetable.at(nowMs + ttftMs, () => router.content?.(target, ttftMs, timetable.nowMs))
  timetable.at(nowMs + ending.totalMs, () => end(stage, request, walk, attempt, target, ending))
}

function end(
  stage: Stage,
  request: Request,
  walk: Walk,
  attempt: number,
  target: number,
  ending: Ending,
): void {
  const { router, timetable, day, inFlight } = stage
  const { nowMs } = timetable
  inFlight[target] = (inFlight[target] ?? 1) - 1
  router.ended(target, ending, nowMs)
  day.costPico += ending.costPico
  if (ending.kind !== 'ok') day.faults++
  if (ending.kind === 'interrupted') return fail(stage, request)
  if (ending.kind !== 'ok') return send(stage, request, walk, attempt + 1, { target, ending })
  addTo(day.ttft, nowMs - ending.totalMs + (ending.ttftMs ?? 0) - request.atMs)
  router.finished?.(request, { target, ending }, nowMs)
}

function fail({ router, timetable, day }: Stage, request: Request): void {
  day.failures++
  addTo(day.ttft, Number.POSITIVE_INFINITY)
  router.finished?.(request, undefined, timetable.nowMs)
}

/** Every policy meets the same dice; what is left to chance in a policy comes from dice of the world's seed. */
export function runDay(world: World, policy: Policy, watch?: Watcher): Day {
  const router = policy.begin(world, createDice(world.seed ^ 0x5eed))
  const day: Day = {
    requests: world.requests.length,
    failures: 0,
    attempts: 0,
    faults: 0,
    costPico: 0,
    ttft: createSpread(),
  }
  const timetable = createTimetable()
  const stage: Stage = { world, router, timetable, day, inFlight: [], minutes: [], watch }
  for (const request of world.requests) {
    timetable.runUntil(request.atMs)
    send(stage, request, router.walk(request, request.atMs), 1)
  }
  timetable.runUntil(Number.POSITIVE_INFINITY)
  return day
}
