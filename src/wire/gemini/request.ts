/** A generateContent request → the same request in the chat wire, for targets that do not speak Gemini's. */
import type { Body } from '../body.ts'
import { EXTENSION_NAMES, isObject, wrong } from '../extensions.ts'
import { bodyOf, fitsStrict } from '../messages/request.ts'
import type { ChatFacts } from '../openai.ts'
import { onlyGemini } from './parts.ts'
import { field, type Json, objectField, textField } from './proto.ts'
import { answerSchema, budgetOf, effortOf } from './read.ts'
import { jsonSchema } from './schema.ts'
import { chatTools } from './tools.ts'
import { chatMessages } from './turns.ts'

type Made = Record<string, unknown>

/** `generationConfig` → chat, one to one. */
const SETTINGS = [
  ['temperature', 'temperature'],
  ['topP', 'top_p'],
  ['topK', 'top_k'],
  ['maxOutputTokens', 'max_tokens'],
  ['stopSequences', 'stop'],
  ['candidateCount', 'n'],
  ['seed', 'seed'],
  ['presencePenalty', 'presence_penalty'],
  ['frequencyPenalty', 'frequency_penalty'],
  ['responseLogprobs', 'logprobs'],
  ['logprobs', 'top_logprobs'],
] as const

/** Throws GatewayError('invalid_request') for what chat cannot say: cached contents, tools and files that lie at Google. */
export function toChat(body: Body, facts: ChatFacts): Body {
  const { json } = body
  if (field(json, 'cachedContent') !== undefined)
    throw onlyGemini('cached contents are kept', 'cachedContent')
  const generation = objectField(json, 'generationConfig') ?? {}
  const chat: Made = { model: facts.model, messages: chatMessages(body), ...chatTools(json) }
  if (facts.stream) chat.stream = true
  for (const [name, ours] of SETTINGS) {
    const value = field(generation, name)
    if (value !== undefined && !(name === 'candidateCount' && value === 1)) chat[ours] = value
  }
  Object.assign(chat, answerFormat(generation), modalities(generation), reasoning(json, generation))
  for (const name of EXTENSION_NAMES) if (json[name] != null) chat[name] = json[name]
  return bodyOf(chat)
}

function answerFormat(generation: Json): Made {
  const mimeType = textField(generation, 'responseMimeType', 'generationConfig.responseMimeType')
  if (mimeType === undefined || mimeType === '' || mimeType === 'text/plain') return {}
  if (mimeType !== 'application/json')
    throw onlyGemini(`answers of the type ${mimeType} are given`, 'generationConfig.responseMimeType')
  const asked = answerSchema(generation)
  if (!asked) return { response_format: { type: 'json_object' } }
  if (!isObject(asked.schema)) throw wrong('generationConfig.responseSchema', 'must be an object.')
  const schema = asked.isGoogle ? jsonSchema(asked.schema) : asked.schema
  const json_schema = { name: 'answer', schema, ...(fitsStrict(schema) ? { strict: true } : {}) }
  return { response_format: { type: 'json_schema', json_schema } }
}

/** Text alone is what every model does unasked. */
function modalities(generation: Json): Made {
  const asked = field(generation, 'responseModalities')
  if (!Array.isArray(asked) || asked.every(name => name === 'TEXT')) return {}
  return { modalities: asked.map(name => String(name).toLowerCase()) }
}

/** `thinkingConfig` → `reasoning`, unless the caller says `reasoning` itself. A budget of -1 leaves it to the model. */
function reasoning(json: Json, generation: Json): Made {
  if (json.reasoning != null) return {}
  const thinking = objectField(generation, 'thinkingConfig', 'generationConfig.thinkingConfig')
  if (!thinking) return {}
  const effort = effortOf(thinking)
  if (effort !== undefined) return { reasoning: { effort } }
  const budget = budgetOf(thinking)
  if (budget !== undefined && budget > 0) return { reasoning: { max_tokens: budget } }
  return budget === -1 || field(thinking, 'includeThoughts') === true ? { reasoning: { enabled: true } } : {}
}
