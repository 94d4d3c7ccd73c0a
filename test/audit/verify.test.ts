/** Whoever writes the database without the audit key is found, and the place is named. */
import { describe, expect, it } from 'vitest'
import { checkpointLine, parseCheckpoints } from '../../src/audit/checkpoint.ts'
import { canonicalJson, chained, GENESIS, hashOf } from '../../src/audit/entry.ts'
import { type FaultKind, verifyLog } from '../../src/audit/verify.ts'
import type { AuditRow } from '../../src/store/store.ts'
import { createDice, entryAt, hmac, keyed, logOf, markOf, reading, renumbered } from './chain.ts'

const NO_MARKS = new Map<number, string>()
const verify = (rows: readonly AuditRow[], marks: ReadonlyMap<number, string> = NO_MARKS) =>
  verifyLog({ hmac, read: reading(rows), marks })

type Dice = ReturnType<typeof createDice>
interface Wrong {
  readonly rows: readonly AuditRow[]
  readonly seq: number
  readonly kind: FaultKind
}

const at = (rows: readonly AuditRow[], index: number): AuditRow => {
  const row = rows[index]
  if (row === undefined) throw new Error(`no row ${index}`)
  return row
}

const FIELDS: readonly ((row: AuditRow, dice: Dice) => Partial<AuditRow>)[] = [
  (row, dice) => ({ atMs: row.atMs + 1 + dice(9) }),
  row => ({ actor: row.actor === 'local' ? 'admin' : 'local' }),
  row => ({ address: row.address === null ? '198.51.100.1' : null }),
  row => ({ action: row.action === 'key.create' ? 'key.change' : 'key.create' }),
  row => ({ target: `${row.target}x` }),
  () => ({ target: null }),
  row => ({ detail: row.detail.replace('name', 'game') }),
  row => ({ detail: `${row.detail} ` }),
  (_row, dice) => ({ hash: keyed(`guess ${dice(1_000)}`)('hash') }),
  (_row, dice) => ({ prev: keyed(`guess ${dice(1_000)}`)('prev') }),
]

/** Each way to do harm: what is left of the log, and where an auditor must look. */
const WAYS: Readonly<Record<string, (rows: readonly AuditRow[], dice: Dice) => Wrong>> = {
  edit(rows, dice) {
    const index = dice(rows.length)
    const row = at(rows, index)
    const changed = { ...row, ...FIELDS[dice(FIELDS.length)]?.(row, dice) }
    return { rows: rows.with(index, changed), seq: index + 1, kind: 'edit' }
  },
  'edit with a hash of another key'(rows, dice) {
    const index = dice(rows.length)
    const row = { ...at(rows, index), detail: '{}' }
    const changed = { ...row, hash: hashOf(keyed('not the audit key'), row) }
    return { rows: rows.with(index, changed), seq: index + 1, kind: 'edit' }
  },
  delete(rows, dice) {
    const index = dice(rows.length - 1)
    const count = 1 + dice(Math.min(3, rows.length - 1 - index))
    const left = rows.toSpliced(index, count)
    return { rows: dice(2) === 0 ? left : renumbered(left), seq: index + 1, kind: 'delete' }
  },
  insert(rows, dice) {
    const index = dice(rows.length)
    const prev = index === 0 ? GENESIS.hash : at(rows, index - 1).hash
    const row = { ...at(rows, index), prev, detail: '{"forged":true}' }
    const forged = { ...row, hash: hashOf(keyed('not the audit key'), row) }
    return { rows: renumbered(rows.toSpliced(index, 0, forged)), seq: index + 1, kind: 'insert' }
  },
  'insert a copy'(rows, dice) {
    const index = dice(rows.length)
    const from = dice(rows.length)
    // A copy beside its original is found at the second of the two.
    const seq = (from === index ? index + 1 : index) + 1
    return { rows: renumbered(rows.toSpliced(index, 0, at(rows, from))), seq, kind: 'insert' }
  },
  reorder(rows, dice) {
    const first = dice(rows.length - 1)
    const second = first + 1 + dice(rows.length - 1 - first)
    const swapped = rows.with(first, at(rows, second)).with(second, at(rows, first))
    return { rows: renumbered(swapped), seq: first + 1, kind: 'reorder' }
  },
  truncate(rows, dice) {
    const left = dice(rows.length)
    return { rows: rows.slice(0, left), seq: left + 1, kind: 'truncate' }
  },
  'roll back and go on'(rows, dice) {
    const left = dice(rows.length)
    const last = left === 0 ? GENESIS : markOf(at(rows, left - 1))
    const others = Array.from({ length: rows.length - left + dice(5) }, (_, i) => entryAt(1_000 + i))
    return { rows: [...rows.slice(0, left), ...chained(hmac, last, others)], seq: left + 1, kind: 'rollback' }
  },
}

