/**
 * Recorded traffic of OpenAI and of the hosts that speak its wire, through our reading of it:
 * requests are accepted and go out as they came; streams pass byte for byte, however they are cut; usage, finish reason,
 * text and tool calls are what an independent reader (@ai-sdk/openai-compatible, given the same bytes) finds there.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { describe, expect, it } from 'vitest'
import { openai } from '../../providers/openai.ts'
import type { Json } from '../../providers/provider.ts'
import { createPassthrough } from '../../src/relay/passthrough.ts'
import { nodeBytes } from '../../src/runtime/node/bytes.ts'
import type { Usage } from '../../src/terms.ts'
import { parseBody } from '../../src/wire/body.ts'
import { finishReasonOf, readChat, usageOfAnswer } from '../../src/wire/openai.ts'

interface Recording {
  readonly id: string
  readonly provider: string
  readonly protocol?: string
  readonly stream: boolean
  readonly scenario: string
  readonly request: { readonly body: Json | null }
  readonly response: { readonly status: number; readonly body: string }
}

const home = process.env.SWITCHGATE_FIXTURES ?? new URL('../../../shared/fixtures', import.meta.url).pathname
const HOSTS = [
  'openai',
  'azure',
  'bedrock-mantle',
  'cerebras',
  'crusoe',
  'deepseek',
  'gpustack',
  'groq',
  'heroku',
  'huggingface',
  'mistral',
  'ollama',
  'openrouter',
  'perplexity',
  'snowflake',
  'zai',
]
const files = HOSTS.map(name => `${home}/${name}.jsonl`)
const present = files.every(file => existsSync(file))

const recordings = present
  ? files
      .flatMap(file => readFileSync(file, 'utf8').trim().split('\n'))
      .map(line => JSON.parse(line) as Recording)
      .filter(one => one.protocol === 'chat')
  : []

it.skipIf(present)(`openai recordings: none at ${home} (set SWITCHGATE_FIXTURES)`, () => {})

/** What an answer says, in a form that both readers can be brought to. */
interface Reading {
  text: string
  tools: { name: string; input: string }[]
  finish: string | undefined
  usage:
    | Pick<Usage, 'inputTokens' | 'outputTokens' | 'cacheReadInputTokens' | 'reasoningOutputTokens'>
    | undefined
}

const numbers = (usage: Usage | undefined): Reading['usage'] =>
  usage && {
    inputTokens: usage.inputTokens,
    outputTokens: usage.outputTokens,
    cacheReadInputTokens: usage.cacheReadInputTokens,
    reasoningOutputTokens: usage.reasoningOutputTokens,
  }

/** The stream through the relay's passthrough, cut every `size` bytes. */
function relayed(body: Uint8Array, size: number) {
  const reader = createPassthrough({
    choices: 1,
    bytes: nodeBytes,
    wantsUsage: true,
    costOf: undefined,
    eventBytesMax: 1 << 24,
    usageOf: usageOfAnswer,
  })
  const out: Uint8Array[] = []
  const take = (bytes: Uint8Array | undefined) => bytes && out.push(bytes.slice())
  for (let at = 0; at < body.length; at += size) take(reader.push(body.slice(at, at + size)))
  take(reader.end())
  return { text: nodeBytes.text(nodeBytes.concat(out)), state: reader.state }
}

const chunksOf = (sse: string): Json[] =>
  sse
    .split(/\r?\n/)
    .filter(line => line.startsWith('data:') && line.slice(5).trim() !== '[DONE]' && line.length > 6)
    .map(line => JSON.parse(line.slice(5)) as Json)

interface Message {
  content?: string | null
  refusal?: string | null
  tool_calls?: { index?: number; function: { name?: string; arguments?: string } }[]
}

/** Text and tool calls as a plain client puts them together. */
function assemble(messages: readonly Message[]): Pick<Reading, 'text' | 'tools'> {
  let text = ''
  const tools: { name: string; input: string }[] = []
  for (const message of messages) {
    // The other reader gives a refusal as text.
    text += (message.content ?? '') + (message.refusal ?? '')
    for (const [i, call] of (message.tool_calls ?? []).entries()) {
      const at = call.index ?? i
      tools[at] ??= { name: call.function.name ?? '', input: '' }
      tools[at].input += call.function.arguments ?? ''
    }
  }
  return { text, tools }
}

