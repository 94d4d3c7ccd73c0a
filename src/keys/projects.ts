/** Projects and the organisation: budgets and limits above keys. Memory answers the request path; the store remembers. */
import type { Clock, Log } from '../deps.ts'
import { GatewayError } from '../errors.ts'
import { ORGANISATION } from '../ledger/owners.ts'
import { usdFromNano } from '../price.ts'
import type { Op, Store } from '../store/store.ts'
import type { Budget, Key, Limits, Project } from '../terms.ts'
import { randomBase62 } from './format.ts'
import { mergeMetadata } from './metadata.ts'
import { topUpNote } from './once.ts'
import { createTurns } from './turns.ts'

/** What a caller of `POST /admin/v1/projects` may set; absent = default, on a change = as it was. */
export interface ProjectDraft {
  readonly name?: string
  readonly limits?: Partial<Limits>
  readonly budgets?: readonly Budget[]
  readonly metadata?: Readonly<Record<string, string | null>> | null
}

export interface ProjectBook {
  /** Whatever its status. The organisation always exists, though it may say nothing. */
  get(id: string): Project | undefined
  /** Oldest first, without the organisation. */
  list(): readonly Project[]
  /** GatewayError 409 `conflict` when the id is taken. Absent id = a random one. */
  create(id: string | undefined, draft: ProjectDraft): Promise<Project>
  /** Undefined = no such project. A closed one cannot be changed (409). */
  patch(id: string, draft: ProjectDraft): Promise<Project | undefined>
  /** The `total` budget without a scope grows by this, in one step; under the same `once` only one time (409 for another amount). 400 when there is none. */
  topUp(id: string, nanoUsd: number, once?: string): Promise<Project | undefined>
  /** From now on no key may join it; whoever closes it revokes its keys. Closing twice is the same. */
  close(id: string): Promise<Project | undefined>
  /** Called with all projects, the organisation among them, after any change. */
  onChange(listener: (projects: readonly Project[]) => void): void
}

export interface ProjectBookOptions {
  readonly store: Pick<Store, 'projects' | 'commit' | 'setting'>
  readonly clock: Clock
  readonly randomBytes: (count: number) => Uint8Array
  readonly log: Log
}

const NO_LIMITS: Limits = { rpm: null, tpm: null, rpd: null, concurrency: null }

const conflict = (message: string): GatewayError =>
  new GatewayError('invalid_request', message, { code: 'conflict', status: 409 })

/** As large as an amount in an admin body may be: sums below it stay exact. */
const BUDGET_NANO_USD_MAX = 9_000_000_000_000_000

/** Budgets with the prepaid one grown by this much. Throws `invalid_request` where there is none. */
export function toppedUp(budgets: readonly Budget[], nanoUsd: number): readonly Budget[] {
  const isPrepaid = (budget: Budget) => budget.window === 'total' && budget.scope === undefined
  if (!budgets.some(isPrepaid))
    throw new GatewayError(
      'invalid_request',
      'There is no prepaid budget to top up: set one first, as in "budgets": [{"window": "total", "usd": 25}].',
      { param: 'budgets' },
    )
  return budgets.map(budget => {
    if (!isPrepaid(budget)) return budget
    const limitNanoUsd = budget.limitNanoUsd + nanoUsd
    if (limitNanoUsd > BUDGET_NANO_USD_MAX)
      throw new GatewayError(
        'invalid_request',
        `usd: would make a budget of $${usdFromNano(limitNanoUsd)}; the most is $${usdFromNano(BUDGET_NANO_USD_MAX)}, so top up by less.`,
        { param: 'usd' },
      )
    if (Number.isSafeInteger(limitNanoUsd)) return { ...budget, limitNanoUsd }
    throw new GatewayError('invalid_request', '`usd`: the budget would be larger than any can be', {
      param: 'usd',
    })
  })
}

function changed(project: Project, draft: ProjectDraft): Project {
  return {
    ...project,
    ...(draft.name !== undefined && { name: draft.name }),
    ...(draft.budgets !== undefined && { budgets: draft.budgets }),
    limits: { ...project.limits, ...draft.limits },
    metadata: mergeMetadata(project.metadata, draft.metadata),
  }
}

/** Loads every project into memory and keeps memory and store in step. Rejects when the store cannot be read. */
export async function createProjectBook(options: ProjectBookOptions): Promise<ProjectBook> {
  const { store, clock, randomBytes, log } = options
  const byId = new Map((await store.projects()).map(project => [project.id, project]))
  const listeners: ((projects: readonly Project[]) => void)[] = []
  const inTurn = createTurns()
  const fresh = (id: string): Project => ({
    id,
    name: id,
    status: 'active',
    createdAtMs: clock.now(),
    limits: NO_LIMITS,
    budgets: [],
    metadata: {},
  })
  const nobody = fresh(ORGANISATION)
  const get = (id: string) => byId.get(id) ?? (id === ORGANISATION ? nobody : undefined)

  /** `topUp` = what goes with more money. */
  async function save(project: Project, event: string, topUp?: readonly Op[]): Promise<Project> {
    await store.commit([...(topUp ?? []), { op: 'put_project', project }], topUp && 'project.top_up')
    byId.set(project.id, project)
    log('info', event, { project: project.id })
    const all = [...byId.values()]
    for (const listener of listeners) listener(all)
    return project
  }

  const open = (id: string): Project | undefined => {
    const project = get(id)
    if (project?.status !== 'closed') return project
    throw conflict(`Project ${id} is closed; a closed project cannot be changed.`)
  }

  return {
    get,
    list: () => [...byId.values()].filter(project => project.id !== ORGANISATION),
    create: (id, draft) =>
      inTurn(async () => {
        const made = id ?? `prj_${randomBase62(12, randomBytes)}`
        if (get(made) !== undefined) throw conflict(`There is a project ${made} already.`)
        return save(changed(fresh(made), draft), 'project_created')
      }),
    patch: (id, draft) =>
      inTurn(async () => {
        const project = open(id)
        return project && save(changed(project, draft), 'project_changed')
      }),
    topUp: (id, nanoUsd, once) =>
      inTurn(async () => {
        const project = open(id)
        if (project === undefined) return undefined
        const note = await topUpNote(store, `project.${id}`, nanoUsd, once)
        if (note === 'done') return project
        return save({ ...project, budgets: toppedUp(project.budgets, nanoUsd) }, 'project_topped_up', note)
      }),
    close: id =>
      inTurn(async () => {
        const project = byId.get(id)
        if (project === undefined || id === ORGANISATION) return undefined
        return project.status === 'closed'
          ? project
          : save({ ...project, status: 'closed' }, 'project_closed')
      }),
    onChange: listener => void listeners.push(listener),
  }
}

/** Refuses a key for a project that does not exist or is closed. Throws `invalid_request` naming the field. */
export function refuseStrange(project: Key['project'], of: (id: string) => Project | undefined): void {
  if (project === null) return
  const found = project === ORGANISATION ? undefined : of(project)
  if (found?.status === 'active') return
  const what = found === undefined ? 'there is no project' : 'closed is the project'
  const cure = 'POST /admin/v1/projects makes one'
  throw new GatewayError(
    'invalid_request',
    `\`project\`: ${what} ${JSON.stringify(project.slice(0, 64))}: ${cure}`,
    {
      param: 'project',
    },
  )
}
