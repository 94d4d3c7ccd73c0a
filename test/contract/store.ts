/** What every store must do. Run by store.test.ts against memory, SQLite and D1. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { GatewayError } from '../../src/errors.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { SpendGroup, SpendQuery, Store, StoredCredential } from '../../src/store/store.ts'
import { SCHEMA_VERSION } from '../../src/store/version.ts'
import type { AttemptRow } from '../../src/terms.ts'
import { attemptRow, createDice, HOUR, keyRow, randomRows, T0 } from '../store/rows.ts'

const DAY = 24 * HOUR
const day = (row: AttemptRow) => row.createdAtMs - (row.createdAtMs % DAY)
const dayAndTotal = (row: AttemptRow) => [
  { window: 'day', bucketStartMs: day(row) },
  { window: 'total', bucketStartMs: 0 },
]
const noBuckets = () => []
const GROUPS: readonly SpendGroup[] = ['key', 'project', 'model', 'provider', 'day', 'hour', 'user', 'tag']
const always = { fromMs: 0, toMs: T0 + 365 * DAY }

const credential: StoredCredential = {
  id: 'cred_1',
  provider: 'openai',
  name: 'main',
  weight: 2,
  sealed: 'v1.sealed.bytes',
  ref: null,
  fingerprint: 'abc123',
  status: 'active',
  createdAtMs: T0,
  lastOkAtMs: null,
  lastFailedAtMs: null,
  version: 1,
  others: [],
}

async function allPages(store: Store, query: { keyIds?: string[] }, limit: number): Promise<string[]> {
  const seen: string[] = []
  let cursor: string | null | undefined
  do {
    const page = await store.requests({ ...query, limit, ...(cursor && { cursor }) })
    expect(page.data.length).toBeLessThanOrEqual(limit)
    seen.push(...page.data.map(request => request.id))
    cursor = page.nextCursor
  } while (cursor !== null)
  return seen
}

/** Everything that a fold may change, for comparing before and after. */
async function picture(store: Store): Promise<unknown> {
  return {
    spend: await store.spend({ ...always, groupBy: ['hour', 'key', 'project', 'model', 'provider'] }),
    byTag: await store.spend({ ...always, groupBy: ['tag', 'user'] }),
    total: await store.spend({ ...always, groupBy: [] }),
    buckets: [...(await store.buckets(0))].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
    use: [...(await store.keyUse())].sort((a, b) => (a.keyId < b.keyId ? -1 : 1)),
    requests: (await store.requests({ limit: 10_000 })).data,
  }
}

