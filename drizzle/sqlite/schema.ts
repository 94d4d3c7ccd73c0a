/** The tables of the store for SQLite and D1. The migrations beside this file are generated from it. Money is integer nano-USD, times are epoch ms. */
import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, real, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import type { Budget, Environment, KeyStatus, Limits, Project } from '../../src/terms.ts'

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
    regions: text({ mode: 'json' }).$type<readonly string[]>(),
  },
  table => [uniqueIndex('keys_hash').on(table.hash)],
)

/** Projects, and the organisation as the one called so. */
export const projects = sqliteTable('projects', {
  id: text().primaryKey(),
  name: text().notNull(),
  status: text().$type<Project['status']>().notNull(),
  createdAtMs: integer('created_at_ms').notNull(),
  limits: text({ mode: 'json' }).$type<Limits>().notNull(),
  budgets: text({ mode: 'json' }).$type<readonly Budget[]>().notNull(),
  metadata: text({ mode: 'json' }).$type<Readonly<Record<string, string>>>().notNull(),
})

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

/** Read from `detail`, at the place that src/store/packed.ts gives it: costs nothing to write and some time to read. */
const derived = { mode: 'virtual' } as const

/**
 * The ledger: one row per attempt, `<request id>.<n>`. Time comes first in the key, so that inserts append and a span
 * of time is one range; all attempts of a request have the time at which it began. Most of a row is one JSON text, as
 * the journal has it, and the columns behind it are read from it. The migration says WITHOUT ROWID by hand: one tree.
 * Facts of the whole request are those of the `last` row. All token columns are null together when the usage is not known.
 */
export const attempts = sqliteTable(
  'attempts',
  {
    createdAtMs: integer('created_at_ms').notNull(),
    id: text().notNull(),
    keyId: text('key_id').notNull(),
    answerId: text('answer_id'),
    /** Beside the detail too, because lists are filtered by it. */
    model: text().notNull(),
    /** The request's status, on the row that ended it; null on the earlier ones. */
    ended: integer(),
    detail: text().notNull(),
    inputTokens: integer('input_tokens').generatedAlwaysAs(sql`detail ->> '$[0][0]'`, derived),
    cacheReadInputTokens: integer('cache_read_input_tokens').generatedAlwaysAs(
      sql`detail ->> '$[0][1]'`,
      derived,
    ),
    cacheCreationInputTokens: integer('cache_creation_input_tokens').generatedAlwaysAs(
      sql`detail ->> '$[0][2]'`,
      derived,
    ),
    outputTokens: integer('output_tokens').generatedAlwaysAs(sql`detail ->> '$[0][4]'`, derived),
    reasoningOutputTokens: integer('reasoning_output_tokens').generatedAlwaysAs(
      sql`detail ->> '$[0][5]'`,
      derived,
    ),
    last: integer().generatedAlwaysAs(sql`detail ->> '$[1]'`, derived),
    lineage: text().generatedAlwaysAs(sql`detail ->> '$[2]'`, derived),
    project: text().generatedAlwaysAs(sql`detail ->> '$[3]'`, derived),
    requestedModel: text('requested_model').generatedAlwaysAs(sql`detail ->> '$[4]'`, derived),
    provider: text().generatedAlwaysAs(sql`detail ->> '$[5]'`, derived),
    upstreamModel: text('upstream_model').generatedAlwaysAs(sql`detail ->> '$[7]'`, derived),
    credential: text().generatedAlwaysAs(sql`detail ->> '$[8]'`, derived),
    operation: text().generatedAlwaysAs(sql`detail ->> '$[9]'`, derived),
    stream: integer().generatedAlwaysAs(sql`detail ->> '$[10]'`, derived),
    status: integer().generatedAlwaysAs(sql`detail ->> '$[11]'`, derived),
    error: text().generatedAlwaysAs(sql`detail ->> '$[12]'`, derived),
    finishReason: text('finish_reason').generatedAlwaysAs(sql`detail ->> '$[13]'`, derived),
    costNanoUsd: integer('cost_nano_usd').generatedAlwaysAs(sql`detail ->> '$[14]'`, derived),
    heldNanoUsd: integer('held_nano_usd').generatedAlwaysAs(sql`detail ->> '$[15]'`, derived),
    overrunNanoUsd: integer('overrun_nano_usd').generatedAlwaysAs(sql`detail ->> '$[16]'`, derived),
    certainty: text().generatedAlwaysAs(sql`detail ->> '$[17]'`, derived),
    priceId: text('price_id').generatedAlwaysAs(sql`detail ->> '$[18]'`, derived),
    ttftMs: real('ttft_ms').generatedAlwaysAs(sql`detail ->> '$[19]'`, derived),
    totalMs: real('total_ms').generatedAlwaysAs(sql`detail ->> '$[20]'`, derived),
    peer: text().generatedAlwaysAs(sql`detail ->> '$[21]'`, derived),
    user: text().generatedAlwaysAs(sql`detail ->> '$[22]'`, derived),
    tags: text().generatedAlwaysAs(sql`detail ->> '$[23]'`, derived),
    why: text().generatedAlwaysAs(sql`detail ->> '$[24]'`, derived),
  },
  table => [
    primaryKey({ columns: [table.createdAtMs, table.id] }),
    // Holds all that a look-up by an answer's own id needs: no index of its own, whose random order would cost more than the row.
    index('attempts_key').on(table.keyId, table.createdAtMs, table.id, table.answerId),
    // What people look for among millions: only requests that did not end well cost an entry.
    index('attempts_failed')
      .on(table.createdAtMs, table.id, table.ended, table.keyId, table.model)
      .where(sql`(ended < 200 or ended >= 400)`),
  ],
)

