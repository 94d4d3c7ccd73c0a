/** Schemas of what the admin plane answers, for the OpenAPI document. */
import { z } from 'zod'
import { DAYS } from '../keys/hours.ts'
import { SCOPES } from '../keys/scopes.ts'
import type { SpendGroup } from '../store/store.ts'

const text = z.string().nullable()
const count = z.int().nullable()
const amount = z.number()
const time = z.iso.datetime().nullable()
const certainty = z.enum(['exact', 'recovered', 'estimated', 'unknown'])

const rates = { rpm: count, tpm: count, rpd: count, concurrency: count, burst: count }

export const listOf = <Item extends z.ZodType>(item: Item) =>
  z.object({ data: z.array(item), next_cursor: text })

const budgets = z
  .array(
    z.object({
      window: z.string(),
      usd: amount,
      soft_usd: amount.nullable(),
      per: z.enum(['user', 'tag', 'model']).optional(),
      user: z.string().optional(),
      tag: z.string().optional(),
      model: z.string().optional(),
      fullest: text.optional(),
      raise: z.object({ usd: amount, until: time }).nullable(),
      spent_usd: amount,
      held_usd: amount,
      remaining_usd: amount,
      resets_at: time,
    }),
  )
  .nullable()

export const keyShape = z.object({
  id: z.string(),
  name: z.string(),
  env: z.enum(['live', 'staging', 'test']),
  status: z.enum(['active', 'suspended', 'revoked', 'expired']),
  project: text,
  owner: text,
  created_at: time,
  expires_at: time,
  last_used_at: time,
  models: z.array(z.string()).nullable(),
  providers: z.array(z.string()).nullable(),
  scopes: z.array(z.enum(SCOPES)).nullable(),
  limits: z.object({
    ...rates,
    throttle_ms: count,
    per_user: z.object(rates).nullable(),
    per_model: z.record(z.string(), z.object(rates)).nullable(),
  }),
  budgets,
  ip_allow: z.array(z.string()).nullable(),
  ip_deny: z.array(z.string()).nullable(),
  origin_allow: z.array(z.string()).nullable(),
  regions: z.array(z.string()).nullable(),
  hours: z
    .object({
      zone: z.string(),
      allow: z.array(z.object({ days: z.array(z.enum(DAYS)).nullable(), from: z.string(), to: z.string() })),
    })
    .nullable(),
  max_output_tokens: count,
  default_model: text,
  priority: count,
  tags: z.array(z.string()).nullable(),
  metadata: z.record(z.string(), z.string()).nullable(),
  spent_usd: amount,
})

/** What a person should look at again: names that match nothing now. */
const warnings = z.array(z.string()).optional()

export const changedKeyShape = keyShape.extend({ warnings })
export const mintedKeyShape = changedKeyShape.extend({ key: z.string() })
export const rotatedKeyShape = mintedKeyShape.extend({ replaces: z.string(), replaces_expires_at: time })

export const projectShape = z.object({
  id: z.string(),
  name: z.string(),
  status: z.enum(['active', 'closed']),
  created_at: time,
  limits: keyShape.shape.limits,
  budgets,
  metadata: z.record(z.string(), z.string()).nullable(),
  keys: z.int(),
  spent_usd: amount,
})

export const changedProjectShape = projectShape.extend({ warnings })

export const credentialShape = z.object({
  id: z.string(),
  provider: z.string(),
  name: z.string(),
  weight: z.number(),
  ref: text,
  fingerprint: text,
  status: z.enum(['active', 'retired']),
  stage: z.literal('current'),
  version: z.int(),
  versions: z.array(
    z.object({
      version: z.int(),
      stage: z.enum(['current', 'previous', 'pending']),
      fingerprint: text,
      since: time,
      ends_at: time,
    }),
  ),
  created_at: time,
  last_ok_at: time,
  last_failed_at: time,
})

