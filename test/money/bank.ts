/** The bank: an upstream that counts what it gives, callers who buy until nothing is sold, and what may be wrong with the books. */
import type { ServerResponse } from 'node:http'
import type { AttemptRow } from '../../src/terms.ts'
import {
  CHAT,
  completion,
  DONE,
  delta,
  event,
  finish,
  role,
  type ScriptedUpstream,
  type Seen,
  sendJson,
  sse,
  startUpstream,
} from '../gateway/harness.ts'
import type { MoneyRig } from './rig.ts'

const NANO = 1e9
/** Of the harness's `house-model`, USD. */
const INPUT = 1e-6
const OUTPUT = 2e-6
const BYTES_PER_TOKEN = 4
const OUTPUT_TOKENS = 8_000
const PROMPT_TOKENS = 20
/** Of this prompt. What a hold sets aside for the input is less. */
const INPUT_BOUND = 300
/** `OUTPUT_FLOOR` of src/attempt/hold.ts: below it an answer is refused rather than cut. */
const FLOOR_TOKENS = 256
const PIECE = 'word'.repeat(50)
const PIECE_TOKENS = PIECE.length / BYTES_PER_TOKEN
/**
 * How far a model may be ahead of its reader. A real one is so by its speed and the distance; this one counts, so that
 * nothing depends on how busy the machine is.
 */
const AHEAD_TOKENS = 4 * PIECE_TOKENS

/** What a request may cost at most, USD: budgets are so many of it. */
export const REQUEST_USD = INPUT_BOUND * INPUT + OUTPUT_TOKENS * OUTPUT
/** The least that is sold, nano-USD: a budget may end with less than this. */
const FLOOR_NANO_USD = (INPUT_BOUND * INPUT + FLOOR_TOKENS * OUTPUT) * NANO

const KINDS = [{ stream: true }, {}, { stream: true, max_tokens: 6_000 }, { max_tokens: 6_000 }] as const

/** One request as the upstream knows it. */
interface Served {
  nanoUsd: number
  /** Tokens that its reader has told of. */
  read: number
  wake: () => void
}

export interface Bank {
  readonly upstream: ScriptedUpstream
  /** By the id in the prompt. */
  readonly served: Map<string, Served>
}

const priceOf = (outputTokens: number) => Math.round((PROMPT_TOKENS * INPUT + outputTokens * OUTPUT) * NANO)

/** Answers as asked, keeps to the limit, and counts what it gave even when it was cut off. */
async function serve(
  response: ServerResponse,
  seen: Seen,
  served: Bank['served'],
  most: number,
): Promise<void> {
  const { stream, max_tokens, max_completion_tokens, messages } = seen.json()
  const id = String((messages as readonly { readonly content: string }[])[0]?.content)
  const own = (text: string) => text.replace('chatcmpl-upstream1', id)
  const tokens = Math.min(Number(max_tokens ?? max_completion_tokens ?? most), most)
  const usage = {
    prompt_tokens: PROMPT_TOKENS,
    completion_tokens: tokens,
    total_tokens: PROMPT_TOKENS + tokens,
  }
  const mine: Served = { nanoUsd: priceOf(0), read: 0, wake: () => undefined }
  served.set(id, mine)
  await new Promise(resolve => setTimeout(resolve, 5))
  if (stream !== true) {
    mine.nanoUsd = priceOf(tokens)
    return sendJson(response, 200, own(JSON.stringify(completion('x', usage))))
  }
  response.on('close', () => mine.wake())
  sse(response).write(own(role))
  let given = 0
  while (given < tokens && !response.destroyed) {
    given = Math.min(tokens, given + PIECE_TOKENS)
    mine.nanoUsd = priceOf(given)
    response.write(own(delta(PIECE)))
    while (given - mine.read >= AHEAD_TOKENS && !response.destroyed)
      await new Promise<void>(resolve => {
        mine.wake = resolve
      })
  }
  response.end(own(finish() + event({ ...completion(), choices: [], usage })) + DONE)
}

/** The upstream, and what it has served. Its answers have so many tokens unless they are limited. */
export async function openBank(outputTokens = OUTPUT_TOKENS): Promise<Bank> {
  const served: Bank['served'] = new Map()
  const upstream = await startUpstream((response, seen) => serve(response, seen, served, outputTokens))
  return { served, upstream }
}

/** nano-USD of all that was given out so far. */
export const servedSoFar = ({ served }: Bank): number =>
  [...served.values()].reduce((sum, { nanoUsd }) => sum + nanoUsd, 0)

/** Reads to the end, and tells the upstream how far it is. */
async function readAll(answer: Response, mine: () => Served | undefined): Promise<void> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const part of answer.body ?? []) {
    const events = (rest + decoder.decode(part, { stream: true })).split('\n\n')
    rest = events.pop() ?? ''
    const served = mine()
    if (served === undefined) continue
    served.read += PIECE_TOKENS * events.filter(text => text.includes(PIECE)).length
    served.wake()
  }
}