/** `project` is '' where a key has none: a primary key must not hold nulls. */
const spendNames = {
  keyId: text('key_id').notNull(),
  model: text().notNull(),
  provider: text().notNull(),
  project: text().notNull(),
}

const spendSums = {
  requests: integer().notNull(),
  attempts: integer().notNull(),
  inputTokens: integer('input_tokens').notNull(),
  outputTokens: integer('output_tokens').notNull(),
  cachedTokens: integer('cached_tokens').notNull(),
  costNanoUsd: integer('cost_nano_usd').notNull(),
  estimatedNanoUsd: integer('estimated_nano_usd').notNull(),
  unknownNanoUsd: integer('unknown_nano_usd').notNull(),
  unpricedRequests: integer('unpriced_requests').notNull(),
}

/**
 * Sums of `attempts` per UTC hour. The migration says WITHOUT ROWID by hand, here, for the other sums and for the
 * buckets (Drizzle cannot): one tree to write, and a span of hours is read in order.
 */
export const spendHourly = sqliteTable(
  'spend_hourly',
  {
    hourMs: integer('hour_ms').notNull(),
    ...spendNames,
    ...spendSums,
  },
  table => [
    primaryKey({ columns: [table.hourMs, table.keyId, table.model, table.provider, table.project] }),
    index('spend_hourly_key').on(table.keyId, table.hourMs),
  ],
)

/** The same sums per UTC day, for views of weeks and months. */
export const spendDaily = sqliteTable(
  'spend_daily',
  { dayMs: integer('day_ms').notNull(), ...spendNames, ...spendSums },
  table => [
    primaryKey({ columns: [table.dayMs, table.keyId, table.model, table.provider, table.project] }),
    index('spend_daily_key').on(table.keyId, table.dayMs),
  ],
)

/** Part of the traffic: kinds are those of `partSums` in src/store/sums.ts; user and tag are '' where the kind has none. */
const partNames = {
  kind: text().$type<'user' | 'tag' | 'tagged' | 'user_tag'>().notNull(),
  user: text().notNull(),
  tag: text().notNull(),
  ...spendNames,
}

/** The same sums per UTC hour, end user and tag; only of rows that have one. */
export const partsHourly = sqliteTable(
  'parts_hourly',
  { hourMs: integer('hour_ms').notNull(), ...partNames, ...spendSums },
  table => {
    const { kind, hourMs, user, tag, keyId, model, provider, project } = table
    return [primaryKey({ columns: [kind, hourMs, user, tag, keyId, model, provider, project] })]
  },
)

/** The same per UTC day. */
export const partsDaily = sqliteTable(
  'parts_daily',
  { dayMs: integer('day_ms').notNull(), ...partNames, ...spendSums },
  table => {
    const { kind, dayMs, user, tag, keyId, model, provider, project } = table
    return [primaryKey({ columns: [kind, dayMs, user, tag, keyId, model, provider, project] })]
  },
)

/** Last use and all money of each key: a list of keys reads this alone. */
export const keyUse = sqliteTable('key_use', {
  keyId: text('key_id').primaryKey(),
  lastUsedAtMs: integer('last_used_at_ms').notNull(),
  spentNanoUsd: integer('spent_nano_usd').notNull(),
})

/** What of a budget window a process has set aside for itself: several processes share a limit by it. `owner` as `lineage` below. */
export const budgetSlices = sqliteTable(
  'budget_slices',
  {
    owner: text().notNull(),
    window: text().notNull(),
    holder: text().notNull(),
    nanoUsd: integer('nano_usd').notNull(),
    expiresAtMs: integer('expires_at_ms').notNull(),
  },
  table => [primaryKey({ columns: [table.owner, table.window, table.holder] })],
)

/**
 * Spent money per bucket of a budget window, so that a restart knows how full each window is. `lineage` = whose budget: a
 * key's lineage, `project:<id>`, or a part of one of them, as in `project:<id>/user:<name>`.
 */
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
