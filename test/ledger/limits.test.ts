/** Rates of projects, models, end users and the organisation beside the key's; bursts; long runs; what peers got wrong (T89–T91). */
import { describe, expect, it } from 'vitest'
import type { Admission, RateFacts, RateRefusal } from '../../src/deps.ts'
import { createRates } from '../../src/ledger/rates.ts'
import type { Key, Limits } from '../../src/terms.ts'
import { keyOf } from './parts.ts'

const NONE: Limits = { rpm: null, tpm: null, rpd: null, concurrency: null }
const MINUTE = 60_000
const facts = (model = 'm', user: string | null = null): RateFacts => ({ model, user })
const isRefused = (given: Admission | RateRefusal): given is RateRefusal => 'limit' in given
const ok = (given: Admission | RateRefusal): Admission => {
  if (isRefused(given)) throw new Error(`refused by ${given.limit}`)
  return given
}
const limitOf = (given: Admission | RateRefusal) => (isRefused(given) ? given.limit : undefined)

function setup(own: Partial<Limits>, projects: Record<string, Partial<Limits>> = {}) {
  const clock = { ms: 5_000 }
  const limitsOf = (id: string) => projects[id] && { ...NONE, ...projects[id] }
  const rates = createRates(() => clock.ms, limitsOf)
  const key = (changes: Partial<Key> = {}) => keyOf({ limits: { ...NONE, ...own }, ...changes })
  return { clock, rates, key }
}

describe('whose limits', () => {
  it('a project’s keys share its limits; keys of other projects and of none do not', () => {
    const { rates, key } = setup({}, { blue: { rpm: 3 } })
    const [ann, bob] = [key({ project: 'blue' }), key({ id: 'k2', lineage: 'k2', project: 'blue' })]
    const alone = key({ id: 'k3', lineage: 'k3' })
    for (const one of [ann, bob, ann]) ok(rates.admit(one, 0, facts()))
    expect(limitOf(rates.admit(bob, 0, facts()))).toBe('project.rpm')
    ok(rates.admit(alone, 0, facts()))
    ok(rates.admit(key({ project: 'green' }), 0, facts()))
  })

  it('the organisation’s limits hold for every key', () => {
    const { rates, key } = setup(
      {},
      { organisation: { concurrency: 2, perModel: { big: { ...NONE, rpm: 1 } } } },
    )
    ok(rates.admit(key(), 0, facts('big')))
    expect(limitOf(rates.admit(key({ id: 'k2', lineage: 'k2' }), 0, facts('big')))).toBe(
      'organisation.model.rpm',
    )
    const second = ok(rates.admit(key({ id: 'k2', lineage: 'k2' }), 0, facts('small')))
    expect(limitOf(rates.admit(key({ id: 'k3', lineage: 'k3' }), 0, facts('small')))).toBe(
      'organisation.concurrency',
    )
    second.release(undefined)
    ok(rates.admit(key({ id: 'k3', lineage: 'k3' }), 0, facts('small')))
  })

  it('a limit per model counts that model alone, under whatever name the prototype chain has', () => {
    const { rates, key } = setup({ perModel: { big: { ...NONE, tpm: 100 } } })
    ok(rates.admit(key(), 100, facts('big')))
    expect(limitOf(rates.admit(key(), 1, facts('big')))).toBe('key.model.tpm')
    for (const other of ['small', 'constructor', '__proto__', 'toString'])
      for (let i = 0; i < 10; i++) ok(rates.admit(key(), 1_000, facts(other)))
  })

  it('a limit per end user counts each by itself; a request that names none is not limited by it', () => {
    const { rates, key } = setup({ perUser: { ...NONE, rpm: 2 } })
    for (const user of ['ann', 'bob', 'ann', 'bob']) ok(rates.admit(key(), 0, facts('m', user)))
    expect(limitOf(rates.admit(key(), 0, facts('m', 'ann')))).toBe('key.user.rpm')
    expect(limitOf(rates.admit(key(), 0, facts('n', 'bob')))).toBe('key.user.rpm')
    for (let i = 0; i < 10; i++) ok(rates.admit(key(), 0, facts()))
    // Another lineage's ann is another person.
    ok(rates.admit(key({ id: 'k2', lineage: 'k2' }), 0, facts('m', 'ann')))
  })

  it('all of them are checked before any is taken: a refusal by the last consumes nothing of the first', () => {
    const { rates, key } = setup(
      { rpm: 10, tpm: 1_000, rpd: 10, concurrency: 10, perUser: { ...NONE, rpm: 10 } },
      { blue: { rpm: 10, perModel: { m: { ...NONE, tpm: 50 } } } },
    )
    const one = key({ project: 'blue' })
    for (let i = 0; i < 1_000; i++)
      expect(limitOf(rates.admit(one, 51, facts('m', 'ann')))).toBe('project.model.tpm')
    const left = ok(rates.admit(one, 50, facts('m', 'ann'))).state.policies
    expect(left?.map(policy => [policy.name, policy.remaining])).toEqual([
      ['key.rpm', 9],
      ['key.rpd', 9],
      ['key.tpm', 950],
      ['key.concurrency', 9],
      ['key.user.rpm', 9],
      ['project.rpm', 9],
      ['project.model.tpm', 0],
    ])
  })

  it('the families show the limit that refuses first, of whoever it is', () => {
    const { rates, key } = setup({ rpm: 100, tpm: 10 }, { blue: { rpm: 5, tpm: 1_000 } })
    const { state } = ok(rates.admit(key({ project: 'blue' }), 4, facts()))
    expect(state.requests).toMatchObject({ name: 'project.rpm', limit: 5, remaining: 4 })
    expect(state.tokens).toMatchObject({ name: 'key.tpm', limit: 10, remaining: 6 })
  })

  it('tokens settle to the truth in every bucket that they were taken from, once', () => {
    const { rates, key } = setup({ tpm: 1_000 }, { blue: { tpm: 2_000, perUser: { ...NONE, tpm: 1_500 } } })
    const one = key({ project: 'blue' })
    const given = ok(rates.admit(one, 900, facts('m', 'ann')))
    given.release(100)
    given.release(0)
    const { policies } = ok(rates.admit(one, 0, facts('m', 'ann'))).state
    expect(policies?.map(policy => policy.remaining)).toEqual([900, 1_900, 1_400])
  })

  it('users that callers invent cannot fill the memory, nor get more by being many', () => {
    const { rates, key } = setup({ perUser: { ...NONE, rpd: 1 } })
    let admitted = 0
    for (let i = 0; i < 150_000; i++)
      if (!isRefused(rates.admit(key(), 0, facts('m', `user-${i}`)))) admitted++
    // The crowd beyond the bound shares one bucket.
    expect(admitted).toBe(100_001)
  })

  it('users that have gone quiet make room for others', () => {
    const { rates, key, clock } = setup({ perUser: { ...NONE, rpm: 1 } })
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 60_000; i++)
        ok(rates.admit(key(), 0, facts('m', `user-${round}-${i}`))).release(undefined)
      clock.ms += MINUTE
    }
  })
})

