/**
 * Sixteen ways in which a provider fails, each asked through a real gateway by the real OpenAI SDK, and judged as Failover
 * Bench judges (METHODOLOGY.md v0.1 there): pass = the whole answer came and the gateway behaved; partial = the answer came, an
 * advisory rule was broken; safe = a clean error in bounded time; fail = a hang, a truncated answer shown as success, or a rule
 * broken.
 */
import OpenAI from 'openai'
import { startGateway } from '../gateway/harness.ts'
import { ANSWER, type Attempt, FULL, QUICK, startWall, type Timing, type Wall } from './wall.ts'

export type Guarantee = 'fast' | 'settled' | 'complete'
export type Verdict = 'pass' | 'partial' | 'safe' | 'fail'

export interface Judged {
  readonly id: string
  readonly title: string
  readonly verdict: Verdict
  /** What the provider saw. */
  readonly primary: number
  readonly fallback: number
  readonly ms: number
  readonly note: string
}

interface Told {
  readonly outcome: 'success' | 'error' | 'hang'
  readonly complete: boolean
  readonly ms: number
  readonly model: string | undefined
  readonly usage: boolean
  readonly error: string
}

interface Seen {
  readonly told: Told
  readonly primary: readonly Attempt[]
  readonly fallback: readonly Attempt[]
  readonly timing: Timing
  readonly stream: boolean
}

/** A rule: its name when it is broken. `should:` rules only make a pass partial. */
type Rule = (seen: Seen) => string | undefined

interface Scenario {
  readonly id: string
  readonly title: string
  readonly rules: readonly Rule[]
  /** The right outcome is an error. */
  readonly ideal?: 'error'
}

const atMost =
  (n: number): Rule =>
  ({ primary }) =>
    primary.length > n ? `${primary.length} attempts at the primary, at most ${n}` : undefined
/** As published with the published timing. The quick form runs beside other tests, four times at once, and only looks for what hangs. */
const within =
  (ms: number): Rule =>
  ({ told, timing }) => {
    const most = timing === FULL ? ms : 3 * ms
    return told.ms > most ? `took ${told.ms} ms, at most ${most}` : undefined
  }
const should =
  (rule: Rule): Rule =>
  seen => {
    const broken = rule(seen)
    return broken && `should: ${broken}`
  }
const atLeastTwice = should(({ primary }) =>
  primary.length < 2 ? 'the primary was not asked again' : undefined,
)
const waits = should(({ primary, timing }) => {
  const [one, two] = primary
  const gap = one && two ? two.atMs - one.atMs : 0
  return gap < timing.retryAfterS * 900 ? `asked again after ${gap} ms` : undefined
})
const streamed =
  (rule: Rule): Rule =>
  seen =>
    seen.stream ? rule(seen) : undefined
const usageTold = should(({ told }) => (told.usage ? undefined : 'no usage'))

export const SCENARIOS: readonly Scenario[] = [
  { id: 'S01', title: '429 with Retry-After, once', rules: [atMost(2), atLeastTwice, waits] },
  { id: 'S02', title: '429 without a word, always', rules: [atMost(4)] },
  { id: 'S03', title: '500 once', rules: [atLeastTwice] },
  { id: 'S04', title: '503 always', rules: [atMost(6)] },
  { id: 'S05', title: 'connection reset', rules: [] },
  { id: 'S06', title: 'no response at all', rules: [within(100_000), should(atMost(1))] },
  { id: 'S07', title: 'slow first token', rules: [streamed(should(within(15_000)))] },
  { id: 'S08', title: 'cut in the middle', rules: [] },
  { id: 'S09', title: 'silent in the middle, then closed', rules: [within(45_000)] },
  { id: 'S10', title: 'a broken event', rules: [] },
  { id: 'S11', title: 'no [DONE]', rules: [within(8_000), usageTold] },
  {
    id: 'S12',
    title: 'context too long',
    rules: [({ primary }) => (primary.length === 1 ? undefined : 'asked again')],
  },
  { id: 'S13', title: 'content filter', rules: [atMost(1)], ideal: 'error' },
  { id: 'S14', title: 'cut; the fallback takes no prefill', rules: [] },
  { id: 'S15', title: 'down for a while, then back', rules: [] },
  {
    id: 'S16',
    title: 'who answered, and what it used',
    rules: [
      atMost(6),
      ({ told }) =>
        told.outcome === 'success' && told.model !== 'ok-S16' ? `said ${told.model}` : undefined,
      usageTold,
    ],
  },
]

