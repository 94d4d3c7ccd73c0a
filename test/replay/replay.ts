/** Asks for every recording through a gateway, in every wire, and compares what the caller is told with what the provider answered. */
import { isDeepStrictEqual } from 'node:util'
import type { Json } from '../../providers/provider.ts'
import { HOSTS } from '../../providers/hosts.ts'
import { recordingFetch } from '../clients/callers.ts'
import { independent, type Reading, type Tokens } from '../clients/reading.ts'
import type { Recording } from '../clients/recordings.ts'
import { eventsOf } from '../clients/recordings.ts'
import { type Case, type Corpus, failed, jsonOf } from './corpus.ts'
import { explained } from './explained.ts'
import { genaiDiffers } from './genai.ts'
import { direct, IN_WIRES, type InWire, partsOf, readerOf, readingOf } from './judges.ts'
import { kindOf, promptFor, SECRET, type Stage, siteOf, startStage } from './stage.ts'
import { billIn, tokensIn } from './stated.ts'

export interface Verdict {
  readonly one: Case
  readonly inWire: InWire
  /** Empty = the caller is told what the provider answered. */
  readonly differences: readonly string[]
  /** Why a difference is right, where there is one. */
  readonly reasons: readonly string[]
}

/** The wire of a caller for whom an answer passes untouched. */
const SAME: Readonly<Record<string, InWire>> = {
  chat: 'chat',
  anthropic: 'messages',
  responses: 'responses',
  gemini: 'gemini',
}

/** Replays a corpus. `all` = each recording in every wire; else in its own, where callers speak it, and one other, taking turns. */
export async function replay(corpus: Corpus, all: boolean): Promise<readonly Verdict[]> {
  const cases = corpus.cases.filter(one => kindOf(one) !== undefined && readerOf(one.wire) !== undefined)
  const stage = await startStage(cases)
  const verdicts: Verdict[] = []
  try {
    for (const [n, one] of cases.entries()) {
      for (const inWire of wiresFor(one, n, all)) verdicts.push(await judge(stage, one, inWire))
    }
  } finally {
    await stage.close()
  }
  return verdicts
}

function wiresFor(one: Case, n: number, all: boolean): readonly InWire[] {
  if (all) return IN_WIRES
  const others = IN_WIRES.filter(wire => wire !== SAME[one.wire])
  const turn = others[n % others.length] as InWire
  return SAME[one.wire] === undefined ? [turn] : [SAME[one.wire] as InWire, turn]
}

async function judge(stage: Stage, one: Case, inWire: InWire): Promise<Verdict> {
  try {
    const found = failed(one) ? await judgeFailure(stage, one, inWire) : await judgeAnswer(stage, one, inWire)
    return { one, inWire, ...found }
  } catch (error) {
    const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    return { one, inWire, differences: [said.slice(0, 400)], reasons: [] }
  }
}

interface Asked extends Read {
  readonly status: number
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
  readonly calls: number
}

async function ask(stage: Stage, one: Case, inWire: InWire): Promise<Asked> {
  const mark = `${one.id}-${inWire}`
  const { fetch, exchanges } = recordingFetch()
  const place = {
    baseURL: `${stage.gateway.url}/${inWire === 'gemini' ? 'v1beta' : 'v1'}`,
    apiKey: stage.key,
    model: `replayed@${siteOf(one, inWire)}`,
    fetch,
  }
  const model = readerOf(inWire)?.(place)
  if (model === undefined) throw new Error(`no package asks in ${inWire}`)
  const outcome = await reading(() => partsOf(model, promptFor(one, mark), one.stream, inWire))
  const [exchange] = await exchanges()
  if (exchange === undefined) throw new Error('nothing was asked')
  return { ...outcome, ...exchange, calls: stage.callsOf(mark) }
}

