/** How what was held becomes what was spent: at the row, or before it where the row has to wait; and who hears of it. */
import { describe, expect, it } from 'vitest'
import type { LogFields } from '../../src/deps.ts'
import { createMemoryJournal } from '../../src/ledger/journal.ts'
import { createLedger } from '../../src/ledger/ledger.ts'
import { replay } from '../../src/ledger/recover.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Budget } from '../../src/terms.ts'
import { budget, createTestClock, held, keyOf, project, rowOf } from './parts.ts'

type Told = [level: string, event: string, fields: LogFields | undefined]

function rig(budgets: readonly Budget[] = [budget('day', 1_000)]) {
  const logged: Told[] = []
  const alerted: [string, LogFields][] = []
  const journal = createMemoryJournal()
  const store = createMemoryStore()
  const ledger = createLedger({
    store,
    journal,
    clock: createTestClock(),
    log: (...line) => void logged.push(line as Told),
    alert: (event, fields) => void alerted.push([event, fields]),
  })
  const key = keyOf({ budgets })
  const hold = (id: string, nanoUsd: number) => held(ledger.hold(key, id, nanoUsd))
  const use = () => {
    const { spentNanoUsd, heldNanoUsd } = ledger.usageOf(key)[0] ?? {}
    return [spentNanoUsd, heldNanoUsd]
  }
  /** What a crash at this moment would charge, by attempt. */
  const crash = () => replay(journal.lines).interrupted.map(({ row }) => [row.id, row.costNanoUsd])
  return { ledger, store, key, hold, use, crash, logged, alerted }
}

describe('a charge before the row', () => {
  it('is spent at once, once, and is what the row will say, whatever it was told', async () => {
    const { ledger, store, hold, use, crash, logged } = rig()
    const attempt = hold('a.1', 300)
    ledger.charge(attempt, 120)
    expect(use()).toEqual([120, 0])
    expect(crash()).toEqual([['a.1', 120]])
    ledger.charge(attempt, 130)
    expect([use(), crash()]).toEqual([[120, 0], [['a.1', 120]]])
    ledger.settle(attempt, rowOf(attempt, { costNanoUsd: 999 }))
    expect([use(), crash()]).toEqual([[120, 0], []])
    await ledger.fold()
    expect((await store.request('a'))?.attempts).toMatchObject([{ costNanoUsd: 120, overrunNanoUsd: 0 }])
    expect(logged).toEqual([])
  })

  it('of nothing is nothing spent, and the rest can be held', () => {
    const { ledger, hold, use, crash } = rig()
    const attempt = hold('a.1', 300)
    ledger.charge(attempt, 0)
    expect([use(), crash()]).toEqual([[0, 0], [['a.1', 0]]])
    hold('b.1', 1_000)
  })

  it('that is no amount changes nothing', () => {
    const { ledger, hold, use, crash } = rig()
    const attempt = hold('a.1', 300)
    for (const odd of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) ledger.charge(attempt, odd)
    expect([use(), crash()]).toEqual([[0, 300], [['a.1', 300]]])
  })

  it('after the row is written changes nothing', () => {
    const { ledger, hold, use, crash } = rig()
    const attempt = hold('a.1', 300)
    ledger.settle(attempt, rowOf(attempt, { costNanoUsd: 50 }))
    ledger.charge(attempt, 120)
    expect([use(), crash()]).toEqual([[50, 0], []])
  })

  it('lets those who wait for the rest look again, as the row does: of the key and of what stands above it', async () => {
    for (const end of ['charge', 'settle'] as const) {
      const { ledger, key } = rig()
      ledger.adopt([project('p', [budget('day', 100)])])
      const member = { ...key, id: 'm', lineage: 'm', project: 'p' }
      const attempt = held(ledger.hold(member, 'a.1', 100))
      const woken: string[] = []
      const waits = ['m', 'project:p', 'project:q'].map(owner =>
        ledger
          .freed(member, owner.endsWith('q') ? 1 : 5_000, { owner } as never)
          .then(() => woken.push(owner)),
      )
      if (end === 'charge') ledger.charge(attempt, 10)
      else ledger.settle(attempt, rowOf(attempt, { costNanoUsd: 10 }))
      await Promise.all(waits)
      expect(woken).toEqual(['m', 'project:p', 'project:q'])
    }
  })
})

