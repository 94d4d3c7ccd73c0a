/** Recorded conversations, their texts and their prompts as providers counted them, for the tests of the tokenizer. Read where the recordings lie; none is part of this repository. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { Call, Endpoint } from '../../src/terms.ts'
import { parseBody } from '../../src/wire/body.ts'
import { inboundOf } from '../../src/wire/inbound.ts'
import type { ChatFacts } from '../../src/wire/openai.ts'
import { HOME } from '../replay/corpus.ts'

export { HOME }
export const presentTexts = existsSync(`${HOME}/openai.jsonl`)

const CHARS_MAX = 20_000

/** Every string of a request or an answer that is not media, once. */
export function recordedTexts(): string[] {
  const found = new Set<string>()
  const gather = (value: unknown): void => {
    if (typeof value === 'string') {
      if (value.length <= CHARS_MAX && !/^(data:|[A-Za-z0-9+/=_-]{200})/.test(value)) found.add(value)
    } else if (typeof value === 'object' && value !== null)
      for (const one of Object.values(value)) gather(one)
  }
  for (const name of readdirSync(HOME).filter(file => file.endsWith('.jsonl'))) {
    for (const line of readFileSync(`${HOME}/${name}`, 'utf8').trim().split('\n')) {
      const { request, response } = JSON.parse(line) as {
        request?: { body?: unknown }
        response: { body?: string }
      }
      gather(request?.body)
      for (const text of (response.body ?? '').split(/\r?\n/)) {
        const json = text.replace(/^data: ?/, '')
        if (!/^[[{].*[\]}]$/.test(json)) continue
        try {
          gather(JSON.parse(json))
        } catch {
          // cut in the middle of a text of several lines
        }
      }
    }
  }
  return [...found]
}

/** A recorded request with the provider's own count of its prompt. */
export interface RecordedPrompt {
  readonly id: string
  readonly model: string
  readonly facts: ChatFacts
  readonly real: number
}

const WIRES: Readonly<Record<string, Pick<Endpoint, 'operation' | 'wire'>>> = {
  chat: { operation: 'chat', wire: 'openai' },
  responses: { operation: 'responses', wire: 'openai' },
  messages: { operation: 'messages', wire: 'anthropic' },
  gemini: { operation: 'generate_content', wire: 'gemini' },
  completions: { operation: 'text_completion', wire: 'openai' },
  embeddings: { operation: 'embeddings', wire: 'openai' },
}
/** A name that the recorder put over the model that had been asked. */
const MASKED = 'openllmetry-testing'

interface Line {
  readonly id: string
  readonly protocol?: string
  readonly request?: { readonly path?: string; readonly body?: Record<string, unknown> | null }
  readonly response: { readonly status: number; readonly body?: string }
}

type Json = Record<string, unknown>
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null

/** Objects of an answer: the whole one, or the events of a stream. */
function answersOf(body: string): Json[] {
  const texts = /^\s*[[{]/.test(body)
    ? [body]
    : body.split(/\r?\n/).flatMap(line => (/^data: ?\{/.test(line) ? [line.slice(5)] : []))
  return texts.flatMap(text => {
    try {
      const value: unknown = JSON.parse(text)
      return Array.isArray(value) ? value.filter(isObject) : isObject(value) ? [value] : []
    } catch {
      return []
    }
  })
}

const inside = (value: unknown, name: string): unknown => (isObject(value) ? value[name] : undefined)

/** All that was read, cached or not, in any wire's words. */
function promptCount(answer: Json): number | undefined {
  const usage =
    answer.usage ??
    answer.usageMetadata ??
    inside(answer.response, 'usage') ??
    inside(answer.message, 'usage') ??
    inside(answer.x_groq, 'usage')
  if (!isObject(usage)) return undefined
  const plain = usage.prompt_tokens ?? usage.promptTokenCount ?? usage.input_tokens
  if (typeof plain !== 'number') return undefined
  const cached = ['cache_read_input_tokens', 'cache_creation_input_tokens', 'toolUsePromptTokenCount']
  return cached.reduce((sum, name) => sum + (Number(usage[name]) || 0), plain)
}

/** Tools that the provider runs feed it what no request can tell. */
function servesItself({ body }: NonNullable<Line['request']>): boolean {
  const tools = Array.isArray(body?.tools) ? body.tools : []
  const own = (tool: unknown) =>
    isObject(tool) && (tool.type === undefined || /^(?:function|custom|namespace)$/.test(String(tool.type)))
  return !tools.every(own) || body?.plugins != null || body?.web_search_options != null
}

/** Every recorded prompt that a wire here can read, counted by its provider; those of tools that run elsewhere are left out. */
export function recordedPrompts(): RecordedPrompt[] {
  const found: RecordedPrompt[] = []
  for (const name of readdirSync(HOME).filter(file => file.endsWith('.jsonl')))
    for (const line of readFileSync(`${HOME}/${name}`, 'utf8').trim().split('\n')) {
      const one = JSON.parse(line) as Line
      const { request, response } = one
      const wire = WIRES[one.protocol ?? '']
      if (!wire || !isObject(request?.body) || response.status !== 200 || servesItself(request)) continue
      const real = answersOf(response.body ?? '').reduce(
        (most, answer) => Math.max(most, promptCount(answer) ?? 0),
        0,
      )
      const facts = factsOf(request, wire)
      const named = facts?.model ?? /models\/([^:]+)/.exec(request.path ?? '')?.[1] ?? ''
      // Groq's compound models search unasked
      if (!facts || real === 0 || named.startsWith('compound')) continue
      const model = named === MASKED ? 'gpt-3.5-turbo' : named
      found.push({ id: one.id.slice(0, 12), model, facts, real })
    }
  return found
}

/** Undefined = this wire refuses it here. */
function factsOf(
  { path = '', body }: NonNullable<Line['request']>,
  wire: Pick<Endpoint, 'operation' | 'wire'>,
) {
  const text = JSON.stringify(body)
  const call = {
    path: path.split('?')[0] ?? '',
    query: 'alt=sse',
    header: () => undefined,
  } as unknown as Call
  try {
    return inboundOf(wire as Endpoint)?.read(
      parseBody(new TextEncoder().encode(text), text, { depthMax: 96 }),
      call,
    )
  } catch {
    return undefined
  }
}
