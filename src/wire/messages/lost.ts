/** What a Messages request asks for and chat has no place for, by the caller's names. Part of translating the request. */
import type { Quirks } from '../../../providers/provider.ts'
import type { Body } from '../body.ts'
import { isObject } from '../extensions.ts'
import { blocksOf } from './blocks.ts'

type Json = Record<string, unknown>

/** Chat's names for this wire's, so that adapters' reports are understood. */
export const WORDS: Readonly<Record<string, string | readonly string[]>> = {
  reasoning: ['thinking', 'output_config.effort'],
  reasoning_effort: ['thinking', 'output_config.effort'],
  reasoning_content: 'thinking',
  reasoning_details: 'thinking',
  extra_content: 'thinking',
  response_format: 'output_config.format',
  stop: 'stop_sequences',
  parallel_tool_calls: 'tool_choice.disable_parallel_tool_use',
  max_completion_tokens: 'max_tokens',
}

const set = (names: string): ReadonlySet<string> => new Set(names.split(' '))
const OUTPUT = set('effort format')
const TOOL = set('type name description input_schema strict cache_control')
/** Members of blocks that are read, and those of answers that come back with nothing to say (`citations`, `caller`). */
const BLOCK = set(
  'type text source title context content cache_control thinking signature data id name input tool_use_id is_error caller',
)

/** Members left out in translating, whatever the target takes. */
export function lost(
  { json }: Body,
  _quirks: Quirks | undefined,
  header: (name: string) => string | undefined,
): string[] {
  const names: string[] = []
  const { output_config: output, metadata, thinking, tools, messages, system } = json
  // betas are ways to ask Claude for something; nobody else has them
  if (header('anthropic-beta')) names.push('anthropic-beta')
  if (isObject(output)) names.push(...unknownIn(output, OUTPUT, 'output_config.'))
  if (isObject(metadata)) names.push(...unknownIn(metadata, set('user_id'), 'metadata.'))
  if (isObject(thinking) && thinking.display === 'omitted') names.push('thinking.display')
  if (Array.isArray(tools))
    for (const tool of tools) if (isObject(tool)) names.push(...unknownIn(tool, TOOL, ''))
  for (const block of blocksOf(system)) names.push(...lostOf(block, false))
  for (const message of messages as Json[])
    for (const block of blocksOf(message.content)) names.push(...lostOf(block, message.role === 'assistant'))
  return [...new Set(names)]
}

const unknownIn = (object: Json, known: ReadonlySet<string>, at: string): string[] =>
  Object.keys(object)
    .filter(name => object[name] != null && object[name] !== false && !known.has(name))
    .map(name => `${at}${name}`)

function lostOf(block: Json, isAnswer: boolean): string[] {
  const { citations, ...others } = block
  const names = unknownIn(others, BLOCK, '')
  // a request for citations, not those that an answer had
  if (!isAnswer && isObject(citations) && citations.enabled === true) names.push('citations')
  const inner = block.type === 'tool_result' ? blocksOf(block.content) : []
  return [...names, ...inner.flatMap(one => lostOf(one, false))]
}
