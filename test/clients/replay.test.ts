/**
 * Recorded answers of real providers, served by a fake upstream on real sockets and asked for by real clients through a
 * real gateway: what the client sees and what the ledger says must equal what an independent reader finds in the recording.
 * Each recording is asked for once, by callers and in modes that take turns; SWITCHGATE_REPLAY=all asks by every caller
 * in every mode.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Json } from '../../providers/provider.ts'
import { type Ask, CALLERS, type CallerName, type Exchange, recordingFetch } from './callers.ts'
import { fetchOf, independent, meteredOf, type Reading, statedUsage, type Tokens } from './reading.ts'
import { errorIn, eventsOf, home, present, type Recording, recordings, seedOf } from './recordings.ts'
import {
  CANARY,
  costOf,
  MODES,
  type Mode,
  promptFor,
  type Replay,
  SECRET,
  siteOf,
  startReplay,
} from './replayer.ts'

const ALL = process.env.SWITCHGATE_REPLAY === 'all'

interface Run {
  readonly one: Recording
  readonly caller: CallerName
  readonly mode: Mode
  readonly mark: string
}

const WHOLE: readonly CallerName[] = ['openai create', '@ai-sdk/openai-compatible', '@ai-sdk/openai']
const STREAM: readonly CallerName[] = [
  'openai create',
  '@ai-sdk/openai-compatible',
  'openai .stream()',
  '@ai-sdk/openai',
]
/** Every so many recordings of a provider curl asks too: a process each. */
const CURL_EVERY = 40

function runsOf(one: Recording, n: number): Run[] {
  const run = (caller: CallerName, mode: Mode): Run => ({
    one,
    caller,
    mode,
    mark: `${one.id}-${caller.replace(/\W+/g, '-')}-${mode}`,
  })
  const callers = one.stream ? STREAM : WHOLE
  const seed = seedOf(one.id)
  const runs = ALL
    ? callers.flatMap(caller =>
        (one.stream ? MODES : (['whole', 'pieces'] as const)).map(mode => run(caller, mode)),
      )
    : [run(callers[n % callers.length] as CallerName, MODES[(n + seed) % MODES.length] as Mode)]
  return n % CURL_EVERY === 0 ? [...runs, run('curl', 'pieces')] : runs
}

const good = recordings.filter(one => errorIn(one) === undefined)
const bad = recordings.filter(one => errorIn(one) !== undefined)
const places = new Map<string, number>()
const runs = good.flatMap(one => {
  const place = `${one.provider} ${one.stream}`
  const n = places.get(place) ?? 0
  places.set(place, n + 1)
  return runsOf(one, n)
})

it.skipIf(present)(`replay: no recordings at ${home} (set SWITCHGATE_FIXTURES)`, () => {})

let replay: Replay
let spentOnErrors = 0
const table = new Map<string, { ids: Set<string>; runs: number; passed: number; nanoUsd: number }>()

describe.skipIf(!present)('recordings through a gateway', () => {
  beforeAll(async () => {
    replay = await startReplay()
  })
  afterAll(() => replay?.close())

  for (const run of runs) {
    it(`${run.one.provider} ${run.one.id} ${run.one.scenario}: ${run.caller}, ${run.mode}`, async () => {
      const row = table.get(run.one.provider) ?? { ids: new Set(), runs: 0, passed: 0, nanoUsd: 0 }
      table.set(run.one.provider, row)
      row.ids.add(run.one.id)
      row.runs++
      row.nanoUsd += await check(run)
      row.passed++
    })
  }

  it.each(bad)('$provider $id $scenario: an error, told once', checkError)

  it('the spend of the key is the sum of its bills', async () => {
    const answer = await fetch(`${replay.gateway.url}/v1/key/spend`, {
      headers: { authorization: `Bearer ${replay.key}` },
    })
    const { total } = (await answer.json()) as { total: { cost_nano_usd: string; requests: number } }
    const rows = [...table.values()]
    expect(total.cost_nano_usd).toBe(String(rows.reduce((sum, row) => sum + row.nanoUsd, spentOnErrors)))
    expect(replay.gateway.logs.join('\n')).not.toContain(SECRET)
  })

  it('prints what was replayed', () => {
    const lines = [...table].map(
      ([name, { ids, runs, passed }]) =>
        `${name.padEnd(18)} ${String(ids.size).padStart(5)} ${String(runs).padStart(6)} ${String(passed).padStart(6)}`,
    )
    process.stdout.write(`provider      recordings   runs   pass\n${lines.join('\n')}\n`)
    expect(good.length).toBeGreaterThan(950)
    expect([...table.values()].every(row => row.passed === row.runs)).toBe(true)
  })
})

