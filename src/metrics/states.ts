/** How things stand at the moment of a scrape: targets, credentials, budgets, the ledger's queue, the process. Pure over ports. */
import { usdFromNano } from '../price.ts'
import type { Health } from '../route/health.ts'
import type { Credential, Listing, Market } from '../route/market.ts'
import type { Budget, BudgetScope, Key, Project } from '../terms.ts'
import { createGauge, type Family, type Sample } from './registry.ts'

/** Where a budget stands, nano-USD. */
export interface BudgetStand {
  readonly window: string
  readonly scope?: BudgetScope | undefined
  readonly spentNanoUsd: number
  readonly heldNanoUsd: number
}

/** The process, as the runtime sees it. Seconds and bytes. */
export interface Vitals {
  readonly startedAtSeconds: number
  readonly cpuSeconds: number
  readonly residentBytes: number
  readonly heapBytes: number
  readonly externalBytes: number
  /** Since the scrape before. */
  readonly loopDelay: {
    readonly mean: number
    readonly p50: number
    readonly p99: number
    readonly max: number
  }
  readonly openFiles: number | undefined
}

export interface StatesInput {
  readonly market: () => Market
  readonly health: Pick<Health, 'state'>
  readonly now: () => number
  readonly requestsInFlight: () => number
  readonly ledger: {
    openHolds(): number
    pending(): number
    failure(): Error | undefined
    usageOf(key: Key): readonly BudgetStand[]
    usageOfProject(project: Project): readonly BudgetStand[]
  }
  /** Absent = there is no journal. */
  readonly journalBytes?: () => number
  /** The organisation among them. */
  readonly projects: () => readonly Project[]
  /** Keys whose budgets are shown; none unless the config says so. */
  readonly keys: () => readonly Key[]
  readonly sealed: () => boolean
  readonly vitals?: () => Vitals
  readonly build: { readonly version: string; readonly runtime: string }
}

/** Targets that have been heard of; the whole catalogue has thousands. */
const TARGETS_MAX = 500

interface Seen {
  readonly values: readonly string[]
  readonly up: boolean
  readonly errorRate: number
}

function* seenTargets({ market, health, now }: StatesInput): Generator<Seen> {
  const nowMs = now()
  let left = TARGETS_MAX
  const seen = (listing: Listing, credential: Credential | undefined): Seen | undefined => {
    const { offer, site } = listing
    const place = `${site.name}/${offer.upstream}`
    const state = health.state(`${place}/${credential?.id ?? ''}`, nowMs)
    if (state === undefined) return undefined
    const outUntilMs = Math.max(state.outUntilMs, health.state(place)?.outUntilMs ?? 0)
    const values = [site.name, offer.model, credential?.name ?? '']
    return { values, up: outUntilMs <= nowMs, errorRate: state.errorRate }
  }
  // one model may be listed more than once at a provider: a series may not
  const told = new Set<string>()
  for (const listing of market().listings)
    for (const credential of listing.site.credentials.length > 0 ? listing.site.credentials : [undefined]) {
      const found = seen(listing, credential)
      if (found === undefined) continue
      const name = found.values.join('\u0000')
      if (told.has(name)) continue
      told.add(name)
      yield found
      if (--left === 0) return
    }
}

function* credentialSamples({ market, health, now }: StatesInput): Generator<Sample> {
  const nowMs = now()
  const told = new Set<string>()
  for (const site of market().sites)
    for (const { id, name } of site.credentials) {
      if (told.has(`${site.name}\u0000${name}`)) continue
      told.add(`${site.name}\u0000${name}`)
      yield { values: [site.name, name], value: (health.state(id)?.outUntilMs ?? 0) > nowMs ? 0 : 1 }
    }
}

interface Standing {
  readonly values: readonly string[]
  readonly budget: Budget
  readonly stand: BudgetStand | undefined
}

const scopeText = (scope: BudgetScope | undefined): string =>
  scope === undefined ? '' : scope.name === null ? scope.kind : `${scope.kind}:${scope.name}`

function standings(budgets: readonly Budget[], stands: readonly BudgetStand[], owner: readonly string[]) {
  return budgets.map((budget): Standing => {
    const scope = scopeText(budget.scope)
    const stand = stands.find(one => one.window === budget.window && scopeText(one.scope) === scope)
    return { values: [...owner, budget.window, scope], budget, stand }
  })
}

function allStandings({ projects, keys, ledger }: StatesInput): Standing[] {
  const ofProjects = projects().flatMap(project => {
    const owner = project.id === 'organisation' ? ['organisation', ''] : ['project', project.id]
    return standings(project.budgets, ledger.usageOfProject(project), owner)
  })
  const ofKeys = keys().flatMap(key => standings(key.budgets, ledger.usageOf(key), ['key', key.id]))
  return [...ofProjects, ...ofKeys]
}

