/** `switchgate key …` */
import {
  changesOf,
  type Command,
  type CommandCall,
  CommandError,
  EXIT,
  limitOf,
  showWarnings,
  textOf,
} from './command.ts'
import { getAll } from './client.ts'
import { budgetsOf, budgetsText, topUpCommand } from './budget.ts'
import { hoursOfText, hoursText } from '../keys/hours.ts'
import type { Hours } from '../terms.ts'
import { listOption, listWords, tagsOption, tagWords, textOption, textWords } from './key-words.ts'
import { listText, money, plain, table, time } from './print.ts'

type Wire = Record<string, unknown>

const policy = {
  name: { type: 'string' },
  models: { type: 'string', multiple: true },
  providers: { type: 'string', multiple: true },
  regions: { type: 'string', multiple: true },
  budget: { type: 'string', multiple: true },
  rpm: { type: 'string' },
  tpm: { type: 'string' },
  rpd: { type: 'string' },
  concurrency: { type: 'string' },
  burst: { type: 'string' },
  'throttle-ms': { type: 'string' },
  expires: { type: 'string' },
  'ip-allow': { type: 'string', multiple: true },
  scopes: { type: 'string', multiple: true },
  origins: { type: 'string', multiple: true },
  hours: { type: 'string' },
  'max-output-tokens': { type: 'string' },
  'default-model': { type: 'string' },
  owner: { type: 'string' },
  project: { type: 'string' },
  tag: { type: 'string', multiple: true },
  env: { type: 'string' },
} as const

/** What may be changed: all but the environment, which the key's text says. */
const { env: _env, ...change } = policy

const CHANGE_USAGE =
  '[--name N] [--models A,B|all|none] [--providers A,B|all|none] [--regions A,B|all|none] [--budget 25/month|none] [--rpm N|none] [--tpm N|none] [--rpd N|none] [--concurrency N|none] [--burst N|none] [--throttle-ms N|none] [--expires 2027-01-31|never] [--ip-allow CIDR|any|none] [--scopes chat,models|all|none] [--origins https://app.example.com|any|none] [--hours "mon-fri 08:00-18:00@Europe/Berlin"|always|never] [--max-output-tokens N|none] [--default-model M|none] [--owner O|none] [--project P|none] [--tag T|none]'
const POLICY_USAGE = `${CHANGE_USAGE} [--env live|staging|test]`

