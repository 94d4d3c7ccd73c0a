/** Releasing in its corners: requests of several attempts, what was not held, notes that are missing, and how a refusal is worded. */
import { describe, expect, it } from 'vitest'
import type { HoldFacts, LogFields } from '../../src/deps.ts'
import { createMemoryJournal } from '../../src/ledger/journal.ts'
import { createLedger } from '../../src/ledger/ledger.ts'
import { chargeName, chargeNotes } from '../../src/ledger/release.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { AttemptRow } from '../../src/terms.ts'
import { budget, createTestClock, held, keyOf, NOON, project, rowOf } from './parts.ts'

const key = keyOf({ project: 'blue', budgets: [budget('day', 100_000)] })
const BLUE = project('blue', [budget('month', 100_000)])
const FACTS: HoldFacts = { model: 'gpt-5', provider: 'openai', priceId: 'p' }

/** Processes over one store and one journal; `crash` starts the next, and the one before is simply gone. */
async function rig() {
  const store = createMemoryStore()
  const clock = createTestClock()
  const logged: [string, string, LogFields | undefined][] = []
  let lines: string[] = []
  const start = async () => {
    const journal = createMemoryJournal(lines)
    lines = journal.lines as string[]
    const ledger = createLedger({
      store,
      journal,
      clock,
      log: (level, event, fields) => void logged.push([level, event, fields]),
    })
    await ledger.recover()
    return ledger
  }
  await store.commit([
    { op: 'put_key', key },
    { op: 'put_project', project: BLUE },
  ])
  let ledger = await start()
  return {
    store,
    clock,
    logged,
    now: () => ledger,
    hold: (id: string, nanoUsd: number, who = key, facts = FACTS) =>
      held(ledger.hold(who, id, nanoUsd, facts)),
    settle: async (id: string, nanoUsd: number, changes: Partial<AttemptRow>, who = key) => {
      const hold = held(ledger.hold(who, id, nanoUsd, FACTS))
      ledger.settle(hold, rowOf(hold, { ...FACTS, project: who.project, last: false, ...changes }))
      await ledger.fold()
    },
    crash: async () => {
      ledger = await start()
    },
    spent: () => [...ledger.usageOf(key), ...ledger.usageOfProject(BLUE)].map(use => use.spentNanoUsd),
    release: (id: string, nanoUsd: number) => ledger.release(id, nanoUsd),
  }
}

describe('a request of several attempts', () => {
  it('has one figure: the last of those that nobody knows takes it, the others cost nothing', async () => {
    const { hold, settle, crash, spent, release } = await rig()
    await settle('r.1', 500, { costNanoUsd: 40, error: 'upstream_error' })
    hold('r.2', 500)
    hold('r.3', 700)
    await crash()
    expect(spent()).toEqual([1_240, 1_240])
    const { id, attempts } = await release('r', 900)
    expect(id).toBe('r')
    expect(attempts.map(row => [row.id, row.costNanoUsd, row.overrunNanoUsd, row.certainty])).toEqual([
      ['r.1', 40, 0, 'exact'],
      ['r.2', 0, 0, 'recovered'],
      ['r.3', 900, 200, 'recovered'],
    ])
    expect(spent()).toEqual([940, 940])
    // the same again, of the attempts that were released, changes nothing
    expect((await release('r', 900)).attempts).toEqual(attempts)
    await expect(release('r', 940)).rejects.toMatchObject({
      status: 409,
      code: 'conflict',
      message: 'This request was released before, at $0.0000009.',
    })
    expect(spent()).toEqual([940, 940])
  })

  it('some of which were released before: the rest is still open', async () => {
    const { hold, settle, crash, spent, release } = await rig()
    hold('r.1', 500)
    await crash()
    await release('r', 100)
    await settle('r.2', 300, { costNanoUsd: null })
    expect(spent()).toEqual([400, 400])
    const { attempts } = await release('r', 50)
    expect(attempts.map(row => row.costNanoUsd)).toEqual([100, 50])
    expect(spent()).toEqual([150, 150])
    // from now on it is known as a whole
    await expect(release('r', 150)).resolves.toMatchObject({ attempts })
    await expect(release('r', 50)).rejects.toMatchObject({ code: 'conflict' })
  })
})

