/**
 * What an answer says, in words that every reader can be brought to: the independent one (the AI SDK's provider packages,
 * given the recorded bytes) and the clients on the other side of the gateway.
 */
import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogle } from '@ai-sdk/google'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import type { Json } from '../../providers/provider.ts'
import { eventsOf, type Recording } from './recordings.ts'

export interface Tokens {
  readonly input: number
  readonly cached: number
  readonly written: number
  readonly output: number
  readonly thought: number
}

export interface Reading {
  readonly text: string
  readonly reasoning: string
  readonly tools: readonly { readonly name: string; readonly args: unknown }[]
  /** As the AI SDK names it: stop, length, tool-calls, content-filter, other. */
  readonly finish: string
  readonly tokens: Tokens | undefined
}

/** Arguments as a value; text that is no JSON stays text. */
export function argsOf(input: unknown): unknown {
  if (typeof input !== 'string') return input
  try {
    return JSON.parse(input || '{}') as unknown
  } catch {
    return input
  }
}

const FINISH: Readonly<Record<string, string>> = {
  stop: 'stop',
  length: 'length',
  content_filter: 'content-filter',
  tool_calls: 'tool-calls',
  function_call: 'tool-calls',
}

/** A finish reason of the chat wire in the AI SDK's words. */
export const finishOf = (reason: string | null | undefined): string => FINISH[reason ?? ''] ?? 'other'

/** An OpenAI `usage` object in our words. */
export function tokensOf(usage: unknown): Tokens | undefined {
  if (typeof usage !== 'object' || usage === null) return undefined
  const of = (value: unknown, name: string): number => {
    const count = ((value ?? {}) as Record<string, unknown>)[name]
    return typeof count === 'number' ? count : 0
  }
  const { prompt_tokens_details: prompt, completion_tokens_details: completion } = usage as Json
  return {
    input: of(usage, 'prompt_tokens'),
    cached: of(prompt, 'cached_tokens'),
    written: of(prompt, 'cache_write_tokens'),
    output: of(usage, 'completion_tokens'),
    thought: of(completion, 'reasoning_tokens'),
  }
}

/** Mistral's parts: `{type: text, text}` and `{type: thinking, thinking: [{type: text, text}]}`. */
type Part = { type: string; text?: string; thinking?: Part[] }

interface ChatMessage {
  content?: string | Part[] | null
  refusal?: string | null
  reasoning_content?: string | null
  reasoning?: string | null
  tool_calls?: { index?: number; function?: { name?: string; arguments?: string } }[] | null
}

function said(parts: ChatMessage['content'], type: string): string {
  if (typeof parts === 'string' || parts == null) return type === 'text' ? (parts ?? '') : ''
  return parts
    .filter(part => part.type === type)
    .map(part => part.text ?? said(part.thinking, 'text'))
    .join('')
}

/** Chat messages or deltas, put together as a plain client does; only the first choice counts. */
export function readingOfChat(chunks: readonly Json[], stream: boolean): Reading {
  const calls: { name: string; args: string }[] = []
  let text = ''
  let reasoning = ''
  let finish: string | null | undefined
  let usage: unknown
  let refused = false
  for (const chunk of chunks) {
    usage = chunk.usage ?? usage
    const [choice] = (chunk.choices ?? []) as {
      message?: ChatMessage
      delta?: ChatMessage
      finish_reason?: string
    }[]
    // Perplexity sends both of them: the whole message so far beside each delta, an empty delta beside the message.
    const message = (stream ? choice?.delta : choice?.message) ?? {}
    // The other reader gives a refusal as text.
    text += said(message.content, 'text') + (message.refusal ?? '')
    refused ||= (message.refusal ?? '') !== ''
    reasoning += message.reasoning_content ?? message.reasoning ?? said(message.content, 'thinking')
    for (const [i, call] of (message.tool_calls ?? []).entries()) {
      const at = call.index ?? i
      calls[at] ??= { name: '', args: '' }
      calls[at].name ||= call.function?.name ?? ''
      calls[at].args += call.function?.arguments ?? ''
    }
    finish = choice?.finish_reason || finish
  }
  // Hosts that number the calls of other wires leave gaps.
  const tools = calls.filter(Boolean).map(call => ({ name: call.name, args: argsOf(call.args) }))
  const ending = refused ? 'content-filter' : finishOf(finish)
  return { text, reasoning, tools, finish: ending, tokens: tokensOf(usage) }
}