const spendFigures = {
  requests: z.int(),
  attempts: z.int(),
  input_tokens: z.int(),
  output_tokens: z.int(),
  cached_tokens: z.int(),
  cost_usd: amount,
  cost_nano_usd: z.string(),
  estimated_usd: amount,
  unknown_usd: amount,
  unpriced_requests: z.int(),
}

/** Those of `group_by` are there, null where a request had none. */
const groups = {
  key: text.optional(),
  project: text.optional(),
  model: text.optional(),
  provider: text.optional(),
  day: text.optional(),
  hour: text.optional(),
  user: text.optional(),
  tag: text.optional(),
} satisfies Record<SpendGroup, z.ZodType>

export const spendShape = z.object({
  from: time,
  to: time,
  group_by: z.array(z.string()),
  data: z.array(z.object({ ...groups, key_name: text.optional(), ...spendFigures })),
  total: z.object(spendFigures),
})

const usage = z.record(z.string(), z.int()).nullable()

export const requestShape = z.object({
  id: z.string(),
  created_at: time,
  key_id: z.string(),
  key_name: text,
  requested_model: z.string(),
  model: z.string(),
  provider: z.string(),
  operation: z.string(),
  stream: z.boolean(),
  status: z.int(),
  error: text,
  finish_reason: text,
  usage,
  cost_usd: amount.nullable(),
  cost_nano_usd: text,
  certainty,
  client_address: z.string(),
  user: text,
  tags: z.array(z.string()),
  answer_id: text,
  attempts: z.array(
    z.object({
      provider: z.string(),
      model: z.string(),
      upstream_model: z.string(),
      credential: z.string(),
      status: z.int(),
      error: text,
      ttft_ms: z.number().nullable(),
      total_ms: z.number(),
      usage,
      cost_usd: amount.nullable(),
      held_usd: amount,
      overrun_usd: amount,
      price_id: text,
      certainty,
      why: text,
    }),
  ),
})

/** At most a fifth off; null = nothing measured. */
const percentiles = z.object({ p50: z.number(), p95: z.number(), p99: z.number() }).nullable()

export const targetShape = z.object({
  provider: z.string(),
  model: z.string(),
  upstream_model: z.string(),
  credential: z.object({ id: z.string(), name: z.string() }).nullable(),
  health: z.enum(['untried', 'ok', 'failing', 'cooling_down']),
  usable: z.boolean(),
  out_until: time,
  error_rate: z.number().nullable(),
  samples: z.int(),
  consecutive_faults: z.int(),
  ttft_ms: z.number().nullable(),
  ttft_percentiles_ms: percentiles,
  whole_percentiles_ms: percentiles,
  tokens_per_second: z.number().nullable(),
  tokens_per_second_percentiles: percentiles,
  context_tokens: count,
  max_output_tokens: count,
  supports: z.array(z.string()),
  price: z
    .object({
      id: z.string(),
      input_usd_per_mtok: amount,
      output_usd_per_mtok: amount,
      cache_read_usd_per_mtok: amount.nullable(),
      unit_usd: z.record(z.string(), amount).nullable(),
    })
    .nullable(),
})

export const explainShape = z.object({
  model: z.string(),
  strategy: text,
  likely_input_tokens: z.int(),
  session: z.enum(['caller', 'beginning']).nullable(),
  targets: z.array(
    z.object({
      rank: z.int(),
      provider: z.string(),
      model: z.string(),
      upstream_model: z.string(),
      credential: z.object({ id: z.string(), name: z.string() }).nullable(),
      score: amount.nullable(),
      likely_cost_usd: amount.nullable(),
      success_rate: amount.nullable(),
      ttft_ms: amount.nullable(),
      tokens_per_second: amount.nullable(),
      in_flight: z.int(),
      why: z.string(),
    }),
  ),
  excluded: z.array(z.object({ provider: z.string(), upstream_model: z.string(), reason: z.string() })),
  refusal: z.object({ status: z.int(), code: z.string(), message: z.string() }).nullable(),
})