describe('the audit chain', () => {
  it('is whole when nobody touched it, empty or long', async () => {
    for (const count of [0, 1, 2, 7, 8, 100]) {
      const rows = logOf(count)
      const head = rows.at(-1)
      expect(await verify(rows)).toEqual({
        ok: true,
        rows: count,
        head: head && markOf(head),
        fault: undefined,
      })
    }
  })

  it('says the same facts in the same text', () => {
    expect(canonicalJson({ b: [1, { d: undefined, c: 'ü"\n' }], a: null })).toBe(
      '{"a":null,"b":[1,{"c":"ü\\"\\n"}]}',
    )
    const [one] = chained(hmac, GENESIS, [{ ...entryAt(1), detail: { a: 1, b: 2 } }])
    const [two] = chained(hmac, GENESIS, [{ ...entryAt(1), detail: { b: 2, a: 1 } }])
    expect(one).toEqual(two)
  })

  it('cannot be made anew without the key', async () => {
    const { ok, fault } = await verify(logOf(20, keyed('not the audit key')))
    expect(ok).toBe(false)
    expect(fault?.seq).toBe(1)
  })

  it.each(Object.keys(WAYS))('1,000 times over all ways: %s is found where it is', async way => {
    const dice = createDice(20_261_122 + way.length)
    const wreck = WAYS[way] as NonNullable<(typeof WAYS)[string]>
    for (let round = 0; round < 125; round++) {
      const rows = logOf(2 + dice(30))
      // every row was seen by a checkpoint, as after a stop
      const marks = new Map(rows.map(({ seq, hash }) => [seq, hash]))
      const { rows: left, seq, kind } = wreck(rows, dice)
      // without a checkpoint a cut tail and a whole new tail cannot be known
      const needsMarks = kind === 'truncate' || kind === 'rollback'
      const { ok, fault } = await verify(left, needsMarks ? marks : NO_MARKS)
      expect({ round, ok, seq: fault?.seq, kind: fault?.kind }).toEqual({ round, ok: false, seq, kind })
    }
  })

  it('knows a row behind its own head for one that it did not write', async () => {
    const rows = logOf(5)
    const last = at(rows, 4)
    const row = { ...last, prev: last.hash, seq: 6, detail: '{}' }
    const forged = { ...row, hash: hashOf(keyed('not the audit key'), row) }
    const walk = { hmac, read: reading([...rows, forged]), marks: NO_MARKS, head: markOf(last) }
    expect((await verifyLog(walk)).fault).toMatchObject({ seq: 6, kind: 'insert' })
    expect((await verifyLog({ ...walk, read: reading(rows.slice(0, 3)) })).fault).toMatchObject({
      seq: 4,
      kind: 'truncate',
    })
  })
})

describe('checkpoints', () => {
  const rows = logOf(9)
  const line = (index: number, key = hmac) =>
    `${checkpointLine(key, markOf(at(rows, index)), '2026-11-22T10:00:00.000Z')}\n`

  it('are read back, the newest last, without what a crash left of a line', () => {
    const cut = line(8).slice(0, 90)
    const { marks, newest, forged } = parseCheckpoints(hmac, `${line(2)}${cut}\n${line(5)}${cut}`)
    expect([...marks]).toEqual([2, 5].map(i => [i + 1, at(rows, i).hash]))
    expect(newest).toEqual(markOf(at(rows, 5)))
    expect(forged).toBeUndefined()
  })

  it('that nobody wrote here are no checkpoints, and are named', () => {
    const { marks, forged } = parseCheckpoints(hmac, `${line(2)}${line(5, keyed('not the audit key'))}`)
    expect(marks.size).toBe(1)
    expect(forged).toBe(6)
  })

  it('of two for one row the first stands: a database that was put back and went on is found', async () => {
    const others = chained(hmac, markOf(at(rows, 3)), [entryAt(70), entryAt(71), entryAt(72)])
    const log = [...rows.slice(0, 4), ...others]
    const again = `${checkpointLine(hmac, markOf(at(log, 5)), '2026-11-22T11:00:00.000Z')}\n`
    const { marks } = parseCheckpoints(hmac, `${line(3)}${line(5)}${again}`)
    expect((await verify(log, marks)).fault).toMatchObject({ seq: 6, kind: 'rollback' })
  })
})
