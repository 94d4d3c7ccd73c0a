/** `switchgate import litellm`: a config of LiteLLM's proxy as a switchgate.yaml. Reads and writes files, asks nobody. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Command, type CommandCall, CommandError, EXIT, textOf } from './command.ts'
import { jsonText, plain } from './print.ts'

const why = (error: unknown): string => (error instanceof Error ? error.message : String(error))

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new CommandError(`${path} cannot be read: ${why(error)}`, EXIT.usage)
  }
}

/** Only ever a new file: a config that is there was somebody's work. */
function writeNew(path: string, text: string): void {
  let file: number
  try {
    file = openSync(path, 'wx', 0o600)
  } catch (error) {
    const exists = (error as { code?: unknown }).code === 'EEXIST'
    throw new CommandError(
      exists ? `${path} exists already: name a new file` : `${path} cannot be written: ${why(error)}`,
      EXIT.usage,
    )
  }
  writeSync(file, text)
  closeSync(file)
}

/** What `config check` would say of the result once its variables are set. */
async function faultsOf(
  text: string,
  variables: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
) {
  const [{ loadConfig }, { KINDS }, { loadCatalog }] = await Promise.all([
    import('../config/load.ts'),
    import('../../providers/index.ts'),
    import('../../providers/catalog/loader.ts'),
  ])
  const set = Object.fromEntries(variables.map(name => [name, 'set']))
  const loaded = loadConfig(text, { kinds: KINDS, catalog: loadCatalog(), env: { ...env, ...set } })
  return loaded.ok ? [] : loaded.faults
}

async function run(call: CommandCall): Promise<number> {
  const { values, words, shell, json } = call
  const [{ importLiteLlm }, { formatFault }] = await Promise.all([
    import('../config/litellm/litellm.ts'),
    import('../config/text.ts'),
  ])
  const path = resolve(words[0] ?? '')
  const done = importLiteLlm(read(path), shell.env)
  if ('why' in done) throw new CommandError(`${path}: ${done.why}`, EXIT.config)
  const faults = await faultsOf(done.text, done.variables, shell.env)
  const out = textOf(values, 'out')
  const written = out === undefined ? undefined : resolve(out)
  if (written !== undefined) writeNew(written, done.text)
  const { providers, models, notes, skipped, variables } = done
  if (json) {
    const lined = faults.map(fault => ({ path: fault.path, reason: fault.reason, line: fault.line ?? null }))
    const unset = variables.filter(name => !shell.env[name])
    const report = {
      providers,
      models,
      variables,
      unset,
      skipped,
      notes,
      faults: lined,
      out: written ?? null,
    }
    shell.out(jsonText({ ...report, ...(written === undefined && { text: done.text }) }))
  } else {
    if (written === undefined) shell.out(done.text)
    else shell.out(`${written}\n`)
    shell.err(
      `${providers} providers, ${models} models, ${notes.length} notes (they stand in the file as comments)\n`,
    )
    if (skipped.length > 0) shell.err(`left out: ${plain(skipped.join(', '))}\n`)
    if (variables.length > 0)
      shell.err(`set before you start: ${variables.join(', ')}; then: switchgate config check\n`)
    for (const fault of faults) shell.err(`to be mended by hand: ${plain(formatFault(fault))}\n`)
  }
  return faults.length === 0 ? EXIT.ok : EXIT.failed
}

export const importCommands: readonly Command[] = [
  {
    name: 'import litellm',
    summary: "A config of LiteLLM's proxy as a switchgate.yaml, with comments for what has no counterpart",
    usage: '<config.yaml> [--out switchgate.yaml]',
    words: [1, 1],
    options: { out: { type: 'string' } },
    run,
  },
]
