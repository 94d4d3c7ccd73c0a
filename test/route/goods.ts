/** Listings, markets and plans from literals, for tests of choosing. */
import { openai } from '../../providers/openai.ts'
import type { StrategyName } from '../../src/config/schema.ts'
import { createExperience, type Experience } from '../../src/route/experience.ts'
import { createHealth, type Health } from '../../src/route/health.ts'
import type { Listing, Market, Site } from '../../src/route/market.ts'
import { type Plan, type RouteDeps, route, targetKey, type Wanted } from '../../src/route/plan.ts'
import type { Capability, Key, Offer, Usage } from '../../src/terms.ts'

export const NOW = 1_700_000_000_000

export const siteOf = (name: string, more: Partial<Site> = {}): Site =>
  ({
    name,
    provider: openai,
    credentials: [],
    builtIn: false,
    quirks: {},
    headers: [],
    ...more,
  }) as unknown as Site

/** Sold at so many USD per million tokens, in and out; cached input at a tenth. */
export function listing(
  provider: string,
  usd: number | undefined,
  more: Partial<Offer> = {},
  site: Partial<Site> = {},
): Listing {
  const pico = usd === undefined ? undefined : Math.round(usd * 1_000_000)
  const offer: Offer = {
    provider,
    model: 'm',
    upstream: `${provider}-m`,
    price:
      pico === undefined
        ? undefined
        : { id: provider, inputPico: pico, outputPico: pico, cacheReadPico: Math.round(pico / 10) },
    contextTokens: 100_000,
    maxOutputTokens: undefined,
    supports: new Set<Capability>(['tools']),
    thinksUnseen: false,
    ...more,
  }
  return { offer, site: siteOf(provider, site) }
}

export function marketOf(names: Readonly<Record<string, readonly Listing[]>>): Market {
  const found = new Map(
    Object.entries(names).map(([name, listings]) => [
      name,
      { kind: 'found', listings, strategy: undefined, alias: undefined } as const,
    ]),
  )
  return {
    resolve: name => found.get(name) ?? { kind: 'unknown', near: [] },
    listings: Object.values(names).flat(),
    canonical: () => undefined,
    aliases: [],
    sites: [],
  }
}

export const KEY = {
  id: 'k1',
  lineage: 'k1',
  models: null,
  providers: null,
  budgets: [],
  tags: [],
  metadata: {},
  limits: {},
} as unknown as Key

export const wanted = (more: Partial<Wanted> = {}): Wanted => ({
  model: 'm',
  fallbackModels: [],
  preferences: undefined,
  needs: new Set(),
  likelyInputTokens: 100,
  maxOutputTokens: undefined,
  ...more,
})

/** Seeded dice (mulberry32). */
export function diceOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export const usage = (input: number, output: number, cached = 0): Usage => ({
  inputTokens: input,
  cacheReadInputTokens: cached,
  cacheCreationInputTokens: 0,
  outputTokens: output,
  reasoningOutputTokens: 0,
})

/** A router with its memory, on a clock of its own. */
export interface Desk {
  readonly health: Health
  readonly experience: Experience
  nowMs: number
  plan(more?: Partial<Wanted>, key?: Key): Plan
  /** The plan was followed: its target (or the named one) answered. */
  answered(plan: Plan, more?: { by?: string; usage?: Usage; ttftMs?: number; key?: Key }): void
  failed(plan: Plan, key?: Key): void
}

export function deskOf(
  market: Pick<Market, 'resolve' | 'listings'>,
  strategy: StrategyName = 'balanced',
  more: Partial<RouteDeps> = {},
): Desk {
  const random = diceOf(7)
  const desk: Desk = {
    health: createHealth(),
    experience: createExperience(),
    nowMs: NOW,
    plan: (asked, key = KEY) =>
      route(wanted(asked), key, {
        market,
        health: desk.health,
        experience: desk.experience,
        nowMs: desk.nowMs,
        random,
        strategy,
        ...more,
      }),
    answered(plan, { by, usage: used = usage(100, 100), ttftMs = 300, key = KEY } = {}) {
      const target = plan.targets.find(({ listing: { site } }) => by === undefined || site.name === by)
      if (!target) throw new Error(`nobody is called ${by}`)
      const ok = { kind: 'ok', ttftMs, totalMs: ttftMs + 1_000, outputTokens: used.outputTokens } as const
      desk.health.observe(target.key, ok, desk.nowMs)
      const { lineage } = key
      const { model } = target.listing.offer
      desk.experience.learn(
        { trace: plan.trace, lineage, model, target: target.key, ttftMs, usage: used },
        desk.nowMs,
      )
    },
    failed(plan, { lineage } = KEY) {
      const ended = { trace: plan.trace, lineage, model: 'm', target: undefined }
      desk.experience.learn({ ...ended, ttftMs: undefined, usage: undefined }, desk.nowMs)
    },
  }
  return desk
}

export const namesOf = (plan: Plan): string[] => plan.targets.map(target => target.listing.site.name)
export const firstOf = (plan: Plan): string | undefined => namesOf(plan)[0]
/** A target in trouble: so many faults in a row. */
export function fail(desk: Desk, of: Listing, times = 3): void {
  for (let i = 0; i < times; i++) desk.health.observe(targetKey(of, undefined), { kind: 'fault' }, desk.nowMs)
}
