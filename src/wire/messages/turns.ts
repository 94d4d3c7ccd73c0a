/** Messages → chat messages: tool results become messages of their own, tool calls keep the text of their arguments. */
import { type Body, elementsAt, membersAt } from '../body.ts'
import { blocksOf, onlyClaude, partsOf } from './blocks.ts'
import { thoughtsOf } from './reasoning.ts'

type Json = Record<string, unknown>

const decoder = new TextDecoder()

/** `content` as short as it can be said: one plain text is a string. */
export function contentOf(parts: readonly Json[]): unknown {
  const [only] = parts
  const plain = parts.length === 1 && only?.type === 'text' && only.cache_control === undefined
  return plain ? only.text : parts
}

/** `messages` and `system` of a Messages body as chat messages. Throws invalid_request for what only Claude reads. */
export function chatMessages(body: Body): Json[] {
  const { messages, system } = body.json
  const made: Json[] = []
  const instructions = partsOf(blocksOf(system), 'system')
  if (instructions.length > 0) made.push({ role: 'system', content: contentOf(instructions) })
  const inputs = inputsOf(body)
  for (const [i, message] of (messages as Json[]).entries()) {
    const param = `messages[${i}].content`
    const blocks = blocksOf(message.content)
    if (message.role === 'assistant') made.push(assistant(blocks, inputs.get(i), param))
    else if (message.role === 'system')
      made.push({ role: 'system', content: contentOf(partsOf(blocks, param)) })
    else made.push(...user(blocks, param))
  }
  return made
}

function user(blocks: readonly Json[], param: string): Json[] {
  const made: Json[] = []
  const parts: Json[] = []
  for (const [i, block] of blocks.entries()) {
    if (block.type === 'tool_result') made.push(toolMessage(block, `${param}[${i}].content`))
    else parts.push(...partsOf([block], param))
  }
  if (parts.length > 0) made.push({ role: 'user', content: contentOf(parts) })
  return made
}

/** Chat has no word for a failed tool, so the result says it. */
function toolMessage(block: Json, param: string): Json {
  const parts = partsOf(blocksOf(block.content), param)
  if (block.is_error === true) {
    const [first, ...rest] = parts
    const text = first?.type === 'text' ? `Error: ${String(first.text)}` : 'Error'
    const others = first?.type === 'text' ? rest : parts
    parts.splice(0, parts.length, { ...(first?.type === 'text' ? first : { type: 'text' }), text }, ...others)
  }
  const { cache_control: mark } = block
  const last = parts.at(-1)
  if (mark != null && last) parts[parts.length - 1] = { ...last, cache_control: mark }
  return {
    role: 'tool',
    tool_call_id: block.tool_use_id,
    content: parts.length > 0 ? contentOf(parts) : '',
  }
}

function assistant(blocks: readonly Json[], inputs: ReadonlyMap<number, string> | undefined, param: string) {
  const thoughts = thoughtsOf(blocks)
  const said: Json[] = []
  const calls: Json[] = []
  for (const [i, block] of blocks.entries()) {
    if (block.type === 'thinking' || block.type === 'redacted_thinking') continue
    if (block.type === 'text') said.push(...partsOf([block], param))
    else if (block.type === 'tool_use') {
      const extra = thoughts.extras.get(String(block.id))
      calls.push({
        id: block.id,
        type: 'function',
        function: { name: block.name, arguments: inputs?.get(i) ?? '{}' },
        ...(extra === undefined ? {} : { extra_content: extra }),
      })
    } else throw onlyClaude(`${String(block.type)} blocks are read`, `${param}[${i}]`)
  }
  const plain = said.every(part => part.cache_control === undefined)
  const text = said.map(part => String(part.text)).join('')
  return {
    role: 'assistant',
    content: plain ? (text === '' && calls.length > 0 ? null : text) : said,
    ...(thoughts.text === '' ? {} : { reasoning_content: thoughts.text }),
    ...(thoughts.details.length === 0 ? {} : { reasoning_details: thoughts.details }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  }
}

/** The text of every `tool_use.input`, by message and block: parsed and written again, 1.0 and 2^60 would change. */
function inputsOf(body: Body): Map<number, Map<number, string>> {
  const { bytes, json, members } = body
  const found = new Map<number, Map<number, string>>()
  const place = members.find(({ key }) => key === 'messages')
  const messages = json.messages as Json[]
  if (!place || !messages.some(callsTools)) return found
  const starts = elementsAt(bytes, place.valueStart)
  for (const [i, message] of messages.entries()) {
    if (!callsTools(message)) continue
    const content = membersAt(bytes, starts[i] as number).findLast(({ key }) => key === 'content')
    if (!content) continue
    const inputs = new Map<number, string>()
    found.set(i, inputs)
    const blocks = elementsAt(bytes, content.valueStart)
    for (const [j, block] of (message.content as Json[]).entries()) {
      if (block.type !== 'tool_use') continue
      const input = membersAt(bytes, blocks[j] as number).findLast(({ key }) => key === 'input')
      if (input) inputs.set(j, decoder.decode(bytes.subarray(input.valueStart, input.valueEnd)))
    }
  }
  return found
}

const callsTools = ({ role, content }: Json): boolean =>
  role === 'assistant' && Array.isArray(content) && content.some(block => block?.type === 'tool_use')
