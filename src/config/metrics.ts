/** `metrics` of the config file: what `GET /metrics` may name. Part of file.ts. */
import { z } from 'zod'

/** `metrics`. */
export const Metrics = z
  .strictObject({
    by: z
      .array(z.enum(['key', 'project']))
      .max(2)
      .default([])
      .describe(
        'Also count requests, tokens and cost by key id or by project, at most 1000 of each; with `key` the budgets of keys are shown too',
      ),
  })
  .prefault({})
