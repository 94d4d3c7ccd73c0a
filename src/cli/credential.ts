/** `switchgate credential …`: secrets come from standard input or a variable, never from the command's arguments. */
import { getAll } from './client.ts'
import { type Command, type CommandCall, CommandError, EXIT, numberOf, textOf } from './command.ts'
import { secondsOf } from './key.ts'
import { listText, plain, table, time } from './print.ts'

type Wire = Record<string, unknown>

const secretOptions = { secret: { type: 'string' }, 'secret-env': { type: 'string' } } as const

/** The secret, from where other users of the machine cannot see it. Throws a usage error. */
async function secretOf({ values, shell }: CommandCall): Promise<string> {
  if (values.secret !== undefined) {
    const why = 'arguments are seen by every process of this machine and kept in the shell’s history'
    throw new CommandError(
      `--secret is refused: ${why}. Pipe the secret in, or use --secret-env NAME`,
      EXIT.usage,
    )
  }
  const name = textOf(values, 'secret-env')
  if (name !== undefined) {
    const secret = shell.env[name]?.trim()
    if (secret) return secret
    throw new CommandError(`--secret-env: the variable ${name} is not set`, EXIT.usage)
  }
  const secret = (await shell.readStdin())?.trim()
  if (secret) return secret
  const cure = 'switchgate credential add openai < key.txt, or --secret-env OPENAI_API_KEY'
  throw new CommandError(`no secret on standard input: ${cure}`, EXIT.usage)
}

function showOne(call: CommandCall, text: string, done: string): number {
  const credential = JSON.parse(text) as Wire
  if (call.json) call.shell.out(text)
  else
    call.shell.out(
      `${done} ${plain(credential.id)}: ${plain(credential.provider)}/${plain(credential.name)}, ${seen(credential)}\n`,
    )
  return EXIT.ok
}

const pathOf = (call: CommandCall, verb: string): string =>
  `/credentials/${encodeURIComponent(call.words[0] ?? '')}/${verb}`

function graceOf({ values }: CommandCall): Wire {
  const grace = textOf(values, 'grace')
  return grace === undefined ? {} : { grace_seconds: secondsOf(grace) }
}

/** Stages beside the current one, as in `previous 3f2a1b until 2026-11-23 12:00`. */
const othersText = ({ versions }: Wire): string =>
  (versions as readonly Wire[])
    .filter(one => one.stage !== 'current')
    .map(
      one =>
        `${plain(one.stage)} ${plain(one.fingerprint)}${one.ends_at === null ? '' : ` until ${time(one.ends_at)}`}`,
    )
    .join(', ')

const seen = (credential: Wire): string =>
  typeof credential.ref === 'string' ? plain(credential.ref) : `fingerprint ${plain(credential.fingerprint)}`

async function add(call: CommandCall): Promise<number> {
  const { values } = call
  const ref = textOf(values, 'ref')
  const body = {
    provider: call.words[0],
    name: textOf(values, 'name'),
    weight: numberOf(values, 'weight'),
    ...(ref === undefined ? { secret: await secretOf(call) } : { ref }),
  }
  return showOne(call, (await call.admin.send('POST', '/credentials', body)).text, 'Added')
}

async function list(call: CommandCall): Promise<number> {
  const credentials = await getAll(call.admin, '/credentials')
  if (call.json) {
    call.shell.out(listText(credentials))
    return EXIT.ok
  }
  if (credentials.length === 0) {
    call.shell.err(
      'No stored credentials (those of the environment and the config file are not listed here).\n',
    )
    return EXIT.ok
  }
  const columns = [
    { title: 'ID' },
    { title: 'PROVIDER' },
    { title: 'NAME' },
    { title: 'SECRET' },
    { title: 'BESIDE IT' },
    { title: 'WEIGHT', right: true },
    { title: 'ADDED' },
  ]
  const rows = credentials.map(one => [
    one.id,
    one.provider,
    one.name,
    seen(one),
    othersText(one),
    one.weight,
    time(one.created_at),
  ])
  call.shell.out(table(columns, rows))
  return EXIT.ok
}

async function test(call: CommandCall): Promise<number> {
  const { text } = await call.admin.send(
    'POST',
    `/credentials/${encodeURIComponent(call.words[0] ?? '')}/test`,
  )
  const { ok, message } = JSON.parse(text) as Wire
  if (call.json) call.shell.out(text)
  else call.shell.out(`${ok ? 'works' : 'does not work'}: ${plain(message)}\n`)
  return ok ? EXIT.ok : EXIT.failed
}

export const credentialCommands: readonly Command[] = [
  {
    name: 'credential add',
    summary: 'Store a provider’s secret, read from standard input',
    usage: '<provider> [--name main] [--weight 1] [--secret-env NAME | --ref env://NAME]',
    words: [1, 1],
    options: {
      ...secretOptions,
      name: { type: 'string' },
      weight: { type: 'string' },
      ref: { type: 'string' },
    },
    run: add,
  },
  {
    name: 'credential list',
    summary: 'Stored credentials, by fingerprint',
    usage: '',
    words: [0, 0],
    run: list,
  },
  {
    name: 'credential test',
    summary: 'Ask the provider whether it works',
    usage: '<id>',
    words: [1, 1],
    run: test,
  },
  {
    name: 'credential rotate',
    summary: 'A new secret for the same credential, read from standard input and tested first',
    usage: '<id> [--secret-env NAME] [--pending] [--grace 24h] [--no-test]',
    words: [1, 1],
    options: {
      ...secretOptions,
      pending: { type: 'boolean' },
      grace: { type: 'string' },
      'no-test': { type: 'boolean' },
    },
    async run(call) {
      const { values } = call
      const body = {
        secret: await secretOf(call),
        ...(values.pending === true && { stage: 'pending' }),
        ...(values['no-test'] === true && { test: false }),
        ...graceOf(call),
      }
      const done = values.pending === true ? 'Pending for' : 'Rotated'
      return showOne(call, (await call.admin.send('POST', pathOf(call, 'rotate'), body)).text, done)
    },
  },
  {
    name: 'credential promote',
    summary: 'Make the pending secret the current one; the old one stands in for a day (--grace)',
    usage: '<id> [--grace 24h]',
    words: [1, 1],
    options: { grace: { type: 'string' } },
    run: async call =>
      showOne(call, (await call.admin.send('POST', pathOf(call, 'promote'), graceOf(call))).text, 'Promoted'),
  },
  {
    name: 'credential retire',
    summary: 'Forget the previous secret, or with --pending the one that waits',
    usage: '<id> [--pending]',
    words: [1, 1],
    options: { pending: { type: 'boolean' } },
    async run(call) {
      const stage = call.values.pending === true ? 'pending' : 'previous'
      const { text } = await call.admin.send('POST', pathOf(call, 'retire'), { stage })
      return showOne(call, text, `Forgot the ${stage} secret of`)
    },
  },
]