describe('burst', () => {
  it('lets so many in at once, and the rest at the limit’s pace', () => {
    const { rates, key, clock } = setup({ rpm: 60, burst: 3 })
    for (let i = 0; i < 3; i++) ok(rates.admit(key(), 0))
    const no = rates.admit(key(), 0)
    expect(no).toMatchObject({ limit: 'key.burst', retryAfterMs: 1_000 })
    let admitted = 0
    for (let ms = 0; ms < 10 * MINUTE; ms += 100) {
      clock.ms += 100
      if (!isRefused(rates.admit(key(), 0))) admitted++
    }
    expect(admitted).toBe(600)
  })

  it('above the limit changes nothing', () => {
    const { rates, key } = setup({ rpm: 2, burst: 100 })
    ok(rates.admit(key(), 0))
    ok(rates.admit(key(), 0))
    expect(limitOf(rates.admit(key(), 0))).toBe('key.rpm')
  })
})

/** Sends as fast as it may for 20 minutes; requests end later, with other amounts than they were taken for. */
function twentyMinutes(tpm: number, dice: () => number) {
  const { rates, key, clock } = setup({ tpm })
  const running: { endsMs: number; actual: number; admission: Admission }[] = []
  const perMinute: number[] = []
  // The bucket is emptied first: what is measured is the pace, not the minute's worth that it starts with.
  ok(rates.admit(key(), tpm)).release(tpm)
  const startMs = clock.ms
  while (clock.ms < startMs + 20 * MINUTE) {
    clock.ms += 20
    for (const one of running.filter(entry => entry.endsMs <= clock.ms)) {
      one.admission.release(one.actual)
      const minute = Math.floor((clock.ms - startMs) / MINUTE)
      perMinute[minute] = (perMinute[minute] ?? 0) + one.actual
      running.splice(running.indexOf(one), 1)
    }
    const likely = 50 + Math.floor(dice() * 500)
    const given = rates.admit(key(), likely)
    if (isRefused(given)) continue
    running.push({
      endsMs: clock.ms + Math.floor(dice() * 3_000),
      actual: Math.floor(likely * (0.2 + dice() * 1.6)),
      admission: given,
    })
  }
  return perMinute.slice(0, 20)
}