/** Where the independent reader is known to read differently, by recording, so that no new difference hides behind an old one. */
const EXPLAINED: Readonly<Record<string, Partial<Reading>>> = {
  // UNEXPECTED_TOOL_CALL with the call in the answer: the chat wire has no word for it, and the client holds a call.
  '48e1f51536b3': { finish: 'tool-calls' },
  '4e01884e4215': { finish: 'tool-calls' },
}

/** Answers that the other reader refuses to read at all; they are judged by the plain assembly alone. */
const UNREADABLE: Readonly<Record<string, string>> = {
  '878202c787db': 'Azure: a filtered answer without a message',
  '760da8cee265': 'Snowflake: a stream without a finish reason',
  '28ca7b25b7ed': 'Snowflake: a stream without a finish reason',
}

/** What the other reader cannot be given: it dies on the result of an MCP call that was made in the request's history. */
function readableByThem({ id, body }: Recording): string {
  if (id !== '62e5a833808b') return body
  const message = JSON.parse(body) as { content: { type: string }[] }
  return JSON.stringify({ ...message, content: message.content.filter(b => b.type !== 'mcp_tool_result') })
}

type Model = ReturnType<ReturnType<typeof createOpenAICompatible>['chatModel']>
type Finish = Pick<Awaited<ReturnType<Model['doGenerate']>>, 'finishReason' | 'usage'>

/** A `fetch` that answers with the recorded bytes. */
export function fetchOf(one: Recording): typeof fetch {
  const type = one.stream ? 'text/event-stream' : 'application/json'
  return async () => new Response(readableByThem(one), { status: 200, headers: { 'content-type': type } })
}

function modelOf(one: Recording): Model {
  const fetch = fetchOf(one)
  if (one.wire === 'anthropic')
    return createAnthropic({ apiKey: 'none', fetch })('claude-sonnet-4-5') as Model
  if (one.wire === 'gemini') return createGoogle({ apiKey: 'none', fetch })('gemini-2.5-flash') as Model
  const name = 'recorded'
  return createOpenAICompatible({
    name,
    baseURL: 'http://127.0.0.1/v1',
    includeUsage: true,
    fetch,
  }).chatModel('recorded')
}

/** The recorded bytes as the independent reader has them. */
export async function independent(one: Recording): Promise<Reading> {
  if (Object.hasOwn(UNREADABLE, one.id)) return readingOfChat(answersOf(one), one.stream)
  const model = modelOf(one)
  const prompt = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'x' }] }]
  const parts: Json[] = []
  if (one.stream) {
    const { stream } = await model.doStream({ prompt })
    for await (const part of stream) parts.push(part as unknown as Json)
  } else {
    const answer = await model.doGenerate({ prompt })
    parts.push(...(answer.content as unknown as Json[]), { type: 'finish', ...answer } as unknown as Json)
  }
  const reading = readingOfParts(parts)
  const more = one.wire === 'chat' ? ofChat(reading, one) : ofOther(reading)
  return { ...reading, ...more, ...EXPLAINED[one.id] }
}

/** The chat wire has no word for endings that other wires do not name either. */
const ofOther = ({ finish }: Reading): Partial<Reading> => ({ finish: finish === 'other' ? 'stop' : finish })

/** The other reader leaves out how many tokens were written to a cache, and usage that Groq sends in a place of its own. */
function ofChat({ tokens }: Reading, one: Recording): Partial<Reading> {
  const stated = tokensOf(statedUsage(one))
  return { tokens: tokens === undefined ? stated : { ...tokens, written: stated?.written ?? 0 } }
}

