/** `switchgate project …`: budgets and limits above keys; `organisation` is the one above all. */
import { budgetsOf, budgetsText, topUpCommand } from './budget.ts'
import { getAll } from './client.ts'
import { changesOf, type Command, type CommandCall, EXIT, limitOf, showWarnings, textOf } from './command.ts'
import { listText, money, plain, table, time } from './print.ts'

type Wire = Record<string, unknown>

const options = {
  name: { type: 'string' },
  budget: { type: 'string', multiple: true },
  rpm: { type: 'string' },
  tpm: { type: 'string' },
  rpd: { type: 'string' },
  concurrency: { type: 'string' },
} as const

const USAGE =
  '[--name N] [--budget 25/month] [--budget 1/day:user] [--rpm N] [--tpm N] [--rpd N] [--concurrency N]'

function bodyOf({ values }: CommandCall): Wire {
  const limits = {
    rpm: limitOf(values, 'rpm'),
    tpm: limitOf(values, 'tpm'),
    rpd: limitOf(values, 'rpd'),
    concurrency: limitOf(values, 'concurrency'),
  }
  return {
    name: textOf(values, 'name'),
    budgets: budgetsOf(values),
    ...(Object.values(limits).some(value => value !== undefined) && { limits }),
  }
}

const pathOf = (call: CommandCall, verb = ''): string =>
  `/projects/${encodeURIComponent(call.words[0] ?? '')}${verb}`

async function list(call: CommandCall): Promise<number> {
  const projects = await getAll(call.admin, '/projects')
  if (call.json) {
    call.shell.out(listText(projects))
    return EXIT.ok
  }
  if (projects.length === 0) {
    call.shell.err('No projects yet. Make one: switchgate project create my-team --budget 100/month\n')
    return EXIT.ok
  }
  const columns = [
    { title: 'ID' },
    { title: 'NAME' },
    { title: 'STATUS' },
    { title: 'KEYS', right: true },
    { title: 'SPENT', right: true },
    { title: 'BUDGETS' },
  ]
  const rows = projects.map(project => [
    project.id,
    project.name,
    project.status,
    project.keys,
    money(project.spent_usd),
    budgetsText(project),
  ])
  call.shell.out(table(columns, rows))
  return EXIT.ok
}

function show(call: CommandCall, text: string): number {
  if (call.json) call.shell.out(text)
  else {
    const project = JSON.parse(text) as Wire
    showWarnings(call, project)
    const limits = Object.entries(project.limits as Wire).filter(([, value]) => typeof value === 'number')
    const rows = [
      ['id', project.id],
      ['name', project.name],
      ['status', project.status],
      ['keys', project.keys],
      ['limits', limits.map(([name, value]) => `${name} ${value}`).join(', ') || 'none'],
      ['budgets', budgetsText(project) || 'none'],
      ['spent in all', money(project.spent_usd)],
      ['made', time(project.created_at)],
    ]
    call.shell.out(rows.map(([name, value]) => `${String(name).padEnd(14)}${plain(value)}\n`).join(''))
  }
  return EXIT.ok
}

export const projectCommands: readonly Command[] = [
  {
    name: 'project create',
    summary: 'Make a project: budgets and limits above its keys',
    usage: `[<id>] ${USAGE}`,
    words: [0, 1],
    options,
    async run(call) {
      const body = { id: call.words[0], ...bodyOf(call) }
      return show(call, (await call.admin.send('POST', '/projects', body)).text)
    },
  },
  { name: 'project list', summary: 'All projects with their spend', usage: '', words: [0, 0], run: list },
  {
    name: 'project show',
    summary: 'One project; `organisation` is above all keys',
    usage: '<id>',
    words: [1, 1],
    run: async call => show(call, (await call.admin.send('GET', pathOf(call))).text),
  },
  {
    name: 'project change',
    summary: 'New budgets or limits (`none` = none) for a project, or for `organisation`',
    usage: `<id> ${USAGE}`,
    words: [1, 1],
    options,
    run: async call =>
      show(call, (await call.admin.send('PATCH', pathOf(call), changesOf(bodyOf(call)))).text),
  },
  topUpCommand('project'),
  {
    name: 'project close',
    summary: 'End a project for good: its keys are revoked',
    usage: '<id>',
    words: [1, 1],
    run: async call => show(call, (await call.admin.send('POST', pathOf(call, '/close'))).text),
  },
]
