/** `switchgate models`: what can be called now, everything that the catalogue knows, or what providers list beyond it. */
import { getAll } from './client.ts'
import { type Command, type CommandCall, CommandError, EXIT, listOf, textOf } from './command.ts'
import { changesText, type ReportWire } from './catalog.ts'
import { jsonText, money, plain, table } from './print.ts'

type Wire = Record<string, unknown>

interface OfferWire extends Wire {
  readonly provider: string
  readonly model: string
  readonly input_usd_per_mtok: number | null
  readonly output_usd_per_mtok: number | null
  readonly context_tokens: number | null
}

type Models = Map<string, OfferWire[]>

function put(models: Models, id: string, offer: OfferWire): void {
  const offers = models.get(id) ?? []
  // One line an offer: a second credential for the same one says nothing new here.
  if (!offers.some(known => known.provider === offer.provider && known.model === offer.model))
    offers.push(offer)
  models.set(id, offers)
}

/** The words and `--provider` as a query. */
function queryOf(call: CommandCall): string {
  const query = new URLSearchParams()
  const provider = textOf(call.values, 'provider')
  if (provider !== undefined) query.set('provider', provider)
  if (call.words.length > 0) query.set('search', call.words.join(' '))
  return query.size === 0 ? '' : `?${query}`
}

async function forSale(call: CommandCall): Promise<Models> {
  const models: Models = new Map()
  for (const target of await getAll(call.admin, `/targets${queryOf(call)}`)) {
    const price = target.price as { input_usd_per_mtok: number; output_usd_per_mtok: number } | null
    put(models, String(target.model), {
      provider: String(target.provider),
      model: String(target.upstream_model),
      input_usd_per_mtok: price?.input_usd_per_mtok ?? null,
      output_usd_per_mtok: price?.output_usd_per_mtok ?? null,
      context_tokens: target.context_tokens as number | null,
      supports: target.supports,
    })
  }
  return models
}

async function inCatalogue(call: CommandCall): Promise<Models> {
  const models: Models = new Map()
  for (const { id, ...offer } of await getAll(call.admin, `/catalog/offers${queryOf(call)}`))
    put(models, String(id), offer as OfferWire)
  return models
}

/** What makes an offer one to look at twice. */
const remarkOf = (offer: OfferWire) =>
  ['doubtful', 'disputed', 'deprecated', 'trial'].filter(mark => offer[mark] === true).join(', ')

function tableOf(sorted: readonly (readonly [string, readonly OfferWire[]])[]): string {
  const columns = [
    { title: 'MODEL' },
    { title: 'PROVIDER' },
    { title: 'IN / MTOK', right: true },
    { title: 'OUT / MTOK', right: true },
    { title: 'CONTEXT', right: true },
    { title: '' },
  ]
  const rows = sorted.flatMap(([id, offers]) =>
    offers.map(offer => [
      id,
      offer.provider,
      money(offer.input_usd_per_mtok),
      money(offer.output_usd_per_mtok),
      offer.context_tokens?.toLocaleString('en-US'),
      remarkOf(offer),
    ]),
  )
  return table(columns, rows)
}

function nothing(call: CommandCall): string {
  if (call.words.length > 0 || call.values.provider !== undefined)
    return call.values.all === true
      ? 'The catalogue knows no such model.\n'
      : 'Nothing that is for sale here matches; --all searches the whole catalogue.\n'
  return 'Nothing is for sale yet: set a provider’s key (OPENAI_API_KEY, …) or run: switchgate credential add openai\n'
}

const plural = (count: number, what: string) =>
  `${count.toLocaleString('en-US')} ${what}${count === 1 ? '' : 's'}`

