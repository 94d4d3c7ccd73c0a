/** What every store must do for the audit log. Run by store.test.ts against memory, SQLite and D1. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AuditQuery, AuditRow, Store } from '../../src/store/store.ts'
import { attemptRow, keyRow, T0 } from '../store/rows.ts'

const rowAt = (seq: number, more: Partial<AuditRow> = {}): AuditRow => ({
  seq,
  atMs: T0 + seq * 1000,
  actor: 'admin',
  address: '203.0.113.7',
  action: 'key.create',
  target: `key:k${seq}`,
  detail: '{"a":"ü\'\\""}',
  prev: String(seq - 1).padStart(64, '0'),
  hash: String(seq).padStart(64, '0'),
  ...more,
})

const put = (row: AuditRow) => ({ op: 'put_audit', row }) as const

export function describeAuditRows(name: string, open: () => Promise<Store>): void {
  describe(`audit rows: ${name}`, () => {
    let store: Store
    beforeEach(async () => {
      store = await open()
    })
    afterEach(() => store.close())

    const seqs = async (query: Partial<AuditQuery>): Promise<number[]> => {
      const rows = await store.auditRows({ order: 'oldest', limit: 100, ...query })
      return rows.map(row => row.seq)
    }

    it('gives rows back as they were put, in both orders and by pages', async () => {
      const rows = [rowAt(1), rowAt(2, { address: null, target: null }), rowAt(3)]
      await store.commit(rows.map(put))
      expect(await store.auditRows({ order: 'oldest', limit: 10 })).toEqual(rows)
      expect(await seqs({ order: 'newest' })).toEqual([3, 2, 1])
      expect(await seqs({ order: 'newest', seq: 3, limit: 1 })).toEqual([2])
      expect(await seqs({ seq: 1, limit: 1 })).toEqual([2])
      expect(await seqs({ seq: 3 })).toEqual([])
    })

    it('finds rows by actor, action or its beginning, targets and time', async () => {
      await store.commit(
        [
          rowAt(1),
          rowAt(2, { action: 'key.rotate', actor: 'local' }),
          rowAt(3, { action: 'keys.other' }),
          rowAt(4, { action: 'key/odd', target: null }),
        ].map(put),
      )
      expect(await seqs({ actor: 'local' })).toEqual([2])
      expect(await seqs({ action: 'key' })).toEqual([1, 2])
      expect(await seqs({ action: 'key.rotate' })).toEqual([2])
      expect(await seqs({ action: 'key.' })).toEqual([])
      expect(await seqs({ targets: ['key:k1', 'project:k3', 'key:k3'] })).toEqual([1, 3])
      expect(await seqs({ targets: [] })).toEqual([])
      expect(await seqs({ fromMs: T0 + 2000, toMs: T0 + 4000 })).toEqual([2, 3])
      expect(await seqs({ fromMs: T0 + 2000, actor: 'admin', action: 'keys' })).toEqual([3])
    })

    it('takes a row together with a change, or neither', async () => {
      await store.commit([put(rowAt(1))])
      await expect(store.commit([{ op: 'put_key', key: keyRow() }, put(rowAt(1))])).rejects.toMatchObject({
        kind: 'storage_unavailable',
      })
      expect(await store.keys()).toEqual([])
      expect(await store.auditRows({ order: 'oldest', limit: 9 })).toEqual([rowAt(1)])
      await store.commit([{ op: 'put_key', key: keyRow() }, put(rowAt(2))])
      expect(await store.keyById(keyRow().id)).toEqual(keyRow())
      expect(await store.keyById('nobody')).toBeUndefined()
    })

    it('takes a row together with a correction, or neither', async () => {
      const from = attemptRow({ costNanoUsd: 500, certainty: 'unknown' })
      const to = { ...from, costNanoUsd: 200, certainty: 'recovered' as const }
      await store.fold([from], () => [])
      await store.commit([put(rowAt(1))])
      const corrections = [{ from, to, buckets: [] }]
      await expect(store.correct(corrections, [put(rowAt(1))])).rejects.toThrow()
      expect((await store.request(from.requestId))?.attempts[0]?.costNanoUsd).toBe(500)
      await store.correct(corrections, [put(rowAt(2))])
      expect((await store.request(from.requestId))?.attempts[0]?.costNanoUsd).toBe(200)
      await expect(store.correct(corrections, [put(rowAt(3))])).rejects.toThrow()
      expect(await seqs({})).toEqual([1, 2])
    })
  })
}