/** What this caller can see of it: not every client has a place for everything. */
function visible(caller: CallerName, stream: boolean, reading: Reading): Reading {
  // OpenAI's chat wire has no reasoning text, so neither has a client that is strictly OpenAI's.
  const plain =
    caller === '@ai-sdk/openai' || caller === 'openai .stream()' ? { ...reading, reasoning: '' } : reading
  const tokens = plain.tokens && { ...plain.tokens, ...(caller.startsWith('@ai-sdk') ? { written: 0 } : {}) }
  // curl did not ask for the usage event.
  return { ...plain, tokens: caller === 'curl' && stream ? undefined : tokens }
}

/** What a request carries besides the words that choose the recording: the recorded one, where it is of this wire. */
function moreOf({ one, caller }: Run): Json {
  if (one.wire !== 'chat' || one.request === undefined || caller.startsWith('@ai-sdk')) return {}
  const { model: _, stream: __, stream_options: ___, provider: ____, models: _____, ...more } = one.request
  return more
}

async function call(run: Run, tools: readonly string[], more: Partial<Ask> = {}) {
  const { one, caller, mode, mark } = run
  return CALLERS[caller]({
    baseUrl: `${replay.gateway.url}/v1`,
    key: replay.key,
    model: `replayed@${siteOf(one)}`,
    prompt: promptFor(one, mode, mark),
    stream: one.stream,
    tools,
    more: moreOf(run),
    ...more,
  })
}

/** Clients that refuse some hosts' answers even when nothing stands between: then they must refuse them here too. */
const isPicky = ({ one, caller }: Run) =>
  one.wire === 'chat' && caller !== 'openai create' && caller !== 'curl'

/** One replay; gives back its bill in nano-USD. */
async function check(run: Run): Promise<number> {
  const { one, caller } = run
  const want = await independent(one)
  const tools = [...new Set(want.tools.map(tool => tool.name))]
  const refusal = isPicky(run) ? await refusalOf(run, tools, { direct: fetchOf(one) }) : undefined
  let exchanges: readonly Exchange[]
  if (refusal !== undefined) {
    const { fetch, exchanges: seen } = recordingFetch()
    expect(await refusalOf(run, tools, { direct: fetch })).toBe(refusal)
    exchanges = await seen()
  } else {
    const told = await call(run, tools)
    expect(visible(caller, one.stream, told.reading)).toEqual(visible(caller, one.stream, want))
    exchanges = told.exchanges
  }
  expect(exchanges.length, 'calls of the client').toBe(1)
  const exchange = exchanges[0] as Exchange
  checkAbsences(exchange)
  checkUpstream(run)
  checkBytes(run, exchange)
  return checkLedger(run, meteredOf(one, want), exchange)
}

/** The name of the error with which a client refuses an answer; undefined = it does not. */
async function refusalOf(
  run: Run,
  tools: readonly string[],
  more: Partial<Ask>,
): Promise<string | undefined> {
  try {
    await call(run, tools, more)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.name : 'unknown'
  }
}

function checkAbsences(exchange: Exchange): void {
  const seen = JSON.stringify(exchange.headers) + exchange.body
  for (const secret of [SECRET, CANARY, replay.key, `127.0.0.1:${replay.upstream.port}`]) {
    expect(seen).not.toContain(secret)
  }
}

function checkUpstream({ one, mark }: Run): void {
  const calls = replay.callsOf(mark)
  expect(calls.length, 'upstream exchanges').toBe(1)
  const sent = JSON.stringify(calls[0]?.headers)
  expect(sent).toContain(SECRET)
  expect(sent + calls[0]?.body).not.toContain(replay.key)
  expect(calls[0]?.url.startsWith(`/${siteOf(one)}/`)).toBe(true)
}

