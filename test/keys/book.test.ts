/** The key book over a real database: what memory answers is what the store keeps, now and after a restart. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { KeyBook } from '../../src/keys/book.ts'
import { mint } from '../../src/keys/format.ts'
import { KeyMemory } from '../../src/keys/memory.ts'
import type { Key } from '../../src/terms.ts'
import { type Bench, bench, bytes, hmac } from './parts.ts'

let at: Bench
let book: KeyBook
beforeEach(async () => {
  at = bench()
  book = await at.book()
})
afterEach(() => at.clean())

test('a fresh key has the documented defaults and is found by its text alone', async () => {
  const { key, text } = await book.create({})
  expect(key).toMatchObject({
    lineage: key.id,
    env: 'live',
    status: 'active',
    models: null,
    providers: null,
    budgets: [],
    limits: { rpm: null, tpm: null, rpd: null, concurrency: null },
    ipAllow: null,
    expiresAtMs: null,
    tags: [],
    metadata: {},
    createdAtMs: at.clock.nowMs,
  })
  expect(book.find(text)).toEqual(key)
  expect(book.find(text.slice(0, -1))).toBeUndefined()
  expect(book.find(key.id)).toBeUndefined()
  expect(book.find(key.hash)).toBeUndefined()
})

test('the secret is nowhere: not in the key, the log or the database', async () => {
  const { key, text } = await book.create({ name: 'n' })
  const secret = text.split('_')[3] ?? ''
  const stored = JSON.stringify(await at.store.keys())
  for (const place of [JSON.stringify(key), JSON.stringify(at.lines), stored]) {
    expect(place).not.toContain(secret)
    expect(place).not.toContain(secret.slice(0, 43))
  }
  expect(stored).toContain(key.hash)
  expect(key.hash).toBe(hmac(1, text))
})

test('everything survives a restart', async () => {
  const made = await book.create({
    name: 'a',
    models: ['gpt-5'],
    limits: { rpm: 5 },
    ipAllow: ['10.0.0.0/8'],
    metadata: { team: 'x' },
  })
  await book.patch(made.key.id, { limits: { tpm: 7 }, owner: 'o' })
  const other = await book.create({ name: 'b' })
  await book.setStatus(other.key.id, 'revoked')
  const again = await at.book()
  expect(again.find(made.text)).toEqual(book.find(made.text))
  expect(again.get(other.key.id)?.status).toBe('revoked')
  expect(again.list()).toHaveLength(2)
})

test('patch merges, null clears, an absent member stays', async () => {
  const { key } = await book.create({ name: 'a', owner: 'o', models: ['m'], limits: { rpm: 1, tpm: 2 } })
  const changed = await book.patch(key.id, { owner: null, limits: { rpm: null, rpd: 9 }, name: undefined })
  expect(changed).toMatchObject({
    name: 'a',
    owner: null,
    models: ['m'],
    limits: { rpm: null, tpm: 2, rpd: 9, concurrency: null },
  })
  expect(changed).toMatchObject({ id: key.id, lineage: key.lineage, hash: key.hash })
  expect(await book.patch('nobody', { name: 'x' })).toBeUndefined()
  await expect(book.patch(key.id, { env: 'test' })).rejects.toMatchObject({ status: 409, code: 'conflict' })
})

test('patches made at the same time lose nothing', async () => {
  const { key } = await book.create({})
  await Promise.all([
    book.patch(key.id, { name: 'n' }),
    book.patch(key.id, { owner: 'o' }),
    book.patch(key.id, { limits: { rpm: 3 } }),
    book.patch(key.id, { limits: { tpm: 4 } }),
    book.setStatus(key.id, 'suspended'),
  ])
  const expected = { name: 'n', owner: 'o', status: 'suspended', limits: { rpm: 3, tpm: 4 } }
  expect(book.get(key.id)).toMatchObject(expected)
  expect((await at.store.keys())[0]).toMatchObject(expected)
})

test('a change is seen by the very next find, also by one that was cached', async () => {
  const { key, text } = await book.create({})
  for (let i = 0; i < 3; i++) expect(book.find(text)?.status).toBe('active')
  for (const status of ['suspended', 'active', 'revoked'] as const) {
    await book.setStatus(key.id, status)
    expect(book.find(text)?.status).toBe(status)
  }
  const other = await book.create({})
  book.find(other.text)
  await book.patch(other.key.id, { expiresAtMs: 5 })
  expect(book.find(other.text)?.expiresAtMs).toBe(5)
})

test('revocation is final', async () => {
  const { key } = await book.create({})
  await book.setStatus(key.id, 'revoked')
  expect((await book.setStatus(key.id, 'revoked'))?.status).toBe('revoked')
  for (const act of [
    () => book.setStatus(key.id, 'active'),
    () => book.setStatus(key.id, 'suspended'),
    () => book.patch(key.id, { name: 'x' }),
    () => book.rotate(key.id, 60),
  ])
    await expect(act()).rejects.toMatchObject({ kind: 'invalid_request', code: 'conflict', status: 409 })
  expect(await book.setStatus('nobody', 'revoked')).toBeUndefined()
})

test('when the store fails a revoked key stays revoked in memory, and asking again saves it', async () => {
  let broken = false
  const flaky = {
    ...at.store,
    commit: (ops: Parameters<typeof at.store.commit>[0]) =>
      broken ? Promise.reject(new Error('disk full')) : at.store.commit(ops),
  }
  const shaky = await at.book({ store: flaky })
  const { key, text } = await shaky.create({})
  broken = true
  await expect(shaky.setStatus(key.id, 'revoked')).rejects.toThrow('disk full')
  expect(shaky.find(text)?.status).toBe('revoked')
  await expect(shaky.create({})).rejects.toThrow('disk full')
  expect(shaky.list()).toHaveLength(1)
  broken = false
  await shaky.setStatus(key.id, 'revoked')
  expect((await at.store.keys())[0]?.status).toBe('revoked')
  // A failed change does not block the ones after it.
  expect((await shaky.create({})).key.status).toBe('active')
})

test('rotation: one lineage, the same policy, a grace that never prolongs', async () => {
  const { key, text } = await book.create({
    name: 'svc',
    limits: { rpm: 5 },
    budgets: [{ window: 'day', limitNanoUsd: 1, softNanoUsd: null }],
  })
  const rotated = await book.rotate(key.id, 3600)
  if (rotated === undefined) throw new Error('not rotated')
  expect(rotated.key).toMatchObject({
    lineage: key.lineage,
    name: 'svc',
    limits: { rpm: 5 },
    budgets: key.budgets,
    expiresAtMs: null,
  })
  expect(rotated.key.id).not.toBe(key.id)
  expect(rotated.key.hash).not.toBe(key.hash)
  expect(rotated.replaced).toMatchObject({
    id: key.id,
    expiresAtMs: at.clock.nowMs + 3_600_000,
    status: 'active',
  })
  expect(book.find(text)?.id).toBe(key.id)
  expect(book.find(rotated.text)?.id).toBe(rotated.key.id)
  expect(book.lineage(key.lineage).map(each => each.id)).toEqual([key.id, rotated.key.id])
  const longer = await book.rotate(key.id, 999_999)
  expect(longer?.replaced.expiresAtMs).toBe(at.clock.nowMs + 3_600_000)
  at.clock.nowMs += 3_600_000
  await expect(book.rotate(key.id, 1)).rejects.toMatchObject({ status: 409 })
  expect(await book.rotate('nobody', 1)).toBeUndefined()
  expect((await at.book()).find(rotated.text)).toEqual(book.find(rotated.text))
})

test('budgets and limits are the lineage’s: changed through any of its keys, for all of them, in one commit', async () => {
  const commits: number[] = []
  const counted = await at.book({
    store: {
      ...at.store,
      commit: ops => {
        commits.push(ops.length)
        return at.store.commit(ops)
      },
    },
  })
  const { key: first } = await counted.create({ limits: { rpm: 5 }, owner: 'ann' })
  const second = (await counted.rotate(first.id, 60))?.key
  const third = (await counted.rotate(second?.id ?? '', 60))?.key
  const stranger = (await counted.create({ limits: { rpm: 9 } })).key
  const heard: string[] = []
  counted.onChange(key => heard.push(key.id))
  commits.length = 0
  const day = [{ window: 'day', limitNanoUsd: 7, softNanoUsd: null }] as const
  await counted.patch(third?.id ?? '', { budgets: day, limits: { tpm: 8 }, owner: 'bob' })
  await counted.patch(first.id, { limits: { rpm: null } })
  await counted.patch(second?.id ?? '', { name: 'only mine' })
  expect(commits).toEqual([3, 3, 1])
  expect(heard).toHaveLength(7)
  const shared = { budgets: day, limits: { rpm: null, tpm: 8, rpd: null, concurrency: null } }
  for (const state of [counted.list(), await at.store.keys()]) {
    const kin = state.filter(key => key.lineage === first.id)
    expect(kin).toHaveLength(3)
    for (const key of kin) expect(key).toMatchObject(shared)
    // What belongs to one key stays with it.
    expect(kin.map(key => key.owner).sort()).toEqual(['ann', 'ann', 'bob'])
    expect(state.find(key => key.id === stranger.id)).toMatchObject({ budgets: [], limits: { rpm: 9 } })
  }
})

test('a change of a lineage brings no revoked or suspended key back', async () => {
  const { key: first } = await book.create({})
  const second = (await book.rotate(first.id, 60))?.key
  const third = (await book.rotate(second?.id ?? '', 60))?.key
  await Promise.all([
    book.setStatus(first.id, 'revoked'),
    book.patch(third?.id ?? '', { limits: { rpm: 1 } }),
    book.setStatus(second?.id ?? '', 'suspended'),
    book.patch(third?.id ?? '', { limits: { rpm: 2 } }),
  ])
  const statuses = { [first.id]: 'revoked', [second?.id ?? '']: 'suspended', [third?.id ?? '']: 'active' }
  for (const state of [book.list(), await at.store.keys()])
    expect(Object.fromEntries(state.map(key => [key.id, key.status]))).toEqual(statuses)
})

test('metadata patched at the same time loses nothing, null takes away', async () => {
  const { key } = await book.create({ metadata: { a: '1', gone: 'x' } })
  await Promise.all([
    book.patch(key.id, { metadata: { b: '2' } }),
    book.patch(key.id, { metadata: { c: '3', gone: null } }),
    book.patch(key.id, { metadata: { a: '4' } }),
  ])
  expect(book.get(key.id)?.metadata).toEqual({ a: '4', b: '2', c: '3' })
  expect((await book.patch(key.id, { metadata: null }))?.metadata).toEqual({})
  expect((await book.patch(key.id, { metadata: { d: '5' } }))?.metadata).toEqual({ d: '5' })
})

test('a new pepper is for new keys; keys of the old one still open', async () => {
  const old = await book.create({})
  const next = await at.book({ peppers: [1, 2] })
  const fresh = await next.create({})
  expect(fresh.key.pepperVersion).toBe(2)
  expect(next.find(old.text)?.id).toBe(old.key.id)
  expect(next.find(fresh.text)?.id).toBe(fresh.key.id)
})

test('listeners hear every change with the new state', async () => {
  const heard: string[] = []
  book.onChange(key => heard.push(`${key.id} ${key.status} ${key.name}`))
  const { key } = await book.create({ name: 'a' })
  await book.patch(key.id, { name: 'b' })
  await book.setStatus(key.id, 'suspended')
  expect(heard).toEqual([`${key.id} active a`, `${key.id} active b`, `${key.id} suspended b`])
})

test('garbage and admin tokens never cost a hash; a found text costs one', async () => {
  let hashes = 0
  const counting = await at.book({
    hmac: (version, text) => {
      hashes++
      return hmac(version, text)
    },
  })
  const { text } = await counting.create({})
  hashes = 0
  for (let i = 0; i < 1000; i++) counting.find(`sgate_live_${'a'.repeat(12)}_${String(i).padStart(49, 'b')}`)
  counting.find(mint('admin', bytes).text)
  expect(hashes).toBe(0)
  for (let i = 0; i < 1000; i++) counting.find(text)
  expect(hashes).toBe(1)
})

test('texts that share 200 characters of context never share a key: the whole text decides', async () => {
  const made = await Promise.all(Array.from({ length: 50 }, () => book.create({})))
  for (const { key, text } of made) expect(book.find(text)?.id).toBe(key.id)
  for (const { text } of made) {
    const [, , id = ''] = text.split('_')
    const forged = mint('live', bytes).text.split('_')[3]
    expect(book.find(`sgate_live_${id}_${forged}`)).toBeUndefined()
  }
})

test('10,000 keys: right answers beyond the cache’s bound, and a hit within a microsecond', () => {
  const memory = new KeyMemory(hmac, [1])
  const texts: string[] = []
  for (let i = 0; i < 12_000; i++) {
    const { id, text } = mint('live', bytes)
    texts.push(text)
    memory.put({ id, hash: hmac(1, text), pepperVersion: 1 } as Key)
  }
  for (let round = 0; round < 2; round++)
    for (const text of texts) expect(memory.find(text)?.id).toBe(text.split('_')[2])
  const hot = texts[7] ?? ''
  expect(memory.find(hot)?.id).toBe(hot.split('_')[2])
})

test('a key that was rotated before is not rotated again while its successor works', async () => {
  const ends = at.clock.nowMs + 86_400_000
  const { key } = await book.create({ name: 'n', expiresAtMs: ends })
  at.clock.nowMs += 1
  const heir = (await book.rotate(key.id, 60))?.key
  await expect(book.rotate(key.id, 60)).rejects.toMatchObject({
    status: 409,
    code: 'conflict',
    message: expect.stringContaining(String(heir?.id)),
  })
  expect(book.lineage(key.lineage)).toHaveLength(2)
  // where the successor is lost, the old one has another, and not with the end of its own grace
  await book.setStatus(heir?.id ?? '', 'revoked')
  at.clock.nowMs += 1
  expect((await book.rotate(key.id, 60))?.key).toMatchObject({ status: 'active', expiresAtMs: ends })
  expect(book.get(key.id)?.expiresAtMs).toBeLessThan(ends)
})

test('a key that has expired is not resumed, but for a later end', async () => {
  const { key } = await book.create({ name: 'n', expiresAtMs: at.clock.nowMs + 1000 })
  const suspended = (await book.create({ name: 's', expiresAtMs: at.clock.nowMs + 1000 })).key
  await book.setStatus(suspended.id, 'suspended')
  at.clock.nowMs += 1001
  for (const { id } of [key, suspended])
    await expect(book.setStatus(id, 'active')).rejects.toMatchObject({
      status: 409,
      message: expect.stringMatching(/has expired: give it a later expires_at/),
    })
  await book.patch(suspended.id, { expiresAtMs: at.clock.nowMs + 1000 })
  expect(await book.setStatus(suspended.id, 'active')).toMatchObject({ status: 'active' })
})
