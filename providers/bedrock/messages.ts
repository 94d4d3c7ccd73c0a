/** Chat messages → Converse's system blocks and alternating turns. */
import { isObject, rawArguments } from '../../src/wire/raw-json.ts'
import type { Json } from '../provider.ts'
import { toolId } from '../tool-ids.ts'
import { cachePoint, contentBlocks, type Naming, refuse, textBlock } from './content.ts'
import type { ModelFacts } from './model.ts'
import { reasoningBlocks } from './reasoning.ts'

export interface Turn {
  readonly role: 'user' | 'assistant'
  readonly content: Json[]
}

export interface Conversation {
  readonly system: Json[]
  readonly turns: readonly Turn[]
}

/**
 * Walks the messages once. Neighbours of one role become one turn; the results of a turn's calls stand together, first, in
 * the user turn after it; a call that was never answered gets an error result, since each must have one.
 */
export function conversation(messages: unknown, facts: ModelFacts): Conversation {
  if (!Array.isArray(messages) || messages.length === 0)
    throw refuse('must be an array with at least one message', 'messages')
  const walk = new Walk(facts)
  for (const [i, message] of messages.entries()) {
    if (!isObject(message)) throw refuse('must be an object', `messages[${i}]`)
    walk.take(message, `messages[${i}]`)
  }
  return walk.finish()
}

class Walk {
  private readonly facts: ModelFacts
  private readonly naming: Naming = { documents: new Set() }
  private readonly system: Json[] = []
  private readonly turns: Turn[] = []
  private readonly awaiting = new Set<string>()

  constructor(facts: ModelFacts) {
    this.facts = facts
  }

  take(message: Json, at: string): void {
    switch (message.role) {
      case 'system':
      case 'developer':
        this.system.push(...this.blocks(message, at))
        return
      case 'user':
        this.closeResults()
        this.add('user', this.blocks(message, at))
        return
      case 'assistant':
        this.takeAssistant(message, at)
        return
      case 'tool':
        this.takeTool(message, at)
        return
      default:
        throw refuse('must be system, developer, user, assistant or tool', `${at}.role`)
    }
  }

  finish(): Conversation {
    this.closeResults()
    // A request of system messages only is fine in chat; here somebody has to say it.
    if (this.turns.length === 0) this.add('user', this.system.splice(0))
    const [first] = this.turns
    if (first === undefined) throw refuse('hold no content', 'messages')
    if (!this.facts.system && this.system.length > 0) {
      const texts = this.system.splice(0).filter(block => block.cachePoint === undefined)
      if (first.role === 'user') first.content.unshift(...texts)
      else this.turns.unshift({ role: 'user', content: texts })
    }
    for (const turn of this.turns) withText(turn)
    trimPrefill(this.turns)
    return { system: this.system, turns: this.turns }
  }

  private blocks(message: Json, at: string): Json[] {
    return contentBlocks(message.content, `${at}.content`, this.facts, this.naming, message.cache_control)
  }

  private takeAssistant(message: Json, at: string): void {
    this.closeResults()
    const refused = typeof message.refusal === 'string' ? textBlock(message.refusal) : []
    const calls = toolUses(message.tool_calls, `${at}.tool_calls`)
    this.add('assistant', [
      ...reasoningBlocks(message.reasoning_details),
      ...this.blocks(message, at),
      ...refused,
      ...calls,
    ])
    for (const { toolUse } of calls) this.awaiting.add(String((toolUse as Json).toolUseId))
  }

  private takeTool(message: Json, at: string): void {
    const toolUseId = idOf(message.tool_call_id, `${at}.tool_call_id`)
    if (!this.awaiting.delete(toolUseId))
      throw refuse('must name a tool call of the assistant message before it', `${at}.tool_call_id`)
    const blocks = contentBlocks(message.content, `${at}.content`, this.facts, this.naming)
    const bare = blocks.filter(block => block.cachePoint === undefined)
    const inside = this.facts.resultMedia ? bare : bare.filter(block => block.text !== undefined)
    const status = message.is_error === true ? { status: 'error' } : {}
    // a result must say something
    const content = inside.length > 0 ? inside : [{ text: '(no text)' }]
    this.addResult({ toolResult: { toolUseId, content, ...status } })
    const marked =
      message.cache_control ??
      (Array.isArray(message.content)
        ? message.content.findLast(part => isObject(part) && part.cache_control != null)?.cache_control
        : undefined)
    const after = [...bare.filter(block => !inside.includes(block)), ...cachePoint(marked, this.facts)]
    if (after.length > 0) this.add('user', after)
  }

  private add(role: Turn['role'], blocks: readonly Json[]): void {
    if (blocks.length === 0) return
    const last = this.turns.at(-1)
    if (last?.role === role) last.content.push(...blocks)
    else this.turns.push({ role, content: [...blocks] })
  }

  private addResult(block: Json): void {
    const last = this.turns.at(-1)
    if (last?.role !== 'user') {
      this.turns.push({ role: 'user', content: [block] })
      return
    }
    const after = last.content.findLastIndex(other => other.toolResult !== undefined)
    last.content.splice(after + 1, 0, block)
  }

  private closeResults(): void {
    for (const toolUseId of this.awaiting) {
      const content = [{ text: 'No result was given.' }]
      this.addResult({ toolResult: { toolUseId, content, status: 'error' } })
    }
    this.awaiting.clear()
  }
}

function toolUses(calls: unknown, at: string): Json[] {
  if (calls === undefined || calls === null) return []
  if (!Array.isArray(calls)) throw refuse('must be an array', at)
  return calls.map((call, i) => {
    if (!isObject(call) || !isObject(call.function) || typeof call.function.name !== 'string')
      throw refuse('must be {id, type: "function", function: {name, arguments}}', `${at}[${i}]`)
    const toolUseId = idOf(call.id, `${at}[${i}].id`)
    const input = rawArguments(call.function.arguments)
    return { toolUse: { toolUseId, name: call.function.name, input } }
  })
}

/** Any call id → `^[a-zA-Z0-9_-]{1,64}$` (API_runtime_ToolUseBlock), the same each time. */
function idOf(id: unknown, param: string): string {
  if (typeof id !== 'string' || id === '') throw refuse('must be the id of a tool call', param)
  if (/^[a-zA-Z0-9_-]{1,64}$/.test(id)) return id
  return `call_${toolId(id.length === 9 ? ` ${id}` : id, '9_alphanumeric')}`
}

/** A document wants a text beside it (API_runtime_DocumentBlock): its own name says the least. */
function withText({ content }: Turn): void {
  const named = content.find(block => isObject(block.document))?.document
  if (isObject(named) && !content.some(block => block.text !== undefined))
    content.push({ text: String(named.name) })
}

/** The start of an answer that a caller puts in the model's mouth must not end in white space. */
function trimPrefill(turns: readonly Turn[]): void {
  const last = turns.at(-1)
  const block = last?.content.at(-1)
  if (last?.role === 'assistant' && typeof block?.text === 'string')
    last.content[last.content.length - 1] = { text: block.text.trimEnd() }
}