const answersOf = (one: Recording): Json[] =>
  (one.stream ? eventsOf(one.body) : [one.body]).map(text => JSON.parse(text) as Json)

/** The last `usage` that stands in a recorded chat answer, wherever the host puts it. */
export function statedUsage(one: Recording): Json | undefined {
  const stated = answersOf(one).map(answer => answer.usage ?? (answer.x_groq as Json | undefined)?.usage)
  return (stated.findLast(usage => usage != null) ?? undefined) as Json | undefined
}

/**
 * What is to be metered of it. Some hosts state usage in ways that a plain reader takes at face value: Azure's Grok
 * counts more cached tokens than prompt tokens, OpenRouter the same tokens as read and as written, Mistral cached ones
 * under a name of its own; xAI leaves reasoning out of the completion and only the total tells.
 */
export function meteredOf(one: Recording, { tokens }: Reading): Tokens | undefined {
  const stated = one.wire === 'chat' ? statedUsage(one) : undefined
  if (tokens === undefined || stated === undefined) return tokens
  const { num_cached_tokens: apart, total_tokens: total } = stated
  const outside = total === tokens.input + tokens.output + tokens.thought ? tokens.thought : 0
  const cached = Math.min(tokens.input, tokens.cached || Number(apart ?? 0))
  const written = Math.min(tokens.input - cached, tokens.written)
  return { ...tokens, cached, written, output: tokens.output + outside }
}

export function readingOfParts(parts: readonly Json[]): Reading {
  const failed = parts.find(part => part.type === 'error')
  if (failed !== undefined) throw failed.error
  const end = parts.find(part => part.type === 'finish') as unknown as Finish
  const { inputTokens, outputTokens } = end.usage
  const textOf = (type: string): string =>
    parts
      .filter(part => part.type === type || part.type === `${type}-delta`)
      .filter(part => !isSummary(part))
      .map(part => part.text ?? part.delta ?? '')
      .join('')
  return {
    text: parts
      .filter(part => !isSummary(part))
      .map(part => codeIn(part) ?? (isText(part) ? String(part.text ?? part.delta ?? '') : ''))
      .join(''),
    reasoning: textOf('reasoning'),
    tools: parts
      .filter(part => part.type === 'tool-call' && part.providerExecuted !== true)
      .map(part => ({ name: part.toolName as string, args: argsOf(part.input) })),
    finish: end.finishReason.unified,
    tokens:
      inputTokens.total === undefined || outputTokens.total === undefined
        ? undefined
        : {
            input: inputTokens.total,
            cached: inputTokens.cacheRead ?? 0,
            written: inputTokens.cacheWrite ?? 0,
            output: outputTokens.total,
            thought: outputTokens.reasoning ?? 0,
          },
  }
}

const isText = ({ type }: Json): boolean => type === 'text' || type === 'text-delta'

const fenced = (language: string, text: string): string =>
  `\n\`\`\`${language}\n${text.replace(/\n$/, '')}\n\`\`\`\n`

/** Code that a Gemini model ran at Google, or what came of it, in the form that it has in chat: as text. Other parts have none. */
function codeIn({ type, toolName, input, result }: Json): string | undefined {
  if (toolName !== 'code_execution') return undefined
  const { language, code } = (type === 'tool-call' ? argsOf(input) : {}) as Json
  if (typeof language === 'string' && typeof code === 'string') return fenced(language.toLowerCase(), code)
  const { outcome, output } = (type === 'tool-result' ? (result ?? {}) : {}) as Json
  if (typeof outcome !== 'string' || !outcome.startsWith('OUTCOME_')) return undefined
  return fenced('', `${outcome === 'OUTCOME_OK' ? '' : `${outcome}\n`}${output ?? ''}`)
}

/** Anthropic's summary of compacted history: a text part with a mark, no part of the answer. */
function isSummary(part: Json): boolean {
  const facts = (part.providerMetadata as { anthropic?: { type?: string } } | undefined)?.anthropic
  return facts?.type === 'compaction'
}