async function judgeAnswer(stage: Stage, one: Case, inWire: InWire) {
  const told = await ask(stage, one, inWire)
  const native = SAME[one.wire] === inWire && !isMended(one)
  const source = await reading(() => direct(one, native))
  if (native && isBroken(source)) {
    // The package cannot read the recording itself: whoever gets it must not take it for an answer either.
    const same = source.error === told.error || isBroken(told)
    return {
      differences: same ? untold(told, stage, 3) : [`${source.error} is told as an answer`],
      reasons: [],
    }
  }
  if (inWire === 'chat' && isBroken(told) && one.body.includes('custom_tool_call'))
    return { differences: untold(told, stage, 1), reasons: ["chat's package knows no calls of custom tools"] }
  const unread = isBroken(source) ? UNREAD[one.wire] : undefined
  if (unread !== undefined && one.wire === 'responses' && !isSound(one)) {
    const taken = isBroken(told) ? [] : ['what is no JSON is told as an answer']
    return { differences: [...untold(told, stage, 3), ...taken], reasons: [] }
  }
  if (unread !== undefined) {
    const got = isBroken(told) ? [`the caller gets ${told.error}`] : []
    return { differences: [...untold(told, stage, 1), ...got], reasons: [unread] }
  }
  const read = await independently(one)
  const differences = untold(told, stage, 1)
  if (native) differences.push(...nativeDiffers(one, source.parts, told))
  else if (isBroken(told)) differences.push(`the caller gets ${told.error || 'an error'}`)
  const said = isBroken(told) || told.parts === undefined ? undefined : readingOf(told.parts)
  if (inWire === 'gemini' && said) differences.push(...(await genaiDiffers(told.body, one.stream, said)))
  const have = native ? undefined : said
  const want = { ...read, tokens: tokensIn(one, read) }
  const verdict = explained({ one, inWire, differences, want, have })
  return {
    ...verdict,
    differences: [...verdict.differences, ...(await ledgerDiffers(stage, one, read, told))],
  }
}

/** A host whose row puts its answers right: they are compared as readings, not part by part. */
function isMended(one: Case): boolean {
  const quirks = one.wire === 'chat' ? HOSTS[kindOf(one) ?? '']?.quirks : undefined
  return quirks?.reasoningField !== undefined || quirks?.sendsFinishReason === false
}

/** Is every event of it JSON? */
const isSound = ({ body, stream }: Case): boolean =>
  (stream ? eventsOf(body) : [body]).every(
    text => text === '[DONE]' || 'type' in jsonOf(text) || 'id' in jsonOf(text),
  )

/** Answers that their own package cannot read, while whoever asks in another wire gets one. */
const UNREAD: Readonly<Record<string, string>> = {
  chat: 'a host writes `created` as text, which the package refuses: the caller gets an answer',
  bedrock: 'the package cannot read what the tools of Nova itself return: the caller gets an answer',
  responses: "OpenAI's package cannot read what other hosts add to the wire: the caller gets an answer",
}

/** What a package makes of an answer; undefined parts = it refused. */
interface Read {
  readonly parts: readonly Json[] | undefined
  readonly error: string
}

const reading = (read: () => Promise<readonly Json[]>): Promise<Read> =>
  read().then(
    parts => ({ parts, error: '' }),
    (error: unknown) => ({ parts: undefined, error: error instanceof Error ? error.name : String(error) }),
  )

const isBroken = ({ parts }: Read): boolean =>
  parts === undefined || parts.some(part => part.type === 'error')

const asRecording = (one: Case): Recording => one as unknown as Recording

/** The recorded answer as an independent reader has it. */
const independently = async (one: Case): Promise<Reading> =>
  one.wire === 'chat' || one.wire === 'anthropic' || one.wire === 'gemini'
    ? independent(asRecording(one))
    : readingOf(await direct(one, false))

