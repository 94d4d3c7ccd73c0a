/**
 * Recorded answers of Bedrock through our decoders, judged by an independent reader (@ai-sdk/amazon-bedrock) that is given the same bytes: text, reasoning with signatures, tool calls, finish reason and usage
 * must be equal. Binary streams go through our splitter of frames, cut at many places.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createAmazonBedrock } from '@ai-sdk/amazon-bedrock'
import { describe, expect, it } from 'vitest'
import { anthropic } from '../../providers/anthropic/index.ts'
import { claudeOnBedrock } from '../../providers/bedrock/claude.ts'
import { converse } from '../../providers/bedrock/index.ts'
import { unframe } from '../../providers/bedrock/stream.ts'
import type { Json } from '../../providers/provider.ts'
import { createFrameSplitter } from '../../src/wire/eventstream.ts'
import { eventFrame } from '../wire/frames.ts'
import { checkUsage, contextOf, type Played, play, requestOf } from '../contract/provider.ts'

interface Recording {
  readonly id: string
  readonly provider: string
  readonly protocol?: string
  readonly stream: boolean
  readonly scenario: string
  readonly request?: { readonly path: string }
  readonly response: { readonly status: number; readonly body?: string; readonly body_b64?: string }
}

const home = process.env.SWITCHGATE_FIXTURES ?? new URL('../../../shared/fixtures', import.meta.url).pathname
const file = `${home}/bedrock.jsonl`
const present = existsSync(file)

const recordings = present
  ? readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Recording)
      .filter(one => one.provider === 'bedrock' && one.protocol === 'converse')
  : []

/** What an answer says, in a form that both readers can be brought to. */
interface Reading {
  text: string
  reasoning: string
  signatures: string[]
  redacted: string[]
  tools: { id: string; name: string; input: unknown }[]
  finish: string
  usage: { input: number; output: number; read: number; write: number }
}

const nothing = (): Reading => ({
  text: '',
  reasoning: '',
  signatures: [],
  redacted: [],
  tools: [],
  finish: '',
  usage: { input: 0, output: 0, read: 0, write: 0 },
})

const ERRORS: Readonly<Record<string, string | undefined>> = {
  f4ca9b4cb943: undefined, // 400 ValidationException: the status decides, refused
  '4e357efff67d': undefined, // 400 malformed input
}

describe.skipIf(!present)('bedrock recordings', () => {
  const passed: string[] = []
  for (const one of recordings) {
    it(`${one.id} ${one.scenario}${one.stream ? ' (stream)' : ''}`, async () => {
      if (one.response.status >= 400)
        expect(converse.classify?.(one.response.status, JSON.parse(one.response.body ?? ''))).toBe(
          ERRORS[one.id],
        )
      else expect(ours(one.stream ? streamed(one) : whole(one))).toEqual(await theirs(one))
      passed.push(one.id)
    })
  }
  it('prints the count', () => {
    process.stdout.write(`bedrock: ${recordings.length} recordings, ${passed.length} pass\n`)
    expect(recordings.length).toBeGreaterThan(100)
    expect(passed.length).toBe(recordings.length)
  })
})

it.skipIf(present)(`bedrock recordings: none at ${home} (set SWITCHGATE_FIXTURES)`, () => {})

const invoked = present
  ? readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Recording)
      // Claude 2 is asked in the wire before Messages, which is not spoken here
      .filter(one => one.protocol === 'bedrock-invoke' && /claude-(?!v2)/.test(one.request?.path ?? ''))
  : []