function expiryOf(text: string | null | undefined): string | null | undefined {
  return typeof text === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T23:59:59Z` : text
}

function hoursOption(text: string | undefined): Hours | null | undefined {
  if (text === undefined) return undefined
  if (text === 'always') return null
  if (text === 'never') return { allow: [] }
  const hours = hoursOfText(text)
  if ('why' in hours) throw new CommandError(`--hours: ${hours.why}; or always, or never`, EXIT.usage)
  return hours
}

function bodyOf({ values }: CommandCall): Wire {
  const limits = {
    rpm: limitOf(values, 'rpm'),
    tpm: limitOf(values, 'tpm'),
    rpd: limitOf(values, 'rpd'),
    concurrency: limitOf(values, 'concurrency'),
    burst: limitOf(values, 'burst'),
    throttle_ms: limitOf(values, 'throttle-ms'),
  }
  return {
    name: textOf(values, 'name'),
    models: listOption(values, 'models'),
    providers: listOption(values, 'providers'),
    regions: listOption(values, 'regions'),
    budgets: budgetsOf(values),
    ...(Object.values(limits).some(value => value !== undefined) && { limits }),
    expires_at: expiryOf(textOption(values, 'expires')),
    ip_allow: listOption(values, 'ip-allow'),
    scopes: listOption(values, 'scopes'),
    origin_allow: listOption(values, 'origins'),
    hours: hoursOption(textOf(values, 'hours')),
    max_output_tokens: limitOf(values, 'max-output-tokens'),
    default_model: textOption(values, 'default-model'),
    owner: textOption(values, 'owner'),
    project: textOption(values, 'project'),
    tags: tagsOption(values),
    env: textOf(values, 'env'),
  }
}

/** Prints a fresh key: its text alone on standard output, so that it can be piped; the rest beside it. */
function showMinted(call: CommandCall, text: string): number {
  if (call.json) {
    call.shell.out(text)
    return EXIT.ok
  }
  const key = JSON.parse(text) as Wire
  showWarnings(call, key)
  call.shell.out(`${plain(key.key)}\n`)
  call.shell.err(`Key ${plain(key.id)} (${plain(key.name)}). It is shown here once: copy it now.\n`)
  if (typeof key.replaces === 'string') {
    call.shell.err(`It replaces ${key.replaces}, which ends ${time(key.replaces_expires_at)} UTC.\n`)
  }
  return EXIT.ok
}

async function list(call: CommandCall): Promise<number> {
  const keys = await getAll(call.admin, '/keys')
  if (call.json) {
    call.shell.out(listText(keys))
    return EXIT.ok
  }
  if (keys.length === 0) {
    call.shell.err('No keys yet. Make one: switchgate key create --name my-program\n')
    return EXIT.ok
  }
  const columns = [
    { title: 'ID' },
    { title: 'NAME' },
    { title: 'STATUS' },
    { title: 'SPENT', right: true },
    { title: 'BUDGETS' },
    { title: 'LAST USED' },
  ]
  const rows = keys.map(key => [
    key.id,
    key.name,
    key.status,
    money(key.spent_usd),
    budgetsText(key),
    time(key.last_used_at) || 'never',
  ])
  call.shell.out(table(columns, rows))
  return EXIT.ok
}

/** Limits for each user or model are tables. */
const figureText = (value: unknown): string =>
  typeof value === 'object' ? JSON.stringify(value) : String(value)

const pathOf = (call: CommandCall): string => `/keys/${encodeURIComponent(call.words[0] ?? '')}`

function showKey(call: CommandCall, text: string): number {
  if (call.json) call.shell.out(text)
  else {
    const key = JSON.parse(text) as Wire
    showWarnings(call, key)
    const limits = Object.entries(key.limits as Wire).filter(([, value]) => value !== null)
    const rows = [
      ['id', key.id],
      ['name', key.name],
      ['status', key.status],
      ['environment', key.env],
      ['project', textWords(key.project, 'project')],
      ['owner', textWords(key.owner, 'owner')],
      ['models', listWords(key.models, 'models')],
      ['default model', textWords(key.default_model, 'default-model')],
      ['providers', listWords(key.providers, 'providers')],
      ['regions', listWords(key.regions, 'regions')],
      ['scopes', listWords(key.scopes, 'scopes')],
      ['ip allow', listWords(key.ip_allow, 'ip-allow')],
      ['origins', listWords(key.origin_allow, 'origins')],
      ['hours', key.hours ? hoursText(key.hours as Hours) || 'never' : 'always'],
      ['limits', limits.map(([name, value]) => `${name} ${figureText(value)}`).join(', ') || 'none'],
      ['max output', key.max_output_tokens ?? 'none'],
      ['budgets', budgetsText(key) || 'none'],
      ['spent in all', money(key.spent_usd)],
      ['made', time(key.created_at)],
      ['ends', time(key.expires_at) || textWords(null, 'expires')],
      ['tags', tagWords(key.tags)],
      ['last used', time(key.last_used_at) || 'never'],
    ]
    call.shell.out(rows.map(([name, value]) => `${String(name).padEnd(14)}${plain(value)}\n`).join(''))
  }
  return EXIT.ok
}

/** `90s`, `30m`, `24h`, `7d` or plain seconds → seconds. */
export function secondsOf(text: string): number {
  const [, count, unit = 's'] = /^(\d+)([smhd])?$/.exec(text) ?? []
  if (count === undefined)
    throw new CommandError(`--grace: "${text}" is not a time, as in 3600, 24h or 7d`, EXIT.usage)
  return Number(count) * ({ s: 1, m: 60, h: 3600, d: 86_400 }[unit] ?? 1)
}

function statusCommand(verb: 'revoke' | 'suspend' | 'resume', summary: string, done: string): Command {
  return {
    name: `key ${verb}`,
    summary,
    usage: '<id>',
    words: [1, 1],
    async run(call) {
      const { text } = await call.admin.send(
        'POST',
        `/keys/${encodeURIComponent(call.words[0] ?? '')}/${verb}`,
      )
      if (call.json) call.shell.out(text)
      else call.shell.out(`Key ${plain((JSON.parse(text) as Wire).id)} ${done}.\n`)
      return EXIT.ok
    },
  }
}

export const keyCommands: readonly Command[] = [
  {
    name: 'key create',
    summary: 'Make a key; its text is shown once',
    usage: POLICY_USAGE,
    words: [0, 0],
    options: policy,
    run: async call => showMinted(call, (await call.admin.send('POST', '/keys', bodyOf(call))).text),
  },
  { name: 'key list', summary: 'All keys with their spend', usage: '', words: [0, 0], run: list },
  {
    name: 'key show',
    summary: 'One key',
    usage: '<id>',
    words: [1, 1],
    run: async call => showKey(call, (await call.admin.send('GET', pathOf(call))).text),
  },
  {
    name: 'key change',
    summary: 'New budgets, limits or rights for a key; the words that `key show` prints take them away',
    usage: `<id> ${CHANGE_USAGE}`,
    words: [1, 1],
    options: change,
    run: async call =>
      showKey(call, (await call.admin.send('PATCH', pathOf(call), changesOf(bodyOf(call)))).text),
  },
  {
    name: 'key rotate',
    summary: 'A successor with the same budgets and limits',
    usage: '<id> [--grace 24h]',
    words: [1, 1],
    options: { grace: { type: 'string' } },
    async run(call) {
      const grace = secondsOf(textOf(call.values, 'grace') ?? '0')
      const path = `/keys/${encodeURIComponent(call.words[0] ?? '')}/rotate`
      return showMinted(call, (await call.admin.send('POST', path, { grace_seconds: grace })).text)
    },
  },
  topUpCommand('key'),
  statusCommand('revoke', 'End a key for good', 'is revoked'),
  statusCommand('suspend', 'Refuse a key until it is resumed', 'is suspended'),
  statusCommand('resume', 'Let a suspended key work again', 'works again'),
]