/** The books after a sale, nano-USD. */
export interface Books {
  readonly limit: number
  readonly sold: number
  readonly served: number
  readonly spent: number
  readonly cut: number
  /** Requests that were billed less than was served, or more than was held. */
  readonly misbilled: readonly string[]
  readonly overruns: number
  readonly openHolds: number
}

export interface Sale {
  readonly usd: number
  readonly atOnce: number
  readonly rounds: number
  /** Goes on when nothing is left, to see that nothing is sold. */
  readonly toTheEnd?: boolean
}

let asked = 0

/** One request, read to its end. */
export async function buy(
  gateway: MoneyRig,
  key: string,
  { served }: Bank,
  more: object,
): Promise<{ readonly id: string; readonly status: number; readonly shouldRetry: boolean }> {
  const id = `chatcmpl-bank${asked++}`
  const body = { ...CHAT, messages: [{ role: 'user', content: id }], ...more }
  const answer = await gateway.post(key, body)
  await readAll(answer, () => served.get(id))
  const { status, headers } = answer
  return { id, status, shouldRetry: headers.get('x-should-retry') === 'true' }
}

/** Rounds of so many at once, streams and wholes, with and without a limit; by default until a whole round is refused for what is spent. */
export async function sell(
  gateway: MoneyRig,
  keys: readonly string[],
  bank: Bank,
  sale: Sale,
): Promise<Books> {
  let sold = 0
  const ids: string[] = []
  for (let round = 0; round < sale.rounds; round++) {
    const answers = await Promise.all(
      Array.from({ length: sale.atOnce }, (_, i) =>
        buy(gateway, keys[i % keys.length] ?? '', bank, KINDS[(i + round) % KINDS.length] ?? {}),
      ),
    )
    for (const { id, status } of answers) {
      if (status !== 200 && status !== 429) throw new Error(`answered ${status}`)
      ids.push(id)
    }
    const fine = answers.filter(({ status }) => status === 200).length
    sold += fine
    if (fine === 0 && sale.toTheEnd !== true && !answers.some(({ shouldRetry }) => shouldRetry)) break
  }
  return booksOf(gateway, bank.served, ids, { ...sale, sold })
}

async function booksOf(
  gateway: MoneyRig,
  served: Bank['served'],
  ids: readonly string[],
  { usd, sold }: Sale & { readonly sold: number },
): Promise<Books> {
  const rows = await gateway.rows()
  const nanoOf = (id: string | null) => served.get(id ?? '')?.nanoUsd ?? 0
  const isMisbilled = (row: AttemptRow) => {
    const cost = row.costNanoUsd ?? 0
    return cost < nanoOf(row.answerId) || cost > row.heldNanoUsd
  }
  return {
    limit: Math.round(usd * NANO),
    sold,
    served: ids.reduce((sum, id) => sum + nanoOf(id), 0),
    spent: rows.reduce((sum, row) => sum + (row.costNanoUsd ?? 0), 0),
    cut: rows.filter(row => row.certainty === 'estimated').length,
    misbilled: rows
      .filter(isMisbilled)
      .map(
        row => `${row.answerId}: served ${nanoOf(row.answerId)}, ${row.costNanoUsd} of ${row.heldNanoUsd}`,
      ),
    overruns: rows.filter(row => row.overrunNanoUsd > 0).length,
    openHolds: gateway.gateway.ledger.openHolds(),
  }
}

/** What is wrong with these books; empty = nothing. */
export function faultsOf(books: Books): string[] {
  const { limit, served, spent, misbilled, overruns, openHolds } = books
  const faults: string[] = []
  if (served > limit) faults.push(`overshoot: served ${served} of ${limit} nano-USD`)
  if (spent > limit) faults.push(`overshoot: booked ${spent} of ${limit} nano-USD`)
  if (spent < limit * 0.95) faults.push(`used ${((spent / limit) * 100).toFixed(1)}%`)
  if (spent <= limit - FLOOR_NANO_USD) faults.push(`refused with ${limit - spent} nano-USD left`)
  if (misbilled.length > 0) faults.push(`misbilled: ${misbilled.join('; ')}`)
  if (overruns > 0) faults.push(`${overruns} overruns`)
  if (openHolds > 0) faults.push(`${openHolds} holds left open`)
  return faults
}

const share = (part: number, whole: number) => `${((part / whole) * 100).toFixed(2)}%`

export const TABLE_HEAD =
  '| Budget, requests’ worth | Tightest | Sold | Cut by the budget | Overshoot, nano-USD | Booked | Served |\n|---|---|---|---|---|---|---|'

export const lineOf = (worth: number, tight: string, { limit, sold, cut, spent, served }: Books): string =>
  `| ${worth} | ${tight} | ${sold} | ${cut} | ${Math.max(0, served - limit, spent - limit)} | ${share(spent, limit)} | ${share(served, limit)} |`
