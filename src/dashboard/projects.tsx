/** Projects and the organisation where keys are shown, and the budgets that have passed their soft limit or their end. Parts of other pages. */
import type { AdminDeps } from '../admin/deps.ts'
import { ORGANISATION } from '../ledger/owners.ts'
import type { Budget, Project } from '../terms.ts'
import { type BudgetUse, useOfBudget } from '../wire/account.ts'
import { readableCount, readableUsd } from '../wire/readable.ts'
import { Budgets, scopeText } from './parts.tsx'

const isIn = (project: Project) => (key: { readonly project: string | null }) =>
  project.id === ORGANISATION || key.project === project.id

/** The organisation, if it has budgets, and all projects. Nothing while there are none. */
export function Projects({
  deps,
  spends,
  nowMs,
}: {
  deps: AdminDeps
  /** By project, nano-USD. */
  spends: ReadonlyMap<string, number>
  nowMs: number
}) {
  const above = deps.projects?.get(ORGANISATION)
  const shown = [...(above && above.budgets.length > 0 ? [above] : []), ...(deps.projects?.list() ?? [])]
  if (shown.length === 0) return null
  const keys = deps.keys.list()
  return (
    <section class="card scroll" id="projects">
      <table class="fold">
        <caption>Projects</caption>
        <thead>
          <tr>
            <th scope="col">Project</th>
            <th scope="col">Status</th>
            <th scope="col">Budget</th>
            <th scope="col" class="num">
              Keys
            </th>
            <th scope="col" class="num">
              Spent in all
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map(project => {
            const mine = keys.filter(isIn(project))
            return (
              <tr>
                <td>
                  <span class="strong">{project.id === ORGANISATION ? 'All keys' : project.name}</span>
                  <span class="sub mono">{project.id}</span>
                </td>
                <td data-label="Status">
                  <span class={`pill ${project.status === 'active' ? 'ok' : 'bad'}`}>{project.status}</span>
                </td>
                <td data-label="Budget">
                  <Budgets
                    budgets={project.budgets}
                    uses={deps.ledger.usageOfProject(project)}
                    nowMs={nowMs}
                  />
                </td>
                <td class="num" data-label="Keys">
                  {readableCount(mine.length)}
                </td>
                <td class="num" data-label="Spent in all">
                  {readableUsd(spends.get(project.id) ?? 0)}
                </td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </section>
  )
}

interface Passed {
  readonly who: string
  readonly href: string
  readonly budget: Budget
  readonly use: BudgetUse
}

function passedOf(deps: AdminDeps): Passed[] {
  const found: Passed[] = []
  const look = (who: string, href: string, budgets: readonly Budget[], uses: readonly BudgetUse[]) => {
    for (const budget of budgets) {
      const use = useOfBudget(budget, uses)
      if (use === undefined || use.spentNanoUsd === 0) continue
      const isSoft = budget.softNanoUsd !== null && use.spentNanoUsd > budget.softNanoUsd
      if (isSoft || use.remainingNanoUsd === 0) found.push({ who, href, budget, use })
    }
  }
  const lineages = new Set<string>()
  for (const key of deps.keys.list()) {
    if (key.budgets.length === 0 || key.status === 'revoked' || lineages.has(key.lineage)) continue
    // keys of one lineage share their budgets
    lineages.add(key.lineage)
    look(key.name, `/dashboard/keys/${encodeURIComponent(key.id)}`, key.budgets, deps.ledger.usageOf(key))
  }
  const above = deps.projects?.get(ORGANISATION)
  for (const project of [...(above ? [above] : []), ...(deps.projects?.list() ?? [])])
    look(project.name, '/dashboard/keys#projects', project.budgets, deps.ledger.usageOfProject(project))
  return found
}

const SHOWN_MAX = 5

/** What needs a look: budgets past their soft limit, or used up. Nothing when there are none. */
export function PassedLimits({ deps }: { deps: AdminDeps }) {
  const passed = passedOf(deps)
  if (passed.length === 0) return null
  return (
    <ul class="notice warn" aria-label="Budgets that need a look">
      {passed.slice(0, SHOWN_MAX).map(({ who, href, budget, use }) => (
        <li>
          <a class="strong" href={href}>
            {who}
          </a>{' '}
          {use.remainingNanoUsd === 0 ? 'has nothing left of' : 'is past the soft limit of'} its budget per{' '}
          {budget.window}
          {scopeText(budget, use)}: {readableUsd(use.spentNanoUsd)} spent
        </li>
      ))}
      {passed.length > SHOWN_MAX && <li>and {passed.length - SHOWN_MAX} more</li>}
    </ul>
  )
}