describe.skipIf(!present)('bedrock recordings of Claude by InvokeModel', () => {
  for (const one of invoked.filter(({ stream }) => !stream))
    it(`${one.id} ${one.scenario}`, () => {
      const answer = JSON.parse(one.response.body ?? '') as {
        content: { type: string; text?: string }[]
        usage: Json
      }
      const claude = claudeOnBedrock(anthropic)
      const facts = claude.messages?.read(answer)
      const made = claude.chat?.decode?.(answer, contextOf(request))
      checkUsage(made?.body.usage as Json, made?.usage)
      expect(made?.usage).toEqual(facts?.usage)
      const [choice] = (made?.body.choices ?? []) as { message: Json }[]
      expect(choice?.message.content).toBe(answer.content.map(({ text }) => text ?? '').join(''))
      expect(made?.usage?.outputTokens).toBe(answer.usage.output_tokens)
    })
  it('there are some', () => {
    process.stdout.write(`bedrock: ${invoked.length} recordings of Claude by InvokeModel\n`)
    expect(invoked.length).toBeGreaterThan(3)
  })
})

const request = requestOf(converse, {
  model: 'amazon.nova-pro-v1:0',
  messages: [{ role: 'user', content: 'x' }],
})

function whole(one: Recording): Json[] {
  const made = converse.chat?.decode?.(JSON.parse(one.response.body ?? ''), contextOf(request))
  const choice = (made?.body.choices as Json[] | undefined)?.[0] ?? {}
  checkUsage(made?.body.usage as Json, made?.usage)
  return [
    { choices: [{ delta: choice.message, finish_reason: choice.finish_reason }] },
    { choices: [], usage: made?.body.usage },
  ]
}

const PIECE_BYTES = 13

function streamed(one: Recording): Json[] {
  const bytes = Buffer.from(one.response.body_b64 ?? '', 'base64')
  const events: Uint8Array[] = []
  const splitter = createFrameSplitter(message => events.push(Buffer.from(unframe(message))), 1 << 20)
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) splitter.push(bytes.subarray(at, at + PIECE_BYTES))
  expect(splitter.pendingBytes).toBe(0)
  const played: Played = play(converse, contextOf(request), events)
  expect(played.end).toBe('done')
  checkUsage(played.chunks.at(-1)?.usage as Json, played.usages.at(-1))
  return [...played.chunks]
}

interface Delta {
  content?: string | null
  reasoning_content?: string
  reasoning_details?: { signature?: string; data?: string }[]
  tool_calls?: { index?: number; id?: string; function: { name?: string; arguments: string } }[]
}

/** Puts chunks together as a plain chat client does. */
function ours(chunks: readonly Json[]): Reading {
  const reading = nothing()
  let usage: Json = {}
  const calls: { id: string; name: string; text: string }[] = []
  for (const chunk of chunks) {
    if (chunk.usage != null) usage = chunk.usage as Json
    for (const { delta, finish_reason: finish } of chunk.choices as {
      delta: Delta
      finish_reason: string
    }[]) {
      reading.text += delta.content ?? ''
      reading.reasoning += delta.reasoning_content ?? ''
      for (const { signature, data } of delta.reasoning_details ?? []) {
        if (signature !== undefined) reading.signatures.push(signature)
        if (data !== undefined) reading.redacted.push(data)
      }
      for (const [i, call] of (delta.tool_calls ?? []).entries()) {
        const at = call.index ?? i
        calls[at] ??= { id: call.id ?? '', name: call.function.name ?? '', text: '' }
        calls[at].text += call.function.arguments
      }
      reading.finish = finish ?? reading.finish
    }
  }
  const count = (of: unknown, name: string): number => ((of ?? {}) as Record<string, number>)[name] ?? 0
  reading.tools = calls.map(({ id, name, text }) => ({ id, name, input: JSON.parse(text) as unknown }))
  reading.usage = {
    input: count(usage, 'prompt_tokens'),
    output: count(usage, 'completion_tokens'),
    read: count(usage.prompt_tokens_details, 'cached_tokens'),
    write: count(usage.prompt_tokens_details, 'cache_write_tokens'),
  }
  return reading
}

/**
 * What the other reader cannot be given: it hands out the calls of Nova's own tools (grounding, code interpreter) as if the
 * client had to answer them, and dies on their results in a stream. Nothing of them is the client's affair.
 */
