/** `switchgate spend`: money by key, model, provider, time, user or tag. */
import { readableCount } from '../wire/readable.ts'
import { type Command, type CommandCall, CommandError, EXIT, textOf } from './command.ts'
import { money, table, time } from './print.ts'

type Wire = Record<string, unknown>

async function run(call: CommandCall): Promise<number> {
  const { values, shell } = call
  if (call.json && values.csv === true)
    throw new CommandError('--json and --csv: choose one of the two', EXIT.usage)
  const query = new URLSearchParams()
  for (const [option, name] of [
    ['from', 'from'],
    ['to', 'to'],
    ['by', 'group_by'],
  ] as const) {
    const text = textOf(values, option)
    if (text !== undefined) query.set(name, text)
  }
  const accept = values.csv === true ? 'text/csv' : 'application/json'
  const { text } = await call.admin.send('GET', `/spend?${query}`, undefined, accept)
  if (call.json || values.csv === true) {
    shell.out(text)
    return EXIT.ok
  }
  const view = JSON.parse(text) as Wire
  const groups = view.group_by as string[]
  const nameOf = (row: Wire, group: string) =>
    (group === 'key' ? (row.key_name ?? row.key) : row[group]) ?? '–'
  const figures = (row: Wire) => [
    readableCount(Number(row.requests)),
    readableCount(Number(row.input_tokens)),
    readableCount(Number(row.output_tokens)),
    money(row.cost_usd),
  ]
  const columns = [
    ...groups.map(group => ({ title: group.toUpperCase() })),
    ...['REQUESTS', 'TOKENS IN', 'TOKENS OUT', 'COST'].map(title => ({ title, right: true })),
  ]
  const rows = (view.data as Wire[]).map(row => [...groups.map(group => nameOf(row, group)), ...figures(row)])
  const total = view.total as Wire
  const last = [...groups.map((_, at) => (at === 0 ? 'total' : '')), ...figures(total)]
  shell.out(table(columns, [...rows, last]))
  const unpriced = Number(total.unpriced_requests)
  if (unpriced > 0)
    shell.err(`${unpriced} requests went to models without a known price: they are not in the cost.\n`)
  shell.err(`${time(view.from)} to ${time(view.to)} UTC\n`)
  return EXIT.ok
}

export const spendCommands: readonly Command[] = [
  {
    name: 'spend',
    summary: 'Spend of this month by key, or of any time by any group',
    usage:
      '[--from 2026-11-01] [--to 2026-12-01] [--by key,project,model,provider,day,hour,user,tag] [--csv]',
    words: [0, 0],
    options: {
      from: { type: 'string' },
      to: { type: 'string' },
      by: { type: 'string' },
      csv: { type: 'boolean' },
    },
    run,
  },
]
