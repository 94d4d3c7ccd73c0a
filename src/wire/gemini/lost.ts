/** What a generateContent request asks for and chat has no place for, by the caller's names. Part of translating the request. */
import type { Body } from '../body.ts'
import { EXTENSION_NAMES, isObject } from '../extensions.ts'
import { isField, type Json, listField, objectField, snakeOf } from './proto.ts'

/** Chat's names for this wire's, so that adapters' reports are understood. */
export const WORDS: Readonly<Record<string, string>> = {
  messages: 'contents',
  max_tokens: 'generationConfig.maxOutputTokens',
  max_completion_tokens: 'generationConfig.maxOutputTokens',
  temperature: 'generationConfig.temperature',
  top_p: 'generationConfig.topP',
  top_k: 'generationConfig.topK',
  stop: 'generationConfig.stopSequences',
  n: 'generationConfig.candidateCount',
  seed: 'generationConfig.seed',
  presence_penalty: 'generationConfig.presencePenalty',
  frequency_penalty: 'generationConfig.frequencyPenalty',
  logprobs: 'generationConfig.responseLogprobs',
  top_logprobs: 'generationConfig.logprobs',
  response_format: 'generationConfig.responseMimeType',
  modalities: 'generationConfig.responseModalities',
  thinking: 'generationConfig.thinkingConfig',
  reasoning: 'generationConfig.thinkingConfig',
  reasoning_effort: 'generationConfig.thinkingConfig',
  reasoning_content: 'thought',
  reasoning_details: 'thoughtSignature',
  extra_content: 'thoughtSignature',
  tool_choice: 'toolConfig',
}

const TOP =
  'contents systemInstruction tools toolConfig generationConfig model cachedContent generateContentRequest'
const GENERATION =
  'temperature topP topK maxOutputTokens stopSequences candidateCount seed presencePenalty frequencyPenalty ' +
  'responseLogprobs logprobs responseMimeType responseSchema responseJsonSchema _responseJsonSchema ' +
  'thinkingConfig responseModalities'
const PART =
  'text thought thoughtSignature inlineData fileData functionCall functionResponse executableCode ' +
  'codeExecutionResult toolCall toolResponse'
const FUNCTION = 'name description parameters parametersJsonSchema'
const CALLING = 'mode allowedFunctionNames'

const known = (names: string): ReadonlySet<string> => {
  const camel = names.split(' ')
  return new Set([...camel, ...camel.map(snakeOf)])
}
const KNOWN = {
  top: new Set([...known(TOP), ...EXTENSION_NAMES]),
  generation: known(GENERATION),
  part: known(PART),
  function: known(FUNCTION),
  calling: known(CALLING),
}

/** Members left out in translating, whatever the target takes. */
export function lost({ json }: Body): string[] {
  const names = unknownIn(json, KNOWN.top, '')
  names.push(...unknownIn(objectField(json, 'generationConfig') ?? {}, KNOWN.generation, 'generationConfig.'))
  const config = objectField(json, 'toolConfig') ?? {}
  for (const [name, value] of Object.entries(config)) {
    if (!isField(name, 'functionCallingConfig')) names.push(`toolConfig.${name}`)
    else if (isObject(value)) {
      names.push(...unknownIn(value, KNOWN.calling, `toolConfig.${name}.`))
      // arguments are not held to their schemas elsewhere, unless a function is strict
      if (value.mode === 'VALIDATED') names.push(`toolConfig.${name}.mode`)
    }
  }
  for (const tool of listField(json, 'tools'))
    for (const spec of listField(tool, 'functionDeclarations'))
      names.push(...unknownIn(spec, KNOWN.function, 'tools.functionDeclarations.'))
  for (const content of listField(json, 'contents'))
    for (const part of listField(content, 'parts'))
      names.push(...unknownIn(part, KNOWN.part, 'contents.parts.'))
  return [...new Set(names)]
}

const unknownIn = (object: Json, names: ReadonlySet<string>, at: string): string[] =>
  Object.keys(object)
    .filter(name => object[name] != null && !names.has(name))
    .map(name => `${at}${name}`)
