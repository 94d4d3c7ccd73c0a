/** Switchgate as a policy of the simulator: the real planning, health, blame and choice of the next target, on the simulator's clock. */
import { openai } from '../../providers/openai.ts'
import { nextTarget, placeOf, repeatTarget, type Tried } from '../../src/attempt/choose.ts'
import type { StrategyName } from '../../src/config/schema.ts'
import type { Deps } from '../../src/deps.ts'
import { type Failure, GatewayError } from '../../src/errors.ts'
import { notSent, observe, observeContent, observeLate } from '../../src/record.ts'
import type { ExchangeResult } from '../../src/relay/contract.ts'
import { createExperience, type Trace } from '../../src/route/experience.ts'
import { createHealth } from '../../src/route/health.ts'
import type { Listing, Market, Site } from '../../src/route/market.ts'
import { type Plan, route, type Target } from '../../src/route/plan.ts'
import type { Key } from '../../src/terms.ts'
import { type Ending, priceFactorAt } from './physics.ts'
import { ATTEMPTS_MAX, type Policy, type Router, type Step } from './policy.ts'
import type { Request, World } from './world.ts'

const MODEL = 'model'
/** Simulated time begins here: a clock that starts at zero is none that health has to live with. */
const EPOCH_MS = 1_800_000_000_000

const KEY: Key = {
  id: 'simulated',
  lineage: 'simulated',
  hash: '',
  pepperVersion: 1,
  name: 'simulated',
  env: 'test',
  status: 'active',
  project: null,
  owner: null,
  createdAtMs: 0,
  expiresAtMs: null,
  models: null,
  providers: null,
  limits: { rpm: null, tpm: null, rpd: null, concurrency: null },
  budgets: [],
  ipAllow: null,
  ipDeny: null,
  maxOutputTokens: null,
  defaultModel: null,
  tags: [],
  metadata: {},
  regions: null,
}

function siteOf(name: string): Site {
  return {
    name,
    provider: openai,
    origin: 'http://127.0.0.1',
    basePath: '/v1',
    auth: { kind: 'none' } as unknown as Site['auth'],
    quirks: {} as Site['quirks'],
    headers: [],
    onDisconnect: 'abort',
    timeouts: {} as Site['timeouts'],
    credentials: [{ id: `${name}:main`, name: 'main', weight: 1, headers: [] }],
    builtIn: false,
  }
}

/** What is for sale at that time; a new snapshot only when a price has changed. */
function createMarkets(world: World): (nowMs: number) => Market {
  const sites = world.places.map(({ name }) => siteOf(name))
  const changes = world.prices
    .flat()
    .map(({ fromMs }) => fromMs)
    .sort((a, b) => a - b)
  const at = (nowMs: number): Market => {
    const listings = world.places.map(({ name, inputPico, outputPico }, target): Listing => {
      const factor = priceFactorAt(world, target, nowMs)
      const price = {
        id: `${name}@${factor}`,
        inputPico: Math.round(inputPico * factor),
        outputPico: Math.round(outputPico * factor),
      }
      const offer = {
        provider: name,
        model: MODEL,
        upstream: MODEL,
        price,
        contextTokens: undefined,
        maxOutputTokens: undefined,
        supports: new Set<never>(),
        thinksUnseen: false,
      }
      return { offer, site: sites[target] ?? siteOf(name) }
    })
    const resolve: Market['resolve'] = () => ({
      kind: 'found',
      listings,
      strategy: undefined,
      alias: undefined,
    })
    return { resolve, canonical: () => undefined, listings, aliases: [], sites }
  }
  let market = at(0)
  let next = 0
  return nowMs => {
    let hasChanged = false
    while ((changes[next] ?? Number.POSITIVE_INFINITY) <= nowMs) {
      next++
      hasChanged = true
    }
    if (hasChanged) market = at(nowMs)
    return market
  }
}

const UNSENT = notSent(new GatewayError('bug', ''))

/** An ending as the relay would report it. */
function resultOf(ending: Ending): ExchangeResult {
  const { kind, totalMs, ttftMs, outputTokens, retryAfterMs } = ending
  const failure = kind === 'ok' ? undefined : new GatewayError(kind as Failure, kind, { retryAfterMs })
  const usage = {
    inputTokens: 1,
    cacheReadInputTokens: 0,
    cacheCreationInputTokens: 0,
    outputTokens,
    reasoningOutputTokens: 0,
  }
  const status = kind === 'rate_limited' ? 429 : kind === 'overloaded' ? 503 : kind === 'silent' ? 0 : 200
  return {
    ...UNSENT,
    failure,
    committed: ttftMs !== undefined,
    sent: true,
    status,
    usage: kind === 'ok' ? usage : undefined,
    ttftMs,
    totalMs,
  }
}

const REPEAT_PAUSE_MS = 100

