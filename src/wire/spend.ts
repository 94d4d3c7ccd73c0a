/** Spend views (contract section 7): the query of a caller, and the answer as JSON or CSV. */
import { GatewayError } from '../errors.ts'
import { usdFromNano } from '../price.ts'
import type { SpendGroup, SpendQuery, SpendRow } from '../store/store.ts'
import { isoTime, parseTime, usd } from './plain.ts'

export const SPEND_GROUPS: readonly SpendGroup[] = [
  'key',
  'project',
  'model',
  'provider',
  'day',
  'hour',
  'user',
  'tag',
]

/** Query parameters of a spend view, and what each is for. */
export const SPEND_PARAMETERS = {
  from: 'inclusive, ISO 8601; default: start of this month',
  to: 'exclusive; default: end of this month',
  group_by: `any of ${SPEND_GROUPS.join(',')}, separated by commas`,
}

const HOUR_MS = 3_600_000

/** First millisecond of this UTC month and of the next one. */
export function monthOf(nowMs: number): { readonly fromMs: number; readonly toMs: number } {
  const now = new Date(nowMs)
  const [year, month] = [now.getUTCFullYear(), now.getUTCMonth()]
  return { fromMs: Date.UTC(year, month, 1), toMs: Date.UTC(year, month + 1, 1) }
}

function spendGroups(text: string, allowed: readonly SpendGroup[]): SpendGroup[] {
  const names = text.split(',').map(name => name.trim())
  const groups: SpendGroup[] = []
  for (const name of names.filter(entry => entry !== '')) {
    const group = allowed.find(known => known === name)
    if (group === undefined) {
      const message = `\`group_by\` cannot be "${name.slice(0, 40)}": use ${allowed.join(', ')}`
      throw new GatewayError('invalid_request', message, { param: 'group_by' })
    }
    if (!groups.includes(group)) groups.push(group)
  }
  return groups
}

/** `from`, `to` (ISO 8601, default this month) and `group_by` (comma-separated) → a store query. Throws `invalid_request`. */
export function parseSpendQuery(
  query: URLSearchParams,
  nowMs: number,
  defaultGroup: readonly SpendGroup[] = ['key'],
): SpendQuery {
  const month = monthOf(nowMs)
  const [from, to, groupBy] = [query.get('from'), query.get('to'), query.get('group_by')]
  const fromMs = from === null ? month.fromMs : parseTime(from, 'from')
  const toMs = to === null ? Math.max(month.toMs, fromMs + HOUR_MS) : parseTime(to, 'to')
  if (toMs <= fromMs) {
    throw new GatewayError('invalid_request', '`to` must be later than `from`', { param: 'to' })
  }
  return {
    fromMs,
    toMs,
    nowMs,
    groupBy: groupBy === null ? defaultGroup : spendGroups(groupBy, SPEND_GROUPS),
  }
}

function spendFigures(row: SpendRow): Record<string, unknown> {
  return {
    requests: row.requests,
    attempts: row.attempts,
    input_tokens: row.inputTokens,
    output_tokens: row.outputTokens,
    cached_tokens: row.cachedTokens,
    cost_usd: usd(row.costNanoUsd),
    cost_nano_usd: String(row.costNanoUsd),
    estimated_usd: usd(row.estimatedNanoUsd),
    unknown_usd: usd(row.unknownNanoUsd),
    unpriced_requests: row.unpricedRequests,
  }
}

/** A view of no rows. */
export const NOTHING: SpendRow = {
  group: {},
  requests: 0,
  attempts: 0,
  inputTokens: 0,
  outputTokens: 0,
  cachedTokens: 0,
  costNanoUsd: 0,
  estimatedNanoUsd: 0,
  unknownNanoUsd: 0,
  unpricedRequests: 0,
}

function spendLine(row: SpendRow, query: SpendQuery, keyName: (id: string) => string | undefined) {
  const line: Record<string, unknown> = {}
  for (const group of query.groupBy) line[group] = row.group[group] ?? null
  const keyId = row.group.key
  if (query.groupBy.includes('key') && typeof keyId === 'string') line.key_name = keyName(keyId) ?? null
  return Object.assign(line, spendFigures(row))
}

/** Rows of a view added up. */
export function sumOf(rows: readonly SpendRow[]): SpendRow {
  const sum = { ...NOTHING }
  for (const row of rows) {
    sum.requests += row.requests
    sum.attempts += row.attempts
    sum.inputTokens += row.inputTokens
    sum.outputTokens += row.outputTokens
    sum.cachedTokens += row.cachedTokens
    sum.costNanoUsd += row.costNanoUsd
    sum.estimatedNanoUsd += row.estimatedNanoUsd
    sum.unknownNanoUsd += row.unknownNanoUsd
    sum.unpricedRequests += row.unpricedRequests
  }
  return sum
}