type Reading = readonly [name: string, help: string, read: () => number, unit?: Family['unit']]

const plainGauge = ([name, help, read, unit]: Reading): Family =>
  createGauge({ name, help, labels: [], ...(unit && { unit }) }, () => [{ values: [], value: read() }])

function targetFamilies(o: StatesInput): Family[] {
  const target = ['provider', 'model', 'credential']
  const of = (figure: (seen: Seen) => number) => () =>
    [...seenTargets(o)].map(seen => ({ values: seen.values, value: figure(seen) }))
  return [
    createGauge(
      { name: 'switchgate_target_up', help: '0 = out: it fails or asked to be left alone.', labels: target },
      of(({ up }) => (up ? 1 : 0)),
    ),
    createGauge(
      {
        name: 'switchgate_target_error_ratio',
        help: 'Share of failures lately, as routing weighs it.',
        unit: 'ratio',
        labels: target,
      },
      of(({ errorRate }) => errorRate),
    ),
    createGauge(
      {
        name: 'switchgate_credential_up',
        help: '0 = a provider refused it a short while ago.',
        labels: ['provider', 'credential'],
      },
      () => credentialSamples(o),
    ),
  ]
}

function budgetFamilies(o: StatesInput): Family[] {
  const labels = ['level', 'owner', 'window', 'scope']
  const figures: readonly [string, string, (standing: Standing) => number][] = [
    ['limit', 'Limit of a budget, without a raise.', ({ budget }) => budget.limitNanoUsd],
    ['spent', 'Spent of a budget in its window.', ({ stand }) => stand?.spentNanoUsd ?? 0],
    ['held', 'Held in a budget by attempts that run.', ({ stand }) => stand?.heldNanoUsd ?? 0],
  ]
  return figures.map(([figure, help, read]) =>
    createGauge({ name: `switchgate_budget_${figure}_usd`, help, unit: 'usd', labels }, () =>
      allStandings(o).map(one => ({ values: one.values, value: usdFromNano(read(one)) })),
    ),
  )
}

function vitalFamilies(read: () => Vitals): Family[] {
  const gauges: Reading[] = [
    ['process_start_time_seconds', 'Start, Unix time.', () => read().startedAtSeconds, 'seconds'],
    ['process_resident_memory_bytes', 'Memory in use.', () => read().residentBytes, 'bytes'],
    ['nodejs_heap_size_used_bytes', 'JavaScript heap in use.', () => read().heapBytes, 'bytes'],
    ['nodejs_external_memory_bytes', 'Memory of buffers.', () => read().externalBytes, 'bytes'],
  ]
  for (const figure of ['mean', 'p50', 'p99', 'max'] as const)
    gauges.push([
      `nodejs_eventloop_lag_${figure}_seconds`,
      `Delay of the event loop since the scrape before: ${figure}.`,
      () => read().loopDelay[figure],
      'seconds',
    ])
  const cpu = createGauge(
    { name: 'process_cpu_seconds', help: 'CPU time, user and system.', unit: 'seconds', labels: [] },
    () => [{ values: [], value: read().cpuSeconds }],
    'counter',
  )
  const files = createGauge({ name: 'process_open_fds', help: 'Open file descriptors.', labels: [] }, () => {
    const { openFiles } = read()
    return openFiles === undefined ? [] : [{ values: [], value: openFiles }]
  })
  return [...gauges.map(plainGauge), cpu, files]
}

/** Every state as families that read when they are printed. `vitals` is asked once a scrape by the caller's own memo. */
export function stateFamilies(o: StatesInput): readonly Family[] {
  const { ledger, journalBytes, vitals, build } = o
  const gauges: Reading[] = [
    ['switchgate_requests_in_flight', 'Requests under way.', o.requestsInFlight],
    ['switchgate_attempts_open', 'Attempts at providers whose cost is not settled yet.', ledger.openHolds],
    ['switchgate_ledger_pending_rows', 'Settled attempts that wait for the database.', ledger.pending],
    [
      'switchgate_ledger_up',
      '0 = nothing can be written, new work is refused.',
      () => (ledger.failure() ? 0 : 1),
    ],
    ['switchgate_sealed', '1 = the vault is sealed, everything answers 503.', () => (o.sealed() ? 1 : 0)],
    ['switchgate_offers', 'Offers of models for sale.', () => o.market().listings.length],
  ]
  if (journalBytes)
    gauges.push(['switchgate_journal_bytes', 'What a restart would read again.', journalBytes, 'bytes'])
  const info = createGauge(
    { name: 'switchgate_build_info', help: 'Always 1.', labels: ['version', 'runtime'] },
    () => [{ values: [build.version, build.runtime], value: 1 }],
  )
  return [
    info,
    ...gauges.map(plainGauge),
    ...targetFamilies(o),
    ...budgetFamilies(o),
    ...(vitals ? vitalFamilies(vitals) : []),
  ]
}