/** An answer that is in the caller's wire already comes as it was recorded, but for the cost in the usage event. */
function checkBytes({ one, caller }: Run, exchange: Exchange): void {
  if (one.wire !== 'chat') return
  if (!one.stream) return expect(exchange.body).toBe(one.body)
  expect(exchange.body.endsWith('data: [DONE]\n\n')).toBe(true)
  const recorded = eventsOf(one.body)
  const events = eventsOf(exchange.body)
  if (caller !== 'curl') {
    expect(events.map(withoutCost)).toEqual(recorded.map(withoutCost))
    return
  }
  const asked = recorded.filter(event => !/"choices": ?\[\]/.test(event) || !/"usage": ?\{/.test(event))
  expect(events.filter(event => recorded.includes(event))).toEqual(events)
  expect(events.filter(event => asked.includes(event))).toEqual(events)
}

function withoutCost(event: string): unknown {
  const json = JSON.parse(event) as Json
  if (typeof json.usage !== 'object' || json.usage === null) return json
  const { cost: _, ...usage } = json.usage as Json
  return { ...json, usage }
}

/** What the ledger says of an exchange, as the caller can read it. */
async function generationOf(exchange: Exchange): Promise<Json> {
  const answer = await fetch(
    `${replay.gateway.url}/v1/generation?id=${exchange.headers['x-request-id'] ?? ''}`,
    { headers: { authorization: `Bearer ${replay.key}` } },
  )
  return (await answer.json()) as Json
}

async function checkLedger(run: Run, tokens: Tokens | undefined, exchange: Exchange): Promise<number> {
  const id = exchange.headers['x-request-id']
  const generation = await generationOf(exchange)
  expect(generation).toMatchObject({
    id,
    model: 'replayed',
    provider: siteOf(run.one),
    stream: run.one.stream,
    status: 200,
  })
  expect((generation.attempts as unknown[]).length).toBe(1)
  if (tokens === undefined) {
    expect(generation.certainty).toBe('estimated')
    expect(Number(generation.cost_nano_usd)).toBeGreaterThan(0)
    return Number(generation.cost_nano_usd)
  }
  expect(generation.usage).toEqual({
    input_tokens: tokens.input,
    cached_tokens: tokens.cached,
    cache_creation_tokens: tokens.written,
    output_tokens: tokens.output,
    reasoning_tokens: tokens.thought,
  })
  expect(generation.certainty).toBe('exact')
  const cost = reportedCost(run.one) ?? costOf(tokens)
  expect(generation.cost_nano_usd).toBe(String(cost))
  checkShownCost(run, exchange, cost)
  return cost
}

/** Whole answers say the cost in a header, streams in the usage that was asked for. */
function checkShownCost({ one, caller }: Run, exchange: Exchange, cost: number): void {
  if (!one.stream) {
    expect(Math.round(Number(exchange.headers['x-switchgate-cost-usd']) * 1e9)).toBe(cost)
    return
  }
  if (caller === 'curl') return
  const shown = eventsOf(exchange.body)
    .map(event => usdOf((JSON.parse(event) as { usage?: { cost?: unknown } }).usage?.cost))
    .findLast(usd => usd !== undefined)
  expect(Math.round((shown ?? Number.NaN) * 1e9)).toBe(cost)
}

/** Perplexity's own cost is an object, and stays one. */
function usdOf(cost: unknown): number | undefined {
  const usd = typeof cost === 'object' ? (cost as Json | null)?.total_cost : cost
  return typeof usd === 'number' ? usd : undefined
}

/** What the provider itself says that it cost, nano-USD: it wins over the price. */
function reportedCost(one: Recording): number | undefined {
  if (one.wire !== 'chat') return undefined
  const { cost, cost_in_usd_ticks: ticks } = statedUsage(one) ?? {}
  // xAI counts in tenths of a nano-USD.
  if (typeof ticks === 'number' && ticks > 0) return Math.round(ticks / 10)
  const usd = usdOf(cost)
  return usd === undefined ? undefined : Math.round(usd * 1e9)
}

/** Status and code that the caller is told for a provider's failure, by the contract's table. */
const TOLD: Readonly<Record<number, readonly [number, string?]>> = {
  400: [400],
  401: [502, 'upstream_credential'],
  404: [404, 'model_not_found'],
  429: [429, 'upstream_rate_limited'],
}

async function checkError(one: Recording): Promise<void> {
  const run: Run = { one, caller: 'openai create', mode: 'pieces', mark: `${one.id}-error` }
  const { fetch, exchanges } = recordingFetch()
  // A short retry-after is worth a retry, which is not what is asked here.
  const failed = await call(run, [], { maxRetries: 0, direct: fetch }).then(
    () => undefined,
    (error: unknown) => error as { status?: number; code?: string | null },
  )
  expect(failed, 'an error reaches the client').toBeDefined()
  expect(replay.callsOf(run.mark).length, 'upstream exchanges').toBe(1)
  const [exchange] = (await exchanges()) as [Exchange]
  checkAbsences(exchange)
  const generation = await generationOf(exchange)
  spentOnErrors += Number(generation.cost_nano_usd)
  if (one.status === 200) {
    // Too late for a status: the last event says it, and nothing claims a proper end.
    expect(exchange.body).toMatch(/data: \{"error":\{"message":"[^\n]*\n\n$/)
    expect(exchange.body).not.toContain('[DONE]')
    expect(generation).toMatchObject({ status: 200, certainty: 'estimated' })
    return
  }
  const [status, code] = TOLD[one.status] ?? []
  expect(failed?.status).toBe(status)
  if (code !== undefined) expect(failed?.code).toBe(code)
  expect(generation).toMatchObject({ status, cost_nano_usd: '0', certainty: 'exact' })
}