/** Nothing stands between: the package reads the very same parts, and the bytes are the recorded ones. */
function nativeDiffers(one: Case, want: readonly Json[] | undefined, told: Asked): string[] {
  const same = isDeepStrictEqual(lasting(one, want), lasting(one, told.parts))
  return [
    ...(one.wire === 'chat' ? [] : bytesDiffer(one, told.body)),
    ...(same ? [] : ['parts: not the same']),
  ]
}

/** What may stand in no answer, and how often the upstream was asked. */
function untold({ body, headers, calls }: Asked, stage: Stage, callsMax: number): string[] {
  const seen = JSON.stringify(headers) + body
  const leaked = [SECRET, stage.key, `127.0.0.1:${stage.upstream.port}`].filter(secret =>
    seen.includes(secret),
  )
  return [
    ...(leaked.length > 0 ? ['a secret or an address of ours stands in the answer'] : []),
    ...(calls >= 1 && calls <= callsMax ? [] : [`upstream exchanges: ${calls}`]),
  ]
}

/** The bytes of a native answer are the recorded ones, up to the event that ends it. */
function bytesDiffer(one: Case, body: string): string[] {
  const recorded = one.body.replace(/\r\n/g, '\n')
  const passed = body.replace(/\r\n/g, '\n')
  if (passed === recorded) return []
  const rest = recorded.startsWith(passed) ? recorded.slice(passed.length) : undefined
  return one.stream && rest !== undefined && rest.replace(/data: ?\[DONE\]/, '').trim() === ''
    ? []
    : ['bytes: not the same']
}

/** Parts without what changes from one asking to the next: times, made-up ids, our cost. */
function lasting(one: Case, parts: readonly Json[] | undefined): unknown {
  return JSON.parse(
    JSON.stringify(parts ?? [], (name, value: unknown) => {
      if (name === 'request' || name === 'response' || name === 'timestamp' || name === 'warnings')
        return undefined
      if (/id$/i.test(name) && typeof value === 'string' && !one.body.includes(value)) return 'made up'
      if (isObject(value) && 'cost' in value) return { ...value, cost: undefined }
      return value
    }),
  )
}

/** The ledger's row of the asking against the provider's own count and its own bill. */
async function ledgerDiffers(stage: Stage, one: Case, read: Reading, told: Asked): Promise<string[]> {
  const tokens = tokensIn(one, read)
  const answer = await fetch(`${stage.gateway.url}/v1/generation?id=${told.headers['x-request-id']}`, {
    headers: { authorization: `Bearer ${stage.key}` },
  })
  const generation = (await answer.json()) as { usage: Json; cost_nano_usd: string; certainty: string }
  // a count of no tokens at all is one that was not made
  if (tokens === undefined || tokens.input + tokens.output === 0)
    return generation.certainty === 'estimated' ? [] : [`certainty: estimated ≠ ${generation.certainty}`]
  const differences: string[] = []
  const counted = rowOf(tokens)
  if (!isDeepStrictEqual(generation.usage, counted))
    differences.push(`ledger: ${JSON.stringify(counted)} ≠ ${JSON.stringify(generation.usage)}`)
  const cost = billIn(one, tokens)
  if (generation.cost_nano_usd !== String(cost))
    differences.push(`bill: ${cost} ≠ ${generation.cost_nano_usd} nano-USD`)
  return differences
}

const rowOf = (tokens: Tokens): Json => ({
  input_tokens: tokens.input,
  cached_tokens: tokens.cached,
  cache_creation_tokens: tokens.written,
  output_tokens: tokens.output,
  reasoning_tokens: tokens.thought,
})

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null

async function judgeFailure(stage: Stage, one: Case, inWire: InWire) {
  const told = await ask(stage, one, inWire)
  const differences = untold(told, stage, 3)
  if (!isBroken(told)) differences.push('an error was told as an answer')
  if (told.status === 200 && !one.stream) differences.push('an error has status 200')
  return explained({ one, inWire, differences, want: undefined, have: undefined })
}