function readableByThem(one: Recording): string | Uint8Array<ArrayBuffer> {
  if (one.stream) {
    if (!SERVER_TOOLS.has(one.id)) return new Uint8Array(Buffer.from(one.response.body_b64 ?? '', 'base64'))
    const kept: Uint8Array[] = []
    const servers = new Set<unknown>()
    const splitter = createFrameSplitter(({ headers, payload }) => {
      const event = JSON.parse(payload) as { contentBlockIndex?: number; start?: Json }
      const start = (event.start?.toolUse ?? event.start?.toolResult) as Json | undefined
      if (/^(server_tool_use|nova_)/.test(String(start?.type))) servers.add(event.contentBlockIndex)
      if (event.contentBlockIndex === undefined || !servers.has(event.contentBlockIndex))
        kept.push(eventFrame(headers[':event-type'] ?? '', event))
    }, 1 << 20)
    splitter.push(Buffer.from(one.response.body_b64 ?? '', 'base64'))
    return new Uint8Array(Buffer.concat(kept))
  }
  if (!SERVER_TOOLS.has(one.id)) return one.response.body ?? ''
  const answer = JSON.parse(one.response.body ?? '') as { output: { message: { content: Json[] } } }
  const { message } = answer.output
  message.content = message.content.filter(
    block => (block.toolUse as Json | undefined)?.type !== 'server_tool_use',
  )
  return JSON.stringify(answer)
}

/** Recordings in which Nova used a tool of its own. */
const SERVER_TOOLS: ReadonlySet<string> = new Set(['276a29fe0a5a', '73a264e1a865', '753ab0c4cc69'])

/** The same bytes through @ai-sdk/amazon-bedrock. */
async function theirs(one: Recording): Promise<Reading> {
  const type = one.stream ? 'application/vnd.amazon.eventstream' : 'application/json'
  const body = readableByThem(one)
  const provider = createAmazonBedrock({
    region: 'us-east-1',
    apiKey: 'none',
    fetch: async () => new Response(body, { status: 200, headers: { 'content-type': type } }),
  })
  const model = provider('amazon.nova-pro-v1:0')
  const prompt = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'x' }] }]
  const reading = nothing()
  const sign = (part: { providerMetadata?: Record<string, Record<string, unknown>> }): void => {
    const facts = part.providerMetadata?.amazonBedrock ?? part.providerMetadata?.bedrock ?? {}
    if (typeof facts.signature === 'string') reading.signatures.push(facts.signature)
    if (typeof facts.redactedData === 'string') reading.redacted.push(facts.redactedData)
  }
  const call = (part: {
    toolCallId: string
    toolName: string
    input: string
    providerExecuted?: boolean
  }) => {
    if (part.providerExecuted !== true)
      reading.tools.push({ id: part.toolCallId, name: part.toolName, input: JSON.parse(part.input || '{}') })
  }
  type End = Pick<Awaited<ReturnType<typeof model.doGenerate>>, 'finishReason' | 'usage'>
  const finish = ({ finishReason, usage }: End): void => {
    reading.finish = finishReason.unified.replace('-', '_')
    reading.usage = {
      input: usage.inputTokens.total ?? 0,
      output: usage.outputTokens.total ?? 0,
      read: usage.inputTokens.cacheRead ?? 0,
      write: usage.inputTokens.cacheWrite ?? 0,
    }
  }
  if (!one.stream) {
    const answer = await model.doGenerate({ prompt })
    for (const part of answer.content) {
      if (part.type === 'text') reading.text += part.text
      if (part.type === 'tool-call') call(part)
      if (part.type !== 'reasoning') continue
      reading.reasoning += part.text
      sign(part)
    }
    finish(answer)
    return reading
  }
  const { stream } = await model.doStream({ prompt })
  for await (const part of stream) {
    if (part.type === 'error') throw part.error
    if (part.type === 'text-delta') reading.text += part.delta
    if (part.type === 'tool-call') call(part)
    if (part.type === 'reasoning-delta') {
      reading.reasoning += part.delta
      sign(part)
    }
    if (part.type === 'finish') finish(part)
  }
  return reading
}
