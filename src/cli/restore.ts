/** `switchgate restore`: a backup as the database of a folder in which no gateway runs. */
import { resolve } from 'node:path'
import { type Command, type CommandCall, CommandError, EXIT, textOf } from './command.ts'
import { jsonText, plain } from './print.ts'

const isoOf = (ms: number | undefined): string | null =>
  ms === undefined ? null : new Date(ms).toISOString()

async function run(call: CommandCall): Promise<number> {
  const { values, words, shell } = call
  if (values.url !== undefined || values.token !== undefined)
    throw new CommandError(
      'restore works on a folder of this machine: it takes neither --url nor --token',
      EXIT.usage,
    )
  const [{ readSettings }, { restore }] = await Promise.all([
    import('../runtime/node/settings.ts'),
    import('../runtime/node/restore.ts'),
  ])
  const data = textOf(values, 'data')
  const { env, dataFolder } = readSettings({
    ...shell.env,
    ...(data !== undefined && { SWITCHGATE_DATA: data }),
  })
  const backup = resolve(words[0] ?? '')
  const done = await restore({ backup, folder: dataFolder, env, force: values.force === true })
  const newest = isoOf(done.newestRequestAtMs)
  if (call.json) {
    shell.out(
      jsonText({
        folder: done.folder,
        schema_version: done.schemaVersion,
        keys: done.keys,
        projects: done.projects,
        credentials: done.credentials,
        newest_request_at: newest,
        set_aside: done.setAside ?? null,
        active_again: done.revived ?? null,
      }),
    )
    return EXIT.ok
  }
  const { active, suspended, revoked } = done.keys
  shell.out(
    `${plain(done.folder)}: ${active} active, ${suspended} suspended, ${revoked} revoked keys, ${done.projects} projects, ${done.credentials} credentials\n`,
  )
  const say = (text: string) => shell.err(`${text}\n`)
  if (done.setAside !== undefined) say(`What was there is now in ${plain(done.setAside)}.`)
  say(
    `Its newest request is of ${newest ?? 'no time: there is none'}. What was spent later is not in the budgets.`,
  )
  say('Keys are as they were then: revoked ones stay revoked, but one that was revoked later works again.')
  for (const { id, name, status } of done.revived ?? [])
    say(
      `  ${plain(id)} (${plain(name)}) was ${plain(status)}: switchgate key ${status === 'suspended' ? 'suspend' : 'revoke'} ${plain(id)}`,
    )
  say('Next: switchgate doctor, then start the gateway.')
  return EXIT.ok
}

export const restoreCommands: readonly Command[] = [
  {
    name: 'restore',
    summary: 'Put a backup in place as the database of a data folder in which no gateway runs',
    usage: '<backup> [--data DIR] [--force]',
    words: [1, 1],
    options: { data: { type: 'string' }, force: { type: 'boolean' } },
    run,
  },
]
