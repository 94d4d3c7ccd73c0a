/**
 * Recorded answers of real providers, served by a fake upstream on real sockets and asked for by real clients through a
 * real gateway: what the client sees and what the ledger says must equal what an independent reader finds in the recording.
 * Each recording is asked for once, by callers and in modes that take turns; SWITCHGATE_REPLAY=all asks by every caller
 * in every mode.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hostFor } from '../../providers/index.ts'
import type { Json } from '../../providers/provider.ts'
import { type Ask, CALLERS, type CallerName, type Exchange, recordingFetch } from './callers.ts'
import { checkAbsences, checkBytes, checkLedger, checkUpstream, generationOf, type Run } from './checks.ts'
import { fetchOf, independent, meteredOf, type Reading } from './reading.ts'
import { errorIn, home, present, type Recording, recordings, seedOf } from './recordings.ts'
import { MODES, type Mode, promptFor, type Replay, SECRET, siteOf, startReplay } from './replayer.ts'

const ALL = process.env.SWITCHGATE_REPLAY === 'all'

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
  // .parse() sends no tools but strict ones.
  const format = one.request?.response_format as Json | undefined
  if (!one.stream && format?.type === 'json_schema' && one.request?.tools === undefined)
    runs.push(run('openai .parse()', 'whole'))
  if (n % CURL_EVERY === 0) runs.push(run('curl', 'pieces'))
  return runs
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

if (!present) {
  process.stdout.write(`replay: skipped, no recordings at ${home} (set SWITCHGATE_FIXTURES)\n`)
  it.skip('replay: no recordings', () => {})
}

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

/** Where a client reads an answer in a way of its own, with nothing between: then it must read the same thing here. */
const PECULIAR: Readonly<Record<string, string>> = {
  '2658267bfb99 openai .stream()': 'an event after the usage event makes it forget the usage',
  'e2490ca1a032 openai .stream()': 'content in parts (Mistral) is glued together as [object Object]',
}

async function peculiar(run: Run, tools: readonly string[], want: Reading): Promise<Reading> {
  if (!Object.hasOwn(PECULIAR, `${run.one.id} ${run.caller}`)) return want
  const { reading } = await call(run, tools, { direct: fetchOf(run.one) })
  expect(reading, 'a peculiarity is no longer there').not.toEqual(visible(run.caller, run.one.stream, want))
  return reading
}

/** Clients that refuse some hosts' answers even when nothing stands between: then they must refuse them here too. */
const isPicky = ({ one, caller }: Run) =>
  one.wire === 'chat' && caller !== 'openai create' && caller !== 'curl'

/** What the recording says once the faults are mended that its host's row names: thoughts between tags, an end without a reason. */
function mended(one: Recording, reading: Reading): Reading {
  const thinks = hostFor(one.kind)?.quirks.reasoningField === 'think_tags'
  const [all, thought] = (thinks && /^\s*<think>\n?([\s\S]*?)<\/think>\n*/.exec(reading.text)) || []
  const said = all === undefined ? {} : { reasoning: thought ?? '', text: reading.text.slice(all.length) }
  const ended = { finish: reading.tools.length > 0 ? 'tool-calls' : 'stop' }
  return { ...reading, ...said, ...(one.kind === 'unfinished' && reading.finish === 'other' ? ended : {}) }
}

/** One replay; gives back its bill in nano-USD. */
async function check(run: Run): Promise<number> {
  const { one, caller } = run
  const want = mended(one, await independent(one))
  const tools = [...new Set(want.tools.map(tool => tool.name))]
  const refusal = isPicky(run) ? await refusalOf(run, tools, { direct: fetchOf(one) }) : undefined
  let exchanges: readonly Exchange[]
  // what Mistral leaves out of its calls and Snowflake of its ends is put in, so that picky clients take them here
  const complete = one.kind === 'unfinished' || hostFor(one.kind)?.quirks.repairsToolCalls === true
  if (refusal !== undefined && !complete) {
    const { fetch, exchanges: seen } = recordingFetch()
    expect(await refusalOf(run, tools, { direct: fetch })).toBe(refusal)
    exchanges = await seen()
  } else {
    const told = await call(run, tools)
    const wanted = await peculiar(run, tools, want)
    expect(visible(caller, one.stream, told.reading)).toEqual(visible(caller, one.stream, wanted))
    exchanges = told.exchanges
  }
  expect(exchanges.length, 'calls of the client').toBe(1)
  const exchange = exchanges[0] as Exchange
  checkAbsences(replay, exchange)
  checkUpstream(replay, run)
  checkBytes(run, exchange)
  return checkLedger(replay, run, meteredOf(one, want), exchange)
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
  checkAbsences(replay, exchange)
  const generation = await generationOf(replay, exchange)
  spentOnErrors += Number(generation.cost_nano_usd)
  if (one.status === 200) {
    // Too late for a status: the last event says it, and nothing claims a proper end.
    expect(exchange.body).toMatch(/data: \{"error":\{"message":"[^\n]*\n\n$/)
    expect(exchange.body).not.toContain('[DONE]')
    // what the failing event itself states is the provider's last word on usage
    const stated = /"usage":\s*\{[^}]*"prompt_tokens"/.test(one.body)
    expect(generation).toMatchObject({ status: 200, certainty: stated ? 'exact' : 'estimated' })
    return
  }
  const [status, code] = TOLD[one.status] ?? []
  expect(failed?.status).toBe(status)
  if (code !== undefined) expect(failed?.code).toBe(code)
  expect(generation).toMatchObject({ status, cost_nano_usd: '0', certainty: 'exact' })
}
