/** Who may be asked at this moment: health has its word. Part of planning, pure. */
import type { Credential } from './market.ts'
import type { Excluded, RouteDeps } from './plan.ts'
import { outOf } from './pool.ts'
import type { Ready, Spot } from './ready.ts'

const NONE: readonly Spot[] = []

/** A listing with the credentials that may be used now. */
export type Open = Pick<Ready, 'listing' | 'quote' | 'spots'>

type Test = (name: string, deps: RouteDeps) => boolean
const usableNow: Test = (name, { health, nowMs }) => health.usable(name, nowMs)
const notClosed: Test = (name, { health, nowMs }) => health.closedUntil(name, nowMs) === 0

/**
 * Of each list those that may be asked now; `resting` gets the others. Those in trouble are left out while somebody else is
 * there; alone they are better tried than refused. Empty lists: their providers have asked to be left alone.
 */
export function openOf(
  lists: readonly (readonly Ready[])[],
  deps: RouteDeps,
  resting: Excluded[],
): readonly (readonly Open[])[] {
  if (deps.health.calm) return lists
  const open = lists.map(list => listOf(list, usableNow, deps, resting))
  if (open.some(list => list.length > 0)) return open
  resting.length = 0
  return lists.map(list => listOf(list, notClosed, deps, resting))
}

/** Is anything of it out? Mostly not, and then nothing more is asked. */
function isTroubled({ names }: Ready, out: ReadonlySet<string>): boolean {
  for (let i = 0; i < names.length; i++) if (out.has(names[i] as string)) return true
  return false
}

function listOf(all: readonly Ready[], test: Test, deps: RouteDeps, resting: Excluded[]): readonly Open[] {
  const { out } = deps.health
  const open: Open[] = []
  for (const ready of all) {
    if (!isTroubled(ready, out)) {
      open.push(ready)
      continue
    }
    const spots = test(ready.offerKey, deps) ? openSpots(ready.spots, test, deps) : NONE
    if (spots === ready.spots) open.push(ready)
    else if (spots.length > 0) open.push({ listing: ready.listing, quote: ready.quote, spots })
    else resting.push(outOf(ready, whyResting(ready, deps)))
  }
  return open
}

/** Who stands in for a credential is not asked while nobody has refused that one. */
const isNeeded = ({ standsInFor }: Credential, deps: RouteDeps): boolean =>
  standsInFor === undefined || !usableNow(standsInFor, deps)

function openSpots(spots: readonly Spot[], test: Test, deps: RouteDeps): readonly Spot[] {
  const isOpen = ({ credential, key }: Spot) =>
    test(key, deps) && (credential === undefined || (test(credential.id, deps) && isNeeded(credential, deps)))
  // mostly all of them are, and there is but one
  return spots.every(isOpen) ? spots : spots.filter(isOpen)
}

function whyResting({ offerKey, spots }: Ready, { health, nowMs }: RouteDeps): string {
  const outMs = (name: string) => Math.max(0, (health.state(name)?.outUntilMs ?? 0) - nowMs)
  const waits = spots.map(({ key, credential }) =>
    Math.max(outMs(offerKey), outMs(key), credential ? outMs(credential.id) : 0),
  )
  const waitMs = Math.min(...waits)
  return waitMs > 0
    ? `it is in trouble and rests for another ${Math.ceil(waitMs / 1000)} s`
    : 'it was in trouble and one request is finding out whether it still is'
}

/** Epoch ms at which the first of them may be asked again; Infinity = none is waiting. */
export function soonestOf(lists: readonly (readonly Ready[])[], { health, nowMs }: RouteDeps): number {
  let at = Number.POSITIVE_INFINITY
  for (const list of lists)
    for (const { offerKey, spots } of list)
      for (const { key, credential } of spots) {
        const names = credential ? [offerKey, key, credential.id] : [offerKey, key]
        const until = Math.max(...names.map(name => health.closedUntil(name, nowMs)))
        if (until > 0) at = Math.min(at, until)
      }
  return at
}
