/** What the ledger itself promises of a hold: amounts, times, lines of its journal, and what it says when it cannot keep them. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { LogFields } from '../../src/deps.ts'
import { timeText } from '../../src/ids.ts'
import { createMemoryJournal, type Journal, parseEntry } from '../../src/ledger/journal.ts'
import { createLedger, type LedgerInput } from '../../src/ledger/ledger.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Limits } from '../../src/terms.ts'
import { budget, createTestClock, held, keyOf, NOON, project, rowOf } from './parts.ts'

afterEach(() => void vi.useRealTimers())

const NONE: Limits = { rpm: null, tpm: null, rpd: null, concurrency: null }
const key = keyOf({ budgets: [budget('day', 10_000)] })

function rig(changes: Partial<LedgerInput> = {}) {
  const log: [string, string, LogFields | undefined][] = []
  const store = createMemoryStore()
  const clock = createTestClock()
  const lines: string[] = []
  const journal: Journal = createMemoryJournal(lines)
  const ledger = createLedger({
    store,
    journal,
    clock,
    log: (level, event, fields) => void log.push([level, event, fields]),
    ...changes,
  })
  return { ledger, store, clock, log, lines, journal, said: () => lines.map(parseEntry) }
}

describe('amounts', () => {
  it('a part of a nano-USD is held as a whole one', () => {
    const { ledger, said } = rig()
    const hold = held(ledger.hold(key, 'a.1', 10.2))
    expect(hold.heldNanoUsd).toBe(11)
    expect(ledger.extend(hold, 0.1)).toBe(true)
    expect(hold.heldNanoUsd).toBe(12)
    expect(said()).toMatchObject([{ nanoUsd: 11 }, { nanoUsd: 12 }])
  })

  it.each([-1, Number.NaN])('%d is no amount: nothing is held and nothing is said', nonsense => {
    const { ledger, said } = rig()
    expect(() => ledger.hold(key, 'a.1', nonsense)).toThrow(`not an amount of nano-USD: ${nonsense}`)
    expect([ledger.openHolds(), said()]).toEqual([0, []])
    const hold = held(ledger.hold(key, 'a.1', 5))
    expect(() => ledger.extend(hold, nonsense)).toThrow(RangeError)
    expect(hold.heldNanoUsd).toBe(5)
  })

  it('a key without budgets holds nothing, and a crash would still charge what was asked for', () => {
    const { ledger, said } = rig()
    const hold = held(ledger.hold(keyOf(), 'a.1', 100))
    expect(ledger.extend(hold, 50)).toBe(true)
    expect(ledger.extend(hold, 25)).toBe(true)
    expect(hold.heldNanoUsd).toBe(0)
    expect(said()).toMatchObject([
      { say: 'hold', nanoUsd: 100, buckets: [] },
      { say: 'extend', id: 'a.1', nanoUsd: 150 },
      { say: 'extend', id: 'a.1', nanoUsd: 175 },
    ])
  })
})

describe('what the journal is told', () => {
  it('who held how much of which budgets, what for, and when the request began', () => {
    const { ledger, said, clock } = rig()
    const id = `req_${timeText(NOON - 5_000)}0123456789ab`
    const facts = { model: 'gpt-5', user: 'ann' }
    const mine = keyOf({ id: 'key000000002', budgets: [budget('day', 10_000)], project: 'blue' })
    ledger.adopt([project('blue', [budget('total', 10_000)])])
    const hold = held(ledger.hold(mine, `${id}.2`, 700, facts))
    const before = {
      say: 'hold',
      id: `${id}.2`,
      atMs: NOON - 5_000,
      keyId: 'key000000002',
      lineage: 'key000000001',
      project: 'blue',
      nanoUsd: 700,
      buckets: [
        { window: 'day', bucketStartMs: NOON - 12 * 3_600_000 },
        { owner: 'project:blue', window: 'total', bucketStartMs: 0 },
      ],
      facts,
    }
    expect(said()).toEqual([before])
    expect(hold.createdAtMs).toBe(NOON - 5_000)
    // an id that tells no time began when it was first seen
    clock.advance(7)
    expect(held(ledger.hold(key, 'foreign.1', 1)).createdAtMs).toBe(NOON + 7)
    ledger.settle(hold, rowOf(hold, { costNanoUsd: 650 }))
    expect(said().at(-1)).toMatchObject({ say: 'settle', row: { costNanoUsd: 650 }, buckets: before.buckets })
  })

  it('without a journal holds, settlements and the end work all the same, and the store is not asked for more', async () => {
    const { ledger, store } = rig({ journal: undefined })
    const ping = vi.spyOn(store, 'ping')
    const hold = held(ledger.hold(key, 'a.1', 700))
    ledger.extend(hold, 1)
    ledger.settle(hold, rowOf(hold, { costNanoUsd: 650 }))
    await ledger.durable()
    await ledger.close()
    expect((await store.request('a'))?.attempts[0]).toMatchObject({ costNanoUsd: 650, heldNanoUsd: 701 })
    expect(ping).not.toHaveBeenCalled()
  })

  it('a second settlement is told by its attempt and changes nothing', () => {
    const { ledger, log, said } = rig()
    const hold = held(ledger.hold(key, 'a.1', 700))
    ledger.settle(hold, rowOf(hold, { costNanoUsd: 650 }))
    ledger.settle(hold, rowOf(hold, { costNanoUsd: 650 }))
    expect(log).toEqual([['error', 'ledger.settled_twice', { attempt: 'a.1' }]])
    expect(said()).toHaveLength(2)
    expect(ledger.pending()).toBe(1)
  })
})

describe('a promise that lasts', () => {
  /** A journal whose next flush does as told. */
  function flushing() {
    const state = { flush: Promise.resolve(), closed: 0 }
    const memory = createMemoryJournal()
    const journal: Journal = {
      ...memory,
      flush: () => state.flush,
      async close() {
        state.closed++
      },
    }
    return { state, journal }
  }

  it('is one for all who wait for the same flush, and another for the next', async () => {
    const { journal, state } = flushing()
    const { ledger } = rig({ journal })
    const first = ledger.durable()
    expect(ledger.durable()).toBe(first)
    await first
    state.flush = Promise.reject(new Error('ENOSPC: no space left on device'))
    const second = ledger.durable()
    expect(second).not.toBe(first)
    const error = await second.catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      kind: 'storage_unavailable',
      message: 'The gateway cannot write its ledger at the moment. Try again.',
      shouldRetry: true,
      retryAfterMs: 1_000,
      cause: { message: 'ENOSPC: no space left on device' },
    })
    // nobody waits for this one, and nothing comes of it
    state.flush = Promise.reject(new Error('ENOSPC'))
    void ledger.durable()
    await new Promise(resolve => setImmediate(resolve))
    state.flush = Promise.resolve()
    await ledger.durable()
  })

  it('the journal is closed at the end even if the store takes nothing', async () => {
    const { journal, state } = flushing()
    const { ledger, store } = rig({ journal })
    const hold = held(ledger.hold(key, 'a.1', 700))
    ledger.settle(hold, rowOf(hold))
    vi.spyOn(store, 'fold').mockImplementation(() => {
      throw new Error('disk gone')
    })
    await expect(ledger.close()).rejects.toThrow('disk gone')
    expect(state.closed).toBe(1)
  })
})

