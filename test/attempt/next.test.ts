/** Who is asked next, judged twice: by choose.ts and by a slower reading of the same rules, over made-up plans and failures. */
import { expect, it } from 'vitest'
import { nextTarget, type Tried } from '../../src/attempt/choose.ts'
import { FAILURES, type Failure } from '../../src/errors.ts'
import type { Plan, Target } from '../../src/route/plan.ts'
import { diceOf } from '../route/goods.ts'

const siteOf = (t: Target) => t.listing.site.name
const routeOf = (t: Target) => `${siteOf(t)}/${t.listing.offer.upstream}`

const ELSEWHERE: readonly Failure[] = ['silent', 'content_filter', 'context_length']

/** May `t` follow a failure at `past.target`? */
function follows(t: Target, past: Tried): boolean {
  return !ELSEWHERE.includes(past.failure) || routeOf(t) !== routeOf(past.target)
}

/** May `t` have more room than the one that had too little? */
function isRoomier(t: Target, past: Tried): boolean {
  const [before, now] = [past.target.listing.offer, t.listing.offer]
  if (before.contextTokens !== undefined && now.contextTokens !== undefined)
    return now.contextTokens > before.contextTokens
  return now.model !== before.model || siteOf(t) !== siteOf(past.target)
}

function expected(targets: readonly Target[], tried: readonly Tried[], passed: ReadonlySet<Target>) {
  const last = tried.at(-1)
  if (last && !FAILURES[last.failure].next && !last.moveOn) return undefined
  const asked = new Set(tried.map(past => past.target))
  const refused = new Set(
    tried.filter(past => past.failure === 'bad_credential').map(past => past.target.credential?.id),
  )
  const planned = new Set(targets.map(t => t.credential?.id))
  const isOpen = (t: Target) => {
    const name = t.credential?.standsInFor
    const waits = name !== undefined && planned.has(name) && !refused.has(name)
    return !asked.has(t) && !passed.has(t) && !waits && tried.every(past => follows(t, past))
  }
  if (!last) return passed.size === 0 ? targets[0] : targets.find(isOpen)
  const open = targets.filter(isOpen)
  const isBusy = last.failure === 'bad_credential' || last.failure === 'rate_limited'
  const neighbour = isBusy ? open.find(t => routeOf(t) === routeOf(last.target)) : undefined
  const short = tried.filter(past => past.failure === 'context_length')
  const roomier =
    last.failure === 'context_length' ? open.find(t => short.every(past => isRoomier(t, past))) : undefined
  return neighbour ?? roomier ?? open.find(t => siteOf(t) !== siteOf(last.target)) ?? open[0]
}

it('for 5,000 made-up walks both give the same target', () => {
  const dice = diceOf(7)
  const one = <T>(list: readonly T[]): T => list[Math.floor(dice() * list.length)] as T
  const failures = Object.keys(FAILURES) as Failure[]
  const credential = () =>
    one([undefined, { id: 'a' }, { id: 'b' }, { id: 'c', standsInFor: 'a' }, { id: 'd', standsInFor: 'x' }])
  let found = 0
  for (let walk = 0; walk < 5_000; walk++) {
    const targets = Array.from({ length: 1 + Math.floor(dice() * 5) }, () => ({
      credential: credential(),
      listing: {
        site: { name: one(['alpha', 'beta', 'gamma']) },
        offer: {
          model: one(['m', 'n']),
          upstream: one(['m', 'n']),
          contextTokens: one([undefined, 1_000, 9_000]),
        },
      },
    })) as unknown as Target[]
    const tried = Array.from({ length: Math.floor(dice() * 4) }, () => ({
      target: one(targets),
      failure: one(failures),
      moveOn: dice() < 0.2,
    }))
    const passed = new Set(targets.filter(() => dice() < 0.15))
    const next = nextTarget({ targets } as unknown as Plan, tried, passed)
    if (next) found++
    expect(next).toBe(expected(targets, tried, passed))
  }
  expect(found).toBeGreaterThan(500)
})