function ours(one: Recording): Reading {
  const bytes = nodeBytes.of(one.response.body)
  if (!one.stream) {
    const answer = JSON.parse(one.response.body) as { choices: { message: Message }[] }
    return {
      ...assemble(answer.choices.slice(0, 1).map(choice => choice.message)),
      finish: finishReasonOf(answer),
      usage: numbers(usageOfAnswer(answer)),
    }
  }
  const { text, state } = relayed(bytes, bytes.length)
  const choices = chunksOf(text).flatMap(chunk => (chunk.choices as { delta: Message }[]).slice(0, 1))
  return {
    ...assemble(choices.map(choice => choice.delta)),
    finish: state.finishReason,
    usage: numbers(state.usage),
  }
}

/** The same bytes through @ai-sdk/openai-compatible. */
async function theirs(one: Recording): Promise<Reading> {
  const type = one.stream ? 'text/event-stream' : 'application/json'
  const provider = createOpenAICompatible({
    name: 'recorded',
    baseURL: 'http://127.0.0.1/v1',
    includeUsage: true,
    fetch: async () => new Response(one.response.body, { status: 200, headers: { 'content-type': type } }),
  })
  const model = provider.chatModel('recorded')
  const prompt = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'x' }] }]
  const reading: Reading = { text: '', tools: [], finish: undefined, usage: undefined }
  type Finish = Awaited<ReturnType<typeof model.doGenerate>>
  const finish = ({ finishReason, usage }: Pick<Finish, 'finishReason' | 'usage'>): void => {
    reading.finish = finishReason.raw
    if (usage.inputTokens.total === undefined || usage.outputTokens.total === undefined) return
    reading.usage = {
      inputTokens: usage.inputTokens.total,
      outputTokens: usage.outputTokens.total,
      cacheReadInputTokens: usage.inputTokens.cacheRead ?? 0,
      reasoningOutputTokens: usage.outputTokens.reasoning ?? 0,
    }
  }
  if (!one.stream) {
    const answer = await model.doGenerate({ prompt })
    for (const part of answer.content) {
      if (part.type === 'text') reading.text += part.text
      if (part.type === 'tool-call') reading.tools.push({ name: part.toolName, input: part.input })
    }
    finish(answer)
    return reading
  }
  const { stream } = await model.doStream({ prompt })
  for await (const part of stream) {
    if (part.type === 'error') throw part.error
    if (part.type === 'text-delta') reading.text += part.delta
    if (part.type === 'tool-call') reading.tools.push({ name: part.toolName, input: part.input })
    if (part.type === 'finish') finish(part)
  }
  return reading
}

/** Answers that report an error inside a 200: Groq's tool_use_failed, OpenRouter's upstream at its end. */
const inStreamError = (one: Recording): boolean =>
  one.stream && chunksOf(one.response.body).some(chunk => chunk.error !== undefined)

const good = recordings.filter(one => one.response.status === 200 && !inStreamError(one))

