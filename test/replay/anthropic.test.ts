/**
 * Recorded answers of the real API through our decoders, judged by an independent reader (@ai-sdk/anthropic) that is
 * given the same bytes: text, reasoning with signatures, tool calls, finish reason and usage must be equal.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createAnthropic } from '@ai-sdk/anthropic'
import { describe, expect, it } from 'vitest'
import { anthropic } from '../../providers/anthropic/index.ts'
import type { Json } from '../../providers/provider.ts'
import { checkUsage, contextOf, type Played, play, requestOf } from '../contract/provider.ts'

interface Recording {
  readonly id: string
  readonly provider: string
  readonly protocol?: string
  readonly stream: boolean
  readonly scenario: string
  readonly response: {
    readonly status: number
    readonly headers: Record<string, string>
    readonly body: string
  }
}

const home = process.env.SWITCHGATE_FIXTURES ?? new URL('../../../shared/fixtures', import.meta.url).pathname
const files = ['anthropic', 'vercel-ai'].map(name => `${home}/${name}.jsonl`)
const present = files.every(file => existsSync(file))

/** What an answer says, in a form that both readers can be brought to. */
interface Reading {
  text: string
  reasoning: string
  signatures: string[]
  redacted: string[]
  tools: { id: string; name: string; input: unknown }[]
  finish: string
  usage: { input: number; output: number; read: number; write: number; thought: number }
}

const recordings = present
  ? files
      .flatMap(file => readFileSync(file, 'utf8').trim().split('\n'))
      .map(line => JSON.parse(line) as Recording)
      .filter(one => one.provider === 'anthropic' && one.protocol !== 'count_tokens')
  : []

describe.skipIf(!present)('anthropic recordings', () => {
  const passed: string[] = []
  for (const one of recordings) {
    it(`${one.id} ${one.scenario}${one.stream ? ' (stream)' : ''}`, async () => {
      if (one.response.status >= 400) expect(oursOfError(one)).toBe(ERRORS[one.id])
      for (const part of one.response.status < 400 ? answersOf(one) : []) {
        expect(part.stream ? ours(streamed(part)) : ours(whole(part))).toEqual(await theirs(part))
      }
      passed.push(one.id)
    })
  }
  it('prints the count', () => {
    process.stdout.write(`anthropic: ${recordings.length} recordings, ${passed.length} pass\n`)
    expect(recordings.length).toBeGreaterThan(200)
    expect(passed.length).toBe(recordings.length)
  })
})

it.skipIf(present)(`anthropic recordings: none at ${home} (set SWITCHGATE_FIXTURES)`, () => {})

const ERRORS: Readonly<Record<string, string>> = {
  '3f56e1b778c2': 'model_missing', // 404 not_found_error
  '1a1aee1d5f9b': 'refused', // 400 invalid_request_error: effort level
}

/**
 * Two recordings of vercel/ai (tool-search-bm25 and -regex) hold two answers of one conversation in one file. A stream
 * is over at message_stop, where our decoder says done and reads no further, so each is judged on its own.
 */
function answersOf(one: Recording): Recording[] {
  if (!one.stream) return [one]
  const pieces = one.response.body.split(/(?<="message_stop"[^\n]*\n\n)/).filter(piece => piece.trim() !== '')
  return pieces.map(body => ({ ...one, response: { ...one.response, body } }))
}

/**
 * What the other reader cannot be given: it dies on the result of an MCP call that was made in the request's history
 * (recording 62e5a833808b), and the call is of no concern to a chat client anyway.
 */
function readableByThem(one: Recording): string {
  if (one.id !== '62e5a833808b') return one.response.body
  const message = JSON.parse(one.response.body) as { content: { type: string }[] }
  return JSON.stringify({
    ...message,
    content: message.content.filter(block => block.type !== 'mcp_tool_result'),
  })
}

function oursOfError(one: Recording): unknown {
  return anthropic.classify?.(one.response.status, JSON.parse(one.response.body))
}

const request = requestOf(anthropic, {
  model: 'claude-sonnet-4-5',
  messages: [{ role: 'user', content: 'x' }],
})

/** A whole answer as the one chunk that it would be. */
function whole(one: Recording): Json[] {
  const made = anthropic.chat?.decode?.(JSON.parse(one.response.body), contextOf(request))
  const choice = (made?.body.choices as Json[] | undefined)?.[0] ?? {}
  checkUsage(made?.body.usage as Json, made?.usage)
  return [
    { choices: [{ delta: choice.message, finish_reason: choice.finish_reason }] },
    { choices: [], usage: made?.body.usage },
  ]
}

function streamed(one: Recording): Json[] {
  const bytes = new TextEncoder().encode(one.response.body)
  const at = Math.floor(bytes.length / 2)
  const played: Played = play(anthropic, contextOf(request), [bytes.subarray(0, at), bytes.subarray(at)])
  expect(played.end).toBe('done')
  checkUsage(played.chunks.at(-1)?.usage as Json, played.usages.at(-1))
  return [...played.chunks]
}

