/** `switchgate audit list`, `verify`: who changed what, and whether the log of it is whole. */
import { type Command, type CommandCall, CommandError, EXIT, numberOf, textOf } from './command.ts'
import { plain, table, time } from './print.ts'

type Wire = Record<string, unknown>

const FILTERS = ['actor', 'action', 'target', 'from', 'to'] as const
const AT_ONCE = 500

/** `name main → prod, models → gpt-5`; long values are in `--json`. */
function changesText(detail: Wire): string {
  const { before, after, ...rest } = detail as { before?: Wire; after?: Wire } & Wire
  const shown = (value: unknown) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    return text.length > 40 ? `${text.slice(0, 39)}…` : text
  }
  const fields = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])].map(name => {
    const [old, fresh] = [before?.[name], after?.[name]]
    return old === undefined || old === null
      ? `${name} ${shown(fresh ?? null)}`
      : `${name} ${shown(old)} → ${shown(fresh ?? null)}`
  })
  return [...fields, ...Object.entries(rest).map(([name, value]) => `${name} ${shown(value)}`)].join(', ')
}

async function list(call: CommandCall): Promise<number> {
  const { values, shell } = call
  if (call.json && values.csv === true)
    throw new CommandError('--json and --csv: choose one of the two', EXIT.usage)
  const query = new URLSearchParams()
  for (const name of FILTERS) {
    const text = textOf(values, name)
    if (text !== undefined) query.set(name, text)
  }
  const limit = numberOf(values, 'limit') ?? 50
  if (!Number.isInteger(limit) || limit < 1 || limit > AT_ONCE)
    throw new CommandError(`--limit: must be a whole number from 1 to ${AT_ONCE}`, EXIT.usage)
  query.set('limit', String(limit))
  const accept = values.csv === true ? 'text/csv' : 'application/json'
  const { text } = await call.admin.send('GET', `/audit?${query}`, undefined, accept)
  if (call.json || values.csv === true) {
    shell.out(text)
    return EXIT.ok
  }
  const page = JSON.parse(text) as { data: Wire[]; next_cursor: string | null }
  const columns = ['#', 'TIME', 'WHO', 'FROM', 'WHAT', 'TARGET', 'DETAIL'].map((title, at) => ({
    title,
    right: at === 0,
  }))
  const rows = page.data.map(row => [
    row.seq,
    time(row.at),
    row.actor,
    row.address ?? '',
    row.action,
    row.target ?? '',
    changesText(row.detail as Wire),
  ])
  shell.out(table(columns, rows))
  if (page.next_cursor !== null) shell.err(`There is more: --to, or --limit up to ${AT_ONCE}.\n`)
  return EXIT.ok
}

async function verify(call: CommandCall): Promise<number> {
  const { text } = await call.admin.send('GET', '/audit/verify')
  const verdict = JSON.parse(text) as { ok: boolean; rows: number; head: Wire | null; first_bad?: Wire }
  if (call.json) call.shell.out(text)
  else if (verdict.first_bad !== undefined) {
    const { seq, kind, message } = verdict.first_bad
    call.shell.out(`BAD at row ${plain(seq)} (${plain(kind)}): ${plain(message)}\n`)
    call.shell.err(`The ${verdict.rows} rows before are as they were written.\n`)
  } else call.shell.out(`OK ${verdict.rows} rows, head ${plain(verdict.head?.hash ?? 'none')}\n`)
  return verdict.ok ? EXIT.ok : EXIT.failed
}

export const auditCommands: readonly Command[] = [
  {
    name: 'audit list',
    summary: 'Who changed what, newest first; refused keys too',
    usage:
      '[--target <id>] [--action key] [--actor admin] [--from 2026-11-01] [--to 2026-12-01] [--limit 50] [--csv]',
    words: [0, 0],
    options: {
      ...Object.fromEntries(FILTERS.map(name => [name, { type: 'string' as const }])),
      limit: { type: 'string' },
      csv: { type: 'boolean' },
    },
    run: list,
  },
  {
    name: 'audit verify',
    summary: 'Is the audit log whole? Exit 1 and the first bad row when it is not',
    usage: '',
    words: [0, 0],
    run: verify,
  },
]
