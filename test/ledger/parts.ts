/** Keys, rows, clocks and stores for the ledger's tests. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock, Hold, Log } from '../../src/deps.ts'
import type { AttemptRow, Budget, Key, Project } from '../../src/terms.ts'

export const NOON = Date.UTC(2026, 0, 15, 12)

/** A clock that moves only when told; wall and monotonic move apart. */
export function createTestClock(
  startMs = NOON,
): Clock & { advance(ms: number): void; jump(ms: number): void } {
  let wall = startMs
  let steady = 1_000
  return {
    now: () => wall,
    monotonic: () => steady,
    advance(ms) {
      wall += ms
      steady += ms
    },
    jump(ms) {
      wall += ms
    },
  }
}

export const budget = (window: Budget['window'], limitNanoUsd: number): Budget => ({
  window,
  limitNanoUsd,
  softNanoUsd: null,
})

/** A budget of a part of the traffic: for each name by itself, or for one. */
export const part = (kind: 'user' | 'tag' | 'model', name: string | null, limitNanoUsd: number): Budget => ({
  ...budget('day', limitNanoUsd),
  scope: { kind, name },
})

export const project = (id: string, budgets: readonly Budget[]): Project => ({
  id,
  name: id,
  status: 'active',
  createdAtMs: NOON,
  limits: { rpm: null, tpm: null, rpd: null, concurrency: null },
  budgets,
  metadata: {},
})

export function keyOf(changes: Partial<Key> = {}): Key {
  return {
    id: 'key000000001',
    lineage: 'key000000001',
    hash: 'ab'.repeat(32),
    pepperVersion: 1,
    name: 'test',
    env: 'test',
    status: 'active',
    project: null,
    owner: null,
    createdAtMs: NOON,
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
    ...changes,
  }
}

export function rowOf(hold: Pick<Hold, 'attemptId' | 'key'>, changes: Partial<AttemptRow> = {}): AttemptRow {
  return {
    id: hold.attemptId,
    requestId: hold.attemptId.split('.')[0] as string,
    attempt: Number(hold.attemptId.split('.')[1]),
    last: true,
    createdAtMs: NOON,
    keyId: hold.key.id,
    lineage: hold.key.lineage,
    project: hold.key.project,
    requestedModel: 'gpt-5',
    provider: 'openai',
    model: 'gpt-5',
    upstreamModel: 'gpt-5',
    credential: 'main',
    operation: 'chat',
    stream: false,
    status: 200,
    error: null,
    finishReason: 'stop',
    usage: {
      inputTokens: 100,
      cacheReadInputTokens: 0,
      cacheCreationInputTokens: 0,
      outputTokens: 20,
      reasoningOutputTokens: 0,
    },
    costNanoUsd: 1_000,
    heldNanoUsd: 0,
    overrunNanoUsd: 0,
    certainty: 'exact',
    priceId: 'openai/gpt-5@2026-01-01',
    ttftMs: 120,
    totalMs: 900,
    peer: '127.0.0.1',
    user: null,
    tags: [],
    answerId: null,
    why: null,
    ...changes,
  }
}

/** Log lines as `level event`, for asserting on. */
export function createTestLog(): Log & { lines: string[] } {
  const lines: string[] = []
  return Object.assign(((level, event) => void lines.push(`${level} ${event}`)) as Log, { lines })
}

/** A folder that is gone after the test. */
export function createFolderFor(cleanups: (() => void)[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'switchgate-ledger-'))
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** `value` as a hold; throws when it is a shortfall. */
export function held(value: object): Hold {
  if (!('attemptId' in value)) throw new Error(`refused: ${JSON.stringify(value)}`)
  return value as Hold
}