/** Of our own: judged alike, shown beside the sixteen and not counted with them. */
export const BESIDE: readonly Scenario[] = [
  { id: 'S09b', title: 'a pause in the middle, then the rest', rules: [within(45_000)] },
]

function judge(scenario: Scenario, seen: Seen): Judged {
  const { told, primary, fallback } = seen
  const broken = scenario.rules.map(rule => rule(seen)).filter(rule => rule !== undefined)
  const must = broken.filter(rule => !rule.startsWith('should: '))
  const { id, title } = scenario
  const of = (verdict: Verdict, note: string): Judged => ({
    id,
    title,
    verdict,
    primary: primary.length,
    fallback: fallback.length,
    ms: told.ms,
    note,
  })
  if (told.outcome === 'hang') return of('fail', 'hangs')
  if (told.outcome === 'success' && !told.complete) return of('fail', 'truncated, shown as success')
  if (must.length > 0) return of('fail', must.join('; '))
  if (scenario.ideal === 'error')
    return told.outcome === 'error' ? of('pass', told.error) : of('partial', 'routed around')
  if (told.outcome === 'error') return of('safe', told.error)
  return broken.length > 0 ? of('partial', broken.join('; ')) : of('pass', '')
}

/** One call, as an application makes it: the SDK's own retries are on. */
async function call(client: OpenAI, id: string, stream: boolean, mostMs: number): Promise<Told> {
  const startedMs = Date.now()
  const ask = {
    model: id,
    models: [`ok-${id}`],
    messages: [{ role: 'user', content: 'Sixty words, please.' }],
  }
  const signal = AbortSignal.timeout(mostMs)
  let text = ''
  let model: string | undefined
  let usage = false
  const said = (outcome: Told['outcome'], error = ''): Told => {
    const complete = text === ANSWER
    return { outcome, complete, ms: Date.now() - startedMs, model, usage, error: error.slice(0, 90) }
  }
  try {
    if (stream) {
      const options = { ...ask, stream: true, stream_options: { include_usage: true } } as const
      const events = await client.chat.completions.create(
        options as never as OpenAI.ChatCompletionCreateParamsStreaming,
        { signal },
      )
      for await (const chunk of events) {
        text += chunk.choices[0]?.delta.content ?? ''
        model = chunk.model
        usage ||= chunk.usage != null
      }
    } else {
      const whole = await client.chat.completions.create(
        ask as never as OpenAI.ChatCompletionCreateParamsNonStreaming,
        { signal },
      )
      text = whole.choices[0]?.message.content ?? ''
      model = whole.model
      usage = whole.usage !== undefined
    }
    return signal.aborted ? said('hang') : said('success')
  } catch (error) {
    return signal.aborted
      ? said('hang')
      : said('error', error instanceof Error ? error.message : String(error))
  }
}

/** Requests through an outage and after it; answered all the time, and the primary is used again soon after. */
async function flapping(client: OpenAI, wall: Wall, stream: boolean, timing: Timing): Promise<Judged> {
  const quick = timing !== FULL
  const [count, everyMs, backMs] = quick ? [30, 400, 24_000] : [24, 4_000, 30_000]
  const startedMs = Date.now()
  const answers: Told[] = []
  for (let i = 0; i < count; i++) {
    const wait = startedMs + i * everyMs - Date.now()
    if (wait > 0) await new Promise(resolve => setTimeout(resolve, wait))
    answers.push(await call(client, 'S15', stream, 30_000))
  }
  const mine = wall.attempts.filter(one => one.stream === stream)
  const primary = mine.filter(one => one.model === 'S15')
  const fallback = mine.filter(one => one.model === 'ok-S15')
  const back = primary.find(one => one.answered)
  const upMs = startedMs + timing.downMs
  const late =
    back === undefined
      ? 'never used again'
      : back.atMs - upMs > backMs
        ? `back after ${back.atMs - upMs} ms`
        : undefined
  const missed = answers.filter(one => one.outcome !== 'success' || !one.complete).length
  const asked = primary.filter(one => one.atMs < upMs).length
  const ms = Math.max(...answers.map(one => one.ms))
  const note =
    late ??
    (missed > 0
      ? `${missed} not answered`
      : `${asked} attempts while down, back after ${(back?.atMs ?? 0) - upMs} ms`)
  const verdict =
    late !== undefined || answers.some(one => one.outcome === 'hang') ? 'fail' : missed > 0 ? 'safe' : 'pass'
  return {
    id: 'S15',
    title: 'down for a while, then back',
    verdict,
    primary: primary.length,
    fallback: fallback.length,
    ms,
    note,
  }
}

