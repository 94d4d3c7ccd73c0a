/** Gemini's generateContent request as the gateway reads it: quick checks of what routing and money need. Source: ai.google.dev/api/generate-content. */
import { GatewayError } from '../../errors.ts'
import type { Call, Capability } from '../../terms.ts'
import type { Body } from '../body.ts'
import { isObject, readExtensions, wrong } from '../extensions.ts'
import type { ChatFacts, Media, MediaKind } from '../openai.ts'
import { readPath } from './path.ts'
import { field, type Json, listField, objectField, snakeOf, textField, wholeField } from './proto.ts'

const CONTENTS_MAX = 100_000
const TOOLS_MAX = 1_024
const ANSWERS_MAX = 128
const MODEL_CHARS_MAX = 512
/** Members that the model reads, a schema of the answer included. */
const PROMPT = ['contents', 'systemInstruction', 'tools', 'generationConfig', 'generateContentRequest']
const PROMPT_MEMBERS: ReadonlySet<string> = new Set([...PROMPT, ...PROMPT.map(snakeOf)])
const ROLES: ReadonlySet<unknown> = new Set(['user', 'model', 'function', 'system'])

interface Found {
  readonly media: Media[]
  /** Characters of the body that are base64. */
  chars: number
  /** The conversation in the form that estimates read. */
  readonly messages: Json[]
}

function kindOf(mimeType: string): MediaKind {
  if (mimeType.startsWith('image/')) return 'image'
  if (mimeType.startsWith('audio/')) return 'audio'
  return mimeType === 'application/pdf' ? 'pdf' : 'unknown'
}

function readPart(part: Json, param: string, found: Found): void {
  textField(part, 'text', `${param}.text`)
  const inline = objectField(part, 'inlineData', `${param}.inlineData`)
  if (inline) {
    const data = textField(inline, 'data', `${param}.inlineData.data`) ?? ''
    const mimeType = textField(inline, 'mimeType', `${param}.inlineData.mimeType`) ?? ''
    found.chars += data.length
    // Inline text is text, whatever way it was packed.
    if (mimeType.startsWith('text/')) found.chars -= data.length
    else found.media.push({ kind: kindOf(mimeType), bytes: Math.ceil(data.length * 0.75) })
  }
  const file = objectField(part, 'fileData', `${param}.fileData`)
  if (file)
    found.media.push({
      kind: kindOf(textField(file, 'mimeType', `${param}.fileData.mimeType`) ?? ''),
      bytes: undefined,
    })
  const call = objectField(part, 'functionCall', `${param}.functionCall`)
  if (call && !textField(call, 'name', `${param}.functionCall.name`))
    throw wrong(`${param}.functionCall.name`, 'is required.')
  const result = objectField(part, 'functionResponse', `${param}.functionResponse`)
  if (!result) return
  textField(result, 'name', `${param}.functionResponse.name`)
  for (const [i, inner] of listField(result, 'parts', `${param}.functionResponse.parts`).entries())
    readPart(inner, `${param}.functionResponse.parts[${i}]`, found)
}

function readContent(content: Json, param: string, found: Found): void {
  const role = field(content, 'role')
  if (role !== undefined && !ROLES.has(role)) throw wrong(`${param}.role`, 'must be "user" or "model".')
  const parts = listField(content, 'parts', `${param}.parts`)
  for (const [i, part] of parts.entries()) readPart(part, `${param}.parts[${i}]`, found)
  const calls = parts.flatMap(part => field(part, 'functionCall') ?? field(part, 'functionResponse') ?? [])
  found.messages.push({ content: parts, ...(calls.length > 0 ? { tool_calls: calls } : {}) })
}

interface ToolFacts {
  /** Functions of the caller's own. */
  readonly functions: readonly Json[]
  /** Names of the tools that Google runs, as in `googleSearch`. */
  readonly served: readonly string[]
}

/** The functions and the served tools of `tools`. Throws invalid_request naming the place. */
export function readTools(json: Json): ToolFacts {
  const functions: Json[] = []
  const served: string[] = []
  for (const [i, tool] of listField(json, 'tools').entries()) {
    functions.push(...listField(tool, 'functionDeclarations', `tools[${i}].functionDeclarations`))
    for (const [key, value] of Object.entries(tool)) {
      const name = key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
      if (name !== 'functionDeclarations' && value != null) served.push(name)
    }
  }
  if (functions.length > TOOLS_MAX) throw wrong('tools', `must hold at most ${TOOLS_MAX} functions.`)
  return { functions, served }
}

/** The schema that the answer has to follow, in whichever of its three places, and whether it is Google's own kind of schema. */
export function answerSchema(generation: Json): { schema: unknown; isGoogle: boolean } | undefined {
  const own = field(generation, 'responseSchema')
  if (own !== undefined) return { schema: own, isGoogle: true }
  const plain = field(generation, 'responseJsonSchema') ?? generation._responseJsonSchema
  return plain == null ? undefined : { schema: plain, isGoogle: false }
}

