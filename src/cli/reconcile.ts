/** `switchgate reconcile <export.csv>`: what a provider says was used and billed, beside what the ledger has, by day and model. */
import { readFileSync, statSync } from 'node:fs'
import { type Invoiced, InvoiceError, plainName, readInvoice } from '../ledger/invoice.ts'
import { readableCount } from '../wire/readable.ts'
import { type Command, type CommandCall, CommandError, EXIT, numberOf, textOf } from './command.ts'
import { jsonText, money, table } from './print.ts'

type Wire = Record<string, unknown>

const FILE_BYTES_MAX = 256 << 20
const DAY_MS = 86_400_000
/** Drift that is nobody's mistake: clocks differ at midnight, consoles round. */
const TOLERANCE_PERCENT = 1

const FIGURES = ['requests', 'input_tokens', 'output_tokens', 'cost_usd'] as const
type Figure = (typeof FIGURES)[number]
type Figures = Partial<Record<Figure, number>>

interface Line {
  readonly day: string
  readonly model: string
  readonly theirs: Figures | null
  readonly ours: Figures | null
  /** Ours less theirs, of every figure that the export has; the share in percent of theirs. */
  readonly drift: Figures
  readonly drift_percent: number | null
}

function read(path: string): ReturnType<typeof readInvoice> {
  try {
    const { size } = statSync(path)
    if (size > FILE_BYTES_MAX)
      throw new CommandError(`${path} has ${size} bytes: export a shorter time`, EXIT.usage)
    return readInvoice(readFileSync(path, 'utf8'))
  } catch (error) {
    if (error instanceof InvoiceError) throw new CommandError(`${path}: ${error.message}`, EXIT.failed)
    if (error instanceof CommandError) throw error
    throw new CommandError(`${path} cannot be read: ${(error as Error).message}`, EXIT.usage)
  }
}

function theirsOf(row: Invoiced): Figures {
  return {
    ...(row.requests !== undefined && { requests: row.requests }),
    ...(row.inputTokens !== undefined && { input_tokens: row.inputTokens }),
    ...(row.outputTokens !== undefined && { output_tokens: row.outputTokens }),
    ...(row.costNanoUsd !== undefined && { cost_usd: row.costNanoUsd / 1e9 }),
  }
}

const oursOf = (row: Wire): Figures => ({
  // A provider counts every attempt that reached it.
  requests: Number(row.attempts),
  input_tokens: Number(row.input_tokens),
  output_tokens: Number(row.output_tokens),
  cost_usd: Number(row.cost_nano_usd) / 1e9,
})

function sum(a: Figures | null, b: Figures): Figures {
  const total: Figures = { ...a }
  for (const figure of FIGURES)
    if (b[figure] !== undefined) total[figure] = (total[figure] ?? 0) + (b[figure] ?? 0)
  return total
}

/** The figure that money depends on, of those that the export has. */
const measure = (figures: Figures): number =>
  figures.cost_usd ?? (figures.input_tokens ?? 0) + (figures.output_tokens ?? 0)

function lineOf(
  day: string,
  model: string,
  theirs: Figures | null,
  ours: Figures | null,
  has: readonly Figure[],
): Line {
  const drift: Figures = {}
  const mine: Figures = {}
  for (const figure of has) {
    mine[figure] = ours?.[figure] ?? 0
    // Cents and tokens are whole in their smallest units; the difference of two floats is not.
    drift[figure] = Math.round(((ours?.[figure] ?? 0) - (theirs?.[figure] ?? 0)) * 1e9) / 1e9
  }
  const base = measure(theirs ?? {})
  const share = base === 0 ? (measure(mine) === 0 ? 0 : null) : (100 * (measure(mine) - base)) / base
  return {
    day,
    model,
    theirs,
    ours,
    drift,
    drift_percent: share === null ? null : Math.round(share * 100) / 100,
  }
}