function begin(strategy: StrategyName, world: World, random: () => number): Router {
  const health = createHealth()
  const experience = createExperience()
  const traces = new Map<Request, Trace>()
  const marketAt = createMarkets(world)
  const indexOf = new Map(world.places.map(({ name }, index) => [name, index]))
  const byKey = new Map<number, Target>()
  let clockMs = EPOCH_MS
  // observe() asks for no more than the clock and the book
  const deps = { health, clock: { now: () => clockMs, monotonic: () => clockMs } } as unknown as Deps

  const planOf = (request: Request, nowMs: number): Plan | undefined => {
    const wanted = {
      model: MODEL,
      fallbackModels: [],
      preferences: undefined,
      needs: new Set<never>(),
      likelyInputTokens: request.likelyInputTokens,
      maxOutputTokens: request.maxOutputTokens,
    }
    try {
      return route(wanted, KEY, {
        market: marketAt(nowMs),
        health,
        experience,
        nowMs: EPOCH_MS + nowMs,
        random,
        strategy,
      })
    } catch (error) {
      if (error instanceof GatewayError) return undefined
      throw error
    }
  }
  return {
    walk(request, nowMs) {
      const plan = planOf(request, nowMs)
      if (plan) traces.set(request, plan.trace)
      const tried: Tried[] = []
      const passed = new Set<Target>()
      return (atMs, failed) => {
        if (plan === undefined) return undefined
        if (failed) tried.push({ target: failedTarget(byKey, failed.target), ...failureOf(failed.ending) })
        return stepOf(plan, tried, passed, EPOCH_MS + atMs)
      }
    },
    // counted by `mayAsk`
    sent() {},
    ended(target, ending, nowMs) {
      const its = byKey.get(target)
      if (its === undefined) return
      clockMs = EPOCH_MS + nowMs
      health.done(placeOf(its))
      const result = resultOf(ending)
      observe(its, result, deps)
      if (result.failure?.kind === 'silent') observeLate(its, { stream: true, raced: false }, result, deps)
    },
    content(target, ttftMs, nowMs) {
      const its = byKey.get(target)
      clockMs = EPOCH_MS + nowMs
      if (its) observeContent(its, ttftMs, deps)
    },
    finished(request, served, nowMs) {
      const trace = traces.get(request)
      traces.delete(request)
      if (trace === undefined) return
      const { ttftMs, usage } = served ? resultOf(served.ending) : { ttftMs: undefined, usage: undefined }
      const target = served && byKey.get(served.target)?.key
      const ended = { trace, lineage: KEY.lineage, model: MODEL, target, ttftMs, usage }
      experience.learn(ended, EPOCH_MS + nowMs)
    },
  }

  /** What begin() asks: half open and being probed is reason enough to ask somebody else, but not to ask nobody. */
  function mayAsk(plan: Plan, tried: readonly Tried[], passed: Set<Target>, target: Target, nowMs: number) {
    const place = placeOf(target)
    if (health.probe(place, nowMs)) return true
    const others = nextTarget(plan, tried, new Set([...passed, target]))
    return others === undefined && health.probe(place, nowMs, true)
  }

  /** What attempt() does after a failure: another target, or the same one again after a little pause. */
  function stepOf(plan: Plan, tried: readonly Tried[], passed: Set<Target>, nowMs: number): Step | undefined {
    if (tried.length >= ATTEMPTS_MAX) return undefined
    const next = nextTarget(plan, tried, passed)
    const again = next ? undefined : repeatTarget(tried)
    if (again && !health.repeat(again.key, nowMs)) return undefined
    const target = next ?? again
    const index = target && indexOf.get(target.listing.site.name)
    if (target === undefined || index === undefined) return undefined
    if (!mayAsk(plan, tried, passed, target, nowMs)) {
      passed.add(target)
      return again ? undefined : stepOf(plan, tried, passed, nowMs)
    }
    byKey.set(index, target)
    const silent = [...tried, { target, failure: 'silent' as const }]
    return {
      target: index,
      lastResort: tried.length + 1 >= ATTEMPTS_MAX || nextTarget(plan, silent, passed) === undefined,
      pauseMs: again ? REPEAT_PAUSE_MS * (1 + random()) * tried.length : 0,
    }
  }
}

function failedTarget(known: ReadonlyMap<number, Target>, index: number): Target {
  const target = known.get(index)
  if (target === undefined) throw new Error(`target ${index} failed and was never asked`)
  return target
}

const failureOf = ({ kind, retryAfterMs }: Ending): Omit<Tried, 'target'> => ({
  failure: kind as Failure,
  ...(retryAfterMs !== undefined && { retryAfterMs }),
})

const ours = (strategy: StrategyName, what: string): Policy => ({
  name: strategy,
  what,
  begin: (world, random) => begin(strategy, world, random),
})

export const OURS: readonly Policy[] = [
  ours('balanced', 'Switchgate, the default'),
  ours('price', 'Switchgate, when price is asked for'),
  ours('latency', 'Switchgate, when latency is asked for'),
]
