/** `switchgate doctor`: looks at everything a start needs, and says what to do about what it finds. */
import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { formatFault } from '../config/text.ts'
import { parseTime } from '../wire/plain.ts'
import { getAll } from './client.ts'
import { type Command, type CommandCall, CommandError, EXIT, textOf } from './command.ts'
import { checkConfig } from './config.ts'
import { jsonText, plain } from './print.ts'

interface Finding {
  readonly name: string
  readonly state: 'ok' | 'warning' | 'fault'
  readonly message: string
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

async function attempt(name: string, look: () => Promise<Omit<Finding, 'name'>>): Promise<Finding> {
  try {
    return { name, ...(await look()) }
  } catch (error) {
    return { name, state: 'fault', message: messageOf(error) }
  }
}

async function configuration(call: CommandCall): Promise<Omit<Finding, 'name'>> {
  const { path, providers, faults } = await checkConfig(call.shell.env)
  const where = path ?? 'no file, defaults'
  if (faults.length > 0) return { state: 'fault', message: `${where}: ${faults.map(formatFault).join('; ')}` }
  return { state: 'ok', message: `${where}; providers configured: ${providers.length}` }
}

async function folder(call: CommandCall): Promise<Omit<Finding, 'name'>> {
  const { readSettings } = await import('../runtime/node/settings.ts')
  const path = readSettings(call.shell.env).dataFolder
  if (!existsSync(path)) return { state: 'ok', message: `${path} will be made on the first start` }
  const open = statSync(path).mode & 0o077
  if (process.platform !== 'win32' && open !== 0) {
    return { state: 'warning', message: `others may read ${path}: chmod 700 ${path}` }
  }
  const beside = existsSync(resolve(path, 'master.key')) && existsSync(resolve(path, 'switchgate.db'))
  const why = 'the master key lies beside the database: set SWITCHGATE_MASTER_KEY_FILE to keep it apart'
  return beside ? { state: 'warning', message: why } : { state: 'ok', message: path }
}

async function targets(call: CommandCall): Promise<Omit<Finding, 'name'>> {
  const all = await getAll(call.admin, '/targets')
  const out = all.filter(target => target.usable === false)
  const names = [...new Set(out.map(target => `${plain(target.model)}@${plain(target.provider)}`))]
  if (all.length === 0) {
    return {
      state: 'warning',
      message: 'nothing is for sale: set OPENAI_API_KEY or another, or run switchgate credential add',
    }
  }
  if (out.length > 0)
    return {
      state: 'warning',
      message: `${out.length} of ${all.length} cool down: ${names.slice(0, 5).join(', ')}`,
    }
  return { state: 'ok', message: `${all.length} for sale` }
}

/** Model servers on this machine that nobody has configured; undefined = none, or nobody is to look. */
async function localServers(call: CommandCall): Promise<Finding | undefined> {
  const [{ readSettings }, { findServers, maySearch }, local] = await Promise.all([
    import('../runtime/node/settings.ts'),
    import('../runtime/node/local.ts'),
    import('../catalog/local.ts'),
  ])
  const { config } = await checkConfig(call.shell.env)
  if (config?.discoverEnv !== true || !maySearch(readSettings(call.shell.env).env)) return undefined
  const found = await findServers(local.unconfigured(config))
  if (found.length === 0) return undefined
  const servers = found.map(
    ({ title, address, models }) => `${title} at ${address} (${models.length} models)`,
  )
  const lines = local.linesFor(found).join(' and ')
  return {
    name: 'local servers',
    state: 'ok',
    message: `${servers.join(', ')}: not used; to use, put into switchgate.yaml: ${lines}`,
  }
}

async function credentials(call: CommandCall): Promise<Finding[]> {
  const stored = await getAll(call.admin, '/credentials')
  return Promise.all(
    stored.map(one =>
      attempt(`credential ${plain(one.provider)}/${plain(one.name)}`, async () => {
        const { text } = await call.admin.send(
          'POST',
          `/credentials/${encodeURIComponent(String(one.id))}/test`,
        )
        const { ok, message } = JSON.parse(text) as { ok: boolean; message: string }
        return { state: ok ? 'ok' : 'fault', message }
      }),
    ),
  )
}

interface CheckWire {
  readonly name: string
  readonly compared: number
  readonly is_note: boolean
  readonly not_looked_at_from: string | null
  readonly differences: readonly {
    at: string
    figure: string
    expected: number
    found: number
    unit?: string
  }[]
}

/** One check in words. What compared nothing, because it is too young, is no tick. */
function checkText({ name, compared, is_note, differences, not_looked_at_from: from }: CheckWire): string {
  const unseen = from ? `not looked at: ${from.slice(0, 16)}Z-now, a gateway works with it` : ''
  if (unseen !== '' && compared === 0) return `- ${name}: ${unseen}\n`
  const mark = differences.length === 0 ? '✓' : is_note ? '!' : '✗'
  const lines = differences.map(({ at, figure, expected, found, unit }) => {
    const amount = (value: number) => (unit === undefined ? String(value) : `${value} ${unit}`)
    return `    ${plain(at)}: ${figure} is ${amount(found)}, should be ${amount(expected)}\n`
  })
  const more = unseen === '' ? '' : `; ${unseen}`
  return `${mark} ${name}: ${compared} compared, ${differences.length} differ${more}\n${lines.join('')}`
}

function parseSince(text: string): void {
  try {
    parseTime(text, '--since')
  } catch (error) {
    throw new CommandError(messageOf(error).replaceAll('`', ''), EXIT.usage)
  }
}

/** The ledger held against itself, by the gateway that has it open. */
async function ledger(call: CommandCall): Promise<number> {
  const since = textOf(call.values, 'since')
  if (since !== undefined) parseSince(since)
  const query = since === undefined ? '' : `?${new URLSearchParams({ from: since })}`
  const { text } = await call.admin.send('GET', `/ledger/check${query}`)
  const { ok, checks } = JSON.parse(text) as { ok: boolean; checks: CheckWire[] }
  if (call.json) {
    call.shell.out(text)
    return ok ? EXIT.ok : EXIT.failed
  }
  for (const check of checks) call.shell.out(checkText(check))
  return ok ? EXIT.ok : EXIT.failed
}

async function run(call: CommandCall): Promise<number> {
  if (call.values.ledger === true) return ledger(call)
  if (call.values.since !== undefined)
    throw new CommandError('--since goes with --ledger: it says from when on rows are looked at', EXIT.usage)
  const remote = call.values.url !== undefined
  const findings: Finding[] = [{ name: 'node', state: 'ok', message: process.version }]
  if (!remote) {
    findings.push(await attempt('configuration', () => configuration(call)))
    findings.push(await attempt('data folder', () => folder(call)))
    const servers = await localServers(call).catch(() => undefined)
    if (servers !== undefined) findings.push(servers)
  }
  const gateway = await attempt('gateway', async () => {
    await call.admin.get('/keys?limit=1')
    return { state: 'ok', message: await call.admin.where() }
  })
  findings.push(gateway)
  if (gateway.state === 'ok') {
    findings.push(await attempt('targets', () => targets(call)))
    findings.push(...(await credentials(call)))
  }
  const ok = findings.every(finding => finding.state !== 'fault')
  if (call.json) call.shell.out(jsonText({ ok, findings }))
  else {
    const marks = { ok: '✓', warning: '!', fault: '✗' }
    for (const { name, state, message } of findings)
      call.shell.out(`${marks[state]} ${name}: ${plain(message)}\n`)
  }
  return ok ? EXIT.ok : EXIT.failed
}

export const doctorCommands: readonly Command[] = [
  {
    name: 'doctor',
    summary: 'Look for what is wrong, and say what to do; --ledger: is every sum what its rows add up to',
    usage: '[--ledger [--since 2026-11-01]]',
    words: [0, 0],
    options: { ledger: { type: 'boolean' }, since: { type: 'string' } },
    run,
  },
]
