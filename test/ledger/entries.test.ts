/** The journal's lines: what was said comes back as it was said, lines of earlier versions are read, damage is told from promises. */
import { describe, expect, it } from 'vitest'
import type { HoldFacts } from '../../src/deps.ts'
import {
  createMemoryJournal,
  type Entry,
  formatEntry,
  type HoldEntry,
  interruptedRow,
  parseEntry,
  settlement,
} from '../../src/ledger/journal.ts'
import { keyOf, NOON, rowOf } from './parts.ts'

const BUCKETS = [
  { window: 'day', bucketStartMs: NOON },
  { owner: 'project:blue', window: 'total', bucketStartMs: 0 },
] as const
const FACTS: Required<HoldFacts> = {
  requestedModel: 'asked',
  provider: 'openai',
  model: 'gpt-5',
  upstreamModel: 'gpt-5-2025',
  credential: 'main',
  operation: 'embeddings',
  stream: true,
  priceId: 'openai/gpt-5@2026-01-01',
  peer: '::1',
  user: 'ann',
  tags: ['x', 'y'],
  why: 'the cheapest',
}
const holdOf = (changes: Partial<HoldEntry> = {}): HoldEntry => ({
  say: 'hold',
  id: 'req_a.2',
  atMs: NOON,
  keyId: 'key000000001',
  lineage: 'line00000001',
  project: 'blue',
  nanoUsd: 700,
  buckets: BUCKETS,
  facts: FACTS,
  ...changes,
})
const key = keyOf({ project: 'blue' })
const row = rowOf({ attemptId: 'req_a.2', key }, { answerId: 'chatcmpl-1', tags: ['x'], user: 'ann' })

describe('lines of the journal', () => {
  it.each<[string, Entry]>([
    ['a hold with all that is known of it', holdOf()],
    ['a hold with little that is known of it', holdOf({ facts: { model: 'gpt-5', stream: false } })],
    ['a hold without facts, project or budgets', holdOf({ facts: undefined, project: null, buckets: [] })],
    ['a hold of more', { say: 'extend', id: 'req_a.2', nanoUsd: 900 }],
    ['a finished attempt', settlement(row, BUCKETS)],
  ])('%s comes back as it was said', (_what, entry) => {
    expect(parseEntry(formatEntry(entry))).toEqual(entry)
    expect(formatEntry(entry)).not.toContain('\n')
  })

  // Texts are kept from one hold to the next: each of these differs from the one before it in one thing.
  it('nothing that was said of one hold is said of the next', () => {
    const others: Required<HoldFacts> = {
      requestedModel: 'another "one"',
      provider: 'anthropic',
      model: 'claude',
      upstreamModel: 'claude-2025',
      credential: 'spare',
      operation: 'chat',
      stream: false,
      priceId: null,
      peer: '10.0.0.1\n',
      user: null,
      tags: [],
      why: null,
    }
    const entries: HoldEntry[] = []
    for (const base of [FACTS, others])
      for (const [name, value] of Object.entries(base === FACTS ? others : FACTS))
        entries.push(holdOf({ facts: base }), holdOf({ facts: { ...base, [name]: value } }))
    const [bucket] = BUCKETS
    const whose = [{ keyId: 'k"' }, { lineage: 'l\\' }, { project: null }, { project: 'null' }]
    for (const changes of [
      ...whose,
      { buckets: [bucket] },
      { buckets: [] },
      { facts: undefined },
      { facts: {} },
    ])
      entries.push(holdOf(changes), holdOf())
    for (const entry of entries) {
      const { facts, ...rest } = entry
      const said = facts && Object.fromEntries(Object.entries(facts).filter(([, fact]) => fact !== null))
      expect(parseEntry(formatEntry(entry))).toEqual({ ...rest, facts: said })
    }
  })

  // A start reads what the version before it wrote: these are texts on disks, not of today's code.
  it('lines that an earlier version left are read', () => {
    const hold =
      '{"say":"hold","id":"req_a.2","nanoUsd":700,"of":[1768478400000,"key000000001","line00000001","blue",[{"window":"day","bucketStartMs":1768478400000}]],"facts":["asked","openai",null,null,null,"chat",true,null,null,"ann",["x"],null]}'
    expect(parseEntry(hold)).toEqual(
      holdOf({
        buckets: [{ window: 'day', bucketStartMs: NOON }],
        facts: {
          requestedModel: 'asked',
          provider: 'openai',
          operation: 'chat',
          stream: true,
          user: 'ann',
          tags: ['x'],
        },
      }),
    )
    const settle =
      '{"say":"settle","named":["req_a.2",1768478400000,"key000000001","chatcmpl-1"],"detail":[[100,0,0,null,20,0,null],true,"key000000001","blue","gpt-5","openai","gpt-5","gpt-5","main","chat",false,200,null,"stop",1000,0,0,"exact","openai/gpt-5@2026-01-01",120,900,"127.0.0.1","ann",["x"],null],"buckets":[]}'
    expect(parseEntry(settle)).toEqual(settlement(row, []))
    expect(formatEntry(settlement(row, []))).toBe(settle)
    expect(parseEntry('{"say":"extend","id":"req_a.2","nanoUsd":5}')).toEqual({
      say: 'extend',
      id: 'req_a.2',
      nanoUsd: 5,
    })
  })

  it.each([
    '',
    'null',
    '7',
    '"hold"',
    '["hold"]',
    '{"id":"req_a.1"}',
    '{"say":"promise","id":"req_a.1","nanoUsd":5}',
    '{"say":"hold","id":"req_a.1","nanoUsd":5,"of":[1,"k","l",null,[]],"fac',
    '{"say":"hold","id":7,"nanoUsd":5,"of":[1,"k","l",null,[]]}',
    '{"say":"hold","id":"req_a.1","nanoUsd":"5","of":[1,"k","l",null,[]]}',
    '{"say":"hold","id":"req_a.1","nanoUsd":5}',
    '{"say":"hold","id":"req_a.1","nanoUsd":5,"of":[1,"k","l",null]}',
    '{"say":"extend","id":7,"nanoUsd":5}',
    '{"say":"extend","nanoUsd":5}',
    '{"say":"extend","id":"req_a.1"}',
    '{"say":"extend","id":"req_a.1","nanoUsd":"5"}',
    '{"say":"settle"}',
    `{"say":"settle","named":"req_a.1","detail":${settlement(row, []).detail},"buckets":[]}`,
    `{"say":"settle","named":[1,2,3,4],"detail":${settlement(row, []).detail},"buckets":[]}`,
    `{"say":"settle","named":["req_a.1",1,"k",null],"detail":${settlement(row, []).detail}}`,
    '{"say":"settle","named":["req_a.1",1,"k",null],"detail":"none","buckets":[]}',
    '{"say":"settle","named":["req_a.1",1,"k",null],"detail":[1,2],"buckets":[]}',
  ])('damage is no promise: %s', line => {
    expect(parseEntry(line)).toBeUndefined()
  })
})

