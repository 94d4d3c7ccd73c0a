/** Budgets as words of the command line: `25/month`, `5/day@Europe/Berlin`, `1/day:user`, `2/month:tag=batch`. For keys and projects. */
import { type Command, CommandError, EXIT, listOf, textOf, type Values } from './command.ts'
import { money, plain } from './print.ts'

type Wire = Record<string, unknown>

const FORM = /^\$?(\d+(?:\.\d+)?)(?:\/([\w@/+-]+))?(?::(user|tag|model)(?:=(.+))?)?$/

/** An amount, a window (without one, a month), and whom it counts: `:user` = each end user, `:tag=batch` = that one. */
export function budgetOf(text: string): Wire {
  const [, usd, window = 'month', kind, name] = FORM.exec(text) ?? []
  if (usd !== undefined)
    return {
      usd: Number(usd),
      window,
      ...(kind !== undefined && (name === undefined ? { per: kind } : { [kind]: name })),
    }
  throw new CommandError(
    `--budget: "${text}" is not an amount and a window, as in 25/month, 5/day@Europe/Berlin or 1/day:user`,
    EXIT.usage,
  )
}

/** Half the world writes 1.50 so. Between two budgets stands a comma too, but a window before it. */
const DECIMAL_COMMA = /(?:^|,)\s*(\$?[\d.]+,\d+)(?=$|[/:,])/

/** Throws a usage error for an amount that would be read as two. */
function refuseComma(text: string): void {
  const amount = DECIMAL_COMMA.exec(text)?.[1]
  if (amount === undefined) return
  const pointed = amount.replaceAll('.', '').replace(',', '.')
  throw new CommandError(
    `--budget: "${amount}" may be one amount or two: write ${pointed}, or --budget twice`,
    EXIT.usage,
  )
}

/** All `--budget` of a command; `none` by itself takes every budget away. Undefined = not given. */
export function budgetsOf(values: Values): readonly Wire[] | null | undefined {
  for (const text of [values.budget ?? []].flat()) refuseComma(String(text))
  const given = listOf(values, 'budget')
  if (given?.includes('none') !== true) return given?.map(budgetOf)
  if (given.length === 1) return null
  throw new CommandError('--budget: "none" takes every budget away and stands alone', EXIT.usage)
}

/** Whom a budget counts, as `budgetOf` reads it; '' = all. */
function scopeText(entry: Wire): string {
  if (typeof entry.per === 'string') return `:${entry.per}`
  const kind = ['user', 'tag', 'model'].find(name => typeof entry[name] === 'string')
  return kind === undefined ? '' : `:${kind}=${plain(entry[kind])}`
}

/** `$1.20 of $25/month`, one after another. */
export const budgetsText = (holder: Wire): string =>
  ((holder.budgets ?? []) as Wire[])
    .map(entry => {
      const raise = entry.raise as Wire | null | undefined
      return `${money(entry.spent_usd)} of ${money(raise?.usd ?? entry.usd)}/${plain(entry.window)}${scopeText(entry)}`
    })
    .join(', ')

/** `switchgate key|project top-up <id> <usd>` */
export function topUpCommand(noun: 'key' | 'project'): Command {
  return {
    name: `${noun} top-up`,
    summary: 'Add so many USD to the prepaid budget, the one whose window is `total`',
    usage: '<id> <usd> [--once ID]',
    options: { once: { type: 'string' } },
    words: [2, 2],
    async run(call) {
      const [id = '', amount = ''] = call.words
      const usd = Number(amount.replace(/^\$/, ''))
      if (amount.trim() === '' || !Number.isFinite(usd))
        throw new CommandError(`"${amount}" is not an amount in USD, as in 25 or 0.5`, EXIT.usage)
      const once = textOf(call.values, 'once')
      if (once === '') throw new CommandError('--once: give an id of your own', EXIT.usage)
      const path = `/${noun}s/${encodeURIComponent(id)}/top-up`
      const { text } = await call.admin.send('POST', path, { usd }, undefined, once)
      if (call.json) call.shell.out(text)
      else call.shell.out(`${budgetsText(JSON.parse(text) as Wire)}\n`)
      return EXIT.ok
    },
  }
}