/** Days and models of both sides, matched by names without dates and punctuation. */
function linesOf(invoiced: readonly Invoiced[], rows: readonly Wire[], has: readonly Figure[]): Line[] {
  const places = new Map<
    string,
    { day: string; model: string; theirs: Figures | null; ours: Figures | null }
  >()
  const at = (day: string, model: string) => {
    const place = `${day} ${plainName(model)}`
    const known = places.get(place) ?? { day, model, theirs: null, ours: null }
    places.set(place, known)
    return known
  }
  for (const row of rows) {
    const known = at(String(row.day), String(row.model ?? ''))
    known.ours = sum(known.ours, oursOf(row))
  }
  for (const row of invoiced) {
    const known = at(row.day, row.model)
    known.theirs = sum(known.theirs, theirsOf(row))
  }
  return [...places.values()]
    .sort((a, b) => (`${a.day} ${a.model}` < `${b.day} ${b.model}` ? -1 : 1))
    .map(({ day, model, theirs, ours }) => lineOf(day, model, theirs, ours, has))
}

const shown = (figures: Figures | null, figure: Figure): string => {
  const value = figures?.[figure]
  if (value === undefined) return '–'
  return figure === 'cost_usd' ? money(value) : readableCount(value)
}

const percent = (share: number | null): string =>
  share === null ? 'not theirs' : `${share > 0 ? '+' : ''}${share.toFixed(2)}%`

function print(call: CommandCall, lines: readonly Line[], total: Line, has: readonly Figure[]): void {
  const titles: Record<Figure, string> = {
    requests: 'REQUESTS',
    input_tokens: 'TOKENS IN',
    output_tokens: 'TOKENS OUT',
    cost_usd: 'COST',
  }
  const columns = [
    { title: 'DAY' },
    { title: 'MODEL' },
    ...has.flatMap(figure => [
      { title: `${titles[figure]} THEIRS`, right: true },
      { title: 'OURS', right: true },
    ]),
    { title: 'DRIFT', right: true },
  ]
  const cells = (line: Line) => [
    line.day,
    line.model,
    ...has.flatMap(figure => [shown(line.theirs, figure), shown(line.ours, figure)]),
    percent(line.drift_percent),
  ]
  call.shell.out(table(columns, [...lines, total].map(cells)))
}

async function run(call: CommandCall): Promise<number> {
  const path = call.words[0] ?? ''
  const { format, data } = read(path)
  const [first, last] = [data[0], data.at(-1)]
  if (first === undefined || last === undefined)
    throw new CommandError(`${path} (${format}) has no use in it: nothing to compare`, EXIT.failed)
  const provider = textOf(call.values, 'provider') ?? format.split('-')[0] ?? ''
  const tolerance = numberOf(call.values, 'tolerance') ?? TOLERANCE_PERCENT
  const to = new Date(Date.parse(last.day) + DAY_MS).toISOString().slice(0, 10)
  const query = new URLSearchParams({ from: first.day, to, group_by: 'day,model,provider' })
  const view = await call.admin.get(`/spend?${query}`)
  const all = view.data as Wire[]
  const rows = all.filter(row => row.provider === provider)
  const has = FIGURES.filter(figure => data.some(row => theirsOf(row)[figure] !== undefined))
  const lines = linesOf(data, rows, has)
  const theirs = lines.reduce<Figures>((total, line) => sum(total, line.theirs ?? {}), {})
  const ours = lines.reduce<Figures>((total, line) => sum(total, line.ours ?? {}), {})
  const total = lineOf('total', '', theirs, ours, has)
  const agrees = total.drift_percent !== null && Math.abs(total.drift_percent) <= tolerance
  if (call.json)
    call.shell.out(jsonText({ format, provider, agrees, tolerance_percent: tolerance, data: lines, total }))
  else print(call, lines, total, has)
  if (rows.length === 0) {
    const names = [...new Set(all.map(row => String(row.provider)))].join(', ') || 'none'
    call.shell.err(
      `The ledger has nothing of a provider called ${provider} in these days (it has: ${names}): name yours with --provider.\n`,
    )
  }
  return agrees ? EXIT.ok : EXIT.failed
}

export const reconcileCommands: readonly Command[] = [
  {
    name: 'reconcile',
    summary: "Hold a provider's usage or cost export (OpenAI, Anthropic) against the ledger",
    usage: '<export.csv> [--provider openai] [--tolerance 1]',
    words: [1, 1],
    options: { provider: { type: 'string' }, tolerance: { type: 'string' } },
    run,
  },
]
