/** The metrics of one process: what went through and how things stand, printed for `GET /metrics`. */
import type { Market } from '../route/market.ts'
import type { Family } from './registry.ts'
import { type StatesInput, stateFamilies, type Vitals } from './states.ts'
import { CONTENT_TYPES, formOf, metricsText } from './text.ts'
import type { Breakdown } from './families.ts'
import type { Traffic } from './traffic.ts'

/** What `GET /metrics` needs. */
export interface Metrics {
  /** In the form that `Accept` asks for; what has been settled before the call is in it. */
  render(accept: string | null): Promise<{ readonly text: string; readonly contentType: string }>
}

/** Names that the market of the moment sells; made anew when the market is. */
export function createIsSold(market: () => Market): (model: string) => boolean {
  let of: Market | undefined
  let sold: ReadonlySet<string> = new Set()
  return model => {
    const now = market()
    if (now !== of) {
      of = now
      sold = new Set(now.listings.map(({ offer }) => offer.model))
    }
    return sold.has(model)
  }
}

export interface MetricsInput extends Omit<StatesInput, 'keys' | 'vitals'> {
  readonly by: () => readonly Breakdown[]
  readonly keys: StatesInput['keys']
  /** Moves what is settled into the store: the counts are of what is there. */
  readonly fold: () => void | Promise<void>
  readonly vitals?: () => Vitals
  readonly traffic: Traffic
}

/** Families without a single series say nothing, and are left out. */
const spoken = (family: Family): boolean => !family.samples()[Symbol.iterator]().next().done

export function createMetrics(o: MetricsInput): Metrics {
  let vitals: Vitals | undefined
  const { vitals: look, keys, by } = o
  const shownKeys = () => (by().includes('key') ? keys() : [])
  const states = stateFamilies({
    ...o,
    keys: shownKeys,
    ...(look && { vitals: () => (vitals ??= look()) }),
  })
  return {
    async render(accept) {
      vitals = undefined
      try {
        await o.fold()
      } catch {
        // a store that is gone is what the operator looks for here: the rest is still true
      }
      const form = formOf(accept)
      const families = [...o.traffic.families, ...states].filter(spoken)
      return { text: metricsText(families, form), contentType: CONTENT_TYPES[form] }
    },
  }
}