export interface Options {
  readonly quick: boolean
  readonly guarantee: Guarantee
  readonly stream: boolean
}

/**
 * All sixteen and those beside them at once, each with models of its own. Defaults but for one thing: a whole answer may take 30 s to its first byte
 * while another target is left, which is the bench's own baseline. The quick form has shorter faults and
 * limits; a stall and the limits of one are to each other as 30 s are to the defaults of 10 s and 60 s. What is settled there
 * is settled by tokens alone: a busy machine may take a second for forty words.
 */
export async function runScenarios({ quick, guarantee, stream }: Options): Promise<readonly Judged[]> {
  const timing = quick ? QUICK : FULL
  const wall = await startWall(timing)
  const scenarios = [...SCENARIOS, ...BESIDE]
  const names = scenarios.flatMap(({ id }) => [id, `ok-${id}`])
  const models = names.map(name => `      ${name}: { input_usd_per_mtok: 1.0, output_usd_per_mtok: 2.0 }`)
  const timeouts = quick
    ? 'first_byte_ms: 2500, first_token_ms: 2500, idle_ms: 2000, stall_ms: 12000'
    : 'first_byte_ms: 30000'
  const config = `providers:
  wall:
    kind: openai
    base_url: http://127.0.0.1:${wall.port}/v1
    models:
${models.join('\n')}
egress: { allow: ["127.0.0.1:${wall.port}"] }
timeouts: { ${timeouts} }
routing: { stream_guarantee: ${guarantee}${quick ? ', settle_ms: 60000' : ''} }
`
  const gateway = await startGateway({ config })
  try {
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: await gateway.key(), timeout: 180_000 })
    wall.reset()
    const judged = await Promise.all(
      scenarios.map(async scenario => {
        if (scenario.id === 'S15') return flapping(client, wall, stream, timing)
        const told = await call(client, scenario.id, stream, 130_000)
        const of = (model: string) => wall.attempts.filter(one => one.model === model)
        const seen = { told, primary: of(scenario.id), fallback: of(`ok-${scenario.id}`), timing, stream }
        return judge(scenario, seen)
      }),
    )
    const after = await call(client, 'ok-S01', stream, 10_000)
    if (!after.complete) throw new Error(`the gateway does not answer afterwards: ${after.error}`)
    return judged
  } finally {
    await gateway.close()
    await wall.close()
  }
}

/** A run as a table in Markdown, with its sum. */
export function tableOf(judged: readonly Judged[]): string {
  const rows = judged.map(({ id, title, verdict, primary, fallback, ms, note }) => {
    const took = `${(ms / 1000).toFixed(1)} s`
    return `| ${id} ${title} | ${verdict} | ${primary} + ${fallback} | ${took} | ${note} |`
  })
  const counted = judged.filter(({ id }) => SCENARIOS.some(scenario => scenario.id === id))
  const sum = (['pass', 'partial', 'safe', 'fail'] as const)
    .map(verdict => `${counted.filter(one => one.verdict === verdict).length} ${verdict}`)
    .join(', ')
  return `| Scenario | Verdict | Attempts: primary + fallback | Time | |\n|---|---|---|---|---|\n${rows.join('\n')}\n\n${sum} of ${counted.length}\n`
}
