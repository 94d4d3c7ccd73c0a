/** The tables of the store for SQLite and D1. The migrations beside this file are generated from it. Money is integer nano-USD, times are epoch ms. */
import { sql } from 'drizzle-orm'
import {
  index,
  integer,
  primaryKey,
  real,
  sqliteTable,
  sqliteView,
  text,
  uniqueIndex,
} from 'drizzle-orm/sqlite-core'
import type { SecretVersion } from '../../src/store/store.ts'
import type { Budget, Environment, Hours, KeyStatus, Limits, Project, Scope } from '../../src/terms.ts'

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
    scopes: text({ mode: 'json' }).$type<readonly Scope[]>(),
    originAllow: text('origin_allow', { mode: 'json' }).$type<readonly string[]>(),
    hours: text({ mode: 'json' }).$type<Hours>(),
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
  version: integer().notNull().default(1),
  others: text({ mode: 'json' }).$type<readonly SecretVersion[]>().notNull().default([]),
})

/** Named values of the program itself. */
export const settings = sqliteTable('settings', {
  name: text().primaryKey(),
  value: text().notNull(),
})

/**
 * The ledger: one row per attempt, `<request id>.<n>`. Time comes first in the key, so that inserts append and a span
 * of time is one range; all attempts of a request have the time at which it began. Most of a row is one JSON text, as
 * the journal has it (src/store/packed.ts). The migration says WITHOUT ROWID by hand: one tree.
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

/**
 * `attempts` with every member of the detail by name, for spans of time and for people with a SQL shell. A view, not
 * columns derived in the table: those are computed with each row that is inserted too, twice the cost of the insert.
 */
export const attemptFacts = sqliteView('attempt_facts', {
  createdAtMs: integer('created_at_ms').notNull(),
  id: text().notNull(),
  keyId: text('key_id').notNull(),
  answerId: text('answer_id'),
  model: text().notNull(),
  ended: integer(),
  inputTokens: integer('input_tokens'),
  cacheReadInputTokens: integer('cache_read_input_tokens'),
  cacheCreationInputTokens: integer('cache_creation_input_tokens'),
  outputTokens: integer('output_tokens'),
  reasoningOutputTokens: integer('reasoning_output_tokens'),
  last: integer(),
  lineage: text(),
  project: text(),
  requestedModel: text('requested_model'),
  provider: text(),
  upstreamModel: text('upstream_model'),
  credential: text(),
  operation: text(),
  stream: integer(),
  status: integer(),
  error: text(),
  finishReason: text('finish_reason'),
  costNanoUsd: integer('cost_nano_usd'),
  heldNanoUsd: integer('held_nano_usd'),
  overrunNanoUsd: integer('overrun_nano_usd'),
  certainty: text(),
  priceId: text('price_id'),
  ttftMs: real('ttft_ms'),
  totalMs: real('total_ms'),
  peer: text(),
  user: text(),
  tags: text(),
  why: text(),
}).as(
  sql`select created_at_ms, id, key_id, answer_id, model, ended,
    detail ->> '$[0][0]' as input_tokens,
    detail ->> '$[0][1]' as cache_read_input_tokens,
    detail ->> '$[0][2]' as cache_creation_input_tokens,
    detail ->> '$[0][4]' as output_tokens,
    detail ->> '$[0][5]' as reasoning_output_tokens,
    detail ->> '$[1]' as last,
    detail ->> '$[2]' as lineage,
    detail ->> '$[3]' as project,
    detail ->> '$[4]' as requested_model,
    detail ->> '$[5]' as provider,
    detail ->> '$[7]' as upstream_model,
    detail ->> '$[8]' as credential,
    detail ->> '$[9]' as operation,
    detail ->> '$[10]' as stream,
    detail ->> '$[11]' as status,
    detail ->> '$[12]' as error,
    detail ->> '$[13]' as finish_reason,
    detail ->> '$[14]' as cost_nano_usd,
    detail ->> '$[15]' as held_nano_usd,
    detail ->> '$[16]' as overrun_nano_usd,
    detail ->> '$[17]' as certainty,
    detail ->> '$[18]' as price_id,
    detail ->> '$[19]' as ttft_ms,
    detail ->> '$[20]' as total_ms,
    detail ->> '$[21]' as peer,
    detail ->> '$[22]' as "user",
    detail ->> '$[23]' as tags,
    detail ->> '$[24]' as why
  from attempts`,
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

/**
 * Sums of days that are over, made afterwards (src/store/closing.ts) so that no request pays for them: what views of weeks
 * and months read. Kinds with names: `key` = by key, `offer` = by model, provider and project. Without: `all`, and those of
 * `partsDaily`. Names that a kind does not have are ''.
 */
export const closedSums = sqliteTable(
  'closed_sums',
  {
    unit: text().$type<'hour' | 'day' | 'week'>().notNull(),
    kind: text().$type<'all' | 'key' | 'offer' | 'user' | 'tag' | 'tagged' | 'user_tag'>().notNull(),
    startMs: integer('start_ms').notNull(),
    ...spendNames,
    user: partNames.user,
    tag: partNames.tag,
    ...spendSums,
  },
  table => {
    const { unit, kind, startMs, keyId, model, provider, project, user, tag } = table
    return [primaryKey({ columns: [unit, kind, startMs, keyId, model, provider, project, user, tag] })]
  },
)

/**
 * Which days those are. They hold as long as the day has as many attempts as when they were made: a late row adds one, a
 * correction takes `attempts` away. `begun` counts the tries, so that of two at once only the later one ends.
 */
export const closedDays = sqliteTable('closed_days', {
  dayMs: integer('day_ms').primaryKey(),
  begun: integer().notNull(),
  attempts: integer(),
})

/** Which weeks (seven days, counted from 1970-01-01) are added up from their closed days: `begun` = that of those days together, then. */
export const closedWeeks = sqliteTable('closed_weeks', {
  weekMs: integer('week_ms').primaryKey(),
  begun: integer().notNull(),
})

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

/**
 * The audit log: what was changed, by whom, from where. `hash` is keyed and covers `prev` and every column but `seq`, so
 * that rows form a chain (src/audit/entry.ts). Rows are only ever added.
 */
export const audit = sqliteTable(
  'audit',
  {
    /** 1, 2, 3, … without gaps. */
    seq: integer().primaryKey(),
    atMs: integer('at_ms').notNull(),
    actor: text().notNull(),
    address: text(),
    action: text().notNull(),
    target: text(),
    detail: text().notNull(),
    prev: text().notNull(),
    hash: text().notNull(),
  },
  table => [index('audit_target').on(table.target, table.seq), index('audit_time').on(table.atMs)],
)