async function list(call: CommandCall): Promise<number> {
  const models = call.values.all === true ? await inCatalogue(call) : await forSale(call)
  const sorted = [...models].toSorted(([a], [b]) => (a < b ? -1 : 1))
  const offers = sorted.flatMap(([, each]) => each)
  const providers = new Set(offers.map(offer => offer.provider))
  const total = { models: sorted.length, offers: offers.length, providers: providers.size }
  if (call.json) {
    const data = sorted.map(([id, each]) => ({ id, offers: each }))
    call.shell.out(jsonText({ data, next_cursor: null, total }))
    return EXIT.ok
  }
  if (sorted.length === 0) {
    call.shell.err(nothing(call))
    return EXIT.ok
  }
  call.shell.out(tableOf(sorted))
  const counts = [plural(total.models, 'model'), plural(total.offers, 'offer')].join(', ')
  call.shell.err(`${counts} from ${plural(total.providers, 'provider')}\n`)
  return EXIT.ok
}

interface ListWire {
  readonly provider: string
  readonly listed: number
  readonly new: readonly (Wire & { readonly id: string; readonly call_as: string })[]
  readonly missing: readonly string[]
  readonly error: string | null
}

const SHOWN_MAX = 40

function listText(found: ListWire): string {
  if (found.error !== null) return `${plain(found.provider)}: ${plain(found.error)}\n`
  const lines = found.new
    .slice(0, SHOWN_MAX)
    .map(model => {
      const price =
        model.input_usd_per_mtok === null
          ? 'unpriced'
          : `${money(model.input_usd_per_mtok)} in, ${money(model.output_usd_per_mtok)} out per million`
      return `  + ${plain(model.call_as)}  ${price}\n`
    })
    .join('')
  const more = found.new.length > SHOWN_MAX ? `  … and ${found.new.length - SHOWN_MAX} more (--json)\n` : ''
  const gone = found.missing.length > 0 ? `, ${found.missing.length} of the catalogue not listed` : ''
  const head = `${plain(found.provider)}: ${plural(found.listed, 'model')} listed, ${found.new.length} new${gone}\n`
  return head + lines + more
}

async function refresh(call: CommandCall): Promise<number> {
  const { values, shell } = call
  if (values.all === true || values.provider !== undefined || call.words.length > 0)
    throw new CommandError(
      '--refresh asks every configured provider: no words, --all or --provider',
      EXIT.usage,
    )
  const save = values.save === true
  const body = { save, ...(values.accept !== undefined && { accept: listOf(values, 'accept') }) }
  const { text } = await call.admin.send('POST', '/models/refresh', body)
  const answer = JSON.parse(text) as { data: readonly ListWire[]; prices: ReportWire | null }
  const refused = answer.prices?.refused.length ?? 0
  if (call.json) shell.out(text)
  else {
    for (const found of answer.data) shell.out(listText(found))
    if (answer.data.length === 0) shell.err('No provider is configured: there is nobody to ask.\n')
    if (answer.prices !== null) {
      shell.out(changesText(answer.prices))
      if (!save) shell.err('Nothing was changed: --save takes these prices over.\n')
    }
    if (answer.data.some(found => found.new.some(model => model.input_usd_per_mtok === null)))
      shell.err('A new model can be called as shown, unpriced: give it a price under providers.….models.\n')
  }
  return save && refused > 0 ? EXIT.failed : EXIT.ok
}

async function run(call: CommandCall): Promise<number> {
  if (call.values.refresh === true) return refresh(call)
  for (const option of ['save', 'accept'])
    if (call.values[option] !== undefined)
      throw new CommandError(`--${option} goes with --refresh`, EXIT.usage)
  return list(call)
}

const WORDS_MAX = 16

export const modelCommands: readonly Command[] = [
  {
    name: 'models',
    summary: 'Models that can be called now; --all = the whole catalogue; words search',
    usage: '[words …] [--all] [--provider NAME] | --refresh [--save] [--accept provider/model]',
    words: [0, WORDS_MAX],
    options: {
      all: { type: 'boolean' },
      provider: { type: 'string' },
      refresh: { type: 'boolean' },
      save: { type: 'boolean' },
      accept: { type: 'string', multiple: true },
    },
    run,
  },
]
