/** Arguments → one command → exit code. An unknown word never starts a server. */
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util'
import { didYouMean } from '../config/nearest.ts'
import { auditCommands } from './audit.ts'
import { catalogCommands } from './catalog.ts'
import { createClient } from './client.ts'
import {
  type Command,
  CommandError,
  type ErrorFacts,
  EXIT,
  type Shell,
  textOf,
  type Values,
} from './command.ts'
import { configCommands } from './config.ts'
import { configDiffCommands } from './config-diff.ts'
import { credentialCommands } from './credential.ts'
import { doctorCommands } from './doctor.ts'
import { explainCommands } from './explain.ts'
import { hostCommands } from './host.ts'
import { importCommands } from './import.ts'
import { keyCommands } from './key.ts'
import { modelCommands } from './models.ts'
import { policyCommands } from './policy.ts'
import { projectCommands } from './project.ts'
import { jsonText, listText } from './print.ts'
import { reconcileCommands } from './reconcile.ts'
import { requestCommands } from './request.ts'
import { restoreCommands } from './restore.ts'
import { scanCommands } from './scan.ts'
import { spendCommands } from './spend.ts'
import { vaultCommands } from './vault.ts'

export const COMMANDS: readonly Command[] = [
  ...keyCommands,
  ...projectCommands,
  ...credentialCommands,
  ...modelCommands,
  ...catalogCommands,
  ...spendCommands,
  ...requestCommands,
  ...auditCommands,
  ...reconcileCommands,
  ...explainCommands,
  ...hostCommands,
  ...restoreCommands,
  ...configCommands,
  ...configDiffCommands,
  ...importCommands,
  ...scanCommands,
  ...policyCommands,
  ...doctorCommands,
  ...vaultCommands,
]

const SHARED: ParseArgsOptionsConfig = {
  json: { type: 'boolean' },
  url: { type: 'string' },
  token: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
}

/** What `switchgate help` prints. */
export function helpText(): string {
  const width = Math.max(...COMMANDS.map(command => command.name.length)) + 2
  const lines = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}${summary}`)
  return [
    'switchgate <noun> <verb>',
    '',
    `  ${'serve'.padEnd(width)}Run the gateway (also without any words)`,
    ...lines,
    `  ${'help'.padEnd(width)}This; \`switchgate help key create\` for one command`,
    `  ${'--version'.padEnd(width)}The version`,
    '',
    'With every command: --json for scripts; --url and --token for a gateway elsewhere.',
    'Without --url: the gateway that runs on this machine, or its data folder (SWITCHGATE_DATA).',
    '',
  ].join('\n')
}

const usageText = (command: Command): string =>
  `${command.summary}\n\n  switchgate ${command.name}${command.usage === '' ? '' : ` ${command.usage}`} [--json] [--url URL --token TOKEN]\n`

/** A command as `help --json` tells it. */
const described = ({ name, summary, usage }: Command) => ({ name, summary, usage })

/** Commands that are planned and not there yet: what to do instead. */
const LATER: Readonly<Record<string, string>> = {
  migrate:
    'SQLite is the only database so far, and `serve` itself brings an older one up to date; to another folder or machine: ' +
    '`switchgate backup <file>`, there `switchgate restore <file>`',
}

function unknown(words: readonly string[]): CommandError {
  if (words.length === 0)
    return new CommandError('there is no command here. See: switchgate help', EXIT.usage)
  const later = Object.hasOwn(LATER, words[0] ?? '') ? LATER[words[0] ?? ''] : undefined
  if (later !== undefined) return new CommandError(`${words[0]} is not supported yet: ${later}`, EXIT.usage)
  const typed = words.slice(0, 2).join(' ')
  const verbs = COMMANDS.filter(command => command.name.startsWith(`${words[0]} `)).map(
    command => command.name,
  )
  if (verbs.length > 0) {
    const near = didYouMean(typed, verbs)
    const known = near === '' ? `; there is ${verbs.join(', ')}` : near
    return new CommandError(`there is no command "${typed}"${known}`, EXIT.usage)
  }
  const nouns = [...new Set(COMMANDS.map(command => command.name.split(' ')[0] ?? '')), 'serve', 'help']
  const near = didYouMean(words[0] ?? '', nouns)
  return new CommandError(`there is no command "${words[0]}"${near}. See: switchgate help`, EXIT.usage)
}

/** The command that these words start with. Throws a usage error with the nearest name. */
export function commandOf(words: readonly string[]): Command {
  const found = COMMANDS.find(({ name }) => name === words.slice(0, name.split(' ').length).join(' '))
  if (found === undefined) throw unknown(words)
  return found
}

