/** `tools` and `tool_choice` fitted to a host that takes less of them than OpenAI. */
import { elementsAt, type Member, membersAt } from '../src/wire/body.ts'
import { type Patch, patchesOf } from '../src/wire/splice.ts'
import type { ChatRequest, Json } from './provider.ts'

/** Top-level edits of a request, gathered before one splice; shared with providers/openai.ts. */
export interface Draft {
  readonly set: Record<string, string>
  readonly remove: string[]
  readonly rename: Record<string, string>
  readonly dropped: string[]
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Members that mean nothing without tools, and are refused without them. */
const OF_TOOLS = ['tool_choice', 'parallel_tool_calls']

/** Members that are `null`, and empty `tools`, go: absent says the same. */
export function editNulls({ body, quirks }: ChatRequest, draft: Draft): void {
  if (quirks.refusesNull !== true) return
  const { json } = body
  const gone = (name: string) => {
    if (!draft.remove.includes(name)) draft.remove.push(name)
  }
  for (const [name, value] of Object.entries(json)) if (value === null) gone(name)
  const { tools } = json
  if (!Array.isArray(tools) || tools.length > 0) return
  gone('tools')
  for (const name of OF_TOOLS) if (json[name] !== undefined) gone(name)
}

/** The name in `{type: "function", function: {name}}`. */
function chosenName(choice: unknown): string | undefined {
  const chosen = isObject(choice) ? choice.function : undefined
  return isObject(chosen) && typeof chosen.name === 'string' ? chosen.name : undefined
}

export function editToolChoice({ body, quirks }: ChatRequest, draft: Draft): void {
  const { tool_choice: choice, tools } = body.json
  if (choice == null || quirks.toolChoice === undefined || draft.remove.includes('tool_choice')) return
  if (quirks.toolChoice === 'auto_only') {
    if (choice === 'auto') return
    draft.remove.push('tool_choice')
    draft.dropped.push('tool_choice')
    return
  }
  const name = chosenName(choice)
  if (name === undefined || !Array.isArray(tools)) return
  const only = tools.filter(tool => isObject(tool) && isObject(tool.function) && tool.function.name === name)
  if (only.length === 0) return
  const plain = quirks.strictTools === false ? withoutStrict(only, draft) : only
  draft.set.tools = JSON.stringify(plain)
  draft.set.tool_choice = '"required"'
}

/** The same tools for a host that refuses `strict`, where they are written anew anyway. */
function withoutStrict(tools: readonly Json[], draft: Draft): readonly Json[] {
  return tools.map(tool => {
    const { strict, ...own } = tool.function as Json
    if (strict != null && !draft.dropped.includes('strict')) draft.dropped.push('strict')
    return { ...tool, function: own }
  })
}

/** Takes `strict` out of each function. Patches ascend. */
export function strictPatches({ body, quirks }: ChatRequest, draft: Draft): readonly Patch[] {
  const { tools } = body.json
  if (quirks.strictTools !== false || !Array.isArray(tools) || draft.set.tools !== undefined) return []
  const strict = tools.some(tool => isObject(tool) && isObject(tool.function) && tool.function.strict != null)
  if (!strict) return []
  draft.dropped.push('strict')
  const { bytes, members } = body
  const place = members.find(({ key }) => key === 'tools') as Member
  return elementsAt(bytes, place.valueStart).flatMap(start => {
    const own = membersAt(bytes, start).find(({ key }) => key === 'function')
    if (own === undefined || bytes[own.valueStart] !== 0x7b) return []
    const inside = membersAt(bytes, own.valueStart)
    return inside.length === 0 ? [] : patchesOf({ bytes, members: inside }, { remove: ['strict'] })
  })
}
