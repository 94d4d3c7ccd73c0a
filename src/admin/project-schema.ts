/** What `POST` and `PATCH /admin/v1/projects` accept: strict, every refusal names the field and the cure. */
import { z } from 'zod'
import type { ProjectDraft } from '../keys/projects.ts'
import type { Budget } from '../terms.ts'
import { budgetsOf, budgetsSchema } from './budget-schema.ts'
import { line, metadata } from './key-schema.ts'
import { limitsOf, limitsSchema } from './limit-schema.ts'

const fields = {
  name: line(128).optional(),
  limits: limitsSchema,
  budgets: budgetsSchema,
  metadata,
}

export const createProjectSchema = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'must be 1 to 64 lower-case letters, digits, "-" or "_"')
    .optional(),
  ...fields,
})
export const patchProjectSchema = z.strictObject(fields)

/** Wire → the book's draft: absent = unchanged, null = cleared. `present` = the project's budgets now. */
export function projectDraftOf(
  patch: z.output<typeof patchProjectSchema>,
  nowMs: number,
  present: readonly Budget[] = [],
): ProjectDraft {
  return {
    ...(patch.name !== undefined && { name: patch.name }),
    ...(patch.limits !== undefined && { limits: limitsOf(patch.limits) }),
    ...(patch.budgets !== undefined && { budgets: budgetsOf(patch.budgets, nowMs, present) }),
    ...(patch.metadata !== undefined && { metadata: patch.metadata }),
  }
}
