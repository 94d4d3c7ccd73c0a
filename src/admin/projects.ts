/** `/admin/v1/projects` and `/admin/v1/organisation`: budgets and limits above keys; closing a project revokes its keys. */
import { GatewayError } from '../errors.ts'
import type { ProjectBook } from '../keys/projects.ts'
import { ORGANISATION } from '../ledger/owners.ts'
import { nanoFromUsd } from '../price.ts'
import { HOUR_MS } from '../store/sums.ts'
import type { Project } from '../terms.ts'
import { projectWire } from '../wire/account.ts'
import { checkShown, topUpSchema } from './budget-schema.ts'
import { countedWarnings } from './counted-models.ts'
import type { AdminDeps } from './deps.ts'
import { warned } from './keys.ts'
import { checkLimits, NO_LIMITS } from './limit-schema.ts'
import { pageOf } from './page.ts'
import { createProjectSchema, patchProjectSchema, projectDraftOf } from './project-schema.ts'
import { type AdminRoute, withBody } from './route.ts'
import { changedProjectShape, listOf, projectShape } from './shapes.ts'

/** The book. Throws 400 where there is none (Workers). */
function bookOf({ projects }: AdminDeps): ProjectBook {
  if (projects !== undefined) return projects
  throw new GatewayError(
    'invalid_request',
    'Projects are not supported on Workers yet: run the gateway on Node.',
    {
      code: 'not_supported',
    },
  )
}

/** The project with this id. Throws 404 `not_found`. */
export function projectOf(deps: AdminDeps, id: string): Project {
  const project = bookOf(deps).get(id)
  if (project !== undefined) return project
  throw new GatewayError('not_found', `there is no project ${JSON.stringify(id.slice(0, 64))}`, {
    param: 'id',
  })
}

/** What was spent in each project by its id, nano-USD, up to this moment: a key that moves leaves behind what it spent. */
export async function projectSpends(deps: AdminDeps): Promise<ReadonlyMap<string, number>> {
  await deps.ledger.fold()
  const nowMs = deps.clock.now()
  const rows = await deps.store.spend({ fromMs: 0, toMs: nowMs + HOUR_MS, nowMs, groupBy: ['project'] })
  const spent = new Map([[ORGANISATION, rows.reduce((sum, row) => sum + row.costNanoUsd, 0)]])
  for (const { group, costNanoUsd } of rows) if (group.project != null) spent.set(group.project, costNanoUsd)
  return spent
}

/** Projects with what was spent in them in all, up to this moment. */
export async function projectsWire(
  deps: AdminDeps,
  projects: readonly Project[],
): Promise<Record<string, unknown>[]> {
  const spends = await projectSpends(deps)
  const now = deps.clock.now()
  const keys = deps.keys.list()
  return projects.map(project => {
    const mine = project.id === ORGANISATION ? keys : keys.filter(key => key.project === project.id)
    const facts = { keys: mine.length, spentNanoUsd: spends.get(project.id) ?? 0 }
    return projectWire(project, deps.ledger.usageOfProject(project), facts, now)
  })
}

async function wireOf(deps: AdminDeps, project: Project): Promise<Record<string, unknown>> {
  return (await projectsWire(deps, [project]))[0] ?? {}
}

function patchRoute(path: string, summary: string, idOf: (given: string) => string): AdminRoute {
  return withBody({
    method: 'PATCH',
    path,
    summary,
    body: patchProjectSchema,
    response: changedProjectShape,
    async handle(deps, call) {
      const project = projectOf(deps, idOf(call.params.id ?? ''))
      const draft = projectDraftOf(call.body, deps.clock.now(), project.budgets)
      checkLimits(project.limits, draft.limits)
      checkShown(call.body.budgets, project.budgets, deps.clock.now())
      const warnings = countedWarnings(draft, deps)
      const changed = await bookOf(deps).patch(project.id, draft)
      return { json: { ...(await wireOf(deps, changed ?? project)), ...warned(warnings) } }
    },
  })
}

export const projectRoutes: readonly AdminRoute[] = [
  withBody({
    method: 'POST',
    path: '/projects',
    summary: 'Make a project: budgets and limits above its keys.',
    body: createProjectSchema,
    response: changedProjectShape,
    status: 201,
    async handle(deps, call) {
      const draft = projectDraftOf(call.body, deps.clock.now())
      checkLimits(NO_LIMITS, draft.limits)
      checkShown(call.body.budgets, [], deps.clock.now())
      const warnings = countedWarnings(draft, deps)
      const made = await bookOf(deps).create(call.body.id, draft)
      return { json: { ...(await wireOf(deps, made)), ...warned(warnings) } }
    },
  }),
  {
    method: 'GET',
    path: '/projects',
    summary: 'All projects, oldest first.',
    query: { cursor: 'next_cursor of the page before', limit: '1–500, default 50' },
    response: listOf(projectShape),
    async handle(deps, call) {
      const page = pageOf(bookOf(deps).list(), project => project.id, call.query)
      return { json: { data: await projectsWire(deps, page.data), next_cursor: page.nextCursor } }
    },
  },
  {
    method: 'GET',
    path: '/projects/:id',
    summary: 'One project with its budgets as they stand now.',
    response: projectShape,
    handle: async (deps, call) => ({ json: await wireOf(deps, projectOf(deps, call.params.id ?? '')) }),
  },
  patchRoute(
    '/projects/:id',
    'Change a project: absent = unchanged, null = cleared; a budget of the same window keeps its spend.',
    id => id,
  ),
  withBody({
    method: 'POST',
    path: '/projects/:id/top-up',
    summary: 'Add to the prepaid budget (`total`).',
    body: topUpSchema,
    once: 'The same top-up sent again with the same key (any text of your own) counts once.',
    response: projectShape,
    async handle(deps, call) {
      const project = projectOf(deps, call.params.id ?? '')
      const changed = await bookOf(deps).topUp(project.id, nanoFromUsd(call.body.usd), call.once)
      return { json: await wireOf(deps, changed ?? project) }
    },
  }),
  {
    method: 'POST',
    path: '/projects/:id/close',
    summary: 'End a project for good: its keys are revoked when this answers.',
    response: projectShape,
    async handle(deps, call) {
      const project = projectOf(deps, call.params.id ?? '')
      const closed = await bookOf(deps).close(project.id)
      if (closed === undefined)
        throw new GatewayError('invalid_request', 'The organisation cannot be closed.', { param: 'id' })
      await deps.keys.revokeProject(closed.id)
      return { json: await wireOf(deps, closed) }
    },
  },
  {
    method: 'GET',
    path: '/organisation',
    summary: 'Budgets and limits above all keys.',
    response: projectShape,
    handle: async deps => ({ json: await wireOf(deps, projectOf(deps, ORGANISATION)) }),
  },
  patchRoute('/organisation', 'Change the budgets and limits above all keys.', () => ORGANISATION),
]
