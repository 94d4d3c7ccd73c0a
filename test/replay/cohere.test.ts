/**
 * Recorded answers of Cohere's v2 wire through the adapter, judged by a plain reading of the same bytes that shares no code
 * with it. Recordings lie beside the repository (or at SWITCHGATE_FIXTURES) and are not part of it.
 */
import { existsSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { cohere } from '../../providers/cohere/index.ts'
import type { ChatRequest, DecodeContext, Json } from '../../providers/provider.ts'
import type { Usage } from '../../src/terms.ts'
import { checkUsage, contextOf, play, requestOf } from '../contract/provider.ts'

interface Recording {
  readonly id: string
  readonly provider: string
  readonly stream: boolean
  readonly scenario: string
  readonly request?: { readonly path?: string; readonly body?: Json }
  readonly response: { readonly status: number; readonly body: string }
}

const home = process.env.SWITCHGATE_FIXTURES ?? new URL('../../../shared/fixtures/', import.meta.url).pathname
const files = ['cohere.jsonl', 'vercel-ai.jsonl'].map(name => `${home.replace(/\/$/, '')}/${name}`)
const isThere = files.every(file => existsSync(file))

const recordings: readonly Recording[] = isThere
  ? files
      .flatMap(file => readFileSync(file, 'utf8').split('\n'))
      .filter(line => line !== '')
      .map(line => JSON.parse(line) as Recording)
      .filter(one => one.provider === 'cohere')
  : []

/** v1 shares the file and not the wire. */
const isChat = ({ request, response }: Recording): boolean =>
  request?.path === undefined
    ? /"finish_reason":/.test(response.body) && !response.body.includes('"chat_history"')
    : request.path === '/v2/chat'
const isEmbed = ({ response }: Recording): boolean => response.body.includes('"embeddings_by_type"')

interface Reading {
  readonly text: string
  readonly reasoning: string
  readonly plan: string
  readonly calls: readonly { id: unknown; name: unknown; args: string }[]
  readonly cited: readonly [number, number][]
  readonly finish: string
  readonly usage: { in: number; out: number; cached: number; billedIn: number; billedOut: number } | undefined
}

const FINISH: Record<string, string> = { COMPLETE: 'stop', MAX_TOKENS: 'length', TOOL_CALL: 'tool_calls' }

/** Both wires, as loosely as a plain reading needs them. */
interface Raw {
  readonly id?: string
  readonly type?: string
  readonly message?: RawMessage
  readonly finish_reason?: string
  readonly usage?: RawUsage
  readonly delta?: { readonly message?: RawDelta; readonly finish_reason?: string; readonly usage?: RawUsage }
  readonly embeddings?: { readonly float: readonly number[][] }
  readonly meta?: { readonly billed_units: { readonly input_tokens: number } }
}
interface RawUsage {
  readonly tokens: { readonly input_tokens: number; readonly output_tokens: number }
  readonly billed_units: { readonly input_tokens: number; readonly output_tokens: number }
  readonly cached_tokens?: number
}
interface RawCall {
  readonly index?: number
  readonly id?: string
  readonly function: { readonly name: string; readonly arguments: string }
}
interface RawPart {
  readonly type?: string
  readonly text?: string
  readonly thinking?: string
}
interface RawCitation {
  readonly start: number
  readonly end: number
  readonly sources: readonly unknown[]
}
interface RawMessage {
  readonly role?: string
  readonly tool_call_id?: string
  readonly content?: readonly RawPart[] | string | null
  readonly tool_plan?: string
  readonly tool_calls?: readonly RawCall[]
  readonly citations?: readonly RawCitation[]
}
interface RawDelta {
  readonly content?: RawPart
  readonly tool_plan?: string
  readonly tool_calls?: RawCall
  readonly citations?: RawCitation
}
interface Place {
  readonly start_index: number
  readonly end_index: number
}
interface Annotation {
  readonly url_citation?: Place
  readonly file_citation?: Place
}
interface Said {
  readonly content?: string | null
  readonly reasoning_content?: string
  readonly tool_plan?: string
  readonly tool_calls?: readonly RawCall[]
  readonly annotations?: readonly Annotation[]
}
interface Choice {
  readonly message?: Said
  readonly delta?: Said
  readonly finish_reason?: string | null
}
interface Call {
  id: unknown
  name: unknown
  args: string
}

function plainUsage(usage: RawUsage | undefined): Reading['usage'] {
  if (usage === undefined) return undefined
  return {
    in: usage.tokens.input_tokens,
    out: usage.tokens.output_tokens,
    cached: usage.cached_tokens ?? 0,
    billedIn: usage.billed_units.input_tokens,
    billedOut: usage.billed_units.output_tokens,
  }
}

const callOf = (call: RawCall): Call => ({
  id: call.id,
  name: call.function.name,
  args: call.function.arguments,
})
const placesOf = (one: RawCitation): [number, number][] => one.sources.map(() => [one.start, one.end])

function plainWhole({ message, finish_reason: finish, usage }: Raw): Reading {
  const parts = Array.isArray(message?.content) ? (message.content as RawPart[]) : []
  const join = (type: 'text' | 'thinking') =>
    parts.map(part => (part.type === type ? part[type] : '')).join('')
  return {
    text: join('text'),
    reasoning: join('thinking'),
    plan: message?.tool_plan ?? '',
    calls: (message?.tool_calls ?? []).map(callOf),
    cited: (message?.citations ?? []).flatMap(placesOf),
    finish: FINISH[finish ?? ''] ?? '',
    usage: plainUsage(usage),
  }
}

const blank = () => ({
  text: '',
  reasoning: '',
  plan: '',
  calls: [] as Call[],
  cited: [] as [number, number][],
})

function plainStream(text: string): Reading {
  const read = blank()
  let finish = ''
  let usage: Reading['usage']
  for (const line of text.split('\n')) {
    if (!line.startsWith('data: {')) continue
    const event = JSON.parse(line.slice(6)) as Raw
    const its = event.delta?.message
    read.text += its?.content?.text ?? ''
    read.reasoning += its?.content?.thinking ?? ''
    if (event.type === 'tool-plan-delta') read.plan += its?.tool_plan
    if (event.type === 'tool-call-start' && its?.tool_calls) read.calls.push(callOf(its.tool_calls))
    const open = read.calls.at(-1)
    if (event.type === 'tool-call-delta' && open) open.args += its?.tool_calls?.function.arguments
    if (event.type === 'citation-start' && its?.citations) read.cited.push(...placesOf(its.citations))
    if (event.type !== 'message-end') continue
    finish = FINISH[event.delta?.finish_reason ?? ''] ?? ''
    usage = plainUsage(event.delta?.usage)
  }
  return { ...read, finish, usage }
}

const usageRead = (usage: Usage | undefined): Reading['usage'] =>
  usage && {
    in: usage.inputTokens,
    out: usage.outputTokens,
    cached: usage.cacheReadInputTokens,
    billedIn: usage.billedInputTokens ?? -1,
    billedOut: usage.billedOutputTokens ?? -1,
  }

function citedIn(annotations: readonly Annotation[] = []): [number, number][] {
  return annotations.map(one => {
    const place = one.url_citation ?? one.file_citation
    return [place?.start_index ?? -1, place?.end_index ?? -1]
  })
}

function oursWhole(body: string, context: DecodeContext): Reading {
  const made = cohere.chat?.decode?.(JSON.parse(body), context)
  if (!made) throw new Error('no decoder')
  const choice = (made.body.choices as Choice[])[0]
  const message = choice?.message
  checkUsage(made.body.usage as Json | undefined, made.usage)
  return {
    text: message?.content ?? '',
    reasoning: message?.reasoning_content ?? '',
    plan: message?.tool_plan ?? '',
    calls: (message?.tool_calls ?? []).map(callOf),
    cited: citedIn(message?.annotations),
    finish: choice?.finish_reason ?? '',
    usage: usageRead(made.usage),
  }
}

function oursStream(context: DecodeContext, pieces: Iterable<Uint8Array>): Reading {
  const played = play(cohere, context, pieces)
  const read = blank()
  let finish = ''
  for (const chunk of played.chunks) {
    const choice = (chunk.choices as Choice[])[0]
    const delta = choice?.delta
    read.text += delta?.content ?? ''
    read.reasoning += delta?.reasoning_content ?? ''
    read.plan += delta?.tool_plan ?? ''
    for (const call of delta?.tool_calls ?? []) {
      const at = call.index ?? -1
      read.calls[at] ??= { id: call.id, name: call.function.name, args: '' }
      read.calls[at].args += call.function.arguments
    }
    read.cited.push(...citedIn(delta?.annotations))
    finish = choice?.finish_reason ?? finish
  }
  expect(played.end === 'done' || played.end === 'open').toBe(true)
  return { ...read, finish, usage: usageRead(played.usages.at(-1)) }
}

const asked = (recording: Recording): ChatRequest => {
  const model = recording.request?.body?.model ?? 'command-a-03-2025'
  return requestOf(cohere, { model, messages: [{ role: 'user', content: 'hi' }], stream: recording.stream })
}

if (!isThere) it.skip(`recordings are not at ${home}: nothing to replay`, () => {})

const chats = recordings.filter(one => isChat(one) && one.response.status === 200)
it.runIf(isThere)('there are recordings to replay', () => expect(chats.length).toBeGreaterThan(30))

for (const one of chats) {
  it(`${one.id} ${one.scenario}`, () => {
    const { body } = one.response
    const context = () => contextOf(asked(one))
    if (!one.stream) return expect(oursWhole(body, context())).toEqual(plainWhole(JSON.parse(body)))
    const bytes = new TextEncoder().encode(body)
    const want = plainStream(body)
    expect(oursStream(context(), [bytes])).toEqual(want)
    for (const size of [1, 7, 64])
      expect(
        oursStream(
          context(),
          Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
            bytes.subarray(i * size, (i + 1) * size),
          ),
        ),
      ).toEqual(want)
  })
}

