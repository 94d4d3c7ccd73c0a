/** `switchgate config check`: the file and the environment as a start would read them, and every secret that they point to. */
import type { Config } from '../config/schema.ts'
import type { Fault } from '../config/text.ts'
import { type Command, type CommandCall, EXIT, type Env } from './command.ts'
import { jsonText, plain } from './print.ts'

/** What a check found. `path` undefined = there is no file, which is fine. */
export interface ConfigReport {
  readonly path: string | undefined
  /** Names of the providers that the file and the environment make. */
  readonly providers: readonly string[]
  readonly faults: readonly Fault[]
  /** What is allowed and hardly meant. */
  readonly warnings: readonly Fault[]
  /** With what the environment adds; absent while there are faults. */
  readonly config?: Config
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** `PORT: "x" is not a port` → the variable and the reason. */
function settingsFault(message: string): Fault {
  const [, path, reason] = /^([A-Z][A-Z0-9_]*): (.+)$/s.exec(message) ?? []
  return path === undefined || reason === undefined
    ? { path: 'environment', reason: message }
    : { path, reason }
}

/** Reasons why secrets cannot be had or sent, by reference. */
async function whyUnusable(
  refs: Iterable<string>,
  env: Env,
  privateFolder: string,
): Promise<Map<string, string>> {
  const { createReadRef } = await import('../runtime/node/refs.ts')
  const { parseRef } = await import('../vault/ref.ts')
  const { cleanedSecret } = await import('../authorize/headers.ts')
  const read = createReadRef({ env, privateFolder })
  const reasons = new Map<string, string>()
  for (const text of refs) {
    const ref = parseRef(text)
    if ('why' in ref) continue
    try {
      const cleaned = cleanedSecret(await read(ref))
      if ('why' in cleaned) reasons.set(text, `${text} cannot be sent to a provider: ${cleaned.why}`)
    } catch (error) {
      reasons.set(text, messageOf(error))
    }
  }
  return reasons
}

/** Checks what a start would read. Never throws; no fault shows a secret. */
export async function checkConfig(given: Env): Promise<ConfigReport> {
  const [
    { readSettings },
    { readSettingFile, readTls },
    { loadConfig },
    { discover },
    { KINDS },
    { loadCatalog },
    local,
  ] = await Promise.all([
    import('../runtime/node/settings.ts'),
    import('../runtime/node/setting-file.ts'),
    import('../config/load.ts'),
    import('../config/discover.ts'),
    import('../../providers/index.ts'),
    import('../../providers/catalog/loader.ts'),
    import('../catalog/local.ts'),
  ])
  let path: string | undefined
  try {
    const { env, configPath, dataFolder, tls } = readSettings(given)
    path = configPath
    readTls(tls)
    const text = path === undefined ? '' : readSettingFile('SWITCHGATE_CONFIG', path).toString('utf8')
    const world = { kinds: KINDS, catalog: loadCatalog(), env }
    const refs = new Set<string>()
    // Reading is asynchronous and checking is not: the first pass only gathers.
    loadConfig(text, { ...world, whyUnusable: ref => void refs.add(ref) })
    const reasons = await whyUnusable(refs, env, dataFolder)
    const loaded = loadConfig(text, { ...world, whyUnusable: ref => reasons.get(ref) })
    if (!loaded.ok) return { path, providers: [], faults: loaded.faults, warnings: [] }
    const config = discover(loaded.config, KINDS, env)
    const warnings = local
      .emptyShops(config)
      .map(name => ({ path: `providers.${name}`, reason: local.SELLS_NOTHING }))
    return { path, providers: Object.keys(config.providers), faults: [], warnings, config }
  } catch (error) {
    return { path, providers: [], faults: [settingsFault(messageOf(error))], warnings: [] }
  }
}

async function check(call: CommandCall): Promise<number> {
  const { formatFault } = await import('../config/text.ts')
  const { path, providers, faults, warnings } = await checkConfig(call.shell.env)
  const ok = faults.length === 0
  if (call.json) {
    const lined = faults.map(fault => ({ path: fault.path, reason: fault.reason, line: fault.line ?? null }))
    call.shell.out(jsonText({ ok, path: path ?? null, providers, faults: lined, warnings }))
  } else if (ok) {
    const names = providers.join(', ') || 'none'
    call.shell.out(`${path ?? 'no config file, defaults'}: fine. Providers: ${names}\n`)
    for (const warning of warnings) call.shell.err(`warning: ${plain(formatFault(warning))}\n`)
  } else {
    const lines = faults.map(fault => `  ${plain(formatFault(fault))}\n`)
    call.shell.err(`${path ?? 'environment'}:\n${lines.join('')}`)
  }
  return ok ? EXIT.ok : EXIT.config
}

export const configCommands: readonly Command[] = [
  {
    name: 'config check',
    summary: 'Check switchgate.yaml and the environment',
    usage: '',
    words: [0, 0],
    run: check,
  },
]