describe('the row of an attempt whose process died', () => {
  it('tells what was known when its money was held', () => {
    expect(interruptedRow(holdOf(), 900, true)).toEqual({
      id: 'req_a.2',
      requestId: 'req_a',
      attempt: 2,
      last: true,
      createdAtMs: NOON,
      keyId: 'key000000001',
      lineage: 'line00000001',
      project: 'blue',
      ...FACTS,
      status: 0,
      error: 'interrupted',
      finishReason: null,
      usage: null,
      costNanoUsd: 900,
      heldNanoUsd: 900,
      overrunNanoUsd: 0,
      certainty: 'unknown',
      ttftMs: null,
      totalMs: 0,
      answerId: null,
    })
  })

  it('names nothing that was not known, and what cannot be priced has no cost', () => {
    const bare = interruptedRow(holdOf({ facts: undefined, project: null, buckets: [] }), 0, false)
    expect(bare).toMatchObject({
      last: false,
      project: null,
      requestedModel: '',
      provider: '',
      model: '',
      upstreamModel: '',
      credential: '',
      operation: 'chat',
      stream: false,
      costNanoUsd: null,
      heldNanoUsd: 0,
      priceId: null,
      peer: '',
      user: null,
      tags: [],
      why: null,
    })
  })

  it('costs what was asked for, of a key without budgets too; nothing was held there', () => {
    const costOf = (changes: Partial<HoldEntry>, nanoUsd: number) => {
      const { costNanoUsd, heldNanoUsd } = interruptedRow(holdOf(changes), nanoUsd, true)
      return [costNanoUsd, heldNanoUsd]
    }
    expect(costOf({ facts: {} }, 0)).toEqual([0, 0])
    expect(costOf({ facts: {}, buckets: [] }, 5)).toEqual([5, 0])
    expect(costOf({ facts: { priceId: 'free' }, buckets: [] }, 0)).toEqual([0, 0])
  })

  it.each([
    ['req_a.12', 'req_a', 12],
    ['a.b.3', 'a.b', 3],
    ['req_a', 'req_a', 1],
    ['req_a.x', 'req_a', 1],
    ['7', '7', 1],
    ['.7', '.7', 1],
  ])('of %s it belongs to the request %s, as its attempt %i', (id, requestId, attempt) => {
    expect(interruptedRow(holdOf({ id }), 1, true)).toMatchObject({ id, requestId, attempt })
  })
})

it('a journal in memory reads what was there, counts what it would write, and forgets as files do', async () => {
  const lines = ['first']
  const journal = createMemoryJournal(lines)
  journal.append('second')
  expect([...journal.read()]).toEqual(['first'])
  expect(journal.size()).toBe('first\nsecond\n'.length)
  journal.rotate(['carried'])
  expect(lines).toEqual(['carried'])
  expect([...createMemoryJournal(lines).read()]).toEqual(['carried'])
  const empty = createMemoryJournal()
  expect([...empty.read()]).toEqual([])
  expect(empty.size()).toBe(0)
  expect(empty.failure()).toBeUndefined()
  await empty.close().then(() => empty.flush())
})
