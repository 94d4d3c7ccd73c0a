/**
 * The independent reader: the Vercel AI SDK's provider packages, which know nothing of this gateway. Given the recorded bytes
 * a package says what the provider answered; pointed at the gateway it says what the caller is told.
 */
import { createAmazonBedrock } from '@ai-sdk/amazon-bedrock'
import { createAnthropic } from '@ai-sdk/anthropic'
import { createCohere } from '@ai-sdk/cohere'
import { createGoogle } from '@ai-sdk/google'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import type { Json } from '../../providers/provider.ts'
import { type Reading, readingOfParts } from '../clients/reading.ts'
import type { Case } from './corpus.ts'

/** A wire in which callers ask, by the route that they ask at. */
export type InWire = 'chat' | 'messages' | 'responses' | 'gemini'
export const IN_WIRES: readonly InWire[] = ['chat', 'messages', 'responses', 'gemini']

/** Where a package is pointed. */
export interface Place {
  /** Up to and including the version segment. */
  readonly baseURL: string
  readonly apiKey: string
  readonly model: string
  readonly fetch: typeof fetch
}

export type Model = ReturnType<ReturnType<typeof createOpenAICompatible>['chatModel']>

/** The package that reads a wire. */
const READERS: Readonly<Record<string, (place: Place) => Model>> = {
  chat: ({ model, ...place }) =>
    createOpenAICompatible({ name: 'judge', includeUsage: true, ...place }).chatModel(model),
  anthropic: ({ model, ...place }) => createAnthropic(place)(model) as Model,
  messages: ({ model, ...place }) => createAnthropic(place)(model) as Model,
  bedrock: ({ model, ...place }) => createAmazonBedrock({ region: 'us-east-1', ...place })(model) as Model,
  cohere: ({ model, ...place }) => createCohere(place)(model) as unknown as Model,
  gemini: ({ model, ...place }) => createGoogle(place)(model) as Model,
  responses: ({ model, ...place }) => createOpenAI(place).responses(model) as Model,
}

export const readerOf = (wire: string): ((place: Place) => Model) | undefined => READERS[wire]

/** Everything that a package says of one answer, in order. */
export async function partsOf(
  model: Model,
  prompt: string,
  stream: boolean,
  inWire?: InWire,
): Promise<Json[]> {
  const messages = [{ role: 'user' as const, content: [{ type: 'text' as const, text: prompt }] }]
  // Gemini tells its thoughts to those who ask for them
  const more = inWire === 'gemini' ? { google: { thinkingConfig: { includeThoughts: true } } } : {}
  const asked = { prompt: messages, providerOptions: more as Record<string, never> }
  const parts: Json[] = []
  if (stream) {
    const { stream: read } = await model.doStream(asked)
    for await (const part of read) parts.push(part as unknown as Json)
    return parts
  }
  const answer = await model.doGenerate(asked)
  return [...(answer.content as unknown as Json[]), { type: 'finish', ...answer } as unknown as Json]
}

/** A reading, with how many sources were cited. */
export const readingOf = (parts: readonly Json[]): Reading => readingOfParts(parts)

/** Model names that make the packages read as for a model of that wire. */
const MODELS: Readonly<Record<string, string>> = {
  anthropic: 'claude-sonnet-4-5',
  gemini: 'gemini-2.5-flash',
  bedrock: 'us.amazon.nova-lite-v1:0',
}

/** A `fetch` that answers with the recorded bytes. */
const recorded =
  (one: Case, asItIs: boolean): typeof fetch =>
  async () =>
    new Response(asItIs ? (one.bytes as Uint8Array<ArrayBuffer>) : readableBy(one), {
      status: one.status,
      headers: { 'content-type': one.type },
    })

/** The package for Claude dies on the result of an MCP call that was made in the request's history (recording 62e5a833808b). */
function readableBy(one: Case): Uint8Array<ArrayBuffer> | string {
  // the package for Cohere dies of citations of what a tool returned: it knows documents alone
  if (one.wire === 'cohere' && !one.stream && one.body.includes('"tool_output"')) {
    const answer = JSON.parse(one.body) as { message: Json }
    return JSON.stringify({ ...answer, message: { ...answer.message, citations: [] } })
  }
  if (one.wire !== 'anthropic' || one.stream || !one.body.includes('mcp_tool_result'))
    return one.bytes as Uint8Array<ArrayBuffer>
  const message = JSON.parse(one.body) as { content: { type: string; id?: string; tool_use_id?: string }[] }
  const uses = new Set(message.content.map(block => block.id))
  const content = message.content.filter(b => b.type !== 'mcp_tool_result' || uses.has(b.tool_use_id))
  return JSON.stringify({ ...message, content })
}

/** What the package says of the recorded bytes; `asItIs` = of all of them, though it may die of some. */
export function direct(one: Case, asItIs: boolean): Promise<Json[]> {
  const reader = READERS[one.wire]
  if (reader === undefined) throw new Error(`no package reads ${one.wire}`)
  const model = reader({
    baseURL: 'http://127.0.0.1/v1',
    apiKey: 'none',
    model: MODELS[one.wire] ?? 'recorded',
    fetch: recorded(one, asItIs),
  })
  return partsOf(model, 'x', one.stream)
}