describe('what comes back before the row', () => {
  it('is free at once in every budget, and a crash charges what is left', () => {
    const { ledger, key, use, crash } = rig()
    const blue = project('blue', [budget('month', 9_000)])
    ledger.adopt([blue])
    const attempt = held(ledger.hold({ ...key, project: 'blue' }, 'a.1', 300))
    ledger.lower(attempt, 200)
    expect([use(), crash(), attempt.heldNanoUsd]).toEqual([[0, 100], [['a.1', 100]], 100])
    expect(ledger.usageOfProject(blue)[0]).toMatchObject({ heldNanoUsd: 100 })
    // it grows again from there, and its row says what was held at last
    expect(ledger.extend(attempt, 50)).toBe(true)
    expect([use(), crash()]).toEqual([[0, 150], [['a.1', 150]]])
    ledger.settle(attempt, rowOf(attempt, { costNanoUsd: 20 }))
    expect([use(), crash()]).toEqual([[20, 0], []])
    expect(ledger.usageOfProject(blue)[0]).toMatchObject({ heldNanoUsd: 0, spentNanoUsd: 20 })
  })

  it('is whole nano-USD, never more than is held, and never less than nothing', () => {
    const { ledger, hold, use, crash } = rig()
    const attempt = hold('a.1', 300)
    for (const odd of [0, 0.9, -5, Number.NaN, Number.NEGATIVE_INFINITY]) ledger.lower(attempt, odd)
    expect([use(), crash()]).toEqual([[0, 300], [['a.1', 300]]])
    ledger.lower(attempt, 10.7)
    expect([use(), crash()]).toEqual([[0, 290], [['a.1', 290]]])
    ledger.lower(attempt, Number.POSITIVE_INFINITY)
    expect([use(), crash()]).toEqual([[0, 0], [['a.1', 0]]])
  })

  it('is nothing once the attempt was charged or its row is written', () => {
    const { ledger, hold, use, crash } = rig()
    const [charged, settled] = [hold('a.1', 300), hold('b.1', 300)]
    ledger.charge(charged, 120)
    ledger.settle(settled, rowOf(settled, { costNanoUsd: 50 }))
    for (const attempt of [charged, settled]) ledger.lower(attempt, 100)
    expect([use(), crash()]).toEqual([[170, 0], [['a.1', 120]]])
  })

  it('without a budget changes what a crash would say, and holds nothing as before', () => {
    const { ledger, crash } = rig()
    const attempt = held(ledger.hold(keyOf({ lineage: 'free' }), 'a.1', 300))
    ledger.lower(attempt, 200)
    expect([attempt.heldNanoUsd, crash()]).toEqual([0, [['a.1', 100]]])
  })

  it('lets those who wait for it look again, of the key and of what stands above it', async () => {
    const { ledger, key } = rig()
    ledger.adopt([project('p', [budget('day', 100)])])
    const member = { ...key, project: 'p' }
    const attempt = held(ledger.hold(member, 'a.1', 100))
    const woken: string[] = []
    const waits = [key.lineage, 'project:p', 'project:q'].map(owner =>
      ledger.freed(member, owner.endsWith('q') ? 1 : 5_000, { owner } as never).then(() => woken.push(owner)),
    )
    ledger.lower(attempt, 10)
    await Promise.all(waits)
    expect(woken).toEqual([key.lineage, 'project:p', 'project:q'])
  })
})

describe('who hears of it', () => {
  const soft = { ...budget('day', 1_000), softNanoUsd: 100 }

  it('a soft limit passed by a charge is told once, to the log and to whoever wants alerts', () => {
    const { ledger, key, hold, logged, alerted } = rig([soft])
    const attempt = hold('a.1', 300)
    ledger.charge(attempt, 120)
    ledger.settle(attempt, rowOf(attempt, { costNanoUsd: 120 }))
    const fields = {
      key: key.id,
      window: 'day',
      limit: 'key.budget.day',
      owner: key.lineage,
      spent_usd: '0.00000012',
      soft_usd: '0.0000001',
    }
    expect(logged).toEqual([['warn', 'budget.soft_limit', fields]])
    expect(alerted).toEqual([['budget.soft_limit', fields]])
  })

  it('an overrun, by the row or by a charge before it, is told with its request and its target', () => {
    const { ledger, key, hold, logged, alerted } = rig()
    const [late, early] = [hold('a.1', 100), hold('b.1', 100)]
    ledger.charge(early, 130)
    expect(alerted).toEqual([])
    for (const attempt of [late, early])
      ledger.settle(attempt, rowOf(attempt, { model: 'gpt-5', provider: 'openai', costNanoUsd: 130 }))
    const fields = (request: string) => ({
      key: key.id,
      request,
      target: 'gpt-5@openai',
      held_usd: '0.0000001',
      overrun_usd: '0.00000003',
    })
    expect(alerted).toEqual(['a', 'b'].map(request => ['budget.overrun', fields(request)]))
    expect(logged).toEqual(alerted.map(([event, told]) => ['warn', event, told]))
  })

  it('nobody, if nobody wants alerts: the log alone', () => {
    const logged: string[] = []
    const ledger = createLedger({
      store: createMemoryStore(),
      journal: undefined,
      clock: createTestClock(),
      log: (_, event) => void logged.push(event),
    })
    const attempt = held(ledger.hold(keyOf({ budgets: [soft] }), 'a.1', 300))
    ledger.settle(attempt, rowOf(attempt, { costNanoUsd: 301 }))
    expect(logged).toEqual(['budget.soft_limit', 'budget.overrun'])
  })

  it('a cost that nobody could tell is the whole hold; without a budget it is none, and nothing is over', () => {
    const { ledger, hold, use, alerted } = rig()
    const attempt = hold('a.1', 300)
    ledger.settle(attempt, rowOf(attempt, { costNanoUsd: null }))
    expect(use()).toEqual([300, 0])
    const free = held(ledger.hold(keyOf({ lineage: 'free' }), 'b.1', 300))
    ledger.settle(free, rowOf(free, { costNanoUsd: null }))
    const dear = held(ledger.hold(keyOf({ lineage: 'free' }), 'c.1', 300))
    ledger.settle(dear, rowOf(dear, { costNanoUsd: 5_000 }))
    expect(alerted).toEqual([])
  })
})