describe('forgetting', () => {
  it('at the end the journal keeps what is open, as large as it has become, and nothing that is in the store', async () => {
    const { ledger, lines, said, store } = rig()
    const ping = vi.spyOn(store, 'ping')
    const done = held(ledger.hold(key, 'done.1', 100))
    const open = held(ledger.hold(key, 'open.1', 500))
    held(ledger.hold(key, 'small.1', 7))
    ledger.extend(open, 250)
    ledger.settle(done, rowOf(done))
    await ledger.fold()
    // what is forgotten must be in a database that is still there
    expect(ping).toHaveBeenCalledTimes(1)
    expect(lines).toHaveLength(5)
    await ledger.close()
    expect(said()).toMatchObject([
      { say: 'hold', id: 'small.1', nanoUsd: 7 },
      { say: 'hold', id: 'open.1', nanoUsd: 750 },
    ])
  })

  it('what settles while it closes is not in the store, so the journal keeps it', async () => {
    const { ledger, store, said } = rig()
    const fold = store.fold
    let open = () => {}
    const gate = new Promise<void>(resolve => {
      open = resolve
    })
    vi.spyOn(store, 'fold').mockImplementation(async (...given) => {
      await gate
      await fold(...given)
    })
    const [first, late] = [held(ledger.hold(key, 'a.1', 5)), held(ledger.hold(key, 'late.1', 5))]
    ledger.settle(first, rowOf(first))
    const closed = ledger.close()
    ledger.settle(late, rowOf(late, { costNanoUsd: 4 }))
    open()
    await closed
    expect(ledger.pending()).toBe(1)
    expect(said().at(-1)).toMatchObject({ say: 'settle', row: { id: 'late.1', costNanoUsd: 4 } })
  })

  it('an empty journal is left alone', async () => {
    const { ledger, journal } = rig()
    const rotate = vi.spyOn(journal, 'rotate')
    await ledger.close()
    expect(rotate).not.toHaveBeenCalled()
  })

  it('while it runs only a large journal is rewritten, and only when everything settled is in the store', async () => {
    vi.useFakeTimers()
    const { ledger, journal, store } = rig()
    let size = (4 << 20) - 1
    vi.spyOn(journal, 'size').mockImplementation(() => size)
    const rotate = vi.spyOn(journal, 'rotate')
    const refusing = vi.spyOn(store, 'fold')
    const serve = async (id: string) => {
      const hold = held(ledger.hold(key, id, 10))
      ledger.settle(hold, rowOf(hold, { costNanoUsd: 1 }))
      await vi.advanceTimersByTimeAsync(200)
    }
    await serve('small.1')
    expect(rotate).not.toHaveBeenCalled()
    size++
    refusing.mockImplementationOnce(() => {
      throw new Error('locked')
    })
    await serve('refused.1')
    expect(ledger.pending()).toBe(1)
    expect(rotate).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(ledger.pending()).toBe(0)
    expect(rotate.mock.calls).toEqual([[[]]])
  })

  it('a journal that cannot be rewritten is told of, and the ledger goes on', async () => {
    const { ledger, journal, log } = rig()
    vi.spyOn(journal, 'rotate').mockImplementation(() => {
      throw new Error('ENOSPC')
    })
    const hold = held(ledger.hold(key, 'a.1', 1))
    expect(ledger.extend(hold, 1)).toBe(true)
    await ledger.close()
    expect(log).toEqual([['warn', 'ledger.rotate_failed', { reason: 'ENOSPC' }]])
  })
})

