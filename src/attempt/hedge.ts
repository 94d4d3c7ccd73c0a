/**
 * Hedging: when the first content of a target is later than its own p95, a second target is asked beside it. The first content
 * wins; the other is cancelled and metered in a row of its own. Only where `routing.hedge.share` is above 0, and only for that
 * share of requests. Before any content has gone out, so the caller sees one answer.
 */
import type { Deps } from '../deps.ts'
import { GatewayError } from '../errors.ts'
import { observeLate } from '../record.ts'
import type { Answer } from '../relay/answer.ts'
import type { CallerSide } from '../relay/contract.ts'
import { type Begun, begin, callOff, type Ended, run, type Walk } from './begin.ts'
import { asGatewayError } from './bug.ts'
import { nextTarget } from './choose.ts'
import { setDown } from './rows.ts'

/** Fewer samples say too little of what is late. */
const SAMPLES_MIN = 20
/** A target that is usually faster than this is not worth a second request. */
const PATIENCE_MS_MIN = 50

export async function hedged(walk: Walk, first: Begun, share: number, deps: Deps): Promise<Ended> {
  const { job } = walk
  const lateMs = lateFrom(walk, first, deps)
  if (lateMs === undefined) return run(job, first, deps)
  const startedMs = deps.clock.monotonic()
  const race = createRace(job.answer)
  const racer = race.enter(first)
  let isOver = false
  const one = run(job, racer, deps).finally(() => {
    isOver = true
  })
  const ended = await Promise.race([one, deps.pause(lateMs)])
  if (ended) return ended
  const isDecided = () => isOver || race.winner !== undefined || job.answer.left
  if (isDecided() || walk.attempts >= walk.most) return one
  const second = await rivalOf(walk, first, share, startedMs, deps)
  if (!second) return one
  if (isOver && race.winner === undefined && !job.answer.left) {
    // it failed while the second was made ready: that one takes its place
    lose(walk, await one, deps)
    return run(job, second, deps)
  }
  if (isDecided()) {
    callOff(walk, second, deps)
    return one
  }
  return decide(walk, race, racer, one, race.enter(second), deps)
}

/** Milliseconds after which the first content is late; undefined = nobody can say, or nobody else is left. */
function lateFrom({ job, attempts, most }: Walk, { target, carried }: Begun, deps: Deps): number | undefined {
  if (carried.lastResort || attempts >= most) return undefined
  const health = deps.health.state(target.key)
  const past = job.facts.stream ? health?.ttft : health?.whole
  return past && past.weight >= SAMPLES_MIN ? Math.max(past.p95Ms, PATIENCE_MS_MIN) : undefined
}

/** The second attempt, ready; undefined = there is none, or the share or the money does not allow it. */
async function rivalOf(
  walk: Walk,
  { target }: Begun,
  share: number,
  startedMs: number,
  deps: Deps,
): Promise<Begun | undefined> {
  const rival = nextTarget(walk.job.plan, [...walk.tried, { target, failure: 'silent' }], walk.passed)
  if (!rival || !deps.health.hedge(share)) return undefined
  walk.elsewhereMs += deps.clock.monotonic() - startedMs
  try {
    const begun = await begin(walk, rival, deps, target)
    return begun instanceof GatewayError ? undefined : begun
  } catch (error) {
    asGatewayError(error, deps)
    // a second chance that cannot be paid is not taken; the first attempt goes on
    return undefined
  }
}

async function decide(
  walk: Walk,
  race: Race,
  racer: Begun,
  one: Promise<Ended>,
  rival: Begun,
  deps: Deps,
): Promise<Ended> {
  const { job } = walk
  job.isRaced = true
  const two = run(job, rival, deps)
  const early = await Promise.race([one, two])
  const other = early.carried === racer.carried ? two : one
  if (race.winner === early.carried.side) {
    // the other is cut off; only if the caller has left, it may be read to its end (on_disconnect: drain)
    void other.then(
      lost => lose(walk, lost, deps),
      error => deps.log('error', 'hedge_failed', { message: error instanceof Error ? error.message : '' }),
    )
    job.answer.lastWords = early.carried.lastWords
    return early
  }
  lose(walk, early, deps)
  const later = await other
  job.answer.lastWords = later.carried.lastWords
  return later
}

/** The attempt that did not answer: a row of its own, and a lesson, in failing if it failed by itself, else in being late. */
function lose(walk: Walk, ended: Ended, deps: Deps): void {
  const { target, result } = ended
  const { failure } = result
  // cut off for the other's sake: else the one that is always beaten would never be seen to be slow
  if (failure?.kind === 'cancelled' && result.sent && !walk.job.answer.left)
    observeLate(target, { stream: walk.job.facts.stream, raced: true }, result, deps)
  if (failure && failure.kind !== 'cancelled')
    walk.tried.push({ target, failure: failure.kind, retryAfterMs: failure.retryAfterMs })
  walk.job.isRaced = false
  setDown(walk.job, ended, deps)
}

interface Race {
  readonly winner: CallerSide | undefined
  /** The same attempt with a caller's side of its own: only the winner's reaches the caller. */
  enter(begun: Begun): Begun
}

function createRace(answer: Answer): Race {
  const sides: CallerSide[] = []
  let winner: CallerSide | undefined
  const leave = () => {
    for (const side of sides) side.onLeft?.()
  }
  return {
    get winner() {
      return winner
    },
    enter(begun) {
      const side: CallerSide = {
        get left() {
          return answer.left
        },
        onLeft: undefined,
        startStream: (headers, type) => {
          if (winner === side) answer.startStream(headers, type)
        },
        keepAlive: headers => {
          if (winner === undefined || winner === side) answer.keepAlive(headers)
        },
        write: bytes => (winner === side ? answer.write(bytes) : true),
        onResume: resume => answer.onResume(resume),
      }
      const onContent = () => {
        if (winner) return
        winner = side
        for (const other of sides) if (other !== side) other.onLeft?.()
      }
      sides.push(side)
      answer.onLeft = leave
      return { ...begun, carried: { ...begun.carried, side, onContent } }
    },
  }
}