/** `open` gives an empty store each time; `sql` = the engine itself refuses a null where none may be. */
export function describeStore(name: string, open: () => Promise<Store>, engine: 'memory' | 'sql'): void {
  describe(`store: ${name}`, () => {
    let store: Store
    beforeEach(async () => {
      store = await open()
    })
    afterEach(() => store.close())

    it('knows its schema version and answers a ping', async () => {
      expect(store.schemaVersion).toBe(SCHEMA_VERSION)
      await expect(store.ping()).resolves.toBeUndefined()
    })

    describe('keys, credentials, settings', () => {
      const full = keyRow({
        id: 'key000000002',
        hash: 'bb'.repeat(32),
        env: 'staging',
        project: 'blue',
        owner: 'ann',
        createdAtMs: T0 + 1,
        expiresAtMs: T0 + DAY,
        models: ['gpt-5', '*@groq'],
        providers: [],
        limits: { rpm: 1, tpm: 2, rpd: 3, concurrency: 4 },
        budgets: [{ window: '5h', limitNanoUsd: 9_007_199_254_740_991, softNanoUsd: null }],
        ipAllow: ['10.0.0.0/8'],
        ipDeny: [],
        maxOutputTokens: 77,
        defaultModel: 'gpt-5',
        tags: ['a"b', 'ü'],
        metadata: { 'x y': "it's" },
        regions: ['eu', 'us-east-1'],
        scopes: ['chat', 'models'],
        originAllow: ['https://app.example', 'https://*.example.com'],
        hours: { zone: 'Europe/Berlin', allow: [{ days: ['mon'], from: '08:00', to: '18:00' }] },
      })

      it('gives keys back as they were put, oldest first', async () => {
        await store.commit([
          { op: 'put_key', key: full },
          { op: 'put_key', key: keyRow() },
        ])
        expect(await store.keys()).toEqual([keyRow(), full])
        expect(await store.keyByHash(full.hash)).toEqual(full)
        expect(await store.keyByHash('cc'.repeat(32))).toBeUndefined()
      })

      it('lists the origins of active keys, each once', async () => {
        const named = ['https://a.example', 'https://b.example']
        const keys = [
          keyRow({ id: 'k1', hash: '1'.repeat(64), originAllow: named }),
          keyRow({ id: 'k2', hash: '2'.repeat(64), originAllow: [] }),
          keyRow({ id: 'k3', hash: '3'.repeat(64), originAllow: ['https://b.example', '*'] }),
          keyRow({ id: 'k4', hash: '4'.repeat(64), originAllow: ['https://c.example'], status: 'suspended' }),
          keyRow({ id: 'k5', hash: '5'.repeat(64) }),
        ]
        expect(await store.origins()).toEqual([])
        await store.commit(keys.map(key => ({ op: 'put_key', key })))
        expect([...(await store.origins())].sort()).toEqual(['*', ...named])
        await store.commit([{ op: 'set_key_status', id: 'k3', status: 'revoked' }])
        expect([...(await store.origins())].sort()).toEqual(named)
      })

      it('replaces a key whole and changes a status alone', async () => {
        await store.commit([{ op: 'put_key', key: full }])
        const emptied = keyRow({ id: full.id, hash: full.hash })
        await store.commit([{ op: 'put_key', key: emptied }])
        expect(await store.keys()).toEqual([emptied])
        await store.commit([
          { op: 'set_key_status', id: full.id, status: 'revoked' },
          { op: 'set_key_status', id: 'nobody', status: 'revoked' },
        ])
        expect(await store.keys()).toEqual([{ ...emptied, status: 'revoked' }])
      })

      it('keeps a revocation, whatever was decided before it was known', async () => {
        await store.commit([{ op: 'put_key', key: keyRow() }])
        await store.commit([{ op: 'set_key_status', id: keyRow().id, status: 'revoked' }])
        await store.commit([{ op: 'put_key', key: { ...keyRow(), name: 'renamed' } }])
        await store.commit([{ op: 'set_key_status', id: keyRow().id, status: 'active' }])
        expect(await store.keys()).toEqual([{ ...keyRow(), name: 'renamed', status: 'revoked' }])
      })

      it('commits all operations or none', async () => {
        await store.commit([{ op: 'put_key', key: keyRow() }])
        const sameHash = store.commit([
          { op: 'put_setting', name: 'half', value: 'done' },
          { op: 'put_key', key: { ...full, hash: keyRow().hash } },
        ])
        await expect(sameHash).rejects.toMatchObject({ kind: 'storage_unavailable' })
        expect(await store.setting('half')).toBeUndefined()
        expect(await store.keys()).toEqual([keyRow()])
        await store.commit([])
      })

      it('says no stored value in an error', async () => {
        await store.commit([{ op: 'put_key', key: keyRow() }])
        const error = await store
          .commit([{ op: 'put_key', key: { ...full, hash: keyRow().hash, name: 'sesame' } }])
          .catch((caught: unknown) => caught)
        expect(error).toBeInstanceOf(GatewayError)
        const { message, cause } = error as GatewayError
        expect(`${message} ${String(cause)} ${JSON.stringify(error)}`).not.toMatch(/sesame|aaaaaa/)
      })

      it('keeps credentials', async () => {
        const byRef = { ...credential, id: 'cred_2', sealed: null, ref: 'env://KEY', createdAtMs: T0 + 1 }
        await store.commit([
          { op: 'put_credential', credential: byRef },
          { op: 'put_credential', credential },
        ])
        expect(await store.credentials()).toEqual([credential, byRef])
        const previous = {
          stage: 'previous',
          sealed: 'v1.1.old',
          fingerprint: 'abcdef',
          sinceMs: T0,
        } as const
        const changed = {
          ...credential,
          lastOkAtMs: T0,
          status: 'retired',
          version: 2,
          others: [{ ...previous, version: 1, endsAtMs: T0 + DAY }],
        } as const
        await store.commit([
          { op: 'put_credential', credential: changed },
          { op: 'delete_credential', id: 'cred_2' },
        ])
        expect(await store.credentials()).toEqual([changed])
      })

      it('keeps settings, and the first of those that are put once', async () => {
        expect(await store.setting('pepper')).toBeUndefined()
        await store.commit([{ op: 'put_setting_once', name: 'pepper', value: 'one' }])
        await store.commit([{ op: 'put_setting_once', name: 'pepper', value: 'two' }])
        expect(await store.setting('pepper')).toBe('one')
        await store.commit([{ op: 'put_setting', name: 'pepper', value: 'three' }])
        expect(await store.setting('pepper')).toBe('three')
      })
    })

    describe('fold', () => {
      it('gives every field of a row back', async () => {
        const full = attemptRow({
          last: true,
          project: 'blue',
          stream: true,
          error: 'interrupted',
          usage: {
            inputTokens: 1,
            cacheReadInputTokens: 2,
            cacheCreationInputTokens: 3,
            cacheCreation1hInputTokens: 4,
            outputTokens: 5,
            reasoningOutputTokens: 6,
            reportedCostNanoUsd: 7,
            billedInputTokens: 8,
            billedOutputTokens: 9,
            units: { kind: 'image/1024x1024', count: 2 },
          },
          costNanoUsd: 8,
          heldNanoUsd: 9,
          overrunNanoUsd: 10,
          user: `o'neil "ü" \\ 日本 ; drop table attempts --`,
          tags: ['a,b', '[]', 'c"d'],
          answerId: 'chatcmpl-1',
        })
        const bare = attemptRow({
          requestId: 'req_0002',
          usage: null,
          costNanoUsd: null,
          finishReason: null,
          priceId: null,
          ttftMs: null,
          why: null,
        })
        await store.fold([full, bare], noBuckets)
        expect(await store.request('req_0001')).toEqual({ id: 'req_0001', attempts: [full] })
        expect(await store.request('req_0002')).toEqual({ id: 'req_0002', attempts: [bare] })
      })

      it('takes nothing, one row, and more rows than any statement', async () => {
        await store.fold([], dayAndTotal)
        await store.fold([attemptRow()], dayAndTotal)
        const many = Array.from({ length: 257 }, (_, n) => attemptRow({ requestId: `req_1${n}` }))
        await store.fold(many, dayAndTotal)
        const [total] = await store.spend({ ...always, groupBy: [] })
        expect(total).toMatchObject({ requests: 258, attempts: 258, costNanoUsd: 258_000 })
      })

      it('changes nothing when the same rows come again, whole or mixed with new ones or in one batch', async () => {
        const rows = randomRows(60, 1)
        await store.fold(rows, dayAndTotal)
        const before = await picture(store)
        await store.fold(rows, dayAndTotal)
        await store.fold(rows.slice(3, 4), dayAndTotal)
        expect(await picture(store)).toEqual(before)

        const more = attemptRow({ requestId: 'req_zzz', costNanoUsd: 5 })
        await store.fold([...rows.slice(10, 40), more, more, ...rows.slice(0, 9)], dayAndTotal)
        const reference = createMemoryStore()
        await reference.fold([...rows, more], dayAndTotal)
        expect(await picture(store)).toEqual(await picture(reference))
      })

      it('keeps the first of two rows with the same id', async () => {
        await store.fold([attemptRow({ costNanoUsd: 1 })], dayAndTotal)
        await store.fold([attemptRow({ costNanoUsd: 900 })], dayAndTotal)
        const twice = { requestId: 'req_0002' }
        await store.fold(
          [attemptRow({ ...twice, costNanoUsd: 2 }), attemptRow({ ...twice, costNanoUsd: 900 })],
          noBuckets,
        )
        expect((await store.spend({ ...always, groupBy: [] }))[0]?.costNanoUsd).toBe(3)
      })

      it('replays a journal that was cut anywhere, in any slices, to the same sums', async () => {
        const rows = randomRows(40, 2)
        const dice = createDice(3)
        let folded = 0
        while (folded < rows.length) {
          // Each start begins again at some earlier place, as a journal without a mark would.
          const from = dice(folded + 1)
          const to = Math.min(rows.length, folded + 1 + dice(9))
          await store.fold(rows.slice(from, to), dayAndTotal)
          folded = to
        }
        const reference = createMemoryStore()
        await reference.fold(rows, dayAndTotal)
        expect(await picture(store)).toEqual(await picture(reference))
      })

      it('counts each row once when two folds with the same rows run at the same time', async () => {
        const rows = randomRows(30, 4)
        await Promise.all([
          store.fold(rows, dayAndTotal),
          store.fold(rows.slice(5), dayAndTotal),
          store.fold([...rows].reverse(), dayAndTotal),
        ])
        const reference = createMemoryStore()
        await reference.fold(rows, dayAndTotal)
        expect(await picture(store)).toEqual(await picture(reference))
      })

      it('leaves nothing of a batch that fails in the middle', async () => {
        const rows = randomRows(20, 5).map(
          (row): AttemptRow => ({ ...row, costNanoUsd: row.costNanoUsd ?? 3 }),
        )
        await store.fold(rows.slice(0, 5), dayAndTotal)
        const before = await picture(store)
        const failing: (() => void | Promise<void>)[] = [
          () => store.fold(rows.with(15, attemptRow({ costNanoUsd: 0.5 })), dayAndTotal),
          () => store.fold(rows.with(15, attemptRow({ keyId: '' })), dayAndTotal),
          () =>
            store.fold(rows, row => {
              if (row.id === rows[19]?.id) throw new Error('no buckets today')
              return dayAndTotal(row)
            }),
        ]
        if (engine === 'sql')
          failing.push(
            () => store.fold(rows.with(15, { ...attemptRow(), provider: null as never }), dayAndTotal),
            // Buckets are written last: rows and sums of the hour are in by then.
            () => store.fold(rows, () => [{ window: null as never, bucketStartMs: 0 }]),
          )
        for (const fold of failing) {
          await expect((async () => fold())()).rejects.toThrow()
          expect(await picture(store)).toEqual(before)
        }
        await store.fold(rows, dayAndTotal)
        expect(await picture(store)).not.toEqual(before)
      })

      it('takes any text that a caller may send', async () => {
        const texts = ['a\u0000b', '\ud800', '\u2028', '"', '\\', '$[0]', '🜚'.repeat(20_000)]
        const rows = texts.map((text, n) =>
          attemptRow({ requestId: `req_${n}`, user: text, requestedModel: text, model: text, tags: [text] }),
        )
        await store.fold(rows, dayAndTotal)
        await store.fold(rows, dayAndTotal)
        for (const group of GROUPS) {
          const view = await store.spend({ ...always, groupBy: [group] })
          expect(view.reduce((sum, row) => sum + row.costNanoUsd, 0)).toBe(rows.length * 1_000)
        }
        for (const n of [2, 3, 4, 5, 6])
          expect((await store.request(`req_${n}`))?.attempts).toEqual([rows[n]])
        expect((await store.requests({ limit: 20 })).data).toHaveLength(rows.length)
      })

      it('names the row and the field of an amount that is not whole', async () => {
        const fold = (async () => store.fold([attemptRow({ heldNanoUsd: Number.NaN })], noBuckets))()
        await expect(fold).rejects.toThrow('attempt req_0001.1: heldNanoUsd is not a whole number: NaN')
      })
    })

    describe('buckets', () => {
      it('sums money per lineage, window and bucket, and gives those since a time, and every total', async () => {
        const rows = [
          attemptRow({ requestId: 'a', costNanoUsd: 1 }),
          attemptRow({ requestId: 'b', costNanoUsd: 2, keyId: 'key000000009' }),
          attemptRow({ requestId: 'c', costNanoUsd: 4, createdAtMs: T0 - DAY }),
          attemptRow({ requestId: 'd', costNanoUsd: null, lineage: 'other' }),
          attemptRow({ requestId: 'e', costNanoUsd: 8, lineage: 'other' }),
        ]
        await store.fold(rows, dayAndTotal)
        const today = T0 - (T0 % DAY)
        const first = { lineage: 'key000000001', window: 'day', bucketStartMs: today, spentNanoUsd: 3 }
        const others = [
          { lineage: 'key000000001', window: 'total', bucketStartMs: 0, spentNanoUsd: 7 },
          { lineage: 'other', window: 'day', bucketStartMs: today, spentNanoUsd: 8 },
          { lineage: 'other', window: 'total', bucketStartMs: 0, spentNanoUsd: 8 },
        ]
        const yesterday = { ...first, bucketStartMs: today - DAY, spentNanoUsd: 4 }
        const sorted = async (sinceMs: number) =>
          [...(await store.buckets(sinceMs))].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
        expect(await sorted(0)).toEqual([yesterday, first, ...others])
        expect(await sorted(today)).toEqual([first, ...others])
        expect(await sorted(today + 1)).toEqual(others.filter(bucket => bucket.window === 'total'))
        await store.commit([{ op: 'forget_buckets', beforeMs: today }])
        expect(await sorted(0)).toEqual([first, ...others])
      })
    })

    describe('correct', () => {
      const charged = { error: 'interrupted', certainty: 'unknown', status: 0, usage: null } as const
      const others = [
        attemptRow({ requestId: 'other', costNanoUsd: 40, tags: ['x'] }),
        attemptRow({ requestId: 'unsure', costNanoUsd: 3, ...charged }),
      ]
      const from = attemptRow({
        requestId: 'r',
        costNanoUsd: 900,
        heldNanoUsd: 900,
        user: 'ann',
        tags: ['x', 'y'],
        ...charged,
      })
      const to = { ...from, costNanoUsd: 200, certainty: 'recovered', why: 'released' } as const

      it('leaves what a store would have that was told so at first', async () => {
        const twin = createMemoryStore()
        await twin.fold([...others, to], dayAndTotal)
        await store.fold([...others, from], dayAndTotal)
        await store.correct([{ from, to, buckets: dayAndTotal(from) }])
        expect(await picture(store)).toEqual(await picture(twin))
        for (const source of ['hours', 'days'] as const) {
          const start = T0 - (T0 % DAY)
          expect(await store.summed(source, start, start + DAY)).toEqual(
            await store.summed('rows', start, start + DAY),
          )
        }
      })

      it('takes a row whose cost was not known', async () => {
        const twin = createMemoryStore()
        const unknown = { ...from, costNanoUsd: null }
        await twin.fold([to], noBuckets)
        await store.fold([unknown], noBuckets)
        await store.correct([{ from: unknown, to, buckets: [] }])
        expect(await picture(store)).toEqual(await picture(twin))
      })

      it('writes nothing when one row is no longer as given', async () => {
        await store.fold([...others, from], dayAndTotal)
        await store.correct([{ from, to, buckets: dayAndTotal(from) }])
        const before = await picture(store)
        const unsure = others[1] as AttemptRow
        const both = [
          { from: unsure, to: { ...unsure, costNanoUsd: 0 }, buckets: dayAndTotal(unsure) },
          { from, to, buckets: dayAndTotal(from) },
        ]
        await expect(store.correct(both)).rejects.toMatchObject({ kind: 'storage_unavailable' })
        expect(await picture(store)).toEqual(before)
      })

      it('makes no bucket anew that was forgotten', async () => {
        await store.fold([from], dayAndTotal)
        await store.commit([{ op: 'forget_buckets', beforeMs: T0 + DAY }])
        await store.correct([{ from, to, buckets: dayAndTotal(from) }])
        expect(await store.buckets(0)).toEqual([
          { lineage: from.lineage, window: 'total', bucketStartMs: 0, spentNanoUsd: 200 },
        ])
      })
    })

    describe('spend', () => {
      it('is one row of zeros in total and no rows by group when nothing was spent', async () => {
        const [total, ...none] = await store.spend({ ...always, groupBy: [] })
        expect(none).toEqual([])
        expect(total).toEqual({
          group: {},
          requests: 0,
          attempts: 0,
          inputTokens: 0,
          outputTokens: 0,
          cachedTokens: 0,
          costNanoUsd: 0,
          estimatedNanoUsd: 0,
          unknownNanoUsd: 0,
          unpricedRequests: 0,
        })
        for (const group of GROUPS) expect(await store.spend({ ...always, groupBy: [group] })).toEqual([])
      })

      it('counts requests, attempts, tokens and the parts of the cost', async () => {
        const rows = [
          attemptRow({
            requestId: 'a',
            attempt: 1,
            last: false,
            provider: 'groq',
            usage: null,
            costNanoUsd: 0,
          }),
          attemptRow({ requestId: 'a', attempt: 2, costNanoUsd: 10, tags: ['x', 'y', 'x'], user: 'ann' }),
          attemptRow({ requestId: 'b', costNanoUsd: 20, certainty: 'estimated', tags: ['y'] }),
          attemptRow({ requestId: 'c', costNanoUsd: 40, certainty: 'unknown', project: 'blue' }),
          attemptRow({ requestId: 'd', costNanoUsd: 80, certainty: 'recovered', createdAtMs: T0 + HOUR }),
          attemptRow({ requestId: 'e', costNanoUsd: null, model: 'house' }),
        ]
        await store.fold(rows, noBuckets)
        expect(await store.spend({ ...always, groupBy: [] })).toEqual([
          {
            group: {},
            requests: 5,
            attempts: 6,
            inputTokens: 500,
            outputTokens: 100,
            cachedTokens: 50,
            costNanoUsd: 150,
            estimatedNanoUsd: 20,
            unknownNanoUsd: 40,
            unpricedRequests: 1,
          },
        ])
        const costs = async (group: SpendGroup) =>
          (await store.spend({ ...always, groupBy: [group] })).map(row => [
            row.group[group],
            row.costNanoUsd,
            row.requests,
          ])
        expect(await costs('key')).toEqual([['key000000001', 150, 5]])
        expect(await costs('project')).toEqual([
          [null, 110, 4],
          ['blue', 40, 1],
        ])
        expect(await costs('model')).toEqual([
          ['gpt-5', 150, 4],
          ['house', 0, 1],
        ])
        expect(await costs('provider')).toEqual([
          ['openai', 150, 5],
          ['groq', 0, 0],
        ])
        expect(await costs('day')).toEqual([['2026-01-31', 150, 5]])
        expect(await costs('hour')).toEqual([
          ['2026-01-31T13:00:00.000Z', 70, 4],
          ['2026-01-31T14:00:00.000Z', 80, 1],
        ])
        expect(await costs('user')).toEqual([
          [null, 140, 4],
          ['ann', 10, 1],
        ])
        // A row counts once per tag: the tags' sum may be more than the whole.
        expect(await costs('tag')).toEqual([
          [null, 120, 3],
          ['y', 30, 2],
          ['x', 10, 1],
        ])
      })

      it('agrees with a sum over the rows for every pair of groups, any keys and any span', async () => {
        const rows = randomRows(150, 6)
        const reference = createMemoryStore()
        await reference.fold(rows, noBuckets)
        for (let at = 0; at < rows.length; at += 50) await store.fold(rows.slice(at, at + 50), noBuckets)
        const spans = [
          [0, T0 + 9 * DAY],
          [T0 - 5 * HOUR, T0 + 5 * HOUR],
          [T0 - 5 * HOUR + 1, T0 + 5 * HOUR - 1],
          [T0 + 60_000, T0 + 3_000_000],
          [T0 - 90 * 60_000, T0 + 30 * 60_000],
          [T0, T0],
        ] as const
        const keyLists = [undefined, ['key000000001'], ['key000000001', 'key000000003', 'nobody'], []]
        const dice = createDice(7)
        for (const one of GROUPS)
          for (const other of [undefined, ...GROUPS.filter(group => group !== one)]) {
            const [fromMs, toMs] = spans[dice(spans.length)] ?? spans[0]
            const keyIds = keyLists[dice(keyLists.length)]
            const query: SpendQuery = {
              fromMs,
              toMs,
              groupBy: other ? [one, other] : [one],
              ...(keyIds && { keyIds }),
            }
            expect(await store.spend(query), JSON.stringify(query)).toEqual(await reference.spend(query))
          }
        for (const [fromMs, toMs] of spans)
          for (const keyIds of keyLists) {
            const query: SpendQuery = { fromMs, toMs, groupBy: [], ...(keyIds && { keyIds }) }
            expect(await store.spend(query), JSON.stringify(query)).toEqual(await reference.spend(query))
          }
      })

      it('stays exact at nine million dollars', async () => {
        const most = 9_007_199_254_740_991
        await store.fold([attemptRow({ requestId: 'a', costNanoUsd: most - 2 })], dayAndTotal)
        await store.fold([attemptRow({ requestId: 'b', costNanoUsd: 1 })], dayAndTotal)
        await store.fold([attemptRow({ requestId: 'c', costNanoUsd: 1 })], dayAndTotal)
        expect((await store.spend({ ...always, groupBy: [] }))[0]?.costNanoUsd).toBe(most)
        expect((await store.spend({ ...always, groupBy: ['user'] }))[0]?.costNanoUsd).toBe(most)
        expect((await store.buckets(T0)).find(bucket => bucket.window === 'total')?.spentNanoUsd).toBe(most)
      })

      it('does not mix names that contain separators', async () => {
        await store.fold(
          [
            attemptRow({ requestId: 'a', model: 'a\nb', provider: 'c', costNanoUsd: 1 }),
            attemptRow({ requestId: 'b', model: 'a', provider: 'b\nc', costNanoUsd: 2 }),
          ],
          noBuckets,
        )
        const rows = await store.spend({ ...always, groupBy: ['model', 'provider'] })
        expect(rows.map(row => [row.group, row.costNanoUsd])).toEqual([
          [{ model: 'a', provider: 'b\nc' }, 2],
          [{ model: 'a\nb', provider: 'c' }, 1],
        ])
      })

      it('sums use per key', async () => {
        await store.fold(
          [
            attemptRow({ requestId: 'a', createdAtMs: T0 + 5 }),
            attemptRow({ requestId: 'b', createdAtMs: T0 + 2 * HOUR }),
            attemptRow({ requestId: 'c', createdAtMs: T0 + HOUR, costNanoUsd: null }),
            attemptRow({ requestId: 'd', keyId: 'key000000002', createdAtMs: T0 + 1 }),
          ],
          noBuckets,
        )
        const use = [...(await store.keyUse())].sort((a, b) => (a.keyId < b.keyId ? -1 : 1))
        expect(use).toEqual([
          { keyId: 'key000000001', lastUsedAtMs: T0 + 2 * HOUR, spentNanoUsd: 2_000 },
          { keyId: 'key000000002', lastUsedAtMs: T0 + 1, spentNanoUsd: 1_000 },
        ])
      })
    })

    describe('requests', () => {
      it('lists the newest first with their attempts in order, and filters', async () => {
        const eleven = Array.from({ length: 11 }, (_, n) =>
          attemptRow({ requestId: 'req_a', attempt: n + 1, last: n === 10, status: n === 10 ? 502 : 500 }),
        )
        const rows = [
          ...eleven,
          attemptRow({ requestId: 'req_b', createdAtMs: T0 + 2, status: 404, model: 'house' }),
          attemptRow({ requestId: 'req_c', createdAtMs: T0 + 1, keyId: 'key000000002', status: 429 }),
          attemptRow({ requestId: 'req_d', createdAtMs: T0 + 9, last: false }),
        ]
        await store.fold(rows, noBuckets)
        const ids = async (query: Partial<Parameters<Store['requests']>[0]>) =>
          (await store.requests({ limit: 10, ...query })).data.map(request => request.id)
        const page = await store.requests({ limit: 10 })
        expect(page.nextCursor).toBeNull()
        expect(page.data.map(request => request.id)).toEqual(['req_b', 'req_c', 'req_a'])
        expect(page.data[2]?.attempts).toEqual(eleven)
        expect(await ids({ keyIds: ['key000000002'] })).toEqual(['req_c'])
        expect(await ids({ keyIds: ['key000000001', 'key000000002'] })).toEqual(['req_b', 'req_c', 'req_a'])
        expect(await ids({ keyIds: [] })).toEqual([])
        expect(await ids({ model: 'house' })).toEqual(['req_b'])
        expect(await ids({ status: 4 })).toEqual(['req_b', 'req_c'])
        expect(await ids({ status: 429 })).toEqual(['req_c'])
        expect(await ids({ status: 500 })).toEqual([])
        expect(await ids({ status: 2 })).toEqual([])
        expect(await ids({ status: 4, model: 'house', keyIds: ['key000000002'] })).toEqual([])
      })

      it('pages without loss or repetition while rows are added', async () => {
        const early = Array.from({ length: 53 }, (_, n) =>
          // Seven to a millisecond: ties must page too.
          attemptRow({ requestId: `req_${String(n).padStart(3, '0')}`, createdAtMs: T0 + Math.floor(n / 7) }),
        )
        await store.fold(early, noBuckets)
        expect(await allPages(store, {}, 1)).toHaveLength(53)
        const seen: string[] = []
        let cursor: string | null | undefined
        let added = 0
        do {
          const page = await store.requests({ limit: 5, ...(cursor && { cursor }) })
          seen.push(...page.data.map(request => request.id))
          cursor = page.nextCursor
          const id = `req_new${String(added++).padStart(3, '0')}`
          await store.fold([attemptRow({ requestId: id, createdAtMs: T0 + 1000 + added })], noBuckets)
        } while (cursor !== null)
        expect(seen).toEqual(early.map(row => row.requestId).reverse())
        expect(await allPages(store, { keyIds: ['key000000001'] }, 7)).toHaveLength(53 + added)
      })

      it('refuses a cursor that it did not make', async () => {
        for (const cursor of ['x', '!!', btoa('12'), btoa('12.%E0%A4%A'), '', 'a'.repeat(5_000)])
          await expect(store.requests({ limit: 1, cursor }), cursor).rejects.toMatchObject({
            kind: 'invalid_request',
            param: 'cursor',
          })
      })

      it('finds one request by its id or by the id of its answer', async () => {
        const first = attemptRow({ requestId: 'req_a', attempt: 1, last: false, status: 500 })
        const second = attemptRow({ requestId: 'req_a', attempt: 2, answerId: 'chatcmpl-1' })
        await store.fold([second, first, attemptRow({ requestId: 'req_ab' })], noBuckets)
        const whole = { id: 'req_a', attempts: [first, second] }
        expect(await store.request('req_a')).toEqual(whole)
        expect(await store.request('chatcmpl-1')).toEqual(whole)
        for (const id of ['req_', 'req_a.1', 'req_a.', 'req', '', '%', `x' or 1=1 --`])
          expect(await store.request(id), id).toBeUndefined()
      })

      it('keeps to the given keys, also when an upstream repeats an answer id', async () => {
        const mine = attemptRow({ requestId: 'req_a', answerId: 'same' })
        const theirs = attemptRow({
          requestId: 'req_b',
          answerId: 'same',
          keyId: 'key000000002',
          createdAtMs: T0 + 1,
        })
        await store.fold([mine, theirs], noBuckets)
        expect((await store.request('same'))?.id).toBe('req_b')
        expect((await store.request('same', ['key000000001']))?.id).toBe('req_a')
        expect((await store.request('same', ['key000000001', 'key000000002']))?.id).toBe('req_b')
        expect(await store.request('req_b', ['key000000001'])).toBeUndefined()
        expect(await store.request('same', [])).toBeUndefined()
      })
    })
  })
}
