/** The tables of the store for SQLite and D1. The migrations beside this file are generated from it. Money is integer nano-USD, times are epoch ms. */
import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, real, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import type { Budget, Certainty, Environment, KeyStatus, Limits, Operation } from '../../src/terms.ts'

/** One row per applied migration; the highest number is the schema's version. Each migration inserts its own, so that D1 and SQLite agree. */
export const schemaVersion = sqliteTable('schema_version', { version: integer().primaryKey() })

/** Platform keys. What is never asked for in SQL is JSON text. */
export const keys = sqliteTable(
  'keys',
  {
    id: text().primaryKey(),
    lineage: text().notNull(),
    hash: text().notNull(),
    pepperVersion: integer('pepper_version').notNull(),
    name: text().notNull(),
    env: text().$type<Environment>().notNull(),
    status: text().$type<KeyStatus>().notNull(),
    project: text(),
    owner: text(),
    createdAtMs: integer('created_at_ms').notNull(),
    expiresAtMs: integer('expires_at_ms'),
    models: text({ mode: 'json' }).$type<readonly string[]>(),
    providers: text({ mode: 'json' }).$type<readonly string[]>(),
    limits: text({ mode: 'json' }).$type<Limits>().notNull(),
    budgets: text({ mode: 'json' }).$type<readonly Budget[]>().notNull(),
    ipAllow: text('ip_allow', { mode: 'json' }).$type<readonly string[]>(),
    ipDeny: text('ip_deny', { mode: 'json' }).$type<readonly string[]>(),
    maxOutputTokens: integer('max_output_tokens'),
    defaultModel: text('default_model'),
    tags: text({ mode: 'json' }).$type<readonly string[]>().notNull(),
    metadata: text({ mode: 'json' }).$type<Readonly<Record<string, string>>>().notNull(),
  },
  table => [uniqueIndex('keys_hash').on(table.hash)],
)

/** Provider credentials: `sealed` is the vault's ciphertext, `ref` names a secret kept elsewhere. */
export const credentials = sqliteTable('credentials', {
  id: text().primaryKey(),
  provider: text().notNull(),
  name: text().notNull(),
  weight: integer().notNull(),
  sealed: text(),
  ref: text(),
  fingerprint: text(),
  status: text().$type<'active' | 'retired'>().notNull(),
  createdAtMs: integer('created_at_ms').notNull(),
  lastOkAtMs: integer('last_ok_at_ms'),
  lastFailedAtMs: integer('last_failed_at_ms'),
})

/** Named values of the program itself. */
export const settings = sqliteTable('settings', {
  name: text().primaryKey(),
  value: text().notNull(),
})

/**
 * The ledger: one row per attempt. The id is `<request id>.<n>` and time-ordered, so that inserts append and a
 * request's attempts are one range of the primary key. Facts of the whole request are those of the `last` row.
 */
export const attempts = sqliteTable(
  'attempts',
  {
    id: text().primaryKey(),
    requestId: text('request_id').notNull(),
    attempt: integer().notNull(),
    last: integer({ mode: 'boolean' }).notNull(),
    createdAtMs: integer('created_at_ms').notNull(),
    keyId: text('key_id').notNull(),
    lineage: text().notNull(),
    project: text(),
    requestedModel: text('requested_model').notNull(),
    provider: text().notNull(),
    model: text().notNull(),
    upstreamModel: text('upstream_model').notNull(),
    credential: text().notNull(),
    operation: text().$type<Operation>().notNull(),
    stream: integer({ mode: 'boolean' }).notNull(),
    status: integer().notNull(),
    error: text(),
    finishReason: text('finish_reason'),
    /** All token columns are null together when the usage is not known. */
    inputTokens: integer('input_tokens'),
    cacheReadInputTokens: integer('cache_read_input_tokens'),
    cacheCreationInputTokens: integer('cache_creation_input_tokens'),
    cacheCreation1hInputTokens: integer('cache_creation_1h_input_tokens'),
    outputTokens: integer('output_tokens'),
    reasoningOutputTokens: integer('reasoning_output_tokens'),
    reportedCostNanoUsd: integer('reported_cost_nano_usd'),
    costNanoUsd: integer('cost_nano_usd'),
    heldNanoUsd: integer('held_nano_usd').notNull(),
    overrunNanoUsd: integer('overrun_nano_usd').notNull(),
    certainty: text().$type<Certainty>().notNull(),
    priceId: text('price_id'),
    ttftMs: real('ttft_ms'),
    totalMs: real('total_ms').notNull(),
    peer: text().notNull(),
    user: text(),
    /** Null when there are none. */
    tags: text({ mode: 'json' }).$type<readonly string[]>(),
    answerId: text('answer_id'),
    why: text(),
  },
  table => [
    index('attempts_created').on(table.createdAtMs),
    index('attempts_key_created').on(table.keyId, table.createdAtMs),
    index('attempts_answer').on(table.answerId).where(sql`${table.answerId} is not null`),
  ],
)

/**
 * Sums of `attempts` per UTC hour. `project` is '' where a key has none: a primary key must not hold nulls.
 * The migration says WITHOUT ROWID by hand, here and for the buckets (Drizzle cannot): one tree to write, and a span
 * of hours is read in order.
 */
export const spendHourly = sqliteTable(
  'spend_hourly',
  {
    hourMs: integer('hour_ms').notNull(),
    keyId: text('key_id').notNull(),
    model: text().notNull(),
    provider: text().notNull(),
    project: text().notNull(),
    requests: integer().notNull(),
    attempts: integer().notNull(),
    inputTokens: integer('input_tokens').notNull(),
    outputTokens: integer('output_tokens').notNull(),
    cachedTokens: integer('cached_tokens').notNull(),
    costNanoUsd: integer('cost_nano_usd').notNull(),
    estimatedNanoUsd: integer('estimated_nano_usd').notNull(),
    unknownNanoUsd: integer('unknown_nano_usd').notNull(),
    unpricedRequests: integer('unpriced_requests').notNull(),
    lastUsedAtMs: integer('last_used_at_ms').notNull(),
  },
  table => [
    primaryKey({ columns: [table.hourMs, table.keyId, table.model, table.provider, table.project] }),
    index('spend_hourly_key').on(table.keyId, table.hourMs),
  ],
)

/** Spent money per bucket of a budget window, so that a restart knows how full each window is. */
export const budgetBuckets = sqliteTable(
  'budget_buckets',
  {
    lineage: text().notNull(),
    window: text().notNull(),
    bucketStartMs: integer('bucket_start_ms').notNull(),
    spentNanoUsd: integer('spent_nano_usd').notNull(),
  },
  table => [primaryKey({ columns: [table.lineage, table.window, table.bucketStartMs] })],
)