for (const one of recordings.filter(r => r.response.status >= 400)) {
  it(`${one.id} ${one.scenario} is named`, () => {
    expect(cohere.classify?.(one.response.status, JSON.parse(one.response.body))).toBe('context_length')
  })
}

for (const one of recordings.filter(isEmbed)) {
  it(`${one.id} ${one.scenario} (embeddings)`, () => {
    const raw = JSON.parse(one.response.body) as Raw
    const request = requestOf(cohere, { model: 'embed-v4.0', input: 'hi' })
    const made = cohere.embeddings?.decode?.(raw, contextOf(request))
    const rows = (made?.body.data ?? []) as { embedding: number[] }[]
    expect(rows.map(row => row.embedding)).toEqual(raw.embeddings?.float)
    expect(made?.usage?.inputTokens).toBe(raw.meta?.billed_units.input_tokens)
  })
}

/** What callers of OpenAI's wire would say → what the recorded clients really sent, in the members that carry meaning. */
it.runIf(isThere)('requests are encoded as the recorded clients sent them', () => {
  let compared = 0
  for (const one of recordings) {
    const sent = one.request?.body
    if (one.request?.path !== '/v2/chat' || sent === undefined || one.response.status !== 200) continue
    if (JSON.stringify(sent).includes('"thinking"')) continue
    const format = sent.response_format as { json_schema?: Json } | undefined
    const schema = { name: 'x', schema: format?.json_schema }
    const client = {
      ...sent,
      ...(format && { response_format: { type: 'json_schema', json_schema: schema } }),
      ...(sent.tool_choice !== undefined && { tool_choice: String(sent.tool_choice).toLowerCase() }),
    }
    const encoded = cohere.chat?.encode(requestOf(cohere, client))
    const made = JSON.parse(new TextDecoder().decode(encoded?.body)) as Json
    for (const name of ['model', 'tools', 'response_format', 'tool_choice', 'temperature', 'documents'])
      expect(made[name], `${one.id} ${name}`).toEqual(sent[name])
    // one text part is the same as the text
    const said = ({ role, content }: RawMessage) =>
      role === 'assistant' && Array.isArray(content) ? content.map(part => part.text).join('') : content
    const shape = (messages: unknown) =>
      (messages as RawMessage[]).map(m => [m.role, m.tool_call_id, m.tool_calls, m.tool_calls ? '' : said(m)])
    expect(shape(made.messages), one.id).toEqual(shape(sent.messages))
    compared++
  }
  expect(compared).toBeGreaterThan(25)
})
