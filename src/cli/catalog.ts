/** `switchgate catalog show|diff|update|reset`: the catalogue in use, and newer ones. */
import { readFileSync, statSync } from 'node:fs'
import { type Command, type CommandCall, CommandError, EXIT, listOf, textOf } from './command.ts'
import { jsonText, plain, table } from './print.ts'

interface PriceWire {
  readonly input_usd_per_mtok: number
  readonly output_usd_per_mtok: number
  readonly cache_read_usd_per_mtok: number | null
  readonly cache_write_usd_per_mtok: number | null
}

interface ChangeWire {
  readonly provider: string
  readonly model: string
  readonly before: PriceWire | null
  readonly after: PriceWire | null
}

/** What the admin plane answers to an update. */
export interface ReportWire {
  readonly applied: boolean
  readonly from: string
  readonly to: string
  readonly sha256: string | null
  readonly added: readonly ChangeWire[]
  readonly removed: readonly ChangeWire[]
  readonly repriced: readonly ChangeWire[]
  readonly otherwise_changed: number
  readonly refused: readonly (ChangeWire & { readonly reason: string })[]
}

/** USD to the last digit: a change is not rounded away. */
const exact = (usd: number | null): string =>
  usd === null ? 'unknown' : `$${usd.toLocaleString('en-US', { maximumSignificantDigits: 15 })}`

function priceText(price: PriceWire | null): string {
  if (price === null) return 'none'
  const read = price.cache_read_usd_per_mtok
  const write = price.cache_write_usd_per_mtok
  const cache = [
    ...(read === null ? [] : [`read ${exact(read)}`]),
    ...(write === null ? [] : [`write ${exact(write)}`]),
  ]
  const both = `${exact(price.input_usd_per_mtok)} / ${exact(price.output_usd_per_mtok)}`
  return cache.length === 0 ? both : `${both} (${cache.join(', ')})`
}

const nameOf = (change: ChangeWire) => `${plain(change.provider)}/${plain(change.model)}`

/** What an update changes, for people: one line an offer. */
export function changesText(report: ReportWire): string {
  const lines = [
    ...report.added.map(change => `  + ${nameOf(change)}  ${priceText(change.after)}`),
    ...report.removed.map(change => `  - ${nameOf(change)}`),
    ...report.repriced.map(
      change => `  ~ ${nameOf(change)}  ${priceText(change.before)} → ${priceText(change.after)}`,
    ),
    ...report.refused.map(change => {
      const kept = change.before === null ? 'not taken' : `kept at ${priceText(change.before)}`
      return `  ! ${nameOf(change)}  ${priceText(change.after)} refused, ${kept}: ${plain(change.reason)}`
    }),
  ]
  const counts = [
    `${report.added.length} added`,
    `${report.removed.length} removed`,
    `${report.repriced.length} repriced`,
    `${report.otherwise_changed} otherwise changed`,
    `${report.refused.length} refused`,
  ]
  const head = `Catalogue of ${report.from} → ${report.to}: ${counts.join(', ')}.\n`
  return head + lines.map(line => `${line}\n`).join('')
}

/** The admin plane takes no larger body. */
const TEXT_BYTES_MAX = 1_000_000

function textAt(path: string): string {
  try {
    const { size } = statSync(path)
    if (size > TEXT_BYTES_MAX)
      throw new CommandError(
        `${path} has ${size} bytes: a catalogue file has at most ${TEXT_BYTES_MAX}`,
        EXIT.usage,
      )
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof CommandError) throw error
    const why = error instanceof Error ? error.message : 'unknown'
    throw new CommandError(`${path} cannot be read: ${why}`, EXIT.usage)
  }
}

async function send(call: CommandCall, dryRun: boolean): Promise<number> {
  const [where = ''] = call.words
  const source = /^https?:\/\//i.test(where) ? { url: where } : { text: textAt(where) }
  const sha256 = textOf(call.values, 'sha256')
  const accept = listOf(call.values, 'accept')
  const body = {
    ...source,
    ...(sha256 !== undefined && { sha256 }),
    ...(accept !== undefined && { accept }),
    ...(dryRun && { dry_run: true }),
  }
  const { text } = await call.admin.send('POST', '/catalog', body)
  const report = JSON.parse(text) as ReportWire
  if (call.json) call.shell.out(text)
  else {
    call.shell.out(changesText(report))
    if (!report.applied) call.shell.err('Nothing was changed.\n')
    if (report.refused.length > 0)
      call.shell.err('A price that is meant to move so far: --accept provider/model\n')
  }
  return report.applied && report.refused.length > 0 ? EXIT.failed : EXIT.ok
}

async function show(call: CommandCall): Promise<number> {
  const { text } = await call.admin.send('GET', '/catalog')
  if (call.json) {
    call.shell.out(text)
    return EXIT.ok
  }
  const view = JSON.parse(text) as Record<string, unknown>
  const { out, err } = call.shell
  const origin = view.origin === 'updated' ? `updated; built in: ${view.built_in_date}` : 'built in'
  out(`Catalogue of ${plain(view.date)} (${plain(origin)})\n`)
  out(`${view.models} models, ${view.offers} offers, ${view.providers} providers\n`)
  out(
    `${view.doubtful} prices far off their peers, ${view.disputed} where sources disagree, ${view.deprecated} announced to end\n\n`,
  )
  const sources = view.sources as { name: string; date: string }[]
  out(
    table(
      [{ title: 'AS OF' }, { title: 'SOURCE' }],
      sources.map(source => [source.date, source.name]),
    ),
  )
  if (view.ignored_update !== null)
    err(`The update in the data folder is not used: ${plain(view.ignored_update)}\n`)
  return EXIT.ok
}

async function reset(call: CommandCall): Promise<number> {
  const { text } = await call.admin.send('DELETE', '/catalog')
  const { date } = JSON.parse(text) as { date: string }
  call.shell.out(call.json ? jsonText({ date }) : `The catalogue of ${date}, built in, is in use.\n`)
  return EXIT.ok
}

const UPDATE_OPTIONS = {
  sha256: { type: 'string' },
  accept: { type: 'string', multiple: true },
} as const

export const catalogCommands: readonly Command[] = [
  {
    name: 'catalog show',
    summary: 'The catalogue in use: its day and sources',
    usage: '',
    words: [0, 0],
    run: show,
  },
  {
    name: 'catalog update',
    summary: 'Take over a newer catalogue; prices that move more than 4× are refused',
    usage: '<file|url> [--sha256 HEX] [--accept provider/model] [--dry-run]',
    words: [1, 1],
    options: { ...UPDATE_OPTIONS, 'dry-run': { type: 'boolean' } },
    run: call => send(call, call.values['dry-run'] === true),
  },
  {
    name: 'catalog diff',
    summary: 'What a newer catalogue would change',
    usage: '<file|url> [--sha256 HEX]',
    words: [1, 1],
    options: UPDATE_OPTIONS,
    run: call => send(call, true),
  },
  {
    name: 'catalog reset',
    summary: 'Back to the catalogue that ships with this version',
    usage: '',
    words: [0, 0],
    run: reset,
  },
]
