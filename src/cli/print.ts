/** Aligned tables for a terminal, and the control characters that must not reach one. */
import { readableUsd } from '../wire/readable.ts'

export interface Column {
  readonly title: string
  readonly right?: boolean
}

/** Text that came from elsewhere, without what a terminal would obey. */
export const plain = (value: unknown): string => String(value ?? '').replace(/\p{Cc}/gu, '?')

/** Rows as aligned columns; `''` cells stay empty. Ends with a line feed. */
export function table(columns: readonly Column[], rows: readonly (readonly unknown[])[]): string {
  const cells = rows.map(row => columns.map((_, at) => plain(row[at])))
  const titles = columns.map(column => column.title)
  const widths = columns.map((_, at) => Math.max(...[titles, ...cells].map(row => (row[at] ?? '').length)))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => (columns[at]?.right ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
      .join('  ')
      .trimEnd()
  return `${[titles, ...cells].map(line).join('\n')}\n`
}

/** Text that stands in JSON as a number exactly as written. ES2025, in Node ≥ 22. */
const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON

/** A value as JSON for scripts; small amounts stay plain decimals, which `JSON.stringify` alone would write as 5e-7. */
export function jsonText(value: unknown): string {
  const plainly = (_: string, member: unknown) =>
    typeof member === 'number' && /e/.test(String(member))
      ? rawJson(member.toLocaleString('en-US', { useGrouping: false, maximumSignificantDigits: 17 }))
      : member
  return `${JSON.stringify(value, plainly, 2)}\n`
}

/** A whole list in the shape of every list: nothing is left to ask for. */
export const listText = (data: readonly unknown[]): string => jsonText({ data, next_cursor: null })

/** USD of an answer → text for people. Null = unknown. */
export function money(usd: unknown): string {
  return typeof usd === 'number' ? readableUsd(Math.round(usd * 1e9)) : 'unknown'
}

/** ISO time → `2026-11-20 14:30`, UTC. */
export const time = (iso: unknown): string =>
  typeof iso === 'string' ? iso.slice(0, 16).replace('T', ' ') : ''
