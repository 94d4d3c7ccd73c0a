/** `hours` of a key as the admin plane takes them: weekly windows on the clocks of a zone. */
import { z } from 'zod'
import { DAYS, minuteOf, WINDOWS_MAX } from '../keys/hours.ts'
import { isZone } from '../ledger/zones.ts'
import type { Hours } from '../terms.ts'

const time = z
  .string({ error: 'must be a time of day, as in 08:00' })
  .refine(text => minuteOf(text) !== undefined, 'must be a time of day from 00:00 to 24:00, as in 08:00')

const window = z
  .strictObject({
    days: z
      .array(z.enum(DAYS, { error: `must be one of ${DAYS.join(', ')}` }), {
        error: `must be a list of days (${DAYS.join(', ')}), or null for all`,
      })
      .min(1, 'must name a day; null means all')
      .max(7, 'names a day twice')
      .nullish(),
    from: time.refine(text => text !== '24:00', 'must be before 24:00'),
    to: time,
  })
  .refine(({ from, to }) => from !== to, {
    path: ['to'],
    message: 'must differ from `from`; a whole day is 00:00 to 24:00',
  })

/** Strict; every refusal names the member and the cure. */
export const hoursSchema = z
  .strictObject(
    {
      zone: z
        .string({ error: 'must be a time zone, as in Europe/Berlin' })
        .refine(isZone, 'is no time zone known here; as in Europe/Berlin')
        .nullish(),
      allow: z
        .array(window, {
          error: 'must be a list of windows, as in [{"days":["mon","fri"],"from":"08:00","to":"18:00"}]',
        })
        .max(WINDOWS_MAX, `must be at most ${WINDOWS_MAX} windows`),
    },
    { error: 'must be {zone?, allow: [{days?, from, to}]}, or null' },
  )
  .nullish()

/** Wire → the key's own form. */
export function hoursOf(hours: z.output<typeof hoursSchema>): Hours | null {
  if (!hours) return null
  const allow = hours.allow.map(({ days, from, to }) => ({ days: days ?? null, from, to }))
  return { ...(hours.zone && { zone: hours.zone }), allow }
}
