/** Money and times as they stand in JSON: plain decimals without an exponent, ISO 8601 in UTC. */
import { GatewayError } from '../errors.ts'
import { usdFromNano } from '../price.ts'

/** Text that stands in JSON as a number exactly as written. ES2025 `JSON.rawJSON`, in Node ≥ 22 and workerd. */
const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON

const ZERO = rawJson('0')

/** A JSON number in USD whose text is a plain decimal: `JSON.stringify` alone would print 1.5e-7. */
export const usd = (nano: number): unknown => (nano === 0 ? ZERO : rawJson(usdFromNano(nano)))

/** As `usd`; null stays null. */
export const usdOrNull = (nano: number | null): unknown => (nano === null ? null : usd(nano))

/** Epoch ms → ISO 8601 in UTC. */
export const isoTime = (ms: number): string => new Date(ms).toISOString()
/** As `isoTime`; null stays null. */
export const isoOrNull = (ms: number | null): string | null => (ms === null ? null : isoTime(ms))

const TIME = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2}))?$/

/** `Date.parse` takes 30 February for 2 March. */
function isDay(date: string): boolean {
  const ms = Date.parse(`${date}T00:00:00Z`)
  return !Number.isNaN(ms) && isoTime(ms).startsWith(date)
}

/** ISO 8601 date (midnight UTC) or date-time with a zone → epoch ms. Throws `invalid_request` naming `param`. */
export function parseTime(text: string, param: string): number {
  const ms = TIME.test(text) && isDay(text.slice(0, 10)) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(ms)) {
    const cure = 'use ISO 8601, as in 2026-11-01 or 2026-11-01T09:00:00Z'
    throw new GatewayError('invalid_request', `\`${param}\` is not a time: ${cure}`, { param })
  }
  return ms
}
