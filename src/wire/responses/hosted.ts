/**
 * What of a Responses request only a host of this wire can do: tools that run there, within one answer, and the items that
 * tell of their calls. They go there as they came, and nowhere else. Part of reading the request.
 */
import { isObject } from '../extensions.ts'
import { isDispensable } from './tools.ts'

type Json = Record<string, unknown>

/** The first such thing: its place, and what a caller is told whose model is sold by no host of this wire. */
export interface Hosted {
  readonly param: string
  readonly message: string
}

const OWN_TOOLS: ReadonlySet<unknown> = new Set(['function', 'custom', 'namespace'])
const OWN_ITEMS: ReadonlySet<unknown> = new Set([
  'message',
  'function_call',
  'function_call_output',
  'custom_tool_call',
  'custom_tool_call_output',
  'reasoning',
  // refused by name: what it refers to is stored nowhere here
  'item_reference',
])

const isHostedTool = (tool: unknown): boolean =>
  isObject(tool) && typeof tool.type === 'string' && !OWN_TOOLS.has(tool.type) && !isDispensable(tool)

const isHostedItem = (item: unknown): boolean =>
  isObject(item) && typeof item.type === 'string' && !OWN_ITEMS.has(item.type)

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

export function hostedIn({ tools, input }: Readonly<Json>): Hosted | undefined {
  const tool = listOf(tools).findIndex(isHostedTool)
  const item = listOf(input).findIndex(isHostedItem)
  if (tool < 0 && item < 0) return undefined
  const param = tool >= 0 ? `tools[${tool}].type` : `input[${item}].type`
  const { type } = (tool >= 0 ? listOf(tools)[tool] : listOf(input)[item]) as Json
  const cure =
    'Ask a model that OpenAI or another host of this wire sells, or send a function tool and run it yourself.'
  return {
    param,
    message: `${param}: ${String(type).slice(0, 64)} runs at hosts of the Responses wire alone. ${cure}`,
  }
}

/** A choice among tools of which some, or the one that is named, run at the host. */
const choosesHosted = (choice: unknown): boolean =>
  isObject(choice) &&
  (choice.type === 'allowed_tools'
    ? listOf(choice.tools).some(tool => isHostedTool(tool) || isDispensable(tool))
    : isHostedTool(choice) || isDispensable(choice))

/** Nothing left is an empty question: whether it is one, the host decides. */
function inputWithout(input: unknown): unknown {
  if (!Array.isArray(input)) return input
  const left = input.filter(item => !isHostedItem(item))
  return left.length === 0 && input.length > 0 ? '' : left
}

/** The rest of the request, which can be said in chat and is read there. */
export function withoutHosted(json: Readonly<Json>): Json {
  const { tools, input, tool_choice: choice, ...rest } = json
  return {
    ...rest,
    ...(input !== undefined && { input: inputWithout(input) }),
    ...(tools !== undefined && {
      tools: Array.isArray(tools) ? tools.filter(tool => !isHostedTool(tool)) : tools,
    }),
    ...(choice !== undefined && !choosesHosted(choice) && { tool_choice: choice }),
  }
}
