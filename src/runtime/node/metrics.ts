/** The metrics of a gateway on Node: what they are made of. Used by open.ts. */
import { ORGANISATION } from '../../ledger/owners.ts'
import type { LedgerOwner } from '../../ledger/ledger.ts'
import { withCounts } from '../../metrics/folded.ts'
import { createIsSold, createMetrics, type Metrics } from '../../metrics/metrics.ts'
import { createTraffic, type Traffic } from '../../metrics/traffic.ts'
import type { Health } from '../../route/health.ts'
import type { Pressure } from '../../route/pressure.ts'
import type { Vault } from '../../vault/vault.ts'
import type { Books } from './books.ts'
import { nodeClock } from './clock.ts'
import type { Durable } from './durable.ts'
import type { Supply } from './supply.ts'
import { versionText } from './version.ts'
import { createVitals } from './vitals.ts'

/** What is durable, with a store that counts. */
export interface Meters extends Durable {
  readonly traffic: Traffic
  /** Rows from now on are counted: what an earlier process left behind is not this one's traffic. */
  begin(supply: Supply): void
}

/** Puts the count of what is folded around the store. */
export function openMeters(durable: Durable): Meters {
  let supply: Supply | undefined
  const isSold = createIsSold(() => (supply as Supply).market())
  const traffic = createTraffic({ isSold, by: () => supply?.config().metrics.by ?? [] })
  const store = withCounts(durable.store, nodeClock.monotonic, (rows, tookMs) => {
    if (supply !== undefined) traffic.folded(rows, tookMs)
  })
  return {
    ...durable,
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
  /** Undefined = nobody counts what is under way. */
  readonly pressure: Pressure | undefined
  readonly ledger: LedgerOwner
  readonly vault: Pick<Vault, 'sealed'>
}

/** What `GET /metrics` prints. From here on rows are counted. */
export function openMetrics(o: MetricsParts): Metrics {
  const { supply, ledger, projects, keys, meters } = o
  const { journal, traffic } = meters
  meters.begin(supply)
  return createMetrics({
    traffic,
    by: () => supply.config().metrics.by,
    fold: () => ledger.fold(),
    market: supply.market,
    health: o.health,
    now: nodeClock.now,
    requestsInFlight: () => o.pressure?.inFlight ?? 0,
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
