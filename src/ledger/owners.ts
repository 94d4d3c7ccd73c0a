/** Whose money a request spends: the key's lineage, its project, the organisation, and within each of them an end user, tags and a model. Pure; used by budgets.ts. */
import type { Budget, BudgetScope, BudgetWindow, Key, Project } from '../terms.ts'

/** Id of the project that stands above all keys. */
export const ORGANISATION = 'organisation'

export type Level = 'key' | 'project' | 'organisation'

/** What of a request decides which scoped budgets it falls under. */
export interface Who {
  readonly user?: string | null | undefined
  readonly tags?: readonly string[] | undefined
  readonly model?: string | undefined
}

/** One who has budgets. `owner` is what the store knows its buckets by. */
export interface Holder {
  readonly level: Level
  readonly owner: string
  readonly budgets: readonly Budget[]
}

export const holderOfKey = (key: Key): Holder => ({
  level: 'key',
  owner: key.lineage,
  budgets: key.budgets,
})

export const holderOfProject = ({ id, budgets }: Project): Holder => ({
  level: id === ORGANISATION ? 'organisation' : 'project',
  owner: `project:${id}`,
  budgets,
})

/** Owner of a part of a holder's money. Lineages and ids hold no `/`, so no name can be taken for another's. */
export const partOf = (owner: string, kind: BudgetScope['kind'], name: string): string =>
  `${owner}/${kind}:${name}`

/** The names that a request gives for this kind. Leaving one out opens no door: it counts as the empty name. */
export function namesOf(kind: BudgetScope['kind'], who: Who): readonly string[] {
  if (kind === 'user') return [who.user ?? '']
  if (kind === 'model') return [who.model ?? '']
  return who.tags === undefined || who.tags.length === 0 ? [''] : [...new Set(who.tags)]
}

/** A scoped budget; `except` = names that have a budget of their own for the same window. */
export interface Scoped {
  readonly holder: Holder
  readonly budget: Budget
  readonly scope: BudgetScope
  readonly except: ReadonlySet<string>
}

/** The holder's budgets for a part of the traffic. */
export function scopedOf(holder: Holder): Scoped[] {
  const found: Scoped[] = []
  for (const budget of holder.budgets) {
    const { scope, window } = budget
    if (scope === undefined || found.some(earlier => isSameBudget(earlier.budget, budget))) continue
    const named = holder.budgets.flatMap(other =>
      other.scope?.kind === scope.kind && other.window === window && other.scope.name !== null
        ? [other.scope.name]
        : [],
    )
    found.push({ holder, budget, scope, except: new Set(named) })
  }
  return found
}

/** The names of this request that the scoped budget counts. */
export function countedNames({ scope, except }: Scoped, who: Who): readonly string[] {
  const names = namesOf(scope.kind, who)
  return names.filter(name => (scope.name === null ? !except.has(name) : scope.name === name))
}

/** As in `key.budget.day`, `project.user.budget.month`: level, part, window. */
export function limitName(level: Level, scope: BudgetScope | undefined, window: BudgetWindow): string {
  return scope === undefined ? `${level}.budget.${window}` : `${level}.${scope.kind}.budget.${window}`
}

/** The limit in force at this instant, nano-USD. */
export function limitAt({ limitNanoUsd, raise }: Budget, nowMs: number): number {
  return raise !== undefined && nowMs < raise.untilMs ? raise.limitNanoUsd : limitNanoUsd
}

/** Do two budgets count the same money? */
export const isSameBudget = (
  a: { readonly window: string; readonly scope?: BudgetScope | undefined },
  b: { readonly window: string; readonly scope?: BudgetScope | undefined },
): boolean => a.window === b.window && a.scope?.kind === b.scope?.kind && a.scope?.name === b.scope?.name
