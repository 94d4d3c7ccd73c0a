/** Who comes first, by every strategy: real prices, equals, leaders, looks, shares, wishes of the file. */
import { describe, expect, test } from 'vitest'
import { createHabits } from '../../src/route/habits.ts'
import { likelyCost } from '../../src/route/cost.ts'
import { GatewayError } from '../../src/errors.ts'
import { route, targetKey } from '../../src/route/plan.ts'
import { remember } from '../../src/route/router.ts'
import { EARLY_EVERY, EXPLORE_EVERY, SHARED_FROM } from '../../src/route/rank.ts'
import { downtime, STRATEGIES } from '../../src/route/strategy.ts'
import {
  type Desk,
  deskOf,
  fail,
  firstOf,
  KEY,
  listing,
  marketOf,
  namesOf,
  NOW,
  usage,
  wanted,
} from './goods.ts'

type Listing = ReturnType<typeof listing>
const keyOf = (of: Listing) => targetKey(of, undefined)
const heard = (desk: Desk, of: Listing, ttftMs: number, times = 20) => {
  for (let i = 0; i < times; i++)
    desk.health.observe(
      keyOf(of),
      { kind: 'ok', ttftMs, totalMs: ttftMs + 1_000, outputTokens: 100 },
      desk.nowMs,
    )
}
const busy = (desk: Desk, of: Listing, requests: number) => {
  const place = { target: keyOf(of), offer: 'x', credential: undefined }
  for (let i = 0; i < requests; i++) desk.health.probe(place, desk.nowMs)
}
const firsts = (desk: Desk, times: number, more = {}) => {
  const counts: Record<string, number> = {}
  for (let i = 0; i < times; i++) {
    const name = firstOf(desk.plan(more)) ?? ''
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

describe('the likely price of this very request', () => {
  const price = {
    id: 'p',
    inputPico: 1_000_000,
    outputPico: 10_000_000,
    cacheReadPico: 100_000,
    tiers: [{ overInputTokens: 1_000, inputPico: 2_000_000, outputPico: 20_000_000, cacheReadPico: 200_000 }],
  }
  const one = listing('p', 1, { price, maxOutputTokens: 400 })
  const cost = (
    likelyInputTokens: number,
    habit: Parameters<typeof likelyCost>[2],
    maxOutputTokens?: number,
  ) => likelyCost(one, wanted({ likelyInputTokens, maxOutputTokens }), habit)

  test('expected output, bounded by the caller and the model; caches by the caller’s own share; tiers', () => {
    expect(cost(1_000, { outputTokens: 50, cachedShare: 0 })).toBe(1_000_000 + 500_000)
    expect(cost(1_000, { outputTokens: 50, cachedShare: 0 }, 10)).toBe(1_000_000 + 100_000)
    expect(cost(1_000, { outputTokens: 5_000, cachedShare: 0 })).toBe(1_000_000 + 4_000_000)
    expect(cost(1_000, { outputTokens: 50, cachedShare: 0.5 })).toBe(550_000 + 500_000)
    expect(cost(1_001, { outputTokens: 50, cachedShare: 0 })).toBe(2_002_000 + 1_000_000)
  })

  test('a habit is a running mean; a hit rate is believed after 20 requests and 20,000 tokens', () => {
    const habits = createHabits()
    expect(habits.expect('a', 'm')).toEqual({ outputTokens: undefined, cachedShare: 0 })
    for (let i = 0; i < 19; i++) habits.learn('a', 'm', usage(2_000, 100, 1_000))
    expect(habits.expect('a', 'm')).toEqual({ outputTokens: 100, cachedShare: 0 })
    habits.learn('a', 'm', usage(2_000, 100, 1_000))
    expect(habits.expect('a', 'm').cachedShare).toBeCloseTo(0.5)
    // somebody new: how long the model's answers are is known, what he has in caches is not
    expect(habits.expect('b', 'm')).toEqual({ outputTokens: 100, cachedShare: 0 })
    for (let i = 0; i < 200; i++) habits.learn('a', 'm', usage(2_000, 300))
    expect(habits.expect('a', 'm').outputTokens).toBeGreaterThan(250)
    expect(habits.expect('a', 'm').cachedShare).toBeLessThan(0.05)
  })

  test('decides who is cheaper: input prices for readers, output prices for writers', () => {
    const reader = listing('reader', 1, { price: { id: 'r', inputPico: 100_000, outputPico: 9_000_000 } })
    const writer = listing('writer', 1, { price: { id: 'w', inputPico: 1_000_000, outputPico: 1_000_000 } })
    const desk = deskOf(marketOf({ m: [reader, writer] }), 'price')
    expect(firstOf(desk.plan({ likelyInputTokens: 20_000, maxOutputTokens: 10 }))).toBe('reader')
    expect(firstOf(desk.plan({ likelyInputTokens: 20_000 }))).toBe('reader')
    for (let i = 0; i < 60; i++) desk.answered(desk.plan(), { usage: usage(100, 5_000) })
    expect(firstOf(desk.plan({ likelyInputTokens: 20_000 }))).toBe('writer')
  })
})

describe('equals', () => {
  const [a, b] = [listing('a', 1), listing('b', 1)]

  test('the leader keeps a little traffic, and more than that is shared by load', () => {
    const desk = deskOf(marketOf({ m: [a, b] }))
    const plan = desk.plan()
    const leader = firstOf(plan) as string
    desk.answered(plan)
    expect(firsts(desk, 50)).toEqual({ [leader]: 50 })
    busy(desk, leader === 'a' ? a : b, SHARED_FROM)
    // two choices of two: the less loaded one always
    expect(firsts(desk, 50)).toEqual({ [leader === 'a' ? 'b' : 'a']: 50 })
  })

  test('with nobody leading, each of them leads as often', () => {
    const counts = firsts(deskOf(marketOf({ m: [a, b] })), 400)
    expect(counts.a).toBeGreaterThan(140)
    expect(counts.b).toBeGreaterThan(140)
  })

  test('trembling figures change nothing, real ones do', () => {
    const desk = deskOf(marketOf({ m: [a, b] }), 'latency')
    heard(desk, a, 300)
    heard(desk, b, 310)
    const plan = desk.plan()
    desk.answered(plan)
    let flips = 0
    let before = firstOf(plan)
    for (let i = 0; i < 200; i++) {
      heard(desk, a, i % 2 ? 290 : 310, 1)
      heard(desk, b, i % 2 ? 310 : 290, 1)
      const next = desk.plan()
      desk.answered(next, { ttftMs: 300 })
      if (firstOf(next) !== before) flips++
      before = firstOf(next)
    }
    expect(flips).toBeLessThanOrEqual(Math.ceil(200 / EXPLORE_EVERY) * 2)
    heard(desk, before === 'a' ? a : b, 3_000, 30)
    expect(firstOf(desk.plan())).not.toBe(before)
  })

  test('power of two choices: among many, load ends up even', () => {
    const many = Array.from({ length: 8 }, (_, i) => listing(`t${i}`, 1))
    const desk = deskOf(marketOf({ m: many }))
    const load = new Map(many.map(each => [each.site.name, 0]))
    for (let i = 0; i < 400; i++) {
      const name = firstOf(desk.plan()) as string
      load.set(name, (load.get(name) ?? 0) + 1)
      busy(desk, many.find(each => each.site.name === name) as Listing, 1)
    }
    expect(Math.max(...load.values()) - Math.min(...load.values())).toBeLessThanOrEqual(12)
  })
})

describe('balanced', () => {
  test('uptime under 95% is punished exponentially', () => {
    expect(downtime(1)).toBe(0)
    expect(downtime(0.95)).toBe(0)
    expect(downtime(0.9)).toBeCloseTo(0.08, 1)
    expect(downtime(0.8)).toBeCloseTo(0.5, 1)
    expect(downtime(0.5)).toBeGreaterThan(20)
  })

  test('a cheap one that fails loses, and wins again when its failures are long ago', () => {
    const [cheap, dear] = [listing('cheap', 1), listing('dear', 2)]
    const desk = deskOf(marketOf({ m: [cheap, dear] }))
    heard(desk, cheap, 300)
    heard(desk, dear, 300)
    expect(firstOf(desk.plan())).toBe('cheap')
    fail(desk, cheap, 2)
    expect(firstOf(desk.plan())).toBe('dear')
    desk.nowMs += 600_000
    expect(firstOf(desk.plan())).toBe('cheap')
  })

  test('early, and then with one request in a hundred, the one of whom least is known is looked at, never a much dearer one', () => {
    const goods = [listing('best', 1), listing('other', 1.9), listing('dear', 2.5)]
    const desk = deskOf(marketOf({ m: goods }))
    const looked: [number, string][] = []
    for (let i = 0; i < 3 * EXPLORE_EVERY; i++) {
      const plan = desk.plan()
      if (plan.targets[0]?.why.includes('looked at')) looked.push([i, firstOf(plan) as string])
      desk.answered(plan)
      desk.nowMs += 2_000
    }
    const due = [EARLY_EVERY, EXPLORE_EVERY, 2 * EXPLORE_EVERY, 3 * EXPLORE_EVERY]
    expect(looked).toEqual(due.map(request => [request - 1, 'other']))
    const price = deskOf(marketOf({ m: goods }), 'price')
    for (let i = 0; i < 2 * EXPLORE_EVERY; i++) {
      const plan = price.plan()
      expect(firstOf(plan)).toBe('best')
      price.answered(plan)
    }
  })

  test('figures that are old count for less: a slow one is tried again', () => {
    const [slow, fast, third] = [listing('slow', 1), listing('fast', 1.2), listing('third', 1.2)]
    const desk = deskOf(marketOf({ m: [slow, fast, third] }), 'balanced')
    heard(desk, slow, 3_000)
    heard(desk, fast, 300)
    heard(desk, third, 330)
    expect(firstOf(desk.plan())).toBe('fast')
    desk.nowMs += 3_600_000
    heard(desk, fast, 300)
    heard(desk, third, 330)
    expect(firstOf(desk.plan())).toBe('slow')
  })
})

describe('speed as the caller waits for it', () => {
  const goods = [listing('a', 1), listing('b', 1), listing('c', 1)]
  const named = (name: string | undefined) => goods.find(({ site }) => site.name === name) as Listing
  const seen = (desk: Desk, of: Listing, ttftMs: number, stream: boolean) =>
    desk.health.observe(
      keyOf(of),
      { kind: 'ok', ttftMs, totalMs: ttftMs + (stream ? 400 : 0), outputTokens: 40, stream },
      desk.nowMs,
    )
  const speedy = ['balanced', 'latency'] as const

  test.each([...speedy, 'throughput'] as const)(
    '%s: streams say nothing for a leader that is slow with whole answers',
    strategy => {
      const desk = deskOf(marketOf({ m: goods }), strategy)
      for (const each of goods) for (let i = 0; i < 25; i++) seen(desk, each, 20, true)
      const whole = { stream: false, maxOutputTokens: 40 }
      const plan = desk.plan(whole)
      const leader = firstOf(plan)
      desk.answered(plan, { ttftMs: 1_400 })
      const streams = firstOf(desk.plan())
      for (let i = 0; i < 2; i++) seen(desk, named(leader), 1_400, false)
      expect(firstOf(desk.plan(whole))).not.toBe(leader)
      // nor whole answers for streams
      expect(firstOf(desk.plan())).toBe(streams)
      // the others are there as fast as their streams let expect, and are kept
      const next = firstOf(desk.plan(whole))
      for (let i = 0; i < 5; i++) seen(desk, named(next), 430, false)
      expect(firstOf(desk.plan(whole))).not.toBe(leader)
    },
  )

  test.each(speedy)('%s: who was only seen to answer whole is not slow beside streams', strategy => {
    const desk = deskOf(marketOf({ m: goods }), strategy)
    const [a, b, c] = goods as [Listing, Listing, Listing]
    for (let i = 0; i < 5; i++) {
      seen(desk, a, 900, true)
      seen(desk, b, 950, true)
      seen(desk, c, 5_000, false)
    }
    const onlooker = {
      ranked: (order: readonly { score: number }[]) => void scores.push(...order),
      excluded: () => {},
    }
    const scores: { score: number; key?: string }[] = []
    const market = marketOf({ m: goods })
    route(wanted({ stream: true }), KEY, { market, ...desk, random: () => 0, strategy, onlooker })
    const [best, , last] = scores.map(({ score }) => score) as [number, number, number]
    expect(last - best).toBeLessThan(strategy === 'balanced' ? 0.1 : 100)
  })

  test.each(speedy)('%s: whole answers of the others are enough to leave a slow stream for', strategy => {
    const desk = deskOf(marketOf({ m: goods }), strategy)
    for (const each of goods) seen(desk, each, 20, false)
    const plan = desk.plan()
    const leader = firstOf(plan)
    desk.answered(plan, { ttftMs: 1_000 })
    expect(firstOf(desk.plan())).not.toBe(leader)
  })

  test.each(speedy)('%s: a leader that is called off each time before it answers is left', strategy => {
    const desk = deskOf(marketOf({ m: goods }), strategy)
    for (const each of goods) for (let i = 0; i < 25; i++) seen(desk, each, 23, true)
    const plan = desk.plan()
    const leader = firstOf(plan)
    desk.answered(plan, { ttftMs: 23 })
    let asked = 0
    for (; asked < 20 && firstOf(desk.plan()) === leader; asked++)
      desk.health.observe(
        keyOf(named(leader)),
        { kind: 'late', waitedMs: 80, stream: true, raced: true },
        desk.nowMs,
      )
    expect(asked).toBeGreaterThan(0)
    expect(asked).toBeLessThan(5)
    expect(desk.health.state(keyOf(named(leader)))).toMatchObject({ errorRate: 0, consecutiveFaults: 0 })
  })

  test('a figure of whole answers that is old counts for less, however many streams there were since', () => {
    const [slow, fast, third] = [listing('slow', 1), listing('fast', 1.2), listing('third', 1.2)]
    const desk = deskOf(marketOf({ m: [slow, fast, third] }))
    const whole = { stream: false }
    for (const each of [fast, third]) seen(desk, each, 900, false)
    seen(desk, slow, 9_000, false)
    expect(firstOf(desk.plan(whole))).not.toBe('slow')
    desk.nowMs += 3_600_000
    for (const each of [fast, third]) seen(desk, each, 900, false)
    for (let i = 0; i < 25; i++) seen(desk, slow, 20, true)
    expect(firstOf(desk.plan(whole))).toBe('slow')
  })
})

describe('early looks', () => {
  const goods = Array.from({ length: 5 }, (_, i) => listing(`t${i}`, 1))
  const turns = EARLY_EVERY * goods.length

  test.each(['balanced', 'latency', 'throughput'] as const)(
    '%s: each equal is seen early, and once',
    strategy => {
      const desk = deskOf(marketOf({ m: goods }), strategy)
      const asked = new Map<string | undefined, number>()
      for (let i = 0; i < turns; i++) {
        const plan = desk.plan()
        asked.set(firstOf(plan), (asked.get(firstOf(plan)) ?? 0) + 1)
        desk.answered(plan, { ttftMs: 300 })
      }
      expect([...asked.values()].sort((a, b) => a - b)).toEqual([1, 1, 1, 1, turns - 4])
    },
  )

  test('a leader that is slow from the start is left', () => {
    const desk = deskOf(marketOf({ m: goods.slice(0, 3) }))
    const slow = firstOf(desk.plan())
    const asked: (string | undefined)[] = []
    for (let i = 0; i < 20; i++) {
      const plan = desk.plan()
      asked.push(firstOf(plan))
      desk.answered(plan, { ttftMs: firstOf(plan) === slow ? 4_000 : 20 })
    }
    expect(asked.lastIndexOf(slow)).toBeLessThan(2 * EARLY_EVERY)
  })

  test('one at a time, and who answers nothing that can be learned from is not looked at for ever', () => {
    const [a, b] = [listing('a', 1), listing('b', 1)]
    const desk = deskOf(marketOf({ m: [a, b] }))
    const first = firstOf(desk.plan())
    const unknown = first === 'a' ? b : a
    let plan = desk.plan()
    for (let i = 0; i < EARLY_EVERY - 1; i++) {
      desk.answered(plan, { by: first as string })
      plan = desk.plan()
    }
    expect(plan.targets[0]?.why).toContain('looked at')
    busy(desk, unknown, 1)
    expect(desk.plan().targets[0]?.why).not.toContain('looked at')
    desk.health.done({ target: keyOf(unknown), offer: 'x', credential: undefined })
    let looks = 0
    for (let i = 0; i < EXPLORE_EVERY - EARLY_EVERY; i++) {
      plan = desk.plan()
      // its refusals are the caller's own doing
      const isLook = plan.targets[0]?.why.includes('looked at') === true
      const { target } = { target: plan.targets[0] }
      const failure = isLook ? new GatewayError('refused', 'no') : undefined
      const clock = { now: () => desk.nowMs, monotonic: () => desk.nowMs }
      remember(plan, KEY, { target, failure, ttftMs: 300, usage: undefined }, {
        experience: desk.experience,
        clock,
      } as never)
      if (isLook) looks++
      else desk.health.observe(plan.targets[0]?.key ?? '', { kind: 'content', ttftMs: 300 }, desk.nowMs)
    }
    expect(looks).toBeLessThanOrEqual(2)
  })
})

describe('every strategy', () => {
  const goods = [listing('x', 2), listing('y', undefined), listing('z', 1, {}, { weight: 3 })]

  test.each(Object.keys(STRATEGIES))('%s ranks everybody once, whatever is unknown', name => {
    const desk = deskOf(marketOf({ m: goods }), name as keyof typeof STRATEGIES)
    expect(namesOf(desk.plan()).sort()).toEqual(['x', 'y', 'z'])
    heard(desk, goods[0] as Listing, 100)
    expect(namesOf(desk.plan()).sort()).toEqual(['x', 'y', 'z'])
  })

  test('weighted shares by the file’s weights; none = asked last', () => {
    const [x, y, z] = [
      listing('x', 1, {}, { weight: 1 }),
      listing('y', 1, {}, { weight: 3 }),
      listing('z', 1, {}, { weight: 0 }),
    ]
    const counts = firsts(deskOf(marketOf({ m: [z, x, y] }), 'weighted'), 2_000)
    expect(counts.z).toBeUndefined()
    expect((counts.y ?? 0) / 2_000).toBeGreaterThan(0.7)
    expect((counts.y ?? 0) / 2_000).toBeLessThan(0.8)
  })

  test('priority: the lowest first, equals shared, price and speed do not matter', () => {
    const [first, second, third] = [
      listing('first', 9, {}, { priority: 1 }),
      listing('second', 1, {}, { priority: 2 }),
      listing('third', 1),
    ]
    const desk = deskOf(marketOf({ m: [first, second, third] }), 'priority')
    heard(desk, first, 9_000)
    expect(namesOf(desk.plan())).toEqual(['third', 'first', 'second'])
  })
})

describe('who is out', () => {
  const outOf = (desk: Desk, more = {}) =>
    Object.fromEntries(desk.plan(more).excluded.map(({ provider, reason }) => [provider, reason]))

  test('region and data policy: what is not known is no promise', () => {
    const goods = [
      listing('eu', 1, {}, { region: 'eu-west-1', data: { collects: false, retains: false } }),
      listing('us', 1, {}, { region: 'us-east-1', data: { collects: false } }),
      listing('somewhere', 1),
    ]
    const desk = deskOf(marketOf({ m: goods }))
    expect(Object.keys(outOf(desk, { preferences: { regions: ['eu'] } })).sort()).toEqual(['somewhere', 'us'])
    expect(Object.keys(outOf(desk, { preferences: { dataCollection: 'deny' } }))).toEqual(['somewhere'])
    expect(Object.keys(outOf(desk, { preferences: { zdr: true } })).sort()).toEqual(['somewhere', 'us'])
    expect(outOf(desk, { preferences: { dataCollection: 'allow', zdr: false } })).toEqual({})
    // `e` is no region: names are compared by their parts
    expect(() => desk.plan({ preferences: { regions: ['e'] } })).toThrow(/not in provider.regions/)
  })

  test('who would cut the answer short, while somebody would not', () => {
    const goods = [
      listing('short', 1, { maxOutputTokens: 1_000 }),
      listing('narrow', 1, { contextTokens: 8_000 }),
      listing('fine', 5, { maxOutputTokens: 64_000 }),
    ]
    const desk = deskOf(marketOf({ m: goods }))
    expect(outOf(desk, { maxOutputTokens: 8_000 })).toEqual({
      short: 'it writes at most 1000 tokens',
      narrow: 'its context has no room for that much output',
    })
    expect(namesOf(desk.plan({ maxOutputTokens: 500 }))).toHaveLength(3)
    // nobody can: then it is theirs to say so
    expect(namesOf(desk.plan({ maxOutputTokens: 99_999 })).sort()).toEqual(['fine', 'narrow', 'short'])
  })

  test('the record says who rests and for how long', () => {
    const [a, b] = [listing('a', 1), listing('b', 1)]
    const desk = deskOf(marketOf({ m: [a, b] }))
    fail(desk, a)
    const plan = desk.plan()
    expect(plan.targets[0]?.why).toMatch(
      /^only candidate; out: a \(it is in trouble and rests for another \d+ s\)$/,
    )
    desk.health.observe(keyOf(b), { kind: 'cool_down', untilMs: NOW + 9_000, told: true }, NOW)
    expect(namesOf(desk.plan())).toEqual(['a'])
  })
})
