/** `budgets` and `alerts` of the config file: how refusals for money look, and who hears of it. Part of file.ts. */
import { z } from 'zod'

/** An address or where it is kept: the addresses of chat services are secrets. */
const Webhook = z
  .string()
  .refine(
    text => /^env:\/\/[A-Za-z_][A-Za-z0-9_]*$/.test(text) || /^https?:\/\//.test(text),
    'write https://host/path, or env://NAME of a variable that holds it',
  )

/** `budgets`. */
export const Budgets = z
  .strictObject({
    refusal_status: z.literal([429, 402]).default(429).describe('Status of a request that a budget refuses'),
    unpriced: z
      .enum(['refuse', 'allow'])
      .default('refuse')
      .describe(
        'Models without a known price, for requests that a budget counts: refuse, or allow at no cost to the budget',
      ),
  })
  .prefault({})

/** `alerts`. */
export const Alerts = z
  .strictObject({
    webhook: Webhook.optional().describe(
      'Where a passed soft limit and an overrun are told, as JSON by POST: an https address, or env://NAME of one',
    ),
  })
  .prefault({})
