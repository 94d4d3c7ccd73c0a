/** `switchgate config diff`: what the running gateway would change if it loaded this file. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { formatFault } from '../config/text.ts'
import { type Command, type CommandCall, CommandError, EXIT } from './command.ts'
import { plain } from './print.ts'

interface SettingWire {
  readonly path: string
  readonly kind: keyof typeof MARKS
  readonly from?: unknown
  readonly to?: unknown
  readonly needs_restart: boolean
}

interface OfferWire {
  readonly upstream_model: string
  readonly price: {
    readonly input_usd_per_mtok: number | null
    readonly output_usd_per_mtok: number | null
  } | null
}

interface DiffWire {
  readonly ok: boolean
  readonly same: boolean
  readonly faults: readonly { path: string; reason: string; line: number | null }[]
  readonly settings: readonly SettingWire[]
  readonly providers: { readonly added: readonly string[]; readonly removed: readonly string[] }
  readonly offers: readonly {
    readonly model: string
    readonly provider: string
    readonly kind: keyof typeof MARKS
    readonly from: OfferWire | null
    readonly to: OfferWire | null
  }[]
  readonly unreadable: readonly { provider: string; credential: string; reason: string }[]
}

const MARKS = { added: '+', removed: '-', changed: '~' } as const
/** More are counted: a provider with the whole catalogue has hundreds. */
const OFFERS_SHOWN = 40

async function fileOf(call: CommandCall): Promise<{ path: string; text: string }> {
  const { readSettings } = await import('../runtime/node/settings.ts')
  const [word] = call.words
  const path = word === undefined ? readSettings(call.shell.env).configPath : resolve(word)
  if (path === undefined)
    throw new CommandError('there is no config file here: name one, or set SWITCHGATE_CONFIG', EXIT.usage)
  try {
    return { path, text: readFileSync(path, 'utf8') }
  } catch (error) {
    throw new CommandError(
      `${path} cannot be read: ${error instanceof Error ? error.message : ''}`,
      EXIT.usage,
    )
  }
}

function settingLine({ path, kind, from, to, needs_restart }: SettingWire): string {
  const shown = (value: unknown) => plain(JSON.stringify(value))
  const values =
    from !== undefined && to !== undefined
      ? `: ${shown(from)} → ${shown(to)}`
      : to !== undefined
        ? `: ${shown(to)}`
        : from !== undefined
          ? `: was ${shown(from)}`
          : ''
  return `${MARKS[kind]} ${plain(path)}${values}${needs_restart ? '  (with the next start)' : ''}\n`
}

function priceText(offer: OfferWire | null): string {
  if (offer === null) return ''
  const { price } = offer
  const usd = (value: number | null) => (value === null ? '?' : `$${value}`)
  return price === null ? 'no price' : `${usd(price.input_usd_per_mtok)} / ${usd(price.output_usd_per_mtok)}`
}

function offerLine({ model, provider, kind, from, to }: DiffWire['offers'][number]): string {
  const [before, after] = [priceText(from), priceText(to)]
  const prices =
    kind === 'changed'
      ? before === after
        ? 'other upstream or limits'
        : `${before} → ${after}`
      : before || after
  return `${MARKS[kind]} ${plain(model)}@${plain(provider)}  ${prices}\n`
}

function print(call: CommandCall, path: string, diff: DiffWire): void {
  const { shell } = call
  if (diff.same) {
    shell.out(`${path}: nothing would change\n`)
    return
  }
  for (const line of diff.settings.map(settingLine)) shell.out(line)
  for (const name of diff.providers.added) shell.out(`+ provider ${plain(name)}\n`)
  for (const name of diff.providers.removed) shell.out(`- provider ${plain(name)}\n`)
  for (const line of diff.offers.slice(0, OFFERS_SHOWN).map(offerLine)) shell.out(line)
  const left = diff.offers.length - OFFERS_SHOWN
  if (left > 0) shell.out(`  and ${left} more offers (--json has all)\n`)
  for (const { provider, credential, reason } of diff.unreadable)
    shell.err(
      `warning: the credential ${plain(provider)}/${plain(credential)} could not be used: ${plain(reason)}\n`,
    )
}

async function run(call: CommandCall): Promise<number> {
  const { path, text } = await fileOf(call)
  const answer = await call.admin.send('POST', '/config/diff', { text })
  const diff = JSON.parse(answer.text) as DiffWire
  if (call.json) call.shell.out(answer.text)
  else if (diff.ok) print(call, path, diff)
  else {
    const faults = diff.faults.map(({ line, ...fault }) =>
      formatFault({ ...fault, ...(line !== null && { line }) }),
    )
    call.shell.err(`${path} would not be loaded:\n${faults.map(fault => `  ${plain(fault)}\n`).join('')}`)
  }
  return diff.ok ? (diff.same ? EXIT.ok : EXIT.failed) : EXIT.config
}

export const configDiffCommands: readonly Command[] = [
  {
    name: 'config diff',
    summary: 'What the running gateway would change if it loaded this file; exit 1 = something',
    usage: '[file]',
    words: [0, 1],
    run,
  },
]