it('limits of projects count from the start, and where there are none nothing is asked', () => {
  const limits: Limits = { ...NONE, rpm: 1 }
  const { ledger } = rig({ limitsOf: id => (id === 'blue' ? limits : undefined) })
  const mine = keyOf({ project: 'blue' })
  expect(ledger.admit(mine, 0)).toHaveProperty('release')
  expect(ledger.admit(mine, 0)).toMatchObject({ limit: 'project.rpm' })
  const { ledger: bare } = rig()
  expect([bare.admit(mine, 0), bare.admit(mine, 0)]).toMatchObject([{ release: {} }, { release: {} }])
})

it('a store that answers but takes no rows fails no view; one that does not answer does', async () => {
  const { ledger, store } = rig()
  const hold = held(ledger.hold(key, 'a.1', 700))
  ledger.settle(hold, rowOf(hold, { costNanoUsd: 650 }))
  vi.spyOn(store, 'fold').mockImplementation(() => {
    throw new Error('constraint failed')
  })
  await ledger.fold()
  expect(ledger.pending()).toBe(1)
  vi.spyOn(store, 'ping').mockRejectedValue(new Error('disk gone'))
  await expect(ledger.fold()).rejects.toMatchObject({
    kind: 'storage_unavailable',
    cause: { message: 'disk gone' },
  })
})
