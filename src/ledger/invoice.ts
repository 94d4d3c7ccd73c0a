/**
 * What a provider says was used, out of the files that its console exports: OpenAI's usage and cost exports, Anthropic's
 * usage and cost exports. Pure; `switchgate reconcile` holds it against the ledger.
 */

/** One day of one model as the provider counts it. Undefined = the file does not say. Tokens: input includes cached. */
export interface Invoiced {
  /** UTC, as in `2026-11-22`. */
  readonly day: string
  /** As the file names it: a snapshot (`gpt-5-2025-08-07`) or a title (`Claude Haiku 4.5`). */
  readonly model: string
  readonly requests: number | undefined
  readonly inputTokens: number | undefined
  readonly outputTokens: number | undefined
  readonly costNanoUsd: number | undefined
}

export type InvoiceFormat = 'openai-usage' | 'openai-cost' | 'anthropic-usage' | 'anthropic-cost'

/** Thrown for a file that is none of the known exports, or is damaged; says what and where. */
export class InvoiceError extends Error {
  override readonly name = 'InvoiceError'
}

/** RFC 4180, with a byte order mark or without, any line ends. Rows of cells; lines without any text are left out. */
export function parseCsv(text: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  let cell = ''
  let quoted = false
  const body = text.replace(/^\uFEFF/, '')
  const endRow = () => {
    row.push(cell)
    if (row.some(entry => entry !== '')) rows.push(row)
    row = []
    cell = ''
  }
  for (let i = 0; i < body.length; i++) {
    const char = body[i]
    if (quoted) {
      if (char !== '"') cell += char
      else if (body[i + 1] === '"') cell += body[i++]
      else quoted = false
    } else if (char === '"' && cell === '') quoted = true
    else if (char === ',') {
      row.push(cell)
      cell = ''
    } else if (char === '\n') endRow()
    else if (char !== '\r') cell += char
  }
  if (quoted) throw new InvoiceError('the file ends inside a quoted cell: it was cut off')
  endRow()
  return rows
}

type Line = (name: string) => string
/** One line of a file; figures left out are not told by its format. */
type Reader = (line: Line, at: number) => Pick<Invoiced, 'day' | 'model'> & Partial<Invoiced>

function numberIn(line: Line, name: string, at: number): number {
  const text = line(name).trim()
  // a quoted number may group its thousands
  const plain = /^-?\d{1,3}(,\d{3})+(\.\d+)?$/.test(text) ? text.replaceAll(',', '') : text
  // an empty cell is none: Number('') = 0
  const value = Number(plain)
  if (Number.isFinite(value)) return value
  throw new InvoiceError(`line ${at}: ${name} is not a number: ${JSON.stringify(text.slice(0, 40))}`)
}

const sumOf = (line: Line, names: readonly string[], at: number): number =>
  names.reduce((sum, name) => sum + numberIn(line, name, at), 0)

const nanoOf = (line: Line, name: string, at: number): number => Math.round(numberIn(line, name, at) * 1e9)

function dayIn(text: string, at: number): string {
  const day = /^\d{4}-\d{2}-\d{2}/.exec(text.trim())?.[0]
  if (day !== undefined) return day
  throw new InvoiceError(`line ${at}: ${JSON.stringify(text.slice(0, 40))} is not a date, as in 2026-11-22`)
}

/** OpenAI gives epoch seconds, and beside them the same as ISO 8601, at times without a zone: UTC both. */
function openAiDay(line: Line, at: number): string {
  const seconds = numberIn(line, 'start_time', at)
  if (seconds <= 0) return dayIn(line('start_time_iso'), at)
  const date = new Date(seconds * 1_000)
  if (date.getUTCFullYear() <= 9_999) return date.toISOString().slice(0, 10)
  throw new InvoiceError(`line ${at}: start_time ${seconds} is not a time in epoch seconds`)
}

/** Columns as the consoles write them (OpenAI: platform.openai.com/usage; Anthropic: platform.claude.com/usage and /cost), seen in 2025 and 2026. */
const READERS: Readonly<
  Record<InvoiceFormat, { readonly columns: readonly string[]; readonly read: Reader }>