/** `thinkingLevel` in chat's words, or what a budget of 0 means; undefined = the model decides, or by a budget of its own. */
export function effortOf(thinking: Json): string | undefined {
  const level = textField(thinking, 'thinkingLevel', 'generationConfig.thinkingConfig.thinkingLevel')
  if (level !== undefined && !level.endsWith('_UNSPECIFIED')) return level.toLowerCase()
  return budgetOf(thinking) === 0 ? 'none' : undefined
}

/** `thinkingBudget`; -1 lets the model decide. */
export const budgetOf = (thinking: Json): number | undefined =>
  wholeField(thinking, 'thinkingBudget', 'generationConfig.thinkingConfig.thinkingBudget', -1)

const CAPABILITY: Readonly<Record<MediaKind, Capability>> = {
  image: 'images',
  audio: 'audio',
  pdf: 'pdf',
  // who reads videos reads documents
  unknown: 'pdf',
}

/** The model stands in the path; a body that names it too may only repeat it. */
function modelOf(json: Json, call: Call): string | undefined {
  const named = readPath(call.path)?.model ?? ''
  if (named === '' || named.length > MODEL_CHARS_MAX)
    throw wrong(
      'model',
      'must be named in the path, as in /v1beta/models/gemini-2.5-flash:generateContent. GET /v1beta/models lists what this key can call.',
    )
  const again = field(json, 'model')
  if (again !== undefined && again !== named && again !== `models/${named}`)
    throw wrong('model', 'the path names the model already. Leave it out of the body.')
  return named
}

function isStream(call: Call): boolean {
  if (readPath(call.path)?.method !== 'streamGenerateContent') return false
  if (new URLSearchParams(call.query).get('alt') === 'sse') return true
  throw new GatewayError(
    'invalid_request',
    'alt: streams come as server-sent events here. Add ?alt=sse to the URL.',
    { param: 'alt' },
  )
}

/** As `readRequest`, for a request that asks for a count and may hold the whole of another one. */
export function readCountRequest(body: Body, call: Call): ChatFacts {
  const inner = objectField(body.json, 'generateContentRequest')
  return factsOf(body, inner ?? body.json, inner ? 'generateContentRequest.contents' : 'contents', call)
}

/**
 * Checks a generateContent request and says what the stages need. Throws GatewayError('invalid_request') with `param` and
 * the cure. Fields it does not know are left alone: they belong to the upstream.
 */
export const readRequest = (body: Body, call: Call): ChatFacts => factsOf(body, body.json, 'contents', call)

function factsOf(body: Body, json: Json, place: string, call: Call): ChatFacts {
  const extensions = readExtensions(body.json)
  const model = modelOf(json, call)
  const contents = listField(json, 'contents', place)
  if (contents.length === 0 || contents.length > CONTENTS_MAX)
    throw wrong(place, 'must hold at least one content, as in [{"role": "user", "parts": [{"text": "Hi"}]}].')
  const found: Found = { media: [], chars: 0, messages: [] }
  for (const [i, content] of contents.entries()) readContent(content, `${place}[${i}]`, found)
  const system = objectField(json, 'systemInstruction')
  if (system) readContent(system, 'systemInstruction', found)
  const generation = objectField(json, 'generationConfig') ?? {}
  const thinking = objectField(generation, 'thinkingConfig', 'generationConfig.thinkingConfig') ?? {}
  const tools = readTools(json)
  const schema = answerSchema(generation)
  const needs = new Set<Capability>(found.media.map(({ kind }) => CAPABILITY[kind]))
  if (tools.functions.length > 0) needs.add('tools')
  if (schema) needs.add('json_schema')
  const n = wholeField(generation, 'candidateCount', 'generationConfig.candidateCount', 1) ?? 1
  if (n > ANSWERS_MAX) throw wrong('generationConfig.candidateCount', `must be at most ${ANSWERS_MAX}.`)
  let textBytes = -found.chars
  for (const { key, valueStart, valueEnd } of body.members)
    if (PROMPT_MEMBERS.has(key)) textBytes += valueEnd - valueStart
  const budget = budgetOf(thinking)
  const stream = isStream(call)
  return {
    model,
    stream,
    // A stream of this wire tells its usage unasked.
    wantsUsageEvent: stream,
    wantsCost: extensions.includeUsage,
    maxOutputTokens: wholeField(generation, 'maxOutputTokens', 'generationConfig.maxOutputTokens', 1),
    n,
    fallbackModels: extensions.fallbackModels,
    preferences: extensions.preferences,
    sessionId: extensions.sessionId,
    user: extensions.user,
    tags: extensions.tags,
    needs,
    messageCount: contents.length + (system ? 1 : 0),
    toolCount: tools.functions.length,
    textBytes: Math.max(0, textBytes),
    media: found.media,
    reasoningEffort: effortOf(thinking),
    streamGuarantee: extensions.streamGuarantee,
    extensionNames: extensions.names,
    json: {
      messages: found.messages,
      tools: [...tools.functions, ...tools.served.map(type => ({ type }))],
      ...(schema && { response_format: schema.schema }),
      ...(json.cachedContent != null && { cachedContent: json.cachedContent }),
      ...(budget !== undefined && budget > 0 && { reasoning: { max_tokens: budget } }),
      ...(isObject(body.json.reasoning) && { reasoning: body.json.reasoning }),
    },
  }
}
