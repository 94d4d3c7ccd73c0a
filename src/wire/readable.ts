/** Figures for people: money, counts, durations and ages as the dashboard and the command line show them. Never parsed again. */

const NANO = 1_000_000_000

/** Nano-USD → `$1,234.50`, `$0.0123`, `$0`; small amounts keep two significant digits. */
export function readableUsd(nano: number): string {
  const amount = Math.abs(nano) / NANO
  const sign = nano < 0 ? '−' : ''
  if (amount === 0) return '$0'
  if (amount >= 0.995) {
    return `${sign}$${amount.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`
  }
  const digits = Math.min(9, Math.max(2, 1 - Math.floor(Math.log10(amount))))
  return `${sign}$${amount.toFixed(digits)}`
}

/** 1234 → `1,234`, 1_234_567 → `1.23M`. */
export function readableCount(count: number): string {
  if (count < 100_000) return count.toLocaleString('en-US')
  return count.toLocaleString('en-US', { notation: 'compact', maximumFractionDigits: 2 })
}

/** Milliseconds → `85 ms`, `1.2 s`, `2 min 5 s`. */
export function readableMs(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

const STEPS: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
]

/** Distance between two instants in one unit: `3 h`, `12 d`, `now`. */
function readableSpan(ms: number): string | undefined {
  for (const [unit, size] of STEPS) if (ms >= size) return `${Math.floor(ms / size)} ${unit}`
  return undefined
}

/** Epoch ms → `3 h ago`, `in 2 d`, `just now`. */
export function readableAge(thenMs: number, nowMs: number): string {
  const past = readableSpan(nowMs - thenMs)
  if (past !== undefined) return `${past} ago`
  if (thenMs <= nowMs) return 'just now'
  return `in ${readableSpan(thenMs - nowMs) ?? `${Math.ceil((thenMs - nowMs) / 1000)} s`}`
}

/** 0.0123 → `1.2%`; a share that is not zero never reads 0%. */
export function readableShare(share: number): string {
  if (share === 0) return '0%'
  return share < 0.001 ? '<0.1%' : `${(share * 100).toFixed(share < 0.1 ? 1 : 0)}%`
}
