/** What the simulator asks of a policy: whom to ask, and being told what came of it. */
import type { Ending } from './physics.ts'
import type { Request, World } from './world.ts'

export interface Step {
  /** Index of the target to ask. */
  readonly target: number
  /** The first-token limit does not hold: nobody is left after this one. */
  readonly lastResort: boolean
  /** Wait so long before asking. */
  readonly pauseMs: number
}

/** The attempts of one request. Asked once for each attempt, with the failure that the attempt before came to. */
export type Walk = (nowMs: number, failed?: Failed) => Step | undefined

export interface Failed {
  readonly target: number
  readonly ending: Ending
}

/** A policy at work in one world. */
export interface Router {
  walk(request: Request, nowMs: number): Walk
  sent(target: number, nowMs: number): void
  ended(target: number, ending: Ending, nowMs: number): void
  /** The first content of an attempt came, `ttftMs` after it was sent. */
  content?(target: number, ttftMs: number, nowMs: number): void
  /** A request is over; `served` = who answered it whole. */
  finished?(request: Request, served: { target: number; ending: Ending } | undefined, nowMs: number): void
}

export interface Policy {
  readonly name: string
  /** Who it is, for the table. */
  readonly what: string
  readonly begin: (world: World, random: () => number) => Router
}

/** Attempts for one request, whoever routes: the default of `retries.attempts`. */
export const ATTEMPTS_MAX = 3
/** `timeouts.first_token_ms`, whoever routes. */
export const PATIENCE_MS = 12_000

/** Walks a fixed order: for policies that decide once. */
export function walkOf(order: readonly number[]): Walk {
  let at = 0
  return () => {
    const target = order[at++]
    if (target === undefined || at > ATTEMPTS_MAX) return undefined
    return { target, lastResort: at === ATTEMPTS_MAX || at === order.length, pauseMs: 0 }
  }
}
