/** What `POST` and `PATCH /admin/v1/keys` accept: strict, every refusal names the field and the cure. */
import { z } from 'zod'
import { GatewayError } from '../errors.ts'
import type { KeyDraft } from '../keys/book.ts'
import { parseNetwork } from '../egress/address.ts'
import { whyNoOrigin } from '../keys/origins.ts'
import { SCOPES } from '../keys/scopes.ts'
import type { Budget } from '../terms.ts'
import { budgetsOf, budgetsSchema } from './budget-schema.ts'
import { hoursOf, hoursSchema } from './hours-schema.ts'
import { limit, limitsOf, limitsSchema } from './limit-schema.ts'

/** Text in one line. */
export const line = (max: number) =>
  z
    .string()
    .min(1, `must not be empty`)
    .max(max, `must be at most ${max} characters`)
    .regex(/^$|\S/, 'must not be blank')
    .regex(/^\P{Cc}*$/u, 'must not contain control characters')

const names = (what: string) =>
  z
    .array(line(256), { error: `must be a list of ${what}, or null` })
    .max(1000)
    .nullish()

const cidrs = z
  .array(
    z
      .string()
      .refine(
        text => parseNetwork(text) !== undefined,
        'must be an address or CIDR, as in 203.0.113.7 or 10.0.0.0/8',
      ),
    {
      error: 'must be a list of addresses or CIDRs, or null',
    },
  )
  .max(1000)
  .nullish()

const scopes = z
  .array(z.enum(SCOPES, { error: `must be one of ${SCOPES.join(', ')}` }), {
    error: `must be a list of routes (${SCOPES.join(', ')}), or null`,
  })
  .max(SCOPES.length, 'names a route twice')
  .nullish()

const origins = z
  .array(
    line(256).superRefine((text, context) => {
      const why = whyNoOrigin(text)
      if (why !== undefined) context.addIssue({ code: 'custom', message: why })
    }),
    { error: 'must be a list of origins, as in https://app.example.com, or null' },
  )
  .max(200, 'must be at most 200 origins')
  .nullish()

const time = z.iso.datetime({
  offset: true,
  error: 'must be ISO 8601 with a zone, as in 2027-01-31T00:00:00Z',
})

/** Free texts by name; null takes one away. */
export const metadata = z
  .record(
    z.string().regex(/^(?!__proto__$)[\w.:/-]{1,64}$/, 'names are 1 to 64 letters, digits or . _ : / -'),
    z.string({ error: 'must be text' }).max(512, 'must be at most 512 characters').nullable(),
    { error: 'must be an object of texts, or null' },
  )
  .nullish()

const fields = {
  owner: line(128).nullish(),
  project: line(64).nullish(),
  expires_at: time.nullish(),
  models: names('model names'),
  providers: names('provider names'),
  scopes,
  limits: limitsSchema,
  budgets: budgetsSchema,
  ip_allow: cidrs,
  ip_deny: cidrs,
  origin_allow: origins,
  regions: names('regions, as in eu or us-east-1'),
  hours: hoursSchema,
  max_output_tokens: limit,
  default_model: line(256).nullish(),
  priority: z
    .int({ error: 'must be a whole number from 0 to 10, or null' })
    .min(0, 'must be 0 to 10, or null')
    .max(10, 'must be 0 to 10, or null')
    .nullish(),
  tags: z.array(line(64)).max(32).nullish(),
  metadata,
}

const env = z.enum(['live', 'staging', 'test'], { error: 'must be live, staging or test' })

export const createKeySchema = z.strictObject({ name: line(128).optional(), env: env.optional(), ...fields })
export const patchKeySchema = z.strictObject({ name: line(128).optional(), ...fields })
export const rotateKeySchema = z.strictObject({
  grace_seconds: z
    .int({ error: 'must be a whole number of seconds' })
    .min(0, 'must not be negative')
    .max(365 * 86_400, 'must be at most a year')
    .default(0),
})

type Patch = z.output<typeof patchKeySchema>

function expiryOf(text: string | null, nowMs: number): number | null {
  const expiresAtMs = text === null ? null : Date.parse(text)
  if (expiresAtMs === null || expiresAtMs > nowMs) return expiresAtMs
  throw new GatewayError('invalid_request', '`expires_at`: must be in the future', { param: 'expires_at' })
}

/** Wire → the book's draft, which the book merges (RFC 7396: absent = unchanged, null = cleared). `present` = the key's budgets now. */
export function draftOf(
  patch: Patch & { env?: z.output<typeof env> | undefined },
  nowMs: number,
  present: readonly Budget[] = [],
): KeyDraft {
  const expires = patch.expires_at
  return {
    ...(patch.name !== undefined && { name: patch.name }),
    ...(patch.env !== undefined && { env: patch.env }),
    ...(patch.owner !== undefined && { owner: patch.owner }),
    ...(patch.project !== undefined && { project: patch.project }),
    ...(expires !== undefined && { expiresAtMs: expiryOf(expires, nowMs) }),
    ...(patch.models !== undefined && { models: patch.models }),
    ...(patch.providers !== undefined && { providers: patch.providers }),
    ...((patch.limits !== undefined || patch.priority !== undefined) && {
      limits: {
        ...(patch.limits !== undefined && limitsOf(patch.limits)),
        ...(patch.priority !== undefined && { priority: patch.priority }),
      },
    }),
    ...(patch.budgets !== undefined && { budgets: budgetsOf(patch.budgets, nowMs, present) }),
    ...(patch.ip_allow !== undefined && { ipAllow: patch.ip_allow }),
    ...(patch.ip_deny !== undefined && { ipDeny: patch.ip_deny }),
    ...(patch.max_output_tokens !== undefined && { maxOutputTokens: patch.max_output_tokens }),
    ...(patch.default_model !== undefined && { defaultModel: patch.default_model }),
    ...(patch.regions !== undefined && { regions: patch.regions }),
    ...(patch.scopes !== undefined && { scopes: patch.scopes }),
    ...(patch.origin_allow !== undefined && { originAllow: patch.origin_allow }),
    ...(patch.hours !== undefined && { hours: hoursOf(patch.hours) }),
    ...(patch.tags !== undefined && { tags: patch.tags ?? [] }),
    ...(patch.metadata !== undefined && { metadata: patch.metadata }),
  }
}