function createDice(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

describe('over time', () => {
  it('20 simulated minutes of tokens stay within 1% of the limit, whatever was estimated', () => {
    for (const seed of [1, 2, 3]) {
      const used = twentyMinutes(200_000, createDice(seed))
      const sum = used.reduce((a, b) => a + b, 0)
      expect(sum / (20 * 200_000)).toBeGreaterThan(0.99)
      expect(sum / (20 * 200_000)).toBeLessThan(1.01)
    }
  })

  it('the only excess is the minute’s worth that a rested bucket starts with', () => {
    const { rates, key, clock } = setup({ tpm: 60_000 })
    let used = 0
    for (let ms = 0; ms <= 20 * MINUTE; ms += 100) {
      clock.ms = 5_000 + ms
      for (let given = rates.admit(key(), 100); !isRefused(given); given = rates.admit(key(), 100)) {
        given.release(100)
        used += 100
      }
    }
    expect(Math.abs(used - 21 * 60_000)).toBeLessThanOrEqual(100)
  })
})

describe('what peers got wrong', () => {
  it('T90 litellm#24677: two keys, two users, two models: no window is shared, so none trips early', () => {
    const { rates, key, clock } = setup({ tpm: 1_000, perUser: { ...NONE, tpm: 1_000 } })
    const others = Array.from({ length: 5 }, (_, i) => key({ id: `k${i}`, lineage: `k${i}` }))
    for (const one of others)
      for (let i = 0; i < 10; i++) ok(rates.admit(one, 100, facts('m', 'ann'))).release(100)
    for (const one of others) expect(isRefused(rates.admit(one, 100, facts('m', 'ann')))).toBe(true)
    clock.ms += MINUTE
    for (const one of others) for (let i = 0; i < 10; i++) ok(rates.admit(one, 100, facts('m', 'ann')))
  })

  it('T91 litellm#10555, #18518: tokens are limited on a long run too, and nothing expires that still counts', () => {
    const { rates, key, clock } = setup({ tpm: 1_000 })
    // One request a minute uses three minutes' worth each: a fixed window would forget the debt at each minute's end.
    let used = 0
    for (let minute = 0; minute < 60; minute++) {
      const given = rates.admit(key(), 100)
      if (!isRefused(given)) {
        given.release(3_000)
        used += 3_000
      }
      clock.ms += MINUTE
    }
    expect(used).toBeLessThanOrEqual(60 * 1_000 + 3_000)
    expect(used).toBeGreaterThan(55 * 1_000)
  })

  it('T89 litellm#40291: what one process lets through is what all of it may be: keys of a lineage count as one', () => {
    const { rates, key } = setup({ tpm: 1_000 })
    const replicas = [key(), key({ id: 'k2' }), key({ id: 'k3' })]
    let used = 0
    for (let i = 0; i < 300; i++) if (!isRefused(rates.admit(replicas[i % 3] as Key, 50))) used += 50
    expect(used).toBe(1_000)
  })
})

describe('which limit is told of', () => {
  it('of several that refuse the one that takes longest, wherever it stands; of equals the first', () => {
    const wait = (own: Partial<Limits>, above: Partial<Limits>) => {
      const { rates, key } = setup(own, { blue: above })
      const one = key({ project: 'blue' })
      for (let i = 0; i < 20; i++) {
        const given = rates.admit(one, 0, facts())
        if (isRefused(given)) return [given.limit, given.retryAfterMs]
      }
      return undefined
    }
    expect(wait({ rpm: 2 }, { rpm: 2, rpd: 2 })).toEqual(['project.rpd', 43_200_000])
    expect(wait({ rpm: 2, rpd: 2 }, { rpm: 2 })).toEqual(['key.rpd', 43_200_000])
    expect(wait({ rpm: 2 }, { rpm: 2 })).toEqual(['key.rpm', 30_000])
    expect(wait({ rpm: 2, concurrency: 2 }, { concurrency: 2 })).toEqual(['key.rpm', 30_000])
    expect(wait({ concurrency: 2 }, { rpm: 2 })).toEqual(['project.rpm', 30_000])
    expect(wait({ burst: 1 }, {})).toBeUndefined()
  })

  it('what can never be let in comes before what only takes long', () => {
    const { rates, key } = setup({ rpd: 1, tpm: 1_000 }, { blue: { tpm: 50 } })
    const one = key({ project: 'blue' })
    ok(rates.admit(one, 50, facts()))
    expect(rates.admit(one, 51, facts())).toMatchObject({ limit: 'project.tpm', neverFits: true })
    expect(rates.admit(one, 50, facts())).toMatchObject({ limit: 'key.rpd' })
    expect(rates.admit(one, 50, facts())).not.toHaveProperty('neverFits')
  })

  it('families show the tightest of each unit, in either order, and of equals the first', () => {
    const shown = (own: Partial<Limits>, above: Partial<Limits>) => {
      const { rates, key } = setup(own, { blue: above })
      const { requests, tokens } = ok(rates.admit(key({ project: 'blue' }), 1, facts())).state
      return [requests?.name, tokens?.name]
    }
    expect(shown({ rpm: 9, tpm: 9 }, { rpm: 5, tpm: 5 })).toEqual(['project.rpm', 'project.tpm'])
    expect(shown({ rpm: 5, tpm: 5 }, { rpm: 9, tpm: 9 })).toEqual(['key.rpm', 'key.tpm'])
    expect(shown({ rpm: 5, tpm: 5 }, { rpm: 5, tpm: 5 })).toEqual(['key.rpm', 'key.tpm'])
    expect(shown({ tpm: 5 }, { concurrency: 1 })).toEqual([undefined, 'key.tpm'])
    expect(shown({ concurrency: 1 }, { rpd: 7 })).toEqual(['project.rpd', undefined])
  })
})

describe('whose bucket it is', () => {
  it('a model and a user of one name, and a project and a key of one name, are four', () => {
    const one = { ...NONE, rpm: 1 }
    const { rates, key } = setup(
      { rpm: 4, perModel: { x: one }, perUser: one },
      { k: { rpm: 4, perUser: one } },
    )
    const holder = key({ lineage: 'k', project: 'k' })
    ok(rates.admit(holder, 0, facts('x', null)))
    ok(rates.admit(holder, 0, facts('m', 'x')))
    expect(limitOf(rates.admit(holder, 0, facts('x', null)))).toBe('key.model.rpm')
    expect(limitOf(rates.admit(holder, 0, facts('m', 'x')))).toBe('key.user.rpm')
    // another key of that project meets its project's user, and none of the key's own
    const other = key({ id: 'k2', lineage: 'k2', project: 'k' })
    expect(limitOf(rates.admit(other, 0, facts('m', 'x')))).toBe('project.user.rpm')
    ok(rates.admit(key({ id: 'k3', lineage: 'k3' }), 0, facts('x', 'x')))
  })

  it('a part without a limit of its own counts nothing, and without facts no part does', () => {
    const { rates, key } = setup({ perModel: { m: { ...NONE, burst: 1 } }, perUser: { ...NONE, burst: 1 } })
    for (let i = 0; i < 9; i++) expect(ok(rates.admit(key(), 5, facts('m', 'ann'))).state).toEqual({})
    const strict = setup({ perModel: { m: { ...NONE, rpm: 0 } }, perUser: { ...NONE, rpm: 0 } })
    expect(ok(strict.rates.admit(strict.key(), 5)).state).toEqual({})
  })

  it('every dimension is a limit by itself', () => {
    for (const name of ['rpm', 'tpm', 'rpd', 'concurrency'] as const) {
      const { rates, key } = setup({ [name]: 1 })
      ok(rates.admit(key(), 1, facts()))
      expect(limitOf(rates.admit(key(), 1, facts()))).toBe(`key.${name}`)
    }
  })

  it('what an earlier process saw of the day goes on draining from now', () => {
    const { rates, key, clock } = setup({ rpd: 24 })
    clock.ms += 3 * 24 * 60 * MINUTE
    rates.seed(key().lineage, 20)
    rates.seed(key().lineage, 3)
    ok(rates.admit(key(), 0, facts()))
    expect(rates.admit(key(), 0, facts())).toMatchObject({ limit: 'key.rpd', retryAfterMs: 60 * MINUTE })
    clock.ms += 60 * MINUTE
    ok(rates.admit(key(), 0, facts()))
    expect(limitOf(rates.admit(key(), 0, facts()))).toBe('key.rpd')
  })
})
