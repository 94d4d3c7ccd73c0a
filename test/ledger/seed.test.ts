/** Daily limits after a restart: of keys, projects, models and users, as full as the day has left them. */
import { describe, expect, it, vi } from 'vitest'
import type { Admission, RateRefusal } from '../../src/deps.ts'
import { createRates, laneId } from '../../src/ledger/rates.ts'
import { seedDailyRates } from '../../src/ledger/seed.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { AttemptRow, Limits, Project } from '../../src/terms.ts'
import { attemptRow } from '../store/rows.ts'
import { keyOf, NOON } from './parts.ts'

const NONE: Limits = { rpm: null, tpm: null, rpd: null, concurrency: null }
const HOUR = 3_600_000
const limitOf = (given: Admission | RateRefusal) => ('limit' in given ? given.limit : undefined)
const projectOf = (id: string, limits: Partial<Limits>): Project => ({
  id,
  name: id,
  status: 'active',
  createdAtMs: NOON,
  limits: { ...NONE, ...limits },
  budgets: [],
  metadata: {},
})

async function restarted(
  own: Partial<Limits>,
  projects: readonly Project[],
  hoursAgo: readonly number[],
  nowMs = NOON,
) {
  const store = createMemoryStore()
  await store.fold(
    hoursAgo.map((hours, n) =>
      attemptRow({
        requestId: `req_${n}`,
        createdAtMs: nowMs - hours * HOUR,
        project: 'blue',
        model: 'big',
        user: n % 2 ? 'ann' : 'bob',
      }),
    ),
    () => [],
  )
  const key = keyOf({ limits: { ...NONE, ...own }, project: 'blue' })
  const byId = new Map(projects.map(project => [project.id, project.limits]))
  const rates = createRates(
    () => 1_000,
    id => byId.get(id),
  )
  await seedDailyRates({ store, rates, keys: [key], projects, organisation: 'organisation', nowMs })
  return (model = 'big', user: string | null = null) => limitOf(rates.admit(key, 0, { model, user }))
}

const now = (count: number) => Array.from({ length: count }, () => 0)

it('whoever’s limit it is, a restart does not refill it', async () => {
  expect((await restarted({ rpd: 4 }, [], now(4)))()).toBe('key.rpd')
  expect((await restarted({}, [projectOf('blue', { rpd: 4 })], now(4)))()).toBe('project.rpd')
  expect((await restarted({}, [projectOf('organisation', { rpd: 4 })], now(4)))()).toBe('organisation.rpd')
  const models = await restarted({ perModel: { big: { ...NONE, rpd: 4 } } }, [], now(4))
  expect([models(), models('small')]).toEqual(['key.model.rpd', undefined])
  const users = await restarted({ perUser: { ...NONE, rpd: 2 } }, [], now(4))
  expect([users('big', 'ann'), users('big', 'carl')]).toEqual(['key.user.rpd', undefined])
})

it('what was used long ago has drained meanwhile, as it would have without a restart', async () => {
  // 24 a day drain one an hour: 24 requests, one an hour, leave nothing; 24 in the last hour leave all.
  const even = await restarted(
    { rpd: 24 },
    [],
    Array.from({ length: 24 }, (_, n) => 23 - n),
  )
  expect(Array.from({ length: 22 }, () => even())).toEqual(Array.from({ length: 22 }, () => undefined))
  const late = await restarted({ rpd: 24 }, [], now(24))
  expect(late()).toBe('key.rpd')
  const half = await restarted(
    { rpd: 24 },
    [],
    Array.from({ length: 24 }, () => 12),
  )
  const let_in = Array.from({ length: 24 }, () => half()).filter(limit => limit === undefined).length
  expect(let_in).toBe(12)
})

it('requests of the day before count no more', async () => {
  const ask = await restarted({ rpd: 1 }, [], [25, 26, 30])
  expect(ask()).toBeUndefined()
})

it('what was used in the running hour has drained since then only', async () => {
  // 240 a day drain one in six minutes: a minute ago all were used, half an hour ago five have come back.
  const almost = NOON + 59 * 60_000
  const minutesAgo = (minutes: number) => Array.from({ length: 240 }, () => minutes / 60)
  const admitted = async (minutes: number) => {
    const ask = await restarted({ rpd: 240 }, [], minutesAgo(minutes), almost)
    return Array.from({ length: 20 }, () => ask()).filter(limit => limit === undefined).length
  }
  expect([await admitted(0), await admitted(1), await admitted(30)]).toEqual([0, 0, 4])
})

describe('what a restart reads and fills', () => {
  async function filled(own: Partial<Limits>, projects: readonly Project[], ...used: Partial<AttemptRow>[]) {
    const store = createMemoryStore()
    await store.fold(
      used.map((changes, n) =>
        attemptRow({ requestId: `req_${n}`, createdAtMs: NOON, project: 'blue', ...changes }),
      ),
      () => [],
    )
    const spend = vi.spyOn(store, 'spend')
    const seed = vi.fn()
    const key = keyOf({ lineage: 'line00000001', limits: { ...NONE, ...own }, project: 'blue' })
    const rates = { ...createRates(() => 0), seed }
    await seedDailyRates({ store, rates, keys: [key], projects, organisation: 'organisation', nowMs: NOON })
    const groups = new Set(
      spend.mock.calls.map(([{ groupBy }]) => groupBy.filter(name => name !== 'hour').join()),
    )
    return { seeds: Object.fromEntries(seed.mock.calls), groups: [...groups] }
  }
  const limited = (rpd: number | null) => ({ ...NONE, rpm: 9, rpd })

  it.each<[string, Partial<Limits>]>([
    ['nobody has a limit', {}],
    ['limits are of minutes', { rpm: 5, perUser: limited(null), perModel: { big: limited(null) } }],
  ])('nothing, where %s', async (_what, own) => {
    expect(await filled(own, [projectOf('blue', own)], { model: 'big' })).toEqual({ seeds: {}, groups: [] })
  })

  it('each limit by the day that a request counts in, and no other', async () => {
    const own = { perModel: { big: limited(5), small: limited(null) } }
    const blue = projectOf('blue', { rpd: 50, perUser: limited(7) })
    const organisation = projectOf('organisation', { perUser: limited(null), rpd: 90 })
    const { seeds, groups } = await filled(
      own,
      [blue, organisation, projectOf('red', { rpd: 3 })],
      { model: 'big', user: 'ann' },
      { model: 'small', user: 'ann' },
      { model: 'toString', user: null },
      { model: 'big', user: 'bob', keyId: 'gone', project: null },
    )
    expect(seeds).toEqual({
      [laneId('key', 'line00000001', 'model', 'big')]: 1,
      [laneId('project', 'blue')]: 3,
      [laneId('project', 'blue', 'user', 'ann')]: 2,
      [laneId('organisation', '')]: 4,
    })
    expect(groups).toEqual(['key,project,model,user'])
  })

  it('no more than the limits need to be told apart, and nothing that has drained', async () => {
    const old = { createdAtMs: NOON - 20 * HOUR }
    expect(await filled({ rpd: 24 }, [], { model: 'big', user: 'ann' }, old)).toEqual({
      seeds: { [laneId('key', 'line00000001')]: 1 },
      groups: ['key,project'],
    })
    expect((await filled({ rpd: 24 }, [], old)).seeds).toEqual({})
  })
})
