/** `switchgate admin-token reset`, `backup`: what concerns the gateway on this machine. */
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

export const hostCommands: readonly Command[] = [
  {
    name: 'admin-token reset',
    summary: 'A new admin token, shown once',
    usage: '',
    words: [0, 0],
    run: reset,
  },
  { name: 'backup', summary: 'Copy the database to a new file', usage: '<file>', words: [1, 1], run: backup },
]
