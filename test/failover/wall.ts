/**
 * A provider that breaks on purpose: the model's name chooses the fault. The sixteen faults and what is right for each are
 * those of Failover Bench's catalogue (github.com/failoverbench/failoverbench, scenarios/catalogue.yaml, v0.1), told here in
 * our own words and code. S09 is silent for 30 s and then closes, as it is published; S09b is of our own: it goes on after the pause.
 */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export const WORDS = Array.from({ length: 60 }, (_, i) => `word${i + 1}`)
export const ANSWER = WORDS.join(' ')

export interface Timing {
  readonly retryAfterS: number
  readonly slowMs: number
  readonly stallMs: number
  readonly silentMs: number
  readonly downMs: number
  readonly tokenMs: number
}
/** The published profile, and one for a test loop. */
export const FULL: Timing = {
  retryAfterS: 2,
  slowMs: 20_000,
  stallMs: 30_000,
  silentMs: 120_000,
  downMs: 60_000,
  tokenMs: 15,
}
export const QUICK: Timing = {
  retryAfterS: 2,
  slowMs: 8_000,
  stallMs: 6_000,
  silentMs: 20_000,
  downMs: 3_000,
  tokenMs: 2,
}

/** One request as the provider saw it. */
export interface Attempt {
  readonly model: string
  readonly atMs: number
  readonly stream: boolean
  answered: boolean
}

export interface Wall {
  readonly port: number
  readonly attempts: Attempt[]
  /** Outages begin now. */
  reset(): void
  close(): Promise<void>
}

interface Ask {
  readonly model: string
  readonly stream: boolean
  readonly nth: number
  readonly sinceMs: number
  readonly lastRole: string
  readonly response: ServerResponse
}

const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms).unref())
const usage = { prompt_tokens: 20, completion_tokens: 60, total_tokens: 80 }

function refuse({ response }: Ask, status: number, code: string | null, headers = {}): void {
  const type = status < 500 ? 'invalid_request_error' : 'server_error'
  const error = { message: `fault ${status}`, type, param: null, code }
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify({ error }))
}

interface Tell {
  /** Words after which the connection is cut. */
  readonly cutAfter?: number
  readonly stallAfter?: number
  /** After the stall: the rest comes. Else the connection is cut. */
  readonly goesOn?: boolean
  readonly brokenAt?: number
  readonly noDone?: boolean
  readonly waitMs?: number
}

async function tell(ask: Ask, timing: Timing, how: Tell = {}): Promise<void> {
  return ask.stream ? tellStream(ask, timing, how) : tellWhole(ask, timing, how)
}

async function tellWhole({ model, response }: Ask, timing: Timing, how: Tell): Promise<void> {
  if (how.waitMs) await sleep(how.waitMs)
  const message = { role: 'assistant', content: ANSWER }
  const body = JSON.stringify({
    id: 'chatcmpl-wall',
    object: 'chat.completion',
    created: 1,
    model,
    choices: [{ index: 0, message, finish_reason: 'stop' }],
    usage,
  })
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(body.length) })
  const broken = how.cutAfter ?? how.stallAfter
  if (how.brokenAt !== undefined) return void response.end(`{${' '.repeat(body.length - 1)}`)
  if (broken === undefined) return void response.end(body)
  response.write(body.slice(0, 200))
  await sleep(how.stallAfter === undefined ? 20 : timing.stallMs)
  if (how.goesOn) response.end(body.slice(200))
  else response.destroy()
}

async function tellStream({ model, response }: Ask, timing: Timing, how: Tell): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.flushHeaders()
  if (how.waitMs) await sleep(how.waitMs)
  const event = (choices: object[], more = {}) =>
    `data: ${JSON.stringify({ id: 'chatcmpl-wall', object: 'chat.completion.chunk', created: 1, model, choices, ...more })}\n\n`
  for (const [i, word] of WORDS.entries()) {
    if (response.destroyed) return
    if (i === how.cutAfter) return void response.destroy()
    if (i === how.stallAfter) {
      await sleep(timing.stallMs)
      if (!how.goesOn) return void response.destroy()
    }
    if (i === how.brokenAt) response.write('data: {"id": "chatcmpl-wall", "choices": [\n\n')
    const content = i === 0 ? word : ` ${word}`
    response.write(event([{ index: 0, delta: { content }, finish_reason: null }]))
    await sleep(timing.tokenMs)
  }
  response.write(event([{ index: 0, delta: {}, finish_reason: 'stop' }]))
  response.write(event([], { usage }))
  response.end(how.noDone ? undefined : 'data: [DONE]\n\n')
}

type Fault = (ask: Ask, timing: Timing) => void | Promise<void>
const cut: Fault = (ask, timing) => tell(ask, timing, { cutAfter: 40 })
const down: Fault = ask => refuse(ask, 503, 'overloaded')

const FAULTS: Readonly<Record<string, Fault>> = {
  S01: (ask, timing) =>
    ask.nth === 1
      ? refuse(ask, 429, 'rate_limit_exceeded', { 'retry-after': String(timing.retryAfterS) })
      : tell(ask, timing),
  S02: ask => refuse(ask, 429, 'rate_limit_exceeded'),
  S03: (ask, timing) => (ask.nth === 1 ? refuse(ask, 500, null) : tell(ask, timing)),
  S04: down,
  S05: (ask, timing) => (ask.nth === 1 ? void ask.response.socket?.resetAndDestroy() : tell(ask, timing)),
  S06: async (ask, timing) => {
    await sleep(timing.silentMs)
    ask.response.destroy()
  },
  S07: (ask, timing) => tell(ask, timing, { waitMs: timing.slowMs }),
  S08: cut,
  S09: (ask, timing) => tell(ask, timing, { stallAfter: 20 }),
  S09b: (ask, timing) => tell(ask, timing, { stallAfter: 20, goesOn: true }),
  S10: (ask, timing) => tell(ask, timing, { brokenAt: 10 }),
  S11: (ask, timing) => tell(ask, timing, { noDone: true }),
  S12: ask => refuse(ask, 400, 'context_length_exceeded'),
  S13: ask => refuse(ask, 400, 'content_policy_violation'),
  S14: cut,
  S15: (ask, timing) => (ask.sinceMs < timing.downMs ? down(ask, timing) : tell(ask, timing)),
  S16: down,
}

/** `S01`, or `ok-S01` for its fallback, which always answers; that of S14 refuses to go on with somebody else's words. */
export async function startWall(timing: Timing): Promise<Wall> {
  const attempts: Attempt[] = []
  let startedMs = Date.now()
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    response.on('error', () => undefined)
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(parts).toString('utf8')) as {
        model: string
        stream?: boolean
        messages: { role: string }[]
      }
      const { model, stream = false } = body
      const seen: Attempt = { model, atMs: Date.now(), stream, answered: false }
      attempts.push(seen)
      response.on('finish', () => {
        seen.answered = response.statusCode === 200
      })
      const nth = attempts.filter(one => one.model === model && one.stream === stream).length
      const lastRole = body.messages.at(-1)?.role ?? ''
      const ask = { model, stream, nth, sinceMs: Date.now() - startedMs, lastRole, response }
      if (model === 'ok-S14' && lastRole === 'assistant') return refuse(ask, 400, 'invalid_prefill')
      void (FAULTS[model] ?? tell)(ask, timing)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    attempts,
    reset() {
      attempts.length = 0
      startedMs = Date.now()
    },
    close: () =>
      new Promise(resolve => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}
