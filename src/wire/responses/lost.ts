/** What a Responses request asks for and chat has no place for, by the caller's names. Part of translating the request. */
import type { Quirks } from '../../../providers/provider.ts'
import type { Body } from '../body.ts'
import { isObject } from '../extensions.ts'
import { isDispensable } from './tools.ts'
import { openKept } from './reasoning.ts'

type Json = Record<string, unknown>

/** Chat's names for this wire's, so that adapters' reports are understood. */
export const WORDS: Readonly<Record<string, string>> = {
  messages: 'input',
  max_completion_tokens: 'max_output_tokens',
  max_tokens: 'max_output_tokens',
  response_format: 'text.format',
  verbosity: 'text.verbosity',
  reasoning_effort: 'reasoning.effort',
  reasoning_content: 'encrypted_content',
  reasoning_details: 'encrypted_content',
  extra_content: 'encrypted_content',
  logprobs: 'include',
}

const SERVED = new Set(['message.output_text.logprobs', 'reasoning.encrypted_content'])
const REASONING = new Set(['effort', 'max_tokens', 'enabled', 'exclude', 'summary', 'generate_summary'])
const TEXT = new Set(['format', 'verbosity'])

/**
 * Members left out in translating, whatever the target takes. `quirks` = those of a host of chat's own wire, which has
 * no word for a summary of thoughts; undefined = an adapter that shows them.
 */
export function lost({ json }: Body, quirks: Quirks | undefined): string[] {
  const names: string[] = []
  const { include, reasoning, text, stream_options: options, tools, input } = json
  if (json.store === true) names.push('store')
  if (json.max_tool_calls != null) names.push('max_tool_calls')
  if (json.client_metadata != null) names.push('client_metadata')
  if (Array.isArray(include) && !include.every(one => SERVED.has(String(one)))) names.push('include')
  if (isObject(options) && options.include_obfuscation === true)
    names.push('stream_options.include_obfuscation')
  if (isObject(reasoning)) {
    names.push(...unknownIn(reasoning, REASONING, 'reasoning'))
    const summary = reasoning.summary ?? reasoning.generate_summary
    if (summary != null && quirks !== undefined && quirks.keepsExtensions !== true)
      names.push('reasoning.summary')
  }
  if (isObject(text)) names.push(...unknownIn(text, TEXT, 'text'))
  if (Array.isArray(tools)) for (const tool of tools) names.push(...lostOfTool(tool))
  if (Array.isArray(input)) for (const item of input) if (isObject(item)) names.push(...lostOf(item))
  return [...new Set(names)]
}

const unknownIn = (object: Json, known: ReadonlySet<string>, at: string): string[] =>
  Object.keys(object)
    .filter(name => object[name] != null && !known.has(name))
    .map(name => `${at}.${name}`)

const TOOL = new Set('type name description parameters strict format cache_control tools'.split(' '))

/** A tool that can be done without, and what a tool says beside what it is. */
function lostOfTool(tool: unknown): string[] {
  if (isDispensable(tool)) return [`tools.${tool.type}`]
  if (!isObject(tool)) return []
  const inner = Array.isArray(tool.tools) ? tool.tools.flatMap(lostOfTool) : []
  return [
    ...Object.keys(tool).filter(name => tool[name] != null && tool[name] !== false && !TOOL.has(name)),
    ...inner,
  ]
}

/** Thoughts that another place sealed, and what an item says beside its content. */
function lostOf(item: Json): string[] {
  if (item.type === 'reasoning' && openKept(item.encrypted_content) === undefined)
    return item.encrypted_content != null ? ['encrypted_content'] : ['summary']
  const names = item.phase == null ? [] : ['phase']
  const parts = Array.isArray(item.content) ? item.content : Array.isArray(item.output) ? item.output : []
  const detailed = parts.some(part => isObject(part) && part.type === 'input_file' && part.detail != null)
  return detailed ? [...names, 'detail'] : names
}
