/** `switchgate request release`: what a crash charged in full, given the cost that it really had. */
import { type Command, type CommandCall, CommandError, EXIT, textOf } from './command.ts'
import { money, plain } from './print.ts'

async function release(call: CommandCall): Promise<number> {
  const given = textOf(call.values, 'cost')
  const cost = given === undefined ? undefined : Number(given.replace(/^\$/, ''))
  if (given?.trim() === '' || (cost !== undefined && !Number.isFinite(cost)))
    throw new CommandError(`--cost: "${given}" is not an amount in USD, as in 0.02`, EXIT.usage)
  const path = `/requests/${encodeURIComponent(call.words[0] ?? '')}/release`
  const { text } = await call.admin.send('POST', path, { cost_usd: cost })
  if (call.json) call.shell.out(text)
  else {
    const { id, cost_usd } = JSON.parse(text) as Record<string, unknown>
    call.shell.out(`Request ${plain(id)} now costs ${money(cost_usd)}.\n`)
  }
  return EXIT.ok
}

export const requestCommands: readonly Command[] = [
  {
    name: 'request release',
    summary: 'Give a request that a crash charged in full its real cost, 0 if not said',
    usage: '<id> [--cost 0.02]',
    words: [1, 1],
    options: { cost: { type: 'string' } },
    run: release,
  },
]
