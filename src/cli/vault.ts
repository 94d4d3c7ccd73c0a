/** `switchgate vault …`: the master key, on the machine of the gateway only. */
import { MASTER_KEY_CURE } from '../vault/master.ts'
import { toBase64Url } from '../vault/seal.ts'
import { type Command, type CommandCall, CommandError, EXIT, textOf } from './command.ts'
import { plain } from './print.ts'

type Wire = Record<string, unknown>

/** The new key as text, from where other users of the machine cannot see it; undefined = the gateway makes one. */
async function givenKey({ values, shell }: CommandCall): Promise<string | undefined> {
  const [path, name] = [textOf(values, 'new-key-file'), textOf(values, 'new-key-env')]
  if (path !== undefined && name !== undefined)
    throw new CommandError('give one of --new-key-file and --new-key-env', EXIT.usage)
  if (name !== undefined) {
    const text = shell.env[name]?.trim()
    if (text) return text
    throw new CommandError(`--new-key-env: the variable ${name} is not set; ${MASTER_KEY_CURE}`, EXIT.usage)
  }
  if (path === undefined) return undefined
  const { readKeyFile } = await import('../runtime/node/key-file.ts')
  try {
    return toBase64Url(readKeyFile(path, '--new-key-file').reveal() ?? new Uint8Array())
  } catch (error) {
    throw new CommandError(error instanceof Error ? error.message : `${path} cannot be read`, EXIT.usage)
  }
}

/** Where the next start must find the new key. */
function whereNext({ path }: Wire, { values }: CommandCall): string {
  if (path !== null) return `It is in ${plain(path)}.`
  const file = textOf(values, 'new-key-file')
  return file === undefined
    ? `Put the value of ${textOf(values, 'new-key-env') ?? 'it'} where the gateway reads its key from (SWITCHGATE_MASTER_KEY_FILE or SWITCHGATE_MASTER_KEY) before its next start.`
    : `Start the gateway from now on with SWITCHGATE_MASTER_KEY_FILE=${file}.`
}

async function rotate(call: CommandCall): Promise<number> {
  const key = await givenKey(call)
  const { text } = await call.admin.send('POST', '/vault/rotate-master-key', key === undefined ? {} : { key })
  if (call.json) {
    call.shell.out(text)
    return EXIT.ok
  }
  const rotated = JSON.parse(text) as Wire
  const [from, to] = [plain(rotated.from), plain(rotated.to)]
  const kept = rotated.old_path === null ? 'where it is' : `in ${plain(rotated.old_path)}`
  call.shell.out(`The master key is ${to} now; it was ${from}. ${whereNext(rotated, call)}\n`)
  call.shell.err(
    `Backups made before this open with ${from} alone: it is kept ${kept}. Keep it apart from the database, or delete it when they are gone.\n`,
  )
  return EXIT.ok
}

export const vaultCommands: readonly Command[] = [
  {
    name: 'vault rotate-master-key',
    summary: 'Another master key, made or given; secrets and keys stay as they are',
    usage: '[--new-key-file PATH | --new-key-env NAME]',
    words: [0, 0],
    options: { 'new-key-file': { type: 'string' }, 'new-key-env': { type: 'string' } },
    run: rotate,
  },
]
