/** `switchgate admin-token reset`, `backup`, `config check`: what concerns the gateway on this machine. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Command, type CommandCall, CommandError, EXIT } from './command.ts'
import { plain } from './print.ts'

async function reset(call: CommandCall): Promise<number> {
  const { text } = await call.admin.send('POST', '/admin-token/reset')
  if (call.json) call.shell.out(text)
  else {
    call.shell.out(`${plain((JSON.parse(text) as { admin_token: string }).admin_token)}\n`)
    call.shell.err(
      'The new admin token. It is shown here once; the old one and all dashboard sessions have ended.\n',
    )
  }
  return EXIT.ok
}

async function backup(call: CommandCall): Promise<number> {
  const path = resolve(call.words[0] ?? '')
  if (existsSync(path)) throw new CommandError(`${path} exists already: name a new file`, EXIT.usage)
  const { text } = await call.admin.send('POST', '/backup', { path })
  if (call.json) call.shell.out(text)
  else {
    call.shell.out(`${path}\n`)
    call.shell.err(
      'Secrets in it are sealed by the master key, which is not in it: keep that key elsewhere, apart from this file.\n',
    )
  }
  return EXIT.ok
}

async function check(call: CommandCall): Promise<number> {
  const { readSettings } = await import('../runtime/node/settings.ts')
  const { readConfig } = await import('../runtime/node/supply.ts')
  const faults: string[] = []
  let path: string | undefined
  let providers: string[] = []
  try {
    const settings = readSettings(call.shell.env)
    path = settings.configPath
    providers = Object.keys(readConfig(path, settings.env).providers)
  } catch (error) {
    faults.push(error instanceof Error ? error.message : String(error))
  }
  const ok = faults.length === 0
  if (call.json) call.shell.out(`${JSON.stringify({ ok, path: path ?? null, providers, faults }, null, 2)}\n`)
  else if (!ok) call.shell.err(`${faults.join('\n')}\n`)
  else
    call.shell.out(
      `${path ?? 'no config file, defaults'}: fine. Providers: ${providers.join(', ') || 'none'}\n`,
    )
  return ok ? EXIT.ok : EXIT.config
}

export const hostCommands: readonly Command[] = [
  {
    name: 'admin-token reset',
    summary: 'A new admin token, shown once',
    usage: '',
    words: [0, 0],
    run: reset,
  },
  { name: 'backup', summary: 'Copy the database to a new file', usage: '<file>', words: [1, 1], run: backup },
  {
    name: 'config check',
    summary: 'Check switchgate.yaml and the environment',
    usage: '',
    words: [0, 0],
    run: check,
  },
]
