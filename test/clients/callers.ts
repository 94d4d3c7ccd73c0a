/** The callers: the official OpenAI SDK, the Vercel AI SDK and curl, each with what it saw brought to one form. */
import { execFile } from 'node:child_process'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { dynamicTool, generateText, jsonSchema, type LanguageModel, streamText } from 'ai'
import OpenAI from 'openai'
import { makeParseableResponseFormat } from 'openai/lib/parser'
import type { Json } from '../../providers/provider.ts'
import { argsOf, type Reading, readingOfChat, type Tokens } from './reading.ts'
import { eventsOf } from './recordings.ts'

/** One thing to ask for. */
export interface Ask {
  /** The gateway's address up to and including /v1. */
  readonly baseUrl: string
  readonly key: string
  readonly model: string
  readonly prompt: string
  readonly stream: boolean
  /** Names of the tools that the answer may call. */
  readonly tools: readonly string[]
  /** More members of a chat request, where the caller can send them as they are. */
  readonly more: Json
  /** Stands in for the network: the recorded bytes themselves. */
  readonly direct?: typeof fetch
  /** Retries of the client; undefined = as the client comes. */
  readonly maxRetries?: number
}

/** An HTTP exchange as the caller's process saw it. */
export interface Exchange {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface Told {
  readonly reading: Reading
  /** Every exchange that the client made, in order. */
  readonly exchanges: readonly Exchange[]
}

/** A real `fetch` that keeps what went over it, as far as the client let it go. */
export function recordingFetch(over: typeof fetch = fetch) {
  const pending: Promise<Exchange>[] = []
  const recorded: typeof fetch = async (input, init) => {
    const response = await over(input, init)
    pending.push(kept(response.clone()))
    return response
  }
  return { fetch: recorded, exchanges: () => Promise.all(pending) }
}

async function kept({ status, headers, body }: Response): Promise<Exchange> {
  const decoder = new TextDecoder()
  let text = ''
  try {
    for await (const part of body ?? []) text += decoder.decode(part as Uint8Array, { stream: true })
  } catch {
    // The client hung up; what came until then counts.
  }
  return { status, headers: Object.fromEntries(headers), body: text + decoder.decode() }
}

type Caller = (ask: Ask) => Promise<Told>

const schema = { type: 'object', properties: {}, additionalProperties: true } as const

function bodyFor(ask: Ask): OpenAI.ChatCompletionCreateParamsNonStreaming {
  const tools = ask.tools.map(name => ({ type: 'function', function: { name, parameters: schema } }))
  const body = {
    ...(tools.length > 0 ? { tools } : {}),
    ...ask.more,
    model: ask.model,
    messages: [...((ask.more.messages as Json[] | undefined) ?? []), { role: 'user', content: ask.prompt }],
  }
  return body as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming
}

const streamed = { stream: true, stream_options: { include_usage: true } } as const

function openaiClient(ask: Ask, over: typeof fetch): OpenAI {
  const retries = ask.maxRetries === undefined ? {} : { maxRetries: ask.maxRetries }
  return new OpenAI({ baseURL: ask.baseUrl, apiKey: ask.key, fetch: over, ...retries })
}

/** `openai`: chat.completions.create, whole or as an iterated stream. */
const openaiCreate: Caller = async ask => {
  const { fetch, exchanges } = recordingFetch(ask.direct)
  const client = openaiClient(ask, fetch)
  const body = bodyFor(ask)
  const chunks: Json[] = []
  if (ask.stream) {
    for await (const chunk of await client.chat.completions.create({ ...body, ...streamed }))
      chunks.push(chunk as unknown as Json)
  } else {
    chunks.push((await client.chat.completions.create({ ...body, stream: false })) as unknown as Json)
  }
  return { reading: readingOfChat(chunks, ask.stream), exchanges: await exchanges() }
}

/** `openai`: the .stream() helper, which assembles the completion itself and asserts the order of tool calls. */
const openaiHelper: Caller = async ask => {
  const { fetch, exchanges } = recordingFetch(ask.direct)
  const client = openaiClient(ask, fetch)
  const final = await client.chat.completions.stream({ ...bodyFor(ask), ...streamed }).finalChatCompletion()
  return { reading: readingOfChat([final as unknown as Json], false), exchanges: await exchanges() }
}

/** `openai`: .parse(), which reads the text as the JSON that was asked for; a refusal is left alone. */
const openaiParse: Caller = async ask => {
  const { fetch, exchanges } = recordingFetch(ask.direct)
  const body = bodyFor(ask)
  const format = body.response_format as OpenAI.ResponseFormatJSONSchema
  const final = await openaiClient(ask, fetch).chat.completions.parse({
    ...body,
    response_format: makeParseableResponseFormat(format, text => JSON.parse(text) as unknown),
  })
  const reading = readingOfChat([final as unknown as Json], false)
  const message = final.choices[0]?.message
  const calls = (message?.tool_calls ?? []).length > 0
  const parsed =
    message?.refusal || calls || !message?.content ? null : (JSON.parse(message.content) as unknown)
  if (JSON.stringify(message?.parsed ?? null) !== JSON.stringify(parsed))
    throw new Error('parsed is not the text')
  return { reading, exchanges: await exchanges() }
}

const aiSdk =
  (modelFor: (ask: Ask, fetch: typeof globalThis.fetch) => LanguageModel): Caller =>
  async ask => {
    const { fetch, exchanges } = recordingFetch(ask.direct)
    const tools = Object.fromEntries(
      ask.tools.map(name => [
        name,
        dynamicTool({ description: name, inputSchema: jsonSchema(schema) } as Parameters<
          typeof dynamicTool
        >[0]),
      ]),
    )
    const settings = { model: modelFor(ask, fetch), prompt: ask.prompt, tools }
    const reading = ask.stream ? await streamedBy(settings) : await generatedBy(settings)
    return { reading, exchanges: await exchanges() }
  }

type Settings = Pick<Parameters<typeof generateText>[0], 'model' | 'tools'> & { prompt: string }

interface SdkUsage {
  readonly inputTokens: number | undefined
  readonly inputTokenDetails: { cacheReadTokens: number | undefined; cacheWriteTokens: number | undefined }
  readonly outputTokens: number | undefined
  readonly outputTokenDetails: { reasoningTokens: number | undefined }
}

function tokensBy(usage: SdkUsage): Tokens | undefined {
  if (usage.inputTokens === undefined || usage.outputTokens === undefined) return undefined
  return {
    input: usage.inputTokens,
    cached: usage.inputTokenDetails.cacheReadTokens ?? 0,
    written: usage.inputTokenDetails.cacheWriteTokens ?? 0,
    output: usage.outputTokens,
    thought: usage.outputTokenDetails.reasoningTokens ?? 0,
  }
}

async function generatedBy(settings: Settings): Promise<Reading> {
  const answer = await generateText(settings)
  return {
    text: answer.text,
    reasoning: answer.reasoningText ?? '',
    tools: answer.toolCalls.map(call => ({ name: call.toolName, args: argsOf(call.input) })),
    finish: answer.finishReason,
    tokens: tokensBy(answer.usage),
  }
}

async function streamedBy(settings: Settings): Promise<Reading> {
  let text = ''
  let reasoning = ''
  let finish = ''
  let tokens: Tokens | undefined
  const tools: { name: string; args: unknown }[] = []
  for await (const part of streamText({ ...settings, onError: () => {} }).stream) {
    if (part.type === 'error') throw part.error
    if (part.type === 'text-delta') text += part.text
    if (part.type === 'reasoning-delta') reasoning += part.text
    if (part.type === 'tool-call') tools.push({ name: part.toolName, args: argsOf(part.input) })
    if (part.type === 'finish') {
      finish = part.finishReason
      tokens = tokensBy(part.totalUsage)
    }
  }
  return { text, reasoning, tools, finish, tokens }
}

/** The Vercel AI SDK, generateText and streamText, with `@ai-sdk/openai`'s chat model. */
const aiOpenai = aiSdk((ask, fetch) =>
  createOpenAI({ baseURL: ask.baseUrl, apiKey: ask.key, fetch }).chat(ask.model),
)

/** The same with `@ai-sdk/openai-compatible`, which reads reasoning too. */
const aiCompatible = aiSdk((ask, fetch) =>
  createOpenAICompatible({
    name: 'switchgate',
    baseURL: ask.baseUrl,
    apiKey: ask.key,
    includeUsage: true,
    fetch,
  }).chatModel(ask.model),
)

/** curl as a child process; usage is not asked for, as a person at a terminal would not. */
const curl: Caller = async ask => {
  const body = JSON.stringify({ ...bodyFor(ask), stream: ask.stream })
  const { head, text } = await curled(ask, body)
  const [line = '', ...lines] = head.trimEnd().split('\r\n')
  const headers = Object.fromEntries(
    lines.map(each => [
      each.slice(0, each.indexOf(':')).toLowerCase(),
      each.slice(each.indexOf(':') + 1).trim(),
    ]),
  )
  const exchange = { status: Number(line.split(' ')[1]), headers, body: text }
  const chunks = ask.stream ? eventsOf(text) : [text]
  const reading = readingOfChat(
    chunks.map(chunk => JSON.parse(chunk) as Json),
    ask.stream,
  )
  return { reading, exchanges: [exchange] }
}

async function curled(ask: Ask, body: string): Promise<{ head: string; text: string }> {
  const args = ['-sSNi', '--noproxy', '*', '-H', `authorization: Bearer ${ask.key}`]
  args.push('-H', 'content-type: application/json', '-H', 'expect:', '--data-binary', '@-')
  const out = await new Promise<string>((resolve, reject) => {
    const options = { maxBuffer: 1 << 26, timeout: 100_000 }
    const url = `${ask.baseUrl}/chat/completions`
    const child = execFile('curl', [...args, url], options, (error, stdout) =>
      error ? reject(error) : resolve(stdout),
    )
    child.stdin?.end(body)
  })
  const end = out.indexOf('\r\n\r\n')
  return { head: out.slice(0, end), text: out.slice(end + 4) }
}

/** Every caller by name. */
export const CALLERS = {
  'openai create': openaiCreate,
  'openai .stream()': openaiHelper,
  'openai .parse()': openaiParse,
  '@ai-sdk/openai': aiOpenai,
  '@ai-sdk/openai-compatible': aiCompatible,
  curl,
} satisfies Readonly<Record<string, Caller>>

export type CallerName = keyof typeof CALLERS