/** The ungrouped sum of a view's rows; undefined where rows with several tags are counted several times: ask the store. */
export const totalOf = (query: SpendQuery, rows: readonly SpendRow[]): SpendRow | undefined =>
  query.groupBy.includes('tag') ? undefined : sumOf(rows)

/**
 * The contract's spend object. `total` is a view without groups: summing `rows` would count a request with two tags twice.
 * Undefined total = nothing was spent.
 */
export function spendWire(
  query: SpendQuery,
  rows: readonly SpendRow[],
  total: SpendRow | undefined,
  keyName: (id: string) => string | undefined,
): Record<string, unknown> {
  return {
    from: isoTime(query.fromMs),
    to: isoTime(query.toMs),
    group_by: query.groupBy,
    data: rows.map(row => spendLine(row, query, keyName)),
    total: spendFigures(total ?? NOTHING),
  }
}

/**
 * The text of `spendWire`, on one line, for a view of thousands of groups: written from the rows, without an object for
 * each, which takes a third of the time.
 */
export function spendText(
  query: SpendQuery,
  rows: readonly SpendRow[],
  total: SpendRow | undefined,
  keyName: (id: string) => string | undefined,
): string {
  const written = new Map<string, string>()
  const textOf = (value: string | null | undefined): string => {
    if (value === null || value === undefined) return 'null'
    let text = written.get(value)
    if (text === undefined) {
      text = JSON.stringify(value)
      written.set(value, text)
    }
    return text
  }
  const { groupBy } = query
  const names = groupBy.map(group => `"${group}":`)
  const lines = rows.map(row => {
    let line = '{'
    for (let at = 0; at < names.length; at++)
      line += `${names[at]}${textOf(row.group[groupBy[at] as SpendGroup])},`
    if (typeof row.group.key === 'string') line += `"key_name":${textOf(keyName(row.group.key))},`
    return `${line}${figuresText(row)}}`
  })
  const { data: _, total: sum, ...rest } = spendWire(query, [], total, keyName)
  return `${JSON.stringify(rest).slice(0, -1)},"data":[${lines.join(',')}],"total":${JSON.stringify(sum)}}`
}

/** The members of `spendFigures`. */
const figuresText = (row: SpendRow): string =>
  `"requests":${row.requests},"attempts":${row.attempts},"input_tokens":${row.inputTokens},"output_tokens":${
    row.outputTokens
  },"cached_tokens":${row.cachedTokens},"cost_usd":${usdFromNano(row.costNanoUsd)},"cost_nano_usd":"${
    row.costNanoUsd
  }","estimated_usd":${usdFromNano(row.estimatedNanoUsd)},"unknown_usd":${usdFromNano(
    row.unknownNanoUsd,
  )},"unpriced_requests":${row.unpricedRequests}`

/** What begins a formula, also behind white space and in full width (＝ ＋ － ＠ ％ ｜), which spreadsheets read as well. */
const FORMULA = /^(?:[\t\r\n]|\s*[=+\-@|%\uff1d\uff0b\uff0d\uff20\uff05\uff5c])/

/** One CSV cell: quoted when needed; text that a spreadsheet would run as a formula gets a leading apostrophe (OWASP, CSV injection). */
export function csvCell(value: unknown): string {
  if (typeof value === 'number') return String(value)
  const text = value === null || value === undefined ? '' : String(value)
  const safe = FORMULA.test(text) ? `'${text}` : text
  return /[",\r\n']/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

const FIGURE_NAMES = Object.keys(spendFigures(NOTHING))

/** The same view as CSV (RFC 4180), one line a group. */
export function spendCsv(
  query: SpendQuery,
  rows: readonly SpendRow[],
  keyName: (id: string) => string | undefined,
): string {
  const names: string[] = [...query.groupBy]
  if (query.groupBy.includes('key')) names.push('key_name')
  const lines = rows.map(row => {
    const line: Record<string, unknown> = spendLine(row, query, keyName)
    const figures = {
      cost_usd: usdFromNano(row.costNanoUsd),
      estimated_usd: usdFromNano(row.estimatedNanoUsd),
      unknown_usd: usdFromNano(row.unknownNanoUsd),
    }
    const groups = names.map(name => csvCell(line[name]))
    const counts = FIGURE_NAMES.map(name => String(figures[name as keyof typeof figures] ?? line[name]))
    return [...groups, ...counts].join(',')
  })
  return `${[[...names, ...FIGURE_NAMES].join(','), ...lines].join('\r\n')}\r\n`
}
