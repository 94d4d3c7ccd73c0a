/** What choosing costs: one request among 50 targets, with health, habits, a session and everything that a real plan looks at; and among a few, and one. `npm run bench:route`. */
import { openai } from '../providers/openai.ts'
import { createExperience, type Experience } from '../src/route/experience.ts'
import { createHealth, type Health } from '../src/route/health.ts'
import type { Listing, Market, Site } from '../src/route/market.ts'
import { type RouteDeps, route, targetKey } from '../src/route/plan.ts'
import type { Capability, Key } from '../src/terms.ts'

/** The bars: microseconds for a plan of 50 targets, of three, and of one. */
const MOST_US = 20
const FEW_MOST_US = 4
const ALONE_MOST_US = 1
const TARGETS = 50
const FEW = 3
const ROUNDS = 40
const PLANS = 2_000

const NOW_MS = 1_700_000_000_000

function listing(index: number): Listing {
  // in no order: sorting must have something to do
  const pico = 500_000 + ((index * 7_919) % TARGETS) * 10_000
  const site = {
    name: `provider-${index}`,
    provider: openai,
    credentials: [{ id: `cred-${index}`, name: 'main', weight: 1, headers: [] }],
    builtIn: false,
    quirks: {},
    headers: [],
  } as unknown as Site
  return {
    site,
    offer: {
      provider: site.name,
      model: 'm',
      upstream: `m-${index}`,
      price: { id: `p${index}`, inputPico: pico, outputPico: 3 * pico, cacheReadPico: pico / 10 },
      contextTokens: 128_000,
      maxOutputTokens: 16_384,
      supports: new Set<Capability>(['tools', 'json_schema', 'images']),
      thinksUnseen: false,
    },
  }
}

interface Stage {
  readonly market: Pick<Market, 'resolve' | 'listings'>
  readonly health: Health
  readonly experience: Experience
}

/** So many targets with twenty answers each, the last ones up to a minute ago: old figures are filled up from the others'. */
function stageOf(count: number): Stage {
  const listings = Array.from({ length: count }, (_, index) => listing(index))
  const found = { kind: 'found', listings, strategy: undefined, alias: undefined } as const
  const health = createHealth()
  for (const [index, each] of listings.entries()) {
    const key = targetKey(each, each.site.credentials[0])
    const heardMs = NOW_MS - 1_000 - ((index * 13) % 60) * 1_000
    for (let i = 0; i < 20; i++) {
      const ok = {
        kind: 'ok',
        ttftMs: 200 + ((index * 31) % TARGETS) * 7 + i,
        totalMs: 2_000,
        outputTokens: 150,
      } as const
      health.observe(key, i % 19 === 18 ? { kind: 'fault' } : ok, heardMs)
    }
  }
  return { market: { resolve: () => found, listings }, health, experience: createExperience() }
}

const KEY = {
  id: 'k',
  lineage: 'k',
  models: null,
  providers: null,
  budgets: [{ window: 'day', limitNanoUsd: 1e12, softNanoUsd: null }],
  tags: [],
  metadata: {},
  limits: {},
} as unknown as Key
const json = {
  messages: [
    { role: 'system', content: 'You are terse.' },
    { role: 'user', content: 'Hi.' },
  ],
}
const needs = new Set<Capability>(['tools'])
const wanted = {
  model: 'm',
  fallbackModels: [],
  preferences: undefined,
  needs,
  likelyInputTokens: 3_000,
  maxOutputTokens: 1_000,
  sessionId: 'chat-1',
  json,
}
/** Something fixed beside it, for machines that do other work too: a body of 8 kB is parsed. */
const BODY = JSON.stringify({
  model: 'm',
  messages: Array.from({ length: 32 }, (_, i) => ({
    role: i % 2 ? 'assistant' : 'user',
    content: 'Words '.repeat(36),
  })),
})

function costUs(times: number, work: () => unknown): number {
  const before = process.cpuUsage()
  for (let i = 0; i < times; i++) work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / times
}

interface Measured {
  readonly medianUs: number
  readonly bestUs: number
  /** Median of what a plan cost over what the parsing cost beside it. */
  readonly ratio: number
}

/** Medians of the rounds, microseconds of processor time for one plan: what else the machine does is not counted. */
function measure({ market, health, experience }: Stage, strategy: RouteDeps['strategy']): Measured {
  const given = { market, health, experience, nowMs: NOW_MS, random: Math.random, strategy }
  const plan = route(wanted, KEY, given)
  const ended = { trace: plan.trace, lineage: 'k', model: 'm', target: plan.targets[0]?.key, ttftMs: 300 }
  const usage = {
    inputTokens: 3_000,
    cacheReadInputTokens: 2_000,
    cacheCreationInputTokens: 0,
    outputTokens: 200,
    reasoningOutputTokens: 0,
  }
  experience.learn({ ...ended, usage }, NOW_MS)
  const plans: number[] = []
  const ratios: number[] = []
  for (let round = -5; round < ROUNDS; round++) {
    const us = costUs(PLANS, () => route(wanted, KEY, given))
    const fixedUs = costUs(PLANS, () => JSON.parse(BODY))
    if (round < 0) continue
    plans.push(us)
    ratios.push(us / fixedUs)
  }
  const middle = (values: number[]) => values.sort((a, b) => a - b)[ROUNDS >> 1] ?? Number.NaN
  return { medianUs: middle(plans), bestUs: Math.min(...plans), ratio: middle(ratios) }
}

const figures = ({ medianUs, bestUs, ratio }: Measured) =>
  `median ${medianUs.toFixed(1)}  best ${bestUs.toFixed(1)}  ${ratio.toFixed(2)} × parsing 8 kB\n`

let slowest = 0
const say = (name: string, measured: Measured) =>
  void process.stdout.write(name.padEnd(20) + figures(measured))
const stage = stageOf(TARGETS)
process.stdout.write(
  `One plan among ${TARGETS} targets, µs of processor time (${ROUNDS} rounds of ${PLANS})\n`,
)
for (const strategy of ['balanced', 'price', 'latency', 'throughput', 'weighted', 'priority'] as const) {
  const measured = measure(stage, strategy)
  slowest = Math.max(slowest, measured.medianUs)
  say(strategy, measured)
}
const ailing = stageOf(TARGETS)
ailing.health.observe(`provider-7/m-7`, { kind: 'cool_down', untilMs: NOW_MS + 9_000, told: true }, NOW_MS)
const resting = measure(ailing, 'balanced')
say('balanced, one rests', resting)
const few = measure(stageOf(FEW), 'balanced')
say(`${FEW} targets`, few)
const alone = measure(stageOf(1), 'balanced')
say('one target', alone)
slowest = Math.max(slowest, resting.medianUs)
const ok = slowest <= MOST_US && few.medianUs <= FEW_MOST_US && alone.medianUs <= ALONE_MOST_US
const bars = `at most ${MOST_US} µs are allowed, ${FEW_MOST_US} for ${FEW} targets, and ${ALONE_MOST_US} for one`
process.stdout.write(`${ok ? 'ok' : 'too slow, or the machine is busy'}: ${bars}\n`)
if (!ok) process.exitCode = 1
