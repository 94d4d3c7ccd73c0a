/** `POST /admin/v1/config/diff`: what this gateway would change if it read this text as its config file. Changes nothing. */
import { z } from 'zod'
import { diffSettings } from '../config/diff.ts'
import type { ConfigFile } from '../config/file.ts'
import type { Fault } from '../config/text.ts'
import type { Listing, Market } from '../route/market.ts'
import { type AdminRoute, withBody } from './route.ts'
import { priceWire } from './targets.ts'
import { GatewayError } from '../errors.ts'

/** A file as it was read, with what it makes for sale. */
export interface Stock {
  readonly file: ConfigFile
  /** Configured providers, with those that the environment makes. */
  readonly providers: readonly string[]
  readonly market: Market
  /** Credentials that could not be had, by name. */
  readonly unreadable: readonly {
    readonly provider: string
    readonly credential: string
    readonly reason: string
  }[]
}

/** The config file's side of the admin plane. */
export interface ConfigPort {
  current(): Promise<Stock>
  /** As a reload would read it, with this process's environment; or what is wrong with it. */
  preview(text: string): Promise<Stock | readonly Fault[]>
}

const bodySchema = z.strictObject({
  text: z.string({ error: 'must be the text of a config file' }).max(1_000_000).describe('The whole file'),
})

const changeShape = z.object({
  path: z.string(),
  kind: z.enum(['added', 'removed', 'changed']),
  from: z.unknown().optional(),
  to: z.unknown().optional(),
  needs_restart: z.boolean(),
})
const offerShape = z.object({
  model: z.string(),
  provider: z.string(),
  kind: z.enum(['added', 'removed', 'changed']),
  from: z.unknown().nullable(),
  to: z.unknown().nullable(),
})
const responseShape = z.object({
  ok: z.boolean().describe('False = the file has faults, and would not be loaded'),
  same: z.boolean(),
  faults: z.array(z.object({ path: z.string(), reason: z.string(), line: z.int().nullable() })),
  settings: z.array(changeShape),
  providers: z.object({ added: z.array(z.string()), removed: z.array(z.string()) }),
  offers: z.array(offerShape),
  unreadable: z.array(z.object({ provider: z.string(), credential: z.string(), reason: z.string() })),
})

type OfferWire = Readonly<Record<string, unknown>>

function offerWire({ offer }: Listing): OfferWire {
  return {
    upstream_model: offer.upstream,
    context_tokens: offer.contextTokens ?? null,
    max_output_tokens: offer.maxOutputTokens ?? null,
    price: priceWire(offer.price),
  }
}

const nameOf = ({ offer }: Listing): string => `${offer.model}@${offer.provider}`

/** By model and provider; the first of several is the one that a bare name would find. */
function offersOf(market: Market): Map<string, { listing: Listing; wires: OfferWire[] }> {
  const offers = new Map<string, { listing: Listing; wires: OfferWire[] }>()
  for (const listing of market.listings) {
    const known = offers.get(nameOf(listing))
    if (known) known.wires.push(offerWire(listing))
    else offers.set(nameOf(listing), { listing, wires: [offerWire(listing)] })
  }
  return offers
}

/** One wire where there is one, which is nearly always. */
const single = (wires: OfferWire[] | undefined): unknown =>
  wires === undefined ? null : wires.length === 1 ? wires[0] : wires

function diffOffers(from: Market, to: Market): z.output<typeof offerShape>[] {
  const [before, after] = [offersOf(from), offersOf(to)]
  const names = [...new Set([...before.keys(), ...after.keys()])].sort()
  return names.flatMap(name => {
    const [old, fresh] = [before.get(name), after.get(name)]
    const { offer } = (fresh ?? old)?.listing ?? {}
    if (offer === undefined || JSON.stringify(old?.wires) === JSON.stringify(fresh?.wires)) return []
    const kind = old === undefined ? 'added' : fresh === undefined ? 'removed' : 'changed'
    const { model, provider } = offer
    return [{ model, provider, kind, from: single(old?.wires), to: single(fresh?.wires) }]
  })
}

const without = (all: readonly string[], some: readonly string[]): string[] =>
  all.filter(name => !some.includes(name))

function faulty(faults: readonly Fault[]) {
  const lined = faults.map(({ path, reason, line }) => ({ path, reason, line: line ?? null }))
  const nothing = { settings: [], providers: { added: [], removed: [] }, offers: [], unreadable: [] }
  return { ok: false, same: false, faults: lined, ...nothing }
}

export function diffStocks(now: Stock, next: Stock): z.output<typeof responseShape> {
  const settings = diffSettings(now.file, next.file).map(({ needsRestart, ...change }) => ({
    ...change,
    needs_restart: needsRestart === true,
  }))
  const providers = {
    added: without(next.providers, now.providers),
    removed: without(now.providers, next.providers),
  }
  const offers = diffOffers(now.market, next.market)
  const known = new Set(now.unreadable.map(({ provider, credential }) => `${provider}/${credential}`))
  const unreadable = next.unreadable.filter(
    ({ provider, credential }) => !known.has(`${provider}/${credential}`),
  )
  const isSame = settings.length + offers.length + providers.added.length + providers.removed.length === 0
  return { ok: true, same: isSame, faults: [], settings, providers, offers, unreadable }
}

export const configRoutes: readonly AdminRoute[] = [
  withBody({
    method: 'POST',
    path: '/config/diff',
    summary:
      'What would change if this text were the config file: settings, providers, offers and prices. Loads nothing.',
    body: bodySchema,
    response: responseShape,
    async handle(deps, call) {
      if (deps.config === undefined)
        throw new GatewayError(
          'not_found',
          'this gateway has no config file: on Workers it is SWITCHGATE_CONFIG',
        )
      const next = await deps.config.preview(call.body.text)
      if (!('market' in next)) return { json: faulty(next) }
      return { json: diffStocks(await deps.config.current(), next) }
    },
  }),
]