const isFlag = (options: ParseArgsOptionsConfig, name: string): boolean =>
  options[name.replace(/^-+/, '')]?.type === 'boolean'

/** Splits options from words. Throws a usage error. */
function parse(command: Command, args: readonly string[]): { values: Values; words: string[] } {
  const options = { ...SHARED, ...command.options }
  try {
    const parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
    return { values: parsed.values as Values, words: parsed.positionals }
  } catch (error) {
    const code = (error as { code?: string }).code ?? ''
    if (!code.startsWith('ERR_PARSE_ARGS')) throw error
    const name = /'(--?[\w-]+)/.exec((error as Error).message)?.[1]
    const known = Object.keys(options)
    const near = name === undefined ? '' : didYouMean(name.replace(/^-+/, ''), known)
    const { message } = error as Error
    const what =
      code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION'
        ? `unknown option ${name}${near}`
        : code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE' && name !== undefined
          ? isFlag(options, name)
            ? `${name} takes no value`
            : `${name} needs a value; one that begins with a dash is written ${name}=-…`
          : message
    throw new CommandError(`${what}\n\n${usageText(command)}`, EXIT.usage)
  }
}

async function runCommand(args: readonly string[], shell: Shell): Promise<number> {
  const firstOption = args.findIndex(arg => arg.startsWith('-'))
  const command = commandOf(firstOption < 0 ? args : args.slice(0, firstOption))
  const { values, words } = parse(command, args.slice(command.name.split(' ').length))
  if (values.help === true) {
    shell.out(values.json === true ? jsonText(described(command)) : usageText(command))
    return EXIT.ok
  }
  const [least, most] = command.words
  if (words.length < least || words.length > most) {
    const what = words.length < least ? 'something is missing' : `"${words[most]}" is one word too many`
    throw new CommandError(`${what}\n\n${usageText(command)}`, EXIT.usage)
  }
  const admin = createClient({ url: textOf(values, 'url'), token: textOf(values, 'token'), env: shell.env })
  try {
    return await command.run({ values, words, json: values.json === true, shell, admin })
  } finally {
    await admin.close()
  }
}

function help(words: readonly string[], json: boolean, shell: Shell): number {
  const command = words.length === 0 ? undefined : commandOf(words)
  if (json)
    shell.out(command === undefined ? listText(COMMANDS.map(described)) : jsonText(described(command)))
  else shell.out(command === undefined ? helpText() : usageText(command))
  return EXIT.ok
}

const CONFIG_ERRORS = new Set(['SettingsError', 'MasterKeyMismatch', 'KeyringLost'])

function exitOf(error: unknown): number {
  if (error instanceof CommandError) return error.code
  const name = error instanceof Error ? error.name : ''
  if (CONFIG_ERRORS.has(name)) return EXIT.config
  return name === 'FolderInUse' ? EXIT.unavailable : EXIT.failed
}

/** What an error of our own is called where scripts read it, by exit code. */
const FACTS: Readonly<Record<number, ErrorFacts>> = {
  [EXIT.failed]: { type: 'api_error', param: null, code: 'failed' },
  [EXIT.usage]: { type: 'invalid_request_error', param: null, code: 'usage' },
  [EXIT.unavailable]: { type: 'api_error', param: null, code: 'unavailable' },
  [EXIT.config]: { type: 'invalid_request_error', param: null, code: 'config' },
}

/** Tells an error, as a JSON object on standard output or in words on the other one, and gives its exit code. */
export function tell(error: unknown, json: boolean, shell: Shell): number {
  const message = (error instanceof Error ? error.message : String(error)).trimEnd()
  const code = exitOf(error)
  if (json) {
    const facts = (error instanceof CommandError ? error.facts : undefined) ?? FACTS[code]
    // The usage that follows a usage error is for people.
    shell.out(jsonText({ error: { message: message.split('\n\n')[0], ...facts } }))
  } else shell.err(`switchgate: ${message}\n`)
  return code
}

/** Is `--json` among these words? Asked before they are understood, since not understanding them must be told in JSON too. */
export function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end < 0 ? args : args.slice(0, end)).includes('--json')
}

/** Runs one command (anything but `serve`). Resolves with the exit code; never throws. */
export async function run(args: readonly string[], shell: Shell): Promise<number> {
  const json = wantsJson(args)
  try {
    const [first, ...rest] = args.filter(arg => arg !== '--json')
    if (first === 'help' || first === '--help' || first === '-h') return help(rest, json, shell)
    return await runCommand(args, shell)
  } catch (error) {
    return tell(error, json, shell)
  }
}
