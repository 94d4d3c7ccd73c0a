/** Arguments → one command → exit code. An unknown word never starts a server. */
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util'
import { didYouMean } from '../config/nearest.ts'
import { createClient } from './client.ts'
import { type Command, CommandError, EXIT, type Shell, textOf, type Values } from './command.ts'
import { credentialCommands } from './credential.ts'
import { doctorCommands } from './doctor.ts'
import { hostCommands } from './host.ts'
import { keyCommands } from './key.ts'
import { modelCommands } from './models.ts'
import { spendCommands } from './spend.ts'

export const COMMANDS: readonly Command[] = [
  ...keyCommands,
  ...credentialCommands,
  ...modelCommands,
  ...spendCommands,
  ...hostCommands,
  ...doctorCommands,
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

function unknown(words: readonly string[]): CommandError {
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
    const what =
      code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' ? `unknown option ${name}${near}` : (error as Error).message
    throw new CommandError(`${what}\n\n${usageText(command)}`, EXIT.usage)
  }
}

async function runCommand(args: readonly string[], shell: Shell): Promise<number> {
  const firstOption = args.findIndex(arg => arg.startsWith('-'))
  const command = commandOf(firstOption < 0 ? args : args.slice(0, firstOption))
  const { values, words } = parse(command, args.slice(command.name.split(' ').length))
  if (values.help === true) {
    shell.out(usageText(command))
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

/** Runs one command (anything but `serve`). Resolves with the exit code; never throws. */
export async function run(args: readonly string[], shell: Shell): Promise<number> {
  try {
    const [first, ...rest] = args
    if (first === 'help' || first === '--help' || first === '-h') {
      shell.out(rest.length === 0 ? helpText() : usageText(commandOf(rest)))
      return EXIT.ok
    }
    return await runCommand(args, shell)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    shell.err(`switchgate: ${message.trimEnd()}\n`)
    if (error instanceof CommandError) return error.code
    const name = error instanceof Error ? error.name : ''
    if (name === 'SettingsError' || name === 'MasterKeyMismatch' || name === 'KeyringLost') return EXIT.config
    return name === 'FolderInUse' ? EXIT.unavailable : EXIT.failed
  }
}