> = {
  'openai-usage': {
    columns: ['start_time', 'model', 'num_model_requests', 'input_tokens', 'output_tokens'],
    read: (line, at) => ({
      day: openAiDay(line, at),
      model: line('model'),
      requests: numberIn(line, 'num_model_requests', at),
      inputTokens: numberIn(line, 'input_tokens', at),
      outputTokens: numberIn(line, 'output_tokens', at),
    }),
  },
  'openai-cost': {
    columns: ['start_time', 'amount_value', 'amount_currency', 'line_item'],
    read: (line, at) => {
      const currency = line('amount_currency').trim().toLowerCase()
      if (currency !== '' && currency !== 'usd')
        throw new InvoiceError(`line ${at}: amounts in ${currency}: only usd can be compared`)
      // `gpt-5-nano, input_tokens`: the model, then what of it.
      const [model = ''] = line('line_item').split(',')
      return { day: openAiDay(line, at), model, costNanoUsd: nanoOf(line, 'amount_value', at) }
    },
  },
  'anthropic-usage': {
    columns: ['usage_date_utc', 'model_version', 'usage_input_tokens_no_cache', 'usage_output_tokens'],
    read: (line, at) => ({
      day: dayIn(line('usage_date_utc'), at),
      model: line('model_version'),
      inputTokens: sumOf(
        line,
        [
          'usage_input_tokens_no_cache',
          'usage_input_tokens_cache_write',
          'usage_input_tokens_cache_write_5m',
          'usage_input_tokens_cache_write_1h',
          'usage_input_tokens_cache_read',
        ],
        at,
      ),
      outputTokens: numberIn(line, 'usage_output_tokens', at),
    }),
  },
  'anthropic-cost': {
    columns: ['usage_date_utc', 'model', 'token_type', 'cost_usd'],
    read: (line, at) => ({
      day: dayIn(line('usage_date_utc'), at),
      model: line('model'),
      costNanoUsd: nanoOf(line, 'cost_usd', at),
    }),
  },
}

const plus = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : a + (b ?? 0)

/** The export's days and models, each once, in order. Throws InvoiceError. */
export function readInvoice(text: string): {
  readonly format: InvoiceFormat
  readonly data: readonly Invoiced[]
} {
  const [header = [], ...lines] = parseCsv(text)
  const places = new Map(header.map((name, at) => [name.trim().toLowerCase(), at]))
  const format = (Object.keys(READERS) as InvoiceFormat[]).find(name =>
    READERS[name].columns.every(column => places.has(column)),
  )
  if (format === undefined) {
    const known = Object.entries(READERS).map(([name, { columns }]) => `${name} (${columns.join(', ')})`)
    throw new InvoiceError(`not an export that is known here. Columns looked for: ${known.join('; ')}`)
  }
  const byPlace = new Map<string, Invoiced>()
  for (const [i, cells] of lines.entries()) {
    const at = i + 2
    const read = READERS[format].read(name => cells[places.get(name) ?? -1] ?? '', at)
    // OpenAI writes a line for every minute or day, also those without any use.
    if (read.model === '' && !read.inputTokens && !read.outputTokens && !read.costNanoUsd) continue
    const place = `${read.day} ${read.model}`
    const before = byPlace.get(place)
    byPlace.set(place, {
      ...read,
      requests: plus(read.requests, before?.requests),
      inputTokens: plus(read.inputTokens, before?.inputTokens),
      outputTokens: plus(read.outputTokens, before?.outputTokens),
      costNanoUsd: plus(read.costNanoUsd, before?.costNanoUsd),
    })
  }
  return { format, data: [...byPlace.keys()].sort().map(place => byPlace.get(place) as Invoiced) }
}

/** A model's name without the date of its snapshot and without what consoles write differently: `Claude Haiku 4.5`, `claude-haiku-4-5-20251001` → `claudehaiku45`. */
export const plainName = (model: string): string =>
  model
    .toLowerCase()
    .replace(/[-@](\d{4}-\d{2}-\d{2}|\d{8})$/, '')
    .replaceAll(/[^a-z0-9]/g, '')
