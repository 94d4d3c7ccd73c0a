/** `switchgate models`: what can be called now, or everything that the catalogue knows. */
import { PICO_PER_USD_PER_MTOK, type Price } from '../price.ts'
import { getAll } from './client.ts'
import { type Command, type CommandCall, EXIT } from './command.ts'
import { listText, money, table } from './print.ts'

interface OfferWire {
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

async function forSale(call: CommandCall): Promise<Models> {
  const models: Models = new Map()
  for (const target of await getAll(call.admin, '/targets')) {
    const price = target.price as { input_usd_per_mtok: number; output_usd_per_mtok: number } | null
    put(models, String(target.model), {
      provider: String(target.provider),
      model: String(target.upstream_model),
      input_usd_per_mtok: price?.input_usd_per_mtok ?? null,
      output_usd_per_mtok: price?.output_usd_per_mtok ?? null,
      context_tokens: target.context_tokens as number | null,
    })
  }
  return models
}

const perMtok = (price: Price | undefined, part: 'inputPico' | 'outputPico'): number | null =>
  price === undefined ? null : price[part] / PICO_PER_USD_PER_MTOK

async function inCatalogue(): Promise<Models> {
  const { loadCatalog } = await import('../../providers/catalog/loader.ts')
  const models: Models = new Map()
  for (const offer of loadCatalog().offers) {
    put(models, offer.model, {
      provider: offer.provider,
      model: offer.upstream,
      input_usd_per_mtok: perMtok(offer.price, 'inputPico'),
      output_usd_per_mtok: perMtok(offer.price, 'outputPico'),
      context_tokens: offer.contextTokens ?? null,
    })
  }
  return models
}

async function run(call: CommandCall): Promise<number> {
  const models = call.values.all === true ? await inCatalogue() : await forSale(call)
  const sorted = [...models].toSorted(([a], [b]) => (a < b ? -1 : 1))
  if (call.json) {
    call.shell.out(listText(sorted.map(([id, offers]) => ({ id, offers }))))
    return EXIT.ok
  }
  if (sorted.length === 0) {
    call.shell.err(
      'Nothing is for sale yet: set a provider’s key (OPENAI_API_KEY, …) or run: switchgate credential add openai\n',
    )
    return EXIT.ok
  }
  const columns = [
    { title: 'MODEL' },
    { title: 'PROVIDER' },
    { title: 'IN / MTOK', right: true },
    { title: 'OUT / MTOK', right: true },
    { title: 'CONTEXT', right: true },
  ]
  const rows = sorted.flatMap(([id, offers]) =>
    offers.map(offer => [
      id,
      offer.provider,
      money(offer.input_usd_per_mtok),
      money(offer.output_usd_per_mtok),
      offer.context_tokens?.toLocaleString('en-US'),
    ]),
  )
  call.shell.out(table(columns, rows))
  return EXIT.ok
}

export const modelCommands: readonly Command[] = [
  {
    name: 'models',
    summary: 'Models that can be called now; --all = the whole catalogue',
    usage: '[--all]',
    words: [0, 0],
    options: { all: { type: 'boolean' } },
    run,
  },
]
