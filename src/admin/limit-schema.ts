/** `limits` of keys and projects: what the admin plane accepts and how it becomes the program's. */
import { z } from 'zod'
import { GatewayError } from '../errors.ts'
import type { Limits, RateLimits } from '../terms.ts'

/** A whole number above zero, or null for no limit. */
export const limit = z
  .int({ error: 'must be a positive whole number, or null for no limit' })
  .min(1, 'must be a positive whole number, or null for no limit')
  .nullish()

const rates = { rpm: limit, tpm: limit, rpd: limit, concurrency: limit, burst: limit }

const needsRpm = (set: { rpm?: number | null | undefined; burst?: number | null | undefined }): boolean =>
  set.burst == null || set.rpm != null

const BURST = 'says how many of a minute’s requests may come at once: set rpm as well'

const isWithin = (set: { rpm?: number | null | undefined; burst?: number | null | undefined }): boolean =>
  set.burst == null || set.rpm == null || set.burst <= set.rpm

const ABOVE = 'must not be above `rpm`: it says how many of a minute’s requests may come at once'

const ratesOfPart = z
  .strictObject(rates)
  .refine(needsRpm, { path: ['burst'], message: BURST })
  .refine(isWithin, { path: ['burst'], message: ABOVE })
  .refine(set => Object.values(set).some(value => value != null), 'must set at least one limit')

/** `limits` as it comes: absent members are unchanged, null clears. `per_model` and `per_user` are replaced as wholes. */
export const limitsSchema = z
  .strictObject({
    ...rates,
    throttle_ms: z
      .int({ error: 'must be a whole number of milliseconds, or null' })
      .min(0, 'must not be negative')
      .max(2_000, 'must be at most 2000: a longer wait is the caller’s to choose')
      .nullish(),
    per_user: ratesOfPart.nullish(),
    per_model: z
      .record(
        z.string().regex(/^(?!__proto__$).{1,256}$/, 'names are model ids of 1 to 256 characters'),
        ratesOfPart,
        {
          error: 'must be an object of limits by model id, or null',
        },
      )
      .refine(models => Object.keys(models).length <= 1000, 'must have at most 1000 models')
      .nullish(),
  })
  .nullish()

type Wire = NonNullable<z.output<typeof limitsSchema>>
type Rates = Pick<Wire, 'rpm' | 'tpm' | 'rpd' | 'concurrency' | 'burst'>

/** No limit at all. */
export const NO_LIMITS: Limits = { rpm: null, tpm: null, rpd: null, concurrency: null }

const CLEARED: Limits = { ...NO_LIMITS, burst: null, throttleMs: null, perModel: null, perUser: null }

const wholeRates = ({ rpm, tpm, rpd, concurrency, burst }: Rates): RateLimits => ({
  rpm: rpm ?? null,
  tpm: tpm ?? null,
  rpd: rpd ?? null,
  concurrency: concurrency ?? null,
  ...(burst != null && { burst }),
})

const wholeModels = (models: NonNullable<Wire['per_model']>): Limits['perModel'] =>
  Object.fromEntries(Object.entries(models).map(([model, set]) => [model, wholeRates(set)]))

/** Only what is set: the book merges the rest. */
export function limitsOf(wire: Wire | null): Partial<Limits> {
  if (wire === null) return CLEARED
  const { throttle_ms, per_user, per_model, ...set } = wire
  const entries = Object.entries(set).filter(([, value]) => value !== undefined)
  return {
    ...Object.fromEntries(entries),
    ...(throttle_ms !== undefined && { throttleMs: throttle_ms }),
    ...(per_user !== undefined && { perUser: per_user && wholeRates(per_user) }),
    ...(per_model !== undefined && { perModel: per_model && wholeModels(per_model) }),
  }
}

/** Throws `invalid_request` when these limits, once merged onto those, would hold a burst of nothing, or of more than a minute's. */
export function checkLimits(onto: Limits, changes: Partial<Limits> | undefined): void {
  const merged = { ...onto, ...changes }
  if (changes === undefined || (needsRpm(merged) && isWithin(merged))) return
  const why = needsRpm(merged) ? ABOVE : BURST
  throw new GatewayError('invalid_request', `\`limits.burst\` ${why}`, { param: 'limits.burst' })
}
