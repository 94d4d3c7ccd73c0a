/** Daily limits after a restart: of keys, projects, models and users, as full as the day has left them. */
import { expect, it } from 'vitest'
import type { Admission, RateRefusal } from '../../src/deps.ts'
import { createRates } from '../../src/ledger/rates.ts'
import { seedDailyRates } from '../../src/ledger/seed.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Limits, Project } from '../../src/terms.ts'
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