describe.skipIf(!present)('openai recordings, answers', () => {
  it('there are enough of them', () => {
    const streams = good.filter(one => one.stream).length
    process.stdout.write(`chat recordings: ${recordings.length}, good ${good.length}, streams ${streams}\n`)
    expect(good.length).toBeGreaterThan(450)
    expect(streams).toBeGreaterThan(80)
  })

  it.each(good.filter(one => one.provider === 'openai'))(
    '$id $scenario: as the other reader has it',
    async one => {
      expect(ours(one)).toEqual(await theirs(one))
    },
  )

  it.each(good)('$provider $id: usage adds up to the total that the host states', one => {
    const answers = one.stream ? chunksOf(one.response.body) : [JSON.parse(one.response.body) as Json]
    const stated = answers
      .map(answer => (answer.usage ?? (answer.x_groq as Json | undefined)?.usage) as Json | null | undefined)
      .findLast(usage => usage != null)
    const read = one.stream
      ? relayed(nodeBytes.of(one.response.body), 4096).state.usage
      : usageOfAnswer(answers[0])
    expect(read === undefined).toBe(stated === undefined)
    if (read === undefined || stated === undefined) return
    expect(read.inputTokens).toBe(stated.prompt_tokens)
    expect(read.inputTokens + read.outputTokens).toBe(stated.total_tokens)
    expect(read.reasoningOutputTokens).toBeLessThanOrEqual(read.outputTokens)
    expect(read.cacheReadInputTokens + read.cacheCreationInputTokens).toBeLessThanOrEqual(read.inputTokens)
  })

  it.each(good.filter(one => one.stream))(
    '$provider $id: the stream passes untouched, however it is cut',
    one => {
      const bytes = nodeBytes.of(one.response.body)
      const whole = relayed(bytes, bytes.length)
      expect(chunksOf(whole.text)).toEqual(chunksOf(one.response.body))
      const done = /^data: ?\[DONE\]\s*$/m.test(one.response.body)
      expect(whole.state.done).toBe(done)
      // Snowflake sends no finish reason in streams.
      expect(whole.state.finishReason === undefined).toBe(one.provider === 'snowflake')
      for (const size of [1, 7, 61, 1460]) {
        const cut = relayed(bytes, size)
        expect(cut.text).toBe(whole.text)
        const { textBytes: _, ...facts } = cut.state
        const { textBytes: __, ...wanted } = whole.state
        expect(facts).toEqual(wanted)
      }
    },
  )
})

/** Failures as the status table and the adapter together should name them; absent = left to the status. */
const ERRORS: Readonly<Record<string, string | undefined>> = {
  a8bb5aecc63f: 'rate_limited',
  '437161d5fe87': 'bad_credential',
  '1c526093fa53': 'context_length',
  fb701eab6425: 'model_missing',
  '72e970f6dde4': 'context_length',
  '3b9190da8854': 'context_length',
}

describe.skipIf(!present)('openai recordings, errors', () => {
  const bad = recordings.filter(one => one.response.status >= 400)
  it('there are some', () => expect(bad.length).toBeGreaterThanOrEqual(11))
  it.each(bad)('$provider $id $response.status', one => {
    expect(openai.classify?.(one.response.status, JSON.parse(one.response.body))).toBe(ERRORS[one.id])
  })
  it('some come inside a 200', () => expect(recordings.filter(inStreamError).length).toBe(3))
  it.each(recordings.filter(inStreamError))('$provider $id: an error in a 200', one => {
    const [first] = chunksOf(one.response.body).filter(chunk => chunk.error !== undefined)
    expect(openai.classify?.(200, first)).toBe('refused')
  })
})

describe.skipIf(!present)('openai recordings, requests', () => {
  // Four requests at Hugging Face were recorded without their body.
  const asked = recordings.filter(one => one.request.body !== null && one.provider !== 'openrouter')
  const ours = new Set(['user', 'metadata', 'reasoning', 'provider', 'models', 'usage', 'session_id'])

  it.each(asked)('$provider $id: accepted, and sent on as it came', one => {
    const text = JSON.stringify(one.request.body)
    const bytes = nodeBytes.of(text)
    const body = parseBody(bytes, text, { depthMax: 64 })
    const facts = readChat(body)
    const made = openai.chat?.encode({
      body,
      stream: facts.stream,
      wantsUsage: facts.wantsUsageEvent,
      extensions: facts.extensionNames,
      offer: {
        provider: one.provider,
        model: 'm',
        upstream: facts.model ?? '',
        price: undefined,
        contextTokens: undefined,
        maxOutputTokens: undefined,
        supports: new Set(),
        thinksUnseen: false,
      },
      maxOutputTokens: undefined,
      quirks: {},
    })
    const expected: Json = { ...one.request.body }
    for (const name of ours) delete expected[name]
    if (facts.stream) expected.stream_options = { ...(expected.stream_options ?? {}), include_usage: true }
    const sent = JSON.parse(nodeBytes.text(made?.body ?? new Uint8Array())) as Json
    const { reasoning_effort: _, ...rest } = sent
    const { reasoning_effort: __, ...wanted } = expected
    expect(rest).toEqual(wanted)
    if (!facts.stream && facts.extensionNames.length === 0) expect(made?.body).toBe(bytes)
  })
})
