/** Tokens in memory: when they are fetched, by how many, and what happens when the service is away. */
import { describe, expect, test } from 'vitest'
import { createTokens } from '../../src/authorize/tokens.ts'

const MINUTE = 60_000

function world(sharesRenewals = true) {
  const clock = { nowMs: 1_000_000 }
  const tokens = createTokens({ now: () => clock.nowMs, sharesRenewals })
  let asked = 0
  const waiting: { give: () => void; refuse: () => void }[] = []
  const renew = () => {
    const n = ++asked
    return new Promise<{ value: string; expiresAtMs: number }>((resolve, reject) => {
      waiting.push({
        give: () => resolve({ value: `t${n}`, expiresAtMs: clock.nowMs + 60 * MINUTE }),
        refuse: () => reject(new Error(`no ${n}`)),
      })
    })
  }
  return { clock, get: (key = 'a') => tokens.get(key, renew), tokens, waiting, asked: () => asked }
}

describe('tokens', () => {
  test('many who wait share one renewal', async () => {
    const w = world()
    const all = [w.get(), w.get(), w.get()]
    w.waiting[0]?.give()
    expect(await Promise.all(all)).toEqual(['t1', 't1', 't1'])
    expect(w.asked()).toBe(1)
    expect(await w.get()).toBe('t1')
    expect(w.asked()).toBe(1)
  })

  test('near the end the old one is given while one new one is fetched', async () => {
    const w = world()
    const first = w.get()
    w.waiting[0]?.give()
    await first
    w.clock.nowMs += 54 * MINUTE
    expect(await w.get()).toBe('t1')
    expect(w.asked()).toBe(1)
    w.clock.nowMs += 2 * MINUTE
    expect(await w.get()).toBe('t1')
    expect(await w.get()).toBe('t1')
    expect(w.asked()).toBe(2)
    w.waiting[1]?.give()
    await Promise.resolve()
    expect(await w.get()).toBe('t2')
  })

  test('a renewal that fails costs nothing while the old one lives, and is not repeated at once', async () => {
    const w = world()
    const first = w.get()
    w.waiting[0]?.give()
    await first
    w.clock.nowMs += 56 * MINUTE
    expect(await w.get()).toBe('t1')
    w.waiting[1]?.refuse()
    await new Promise(resolve => setImmediate(resolve))
    expect(await w.get()).toBe('t1')
    expect(w.asked()).toBe(2)
    w.clock.nowMs += 3_000
    expect(await w.get()).toBe('t1')
    expect(w.asked()).toBe(3)
  })

  test('without a live token the failure is everybody’s, for two seconds', async () => {
    const w = world()
    const all = [w.get(), w.get()]
    w.waiting[0]?.refuse()
    await expect(Promise.all(all)).rejects.toThrow('no 1')
    await expect(w.get()).rejects.toThrow('no 1')
    expect(w.asked()).toBe(1)
    w.clock.nowMs += 2_001
    const again = w.get()
    w.waiting[1]?.give()
    expect(await again).toBe('t2')
  })

  test('an expired token is never given', async () => {
    const w = world()
    const first = w.get()
    w.waiting[0]?.give()
    await first
    w.clock.nowMs += 60 * MINUTE
    const second = w.get()
    w.waiting[1]?.give()
    expect(await second).toBe('t2')
  })

  test('forgotten ones are fetched again; identities do not mix', async () => {
    const w = world()
    const a = w.get('a')
    const b = w.get('b')
    for (const each of w.waiting) each.give()
    expect(await Promise.all([a, b])).toEqual(['t1', 't2'])
    w.tokens.forget('a')
    const c = w.get('a')
    w.waiting[2]?.give()
    expect(await c).toBe('t3')
    expect(await w.get('b')).toBe('t2')
  })

  test('bounded: the identity asked for longest ago is dropped', async () => {
    const clock = { nowMs: 0 }
    const tokens = createTokens({ now: () => clock.nowMs })
    let asked = 0
    const renew = async () => ({ value: ++asked, expiresAtMs: Number.POSITIVE_INFINITY })
    for (let i = 0; i < 1_025; i++) await tokens.get(`k${i}`, renew)
    expect(await tokens.get('k1024', renew)).toBe(1_025)
    expect(await tokens.get('k0', renew)).toBe(1_026)
  })

  test('where requests may not share I/O each fetches its own', async () => {
    const w = world(false)
    const all = [w.get(), w.get()]
    for (const each of w.waiting) each.give()
    expect((await Promise.all(all)).sort()).toEqual(['t1', 't2'])
  })
})
