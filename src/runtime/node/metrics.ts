/** The metrics of a gateway on Node: what they are made of. Used by open.ts. */
import type { Journal } from '../../ledger/journal.ts'
import { ORGANISATION } from '../../ledger/owners.ts'
import type { LedgerOwner } from '../../ledger/ledger.ts'
import { withCounts } from '../../metrics/folded.ts'
import { createIsSold, createMetrics, type Metrics } from '../../metrics/metrics.ts'
import { createTraffic, type Traffic } from '../../metrics/traffic.ts'
import type { Health } from '../../route/health.ts'
import type { Pressure } from '../../route/pressure.ts'
import type { Store } from '../../store/store.ts'
import type { Vault } from '../../vault/vault.ts'
import type { Books } from './books.ts'
import { nodeClock } from './clock.ts'
import type { Supply } from './supply.ts'
import { versionText } from './version.ts'
import { createVitals } from './vitals.ts'

/** Counting that begins before there is anything to be counted. */
export interface Meters {
  /** The store to be used from now on. */
  readonly store: Store
  readonly traffic: Traffic
  /** Rows from now on are counted: what an earlier process left behind is not this one's traffic. */
  begin(supply: Supply): void
}

/** Puts the count of what is folded around the store. */
export function openMeters(given: Store): Meters {
  let supply: Supply | undefined
  const isSold = createIsSold(() => (supply as Supply).market())
  const traffic = createTraffic({ isSold, by: () => supply?.config().metrics.by ?? [] })
  const store = withCounts(given, nodeClock.monotonic, (rows, tookMs) => {
    if (supply !== undefined) traffic.folded(rows, tookMs)
  })
  return {
    store,
    traffic,
    begin(opened) {
      supply = opened
    },
  }
}

export interface MetricsParts extends Pick<Books, 'keys' | 'projects'> {
  readonly meters: Meters
  readonly supply: Supply
  readonly health: Health
  readonly pressure: Pressure
  readonly ledger: LedgerOwner
  readonly journal: Journal
  readonly vault: Pick<Vault, 'sealed'>
}

/** What `GET /metrics` prints. */
export function openMetrics(o: MetricsParts): Metrics {
  const { supply, ledger, journal, projects, keys } = o
  return createMetrics({
    traffic: o.meters.traffic,
    by: () => supply.config().metrics.by,
    fold: () => ledger.fold(),
    market: supply.market,
    health: o.health,
    now: nodeClock.now,
    requestsInFlight: () => o.pressure.inFlight,
    ledger,
    journalBytes: () => journal.size(),
    projects: () => {
      const organisation = projects.get(ORGANISATION)
      const open = projects.list().filter(({ status }) => status === 'active')
      return organisation ? [organisation, ...open] : open
    },
    keys: () => keys.list().filter(({ status }) => status === 'active'),
    sealed: () => o.vault.sealed,
    vitals: createVitals(),
    build: { version: versionText(), runtime: `node ${process.versions.node}` },
  })
}