describe('what the row says afterwards', () => {
  const at = new Date(NOON).toISOString()

  it('a crash by its hold, what no bill can hold by that; and what was said of the row before comes first', async () => {
    const { hold, settle, crash, release } = await rig()
    hold('a.1', 500, key, { ...FACTS, why: 'cheapest' })
    hold('b.1', 500)
    await settle('c.1', 500, { costNanoUsd: null })
    await crash()
    const why = async (id: string) => (await release(id, 7)).attempts[0]?.why
    expect(await why('a')).toBe(`cheapest; charged $0.0000005 after a crash, released ${at}`)
    expect(await why('b')).toBe(`charged $0.0000005 after a crash, released ${at}`)
    expect(await why('c')).toBe(`charged $0.0000005 for usage that no bill can hold, released ${at}`)
  })

  it('without a budget nothing was held: no overrun, no note, and a cost that was not known is named so', async () => {
    const { store, hold, crash, release, spent } = await rig()
    const free = keyOf({ id: 'key000000009', lineage: 'key000000009' })
    hold('a.1', 0, free, {})
    hold('b.1', 500, free)
    await crash()
    expect(await store.setting(chargeName('b.1'))).toBeUndefined()
    expect((await release('a', 900)).attempts).toMatchObject([
      {
        costNanoUsd: 900,
        overrunNanoUsd: 0,
        heldNanoUsd: 0,
        why: `charged an unknown cost after a crash, released ${at}`,
      },
    ])
    expect((await release('b', 900)).attempts).toMatchObject([{ costNanoUsd: 900, overrunNanoUsd: 0 }])
    expect(spent()).toEqual([0, 0])
  })

  it('is logged with the cost in plain decimals, and only if it happened', async () => {
    const { hold, crash, release, logged } = await rig()
    hold('a.1', 500)
    await crash()
    await release('none', 5).catch(() => {})
    expect(logged.filter(([, event]) => event === 'ledger.released')).toEqual([])
    await release('a', 5)
    expect(logged).toContainEqual(['info', 'ledger.released', { request: 'a', cost_usd: '0.000000005' }])
  })
})

describe('refusals', () => {
  it('a request that is not there is named, to 80 characters', async () => {
    const { release } = await rig()
    await expect(release('no "such" request', 0)).rejects.toMatchObject({
      kind: 'not_found',
      status: 404,
      param: 'id',
      message: 'there is no request "no \\"such\\" request"',
    })
    await expect(release('x'.repeat(500), 0)).rejects.toMatchObject({
      message: `there is no request "${'x'.repeat(80)}"`,
    })
  })

  it.each<[string, Partial<AttemptRow>]>([
    ['was billed', {}],
    ['was estimated', { certainty: 'estimated' }],
    // a stream that its provider broke off is not a crash of ours: each of these alone tells it
    ['had a status', { error: 'interrupted', status: 200, totalMs: 0 }],
    ['took its time', { error: 'interrupted', status: 0, totalMs: 5 }],
    ['ended otherwise', { error: 'timeout', status: 0, totalMs: 0 }],
    ['talks of a release', { why: 'a model called released, released soon' }],
  ])('a request that %s is not to be released, at its own cost neither', async (_, changes) => {
    const { settle, release, spent } = await rig()
    await settle('r.1', 500, { costNanoUsd: 300, ...changes })
    for (const cost of [0, 300])
      await expect(release('r', cost)).rejects.toMatchObject({
        kind: 'invalid_request',
        status: 409,
        code: 'conflict',
        message: 'Only a request with certainty `unknown` can be released.',
      })
    expect(spent()).toEqual([300, 300])
  })

  it('a charge that nobody noted the budgets of is left as it is', async () => {
    const { store, crash, release, spent } = await rig()
    const row = rowOf({ attemptId: 'r.1', key }, { certainty: 'unknown', heldNanoUsd: 500, costNanoUsd: 500 })
    const day = { window: 'day', bucketStartMs: Date.UTC(2026, 0, 15) }
    const month = { owner: 'project:blue', window: 'month', bucketStartMs: Date.UTC(2026, 0, 1) }
    await store.fold([row], () => [day, month])
    await crash()
    await expect(release('r', 0)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(
        /^An earlier version charged this request and did not note .*: raise them/,
      ),
    })
    expect(spent()).toEqual([500, 500])
    expect((await store.request('r'))?.attempts).toMatchObject([{ certainty: 'unknown', costNanoUsd: 500 }])
  })

  it('one that failed does not stand in the way of the next', async () => {
    const { hold, crash, release, spent } = await rig()
    hold('r.1', 500)
    await crash()
    const [failed, done] = await Promise.allSettled([release('none', 0), release('r', 10)])
    expect([failed?.status, done?.status]).toEqual(['rejected', 'fulfilled'])
    expect(spent()).toEqual([10, 10])
  })
})

it('a note is made for what was counted somewhere, and for nothing else', () => {
  const row = rowOf({ attemptId: 'a.1', key })
  const buckets = [{ window: 'day', bucketStartMs: 0 }] as const
  expect(chargeNotes([{ row, buckets: [], detail: '' }])).toEqual([])
  expect(chargeNotes([{ row, buckets, detail: '' }])).toEqual([
    { op: 'put_setting', name: 'charged.a.1', value: '[{"window":"day","bucketStartMs":0}]' },
  ])
})
