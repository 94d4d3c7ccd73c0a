/** Rows, keys and dice for the tests of the stores. */
import type { AttemptRow, Certainty, Key } from '../../src/terms.ts'

/** 2026-01-31T13:00:00Z, the start of an hour. */
export const T0 = Date.UTC(2026, 0, 31, 13)
export const HOUR = 3_600_000

/** A whole row; `requestId` and `attempt` make the id. */
export function attemptRow(changes: Partial<AttemptRow> = {}): AttemptRow {
  const requestId = changes.requestId ?? 'req_0001'
  const attempt = changes.attempt ?? 1
  return {
    id: `${requestId}.${attempt}`,
    requestId,
    attempt,
    last: true,
    createdAtMs: T0,
    keyId: 'key000000001',
    lineage: 'key000000001',
    project: null,
    requestedModel: 'openai/gpt-5',
    provider: 'openai',
    model: 'gpt-5',
    upstreamModel: 'gpt-5-2025-08-07',
    credential: 'main',
    operation: 'chat',
    stream: false,
    status: 200,
    error: null,
    finishReason: 'stop',
    usage: {
      inputTokens: 100,
      cacheReadInputTokens: 10,
      cacheCreationInputTokens: 5,
      outputTokens: 20,
      reasoningOutputTokens: 7,
    },
    costNanoUsd: 1_000,
    heldNanoUsd: 2_000,
    overrunNanoUsd: 0,
    certainty: 'exact',
    priceId: 'catalog:2026-01-01',
    ttftMs: 12.5,
    totalMs: 99.25,
    peer: '127.0.0.1',
    user: null,
    tags: [],
    answerId: null,
    why: 'only offer',
    ...changes,
  }
}

/** A whole key. */
export function keyRow(changes: Partial<Key> = {}): Key {
  return {
    id: 'key000000001',
    lineage: 'key000000001',
    hash: 'aa'.repeat(32),
    pepperVersion: 1,
    name: 'first',
    env: 'live',
    status: 'active',
    project: null,
    owner: null,
    createdAtMs: T0,
    expiresAtMs: null,
    models: null,
    providers: null,
    limits: { rpm: null, tpm: null, rpd: null, concurrency: null },
    budgets: [],
    ipAllow: null,
    ipDeny: null,
    maxOutputTokens: null,
    defaultModel: null,
    tags: [],
    metadata: {},
    regions: null,
    scopes: null,
    originAllow: null,
    hours: null,
    ...changes,
  }
}

/** Repeatable dice (mulberry32): a whole number in [0, below). */
export function createDice(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

const certainties: readonly Certainty[] = ['exact', 'recovered', 'estimated', 'unknown']

/** Attempts of `count` requests, one to three each, over two days, a few keys, models, users and tags. */
export function randomRows(count: number, seed: number): AttemptRow[] {
  const dice = createDice(seed)
  return Array.from({ length: count }, (_, n) => {
    const tries = 1 + dice(3)
    const key = `key00000000${dice(5)}`
    const shared = {
      requestId: `req_${String(n).padStart(6, '0')}`,
      keyId: key,
      lineage: key,
      project: dice(2) === 0 ? null : `project-${dice(2)}`,
      createdAtMs: T0 - 24 * HOUR + dice(48 * HOUR),
      user: dice(2) === 0 ? null : `user-${dice(3)}`,
      tags: ['blue', 'green', 'red'].filter(() => dice(3) === 0),
    }
    return Array.from({ length: tries }, (_, i) =>
      attemptRow({
        ...shared,
        attempt: i + 1,
        last: i + 1 === tries,
        provider: `provider-${dice(3)}`,
        model: `model-${dice(4)}`,
        status: dice(4) === 0 ? 429 : 200,
        costNanoUsd: dice(6) === 0 ? null : dice(1_000_000_007),
        certainty: certainties[dice(4)] ?? 'exact',
        usage:
          dice(5) === 0
            ? null
            : {
                inputTokens: dice(9_999),
                cacheReadInputTokens: dice(99),
                cacheCreationInputTokens: 0,
                outputTokens: dice(999),
                reasoningOutputTokens: 0,
              },
      }),
    )
  }).flat()
}