interface Delta {
  content?: string | null
  reasoning_content?: string
  reasoning_details?: { type: string; signature?: string; data?: string }[]
  tool_calls?: { index?: number; id?: string; function: { name?: string; arguments: string } }[]
}

/** Puts chunks together as a plain chat client does. */
function ours(chunks: readonly Json[]): Reading {
  let text = ''
  let reasoning = ''
  let finish = ''
  let usage: Record<string, unknown> = {}
  const signatures: string[] = []
  const redacted: string[] = []
  const calls: { id: string; name: string; text: string }[] = []
  for (const chunk of chunks) {
    if (chunk.usage != null) usage = chunk.usage as Record<string, unknown>
    for (const choice of chunk.choices as { delta: Delta; finish_reason: string | null }[]) {
      text += choice.delta.content ?? ''
      reasoning += choice.delta.reasoning_content ?? ''
      for (const detail of choice.delta.reasoning_details ?? []) {
        if (detail.signature !== undefined) signatures.push(detail.signature)
        if (detail.data !== undefined) redacted.push(detail.data)
      }
      for (const [i, call] of (choice.delta.tool_calls ?? []).entries()) {
        const at = call.index ?? i
        calls[at] ??= { id: call.id ?? '', name: call.function.name ?? '', text: '' }
        calls[at].text += call.function.arguments
      }
      finish = choice.finish_reason ?? finish
    }
  }
  const read = (of: unknown, name: string): number => ((of ?? {}) as Record<string, number>)[name] ?? 0
  return {
    text,
    reasoning,
    signatures,
    redacted,
    tools: calls.map(call => ({ id: call.id, name: call.name, input: JSON.parse(call.text) as unknown })),
    finish,
    usage: {
      input: read(usage, 'prompt_tokens'),
      output: read(usage, 'completion_tokens'),
      read: read(usage.prompt_tokens_details, 'cached_tokens'),
      write: read(usage.prompt_tokens_details, 'cache_write_tokens'),
      thought: read(usage.completion_tokens_details, 'reasoning_tokens'),
    },
  }
}

/** The same bytes through @ai-sdk/anthropic. */
async function theirs(one: Recording): Promise<Reading> {
  const { status } = one.response
  const body = readableByThem(one)
  const type = one.stream ? 'text/event-stream' : 'application/json'
  const provider = createAnthropic({
    apiKey: 'none',
    fetch: async () => new Response(body, { status, headers: { 'content-type': type } }),
  })
  const model = provider('claude-sonnet-4-5')
  const prompt = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'x' }] }]
  const reading: Reading = {
    text: '',
    reasoning: '',
    signatures: [],
    redacted: [],
    tools: [],
    finish: '',
    usage: { input: 0, output: 0, read: 0, write: 0, thought: 0 },
  }
  const meta = (of: {
    providerMetadata?: Record<string, Record<string, unknown>>
  }): Record<string, unknown> => of.providerMetadata?.anthropic ?? {}
  const sign = (facts: Record<string, unknown>): void => {
    if (typeof facts.signature === 'string') reading.signatures.push(facts.signature)
    if (typeof facts.redactedData === 'string') reading.redacted.push(facts.redactedData)
  }
  const call = (part: {
    toolCallId: string
    toolName: string
    input: string
    providerExecuted?: boolean
  }): void => {
    if (part.providerExecuted === true) return
    reading.tools.push({ id: part.toolCallId, name: part.toolName, input: JSON.parse(part.input || '{}') })
  }
  type Finish = Awaited<ReturnType<typeof model.doGenerate>>
  const finish = (end: Pick<Finish, 'finishReason' | 'usage'>): void => {
    reading.finish = end.finishReason.unified.replace('-', '_').replace('other', 'stop')
    reading.usage = {
      input: end.usage.inputTokens.total ?? 0,
      output: end.usage.outputTokens.total ?? 0,
      read: end.usage.inputTokens.cacheRead ?? 0,
      write: end.usage.inputTokens.cacheWrite ?? 0,
      thought: end.usage.outputTokens.reasoning ?? 0,
    }
  }
  if (!one.stream) {
    const answer = await model.doGenerate({ prompt })
    for (const part of answer.content) {
      // They give the summary of compacted history as a text part with a mark; it is no part of the answer.
      if (part.type === 'text' && meta(part).type !== 'compaction') reading.text += part.text
      if (part.type === 'tool-call') call(part)
      if (part.type === 'reasoning') {
        reading.reasoning += part.text
        sign(meta(part))
      }
    }
    finish(answer)
    return reading
  }
  const { stream } = await model.doStream({ prompt })
  for await (const part of stream) {
    if (part.type === 'error') throw part.error
    if (part.type === 'text-delta') reading.text += part.delta
    if (part.type === 'tool-call') call(part)
    if (part.type === 'reasoning-start') sign(meta(part))
    if (part.type === 'reasoning-delta') {
      reading.reasoning += part.delta
      sign(meta(part))
    }
    if (part.type === 'finish') finish(part)
  }
  return reading
}
