/** What must hold of every replay besides what the client read: one upstream call, no secret, the recorded bytes, the ledger. */
import { expect } from 'vitest'
import { hostFor } from '../../providers/index.ts'
import { openai } from '../../providers/openai.ts'
import type { DecodeContext, Json } from '../../providers/provider.ts'
import type { CallerName, Exchange } from './callers.ts'
import { statedUsage, type Tokens } from './reading.ts'
import { eventsOf, type Recording } from './recordings.ts'
import { CANARY, costOf, type Mode, type Replay, SECRET, siteOf } from './replayer.ts'

/** One recording, asked for by one client, its bytes arriving in one way. */
export interface Run {
  readonly one: Recording
  readonly caller: CallerName
  readonly mode: Mode
  readonly mark: string
}

/** Nothing of the gateway's inside may show outside. */
export function checkAbsences(replay: Replay, exchange: Exchange): void {
  const seen = JSON.stringify(exchange.headers) + exchange.body
  for (const secret of [SECRET, CANARY, replay.key, `127.0.0.1:${replay.upstream.port}`]) {
    expect(seen).not.toContain(secret)
  }
}

/** One exchange with the upstream, with its credential and without the caller's. */
export function checkUpstream(replay: Replay, { one, mark }: Run): void {
  const calls = replay.callsOf(mark)
  expect(calls.length, 'upstream exchanges').toBe(1)
  const sent = JSON.stringify(calls[0]?.headers)
  expect(sent).toContain(SECRET)
  expect(sent + calls[0]?.body).not.toContain(replay.key)
  expect(calls[0]?.url.startsWith(`/${siteOf(one)}/`)).toBe(true)
}

/** An answer that is in the caller's wire already comes as it was recorded, but for the cost in the usage event. */
export function checkBytes({ one, caller }: Run, exchange: Exchange): void {
  if (one.wire !== 'chat') {
    // Usage that nobody asked for is not sent.
    if (one.stream && caller === 'curl') expect(exchange.body).not.toContain('"usage":')
    return
  }
  if (mends(one)) return checkMended(one, exchange.body)
  if (!one.stream) return expect(exchange.body).toBe(one.body)
  expect(exchange.body.endsWith('data: [DONE]\n\n')).toBe(true)
  const recorded = eventsOf(one.body)
  const events = eventsOf(exchange.body)
  if (caller !== 'curl') {
    expect(events.map(withoutCost)).toEqual(recorded.map(withoutCost))
    return
  }
  expect(events).toEqual(recorded.filter(event => !isUsageOnly(event)))
}

/** Does this host's row name faults of its answers? Then only the events that have one of them may differ. */
function mends({ kind }: Recording): boolean {
  const quirks = kind === 'unfinished' ? { sendsFinishReason: false } : (hostFor(kind)?.quirks ?? {})
  const context = { quirks, newId: (prefix: string) => prefix } as DecodeContext
  return openai.chat?.repair?.(context) !== undefined
}

/** Fields in which a row may name a fault. Readings of both sides were compared before; here nothing else may have changed. */
const MENDED =
  /"(reasoning|reasoning_details|tool_calls|usage|finish_reason)":(?! ?null)|<think>|"content": ?\[/

function checkMended(one: Recording, body: string): void {
  if (!one.stream) {
    if (!MENDED.test(one.body.replace(/"finish_reason": ?"\w+"|"usage":/g, ''))) expect(body).toBe(one.body)
    return
  }
  expect(body.endsWith('data: [DONE]\n\n')).toBe(true)
  const events = new Set(eventsOf(body))
  const thinks = one.body.includes('<think>')
  for (const event of eventsOf(one.body)) if (!thinks && !MENDED.test(event)) expect(events).toContain(event)
}

function isUsageOnly(event: string): boolean {
  const { choices, usage } = JSON.parse(event) as { choices?: unknown[]; usage?: unknown }
  return choices?.length === 0 && typeof usage === 'object' && usage !== null
}

function withoutCost(event: string): unknown {
  const json = JSON.parse(event) as Json
  if (typeof json.usage !== 'object' || json.usage === null) return json
  const { cost: _, ...usage } = json.usage as Json
  return { ...json, usage }
}

/** What the ledger says of an exchange, as the caller can read it. */
export async function generationOf(replay: Replay, exchange: Exchange): Promise<Json> {
  const answer = await fetch(
    `${replay.gateway.url}/v1/generation?id=${exchange.headers['x-request-id'] ?? ''}`,
    { headers: { authorization: `Bearer ${replay.key}` } },
  )
  return (await answer.json()) as Json
}

/** Prices of these tests know neither sound nor calls of hosted tools: unless the provider says what it costs, such a bill is no exact one. */
export const certaintyOf = (one: Recording): 'exact' | 'estimated' =>
  reportedCost(one) === undefined && UNPRICED.test(one.body) ? 'estimated' : 'exact'

/** Searches at Anthropic and at Google, sound. */
const UNPRICED =
  /"web_search_requests":\s*[1-9]|"groundingChunks":\s*\[\s*\{\s*"(?:web|maps)"|"webSearchQueries":\s*\[\s*"[^"]|"modality":\s*"AUDIO"/

/** The ledger's row of one exchange against the tokens of the recording; gives back its bill in nano-USD. */
export async function checkLedger(
  replay: Replay,
  run: Run,
  tokens: Tokens | undefined,
  exchange: Exchange,
): Promise<number> {
  const id = exchange.headers['x-request-id']
  const generation = await generationOf(replay, exchange)
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
  expect(generation.certainty).toBe(certaintyOf(run.one))
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
