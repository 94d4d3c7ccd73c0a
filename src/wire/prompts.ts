/** Reads what `/v1/embeddings` and `/v1/completions` have in common: prompts that are no messages, and the fields for routing. */
import type { Body } from './body.ts'
import { isObject, modelsOf, readExtensions, wrong } from './extensions.ts'
import type { ChatFacts } from './openai.ts'

const MODEL_CHARS_MAX = 512
const FORMS = 'must be a string, an array of strings, an array of token ids, or an array of such arrays.'

const isTokens = (value: readonly unknown[]): boolean =>
  value.every(id => typeof id === 'number' && Number.isInteger(id) && id >= 0)

/** Prompts one by one: text, or the number of token ids. Throws `invalid_request` naming the place. */
export function readPrompts(value: unknown, param: string): (string | number)[] {
  if (typeof value === 'string') return [value]
  if (!Array.isArray(value) || value.length === 0) throw wrong(param, FORMS)
  if (isTokens(value)) return [value.length]
  return value.map((one: unknown, i) => {
    if (typeof one === 'string') return one
    if (!Array.isArray(one) || one.length === 0 || !isTokens(one)) throw wrong(`${param}[${i}]`, FORMS)
    return one.length
  })
}

/** A whole number, 1 or more; undefined when it is not given. */
export function positive(
  json: Body['json'],
  name: string,
  max = Number.MAX_SAFE_INTEGER,
): number | undefined {
  const value = json[name]
  if (value == null) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > max) {
    throw wrong(
      name,
      `must be a whole number of 1 or more${max < Number.MAX_SAFE_INTEGER ? `, at most ${max}` : ''}.`,
    )
  }
  return value
}

const encoder = new TextEncoder()

/** The facts of a request that holds `prompts`; a token id counts as one byte, since a byte is never more than a token. */
export function promptFacts(body: Body, prompts: readonly (string | number)[]): ChatFacts {
  const { json } = body
  const extensions = readExtensions(json)
  const { model } = json
  if (model !== undefined && (typeof model !== 'string' || model === '' || model.length > MODEL_CHARS_MAX)) {
    throw wrong('model', 'must be the name of a model, as in "text-embedding-3-small".')
  }
  const { stream, stream_options: options } = json
  if (stream != null && typeof stream !== 'boolean') throw wrong('stream', 'must be true or false.')
  if (options != null && !isObject(options)) throw wrong('stream_options', 'must be an object.')
  const streams = stream === true
  const asked = streams && isObject(options) && options.include_usage === true
  let textBytes = 0
  for (const one of prompts) textBytes += typeof one === 'number' ? one : encoder.encode(one).length
  return {
    ...modelsOf(model, extensions),
    stream: streams,
    wantsUsageEvent: streams && (asked || extensions.includeUsage),
    wantsCost: extensions.includeUsage || asked,
    maxOutputTokens: undefined,
    n: 1,
    preferences: extensions.preferences,
    sessionId: extensions.sessionId,
    user: extensions.user,
    tags: extensions.tags,
    needs: new Set(),
    messageCount: prompts.length,
    toolCount: 0,
    textBytes,
    media: [],
    reasoningEffort: undefined,
    prompts,
    streamGuarantee: extensions.streamGuarantee,
    extensionNames: extensions.names,
    json,
  }
}
