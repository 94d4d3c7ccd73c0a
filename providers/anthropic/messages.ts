/** Chat messages → Anthropic's system blocks and alternating turns. */
import type { Json } from '../provider.ts'
import { type Block, contentBlocks, refuse } from './content.ts'
import type { ModelFacts } from './models.ts'
import { isObject, rawArguments } from './raw.ts'
import { thinkingBlocks } from './reasoning.ts'

export interface Turn {
  readonly role: 'user' | 'assistant' | 'system'
  readonly content: Block[]
}

export interface Conversation {
  readonly system: Block[]
  readonly turns: readonly Turn[]
}

/**
 * Walks the messages once. Neighbours of one role become one turn; tool results go first into the user turn after
 * their calls; a call that was never answered gets an error result, since each must have one.
 */
export function conversation(messages: unknown, facts: ModelFacts): Conversation {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw refuse('must be an array with at least one message', 'messages')
  }
  const walk = new Walk(facts)
  for (const [i, message] of messages.entries()) {
    if (!isObject(message)) throw refuse('must be an object', `messages[${i}]`)
    walk.take(message, `messages[${i}]`)
  }
  return walk.finish()
}

class Walk {
  private readonly facts: ModelFacts
  private readonly system: Block[] = []
  private readonly turns: Turn[] = []
  private readonly awaiting = new Set<string>() // calls without a result so far
  private held: Block[] = [] // a system message may not stand between a call and its result

  constructor(facts: ModelFacts) {
    this.facts = facts
  }

  take(message: Json, at: string): void {
    switch (message.role) {
      case 'system':
      case 'developer':
        this.takeSystem(message, at)
        return
      case 'user':
        this.add('user', contentBlocks(message.content, `${at}.content`, message.cache_control))
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
    const { system, turns } = this
    trimPrefill(turns)
    // A request of system messages only is fine in chat; here somebody has to say it.
    if (turns.length === 0) this.add('user', system.splice(0))
    if (turns.length === 0) throw refuse('hold no content', 'messages')
    return { system, turns }
  }

  private takeSystem(message: Json, at: string): void {
    const blocks = contentBlocks(message.content, `${at}.content`, message.cache_control)
    if (this.turns.length === 0 || !this.facts.midSystem) this.system.push(...blocks)
    else if (this.awaiting.size > 0) this.held.push(...blocks)
    else this.add('system', blocks)
  }

  private takeAssistant(message: Json, at: string): void {
    this.closeResults()
    const blocks = assistantBlocks(message, at, this.facts)
    this.add('assistant', blocks)
    for (const block of blocks) if (block.type === 'tool_use') this.awaiting.add(String(block.id))
  }

  private takeTool(message: Json, at: string): void {
    const id = toolId(message.tool_call_id, `${at}.tool_call_id`)
    if (!this.awaiting.delete(id)) {
      throw refuse('must name a tool call of the assistant message before it', `${at}.tool_call_id`)
    }
    this.addResult(toolResult(id, message, `${at}.content`))
    if (this.awaiting.size === 0) this.closeResults()
  }

  private add(role: Turn['role'], blocks: readonly Block[]): void {
    if (blocks.length === 0) return
    const last = this.turns.at(-1)
    if (last?.role === role) last.content.push(...blocks)
    else this.turns.push({ role, content: [...blocks] })
  }

  private addResult(block: Block): void {
    const last = this.turns.at(-1)
    if (last?.role !== 'user') {
      this.turns.push({ role: 'user', content: [block] })
      return
    }
    const after = last.content.findLastIndex(other => other.type === 'tool_result')
    last.content.splice(after + 1, 0, block)
  }

  /** The turn of results is over: what is missing is said to be missing, what waited comes now. */
  private closeResults(): void {
    for (const id of this.awaiting) {
      this.addResult({
        type: 'tool_result',
        tool_use_id: id,
        content: 'No result was given.',
        is_error: true,
      })
    }
    this.awaiting.clear()
    this.add('system', this.held)
    this.held = []
  }
}

function assistantBlocks(message: Json, at: string, facts: ModelFacts): Block[] {
  const thinking = facts.thinking === 'none' ? [] : thinkingBlocks(message.reasoning_details)
  const said = contentBlocks(message.content, `${at}.content`, message.cache_control)
  const refused = typeof message.refusal === 'string' ? contentBlocks(message.refusal, `${at}.refusal`) : []
  return [...thinking, ...said, ...refused, ...toolUses(message.tool_calls, `${at}.tool_calls`)]
}

function toolUses(calls: unknown, at: string): Block[] {
  if (calls === undefined || calls === null) return []
  if (!Array.isArray(calls)) throw refuse('must be an array', at)
  return calls.map((call, i) => {
    if (!isObject(call) || !isObject(call.function) || typeof call.function.name !== 'string') {
      throw refuse('must be {id, type: "function", function: {name, arguments}}', `${at}[${i}]`)
    }
    const id = toolId(call.id, `${at}[${i}].id`)
    return { type: 'tool_use', id, name: call.function.name, input: rawArguments(call.function.arguments) }
  })
}

function toolResult(id: string, message: Json, at: string): Block {
  const blocks = contentBlocks(message.content, at)
  const marked =
    message.cache_control ?? blocks.findLast(block => block.cache_control !== undefined)?.cache_control
  // A lone string stays one. The cache mark belongs to the result as a whole, where it is counted.
  const bare = blocks.map(({ cache_control: _, ...block }) => block)
  const content = typeof message.content === 'string' && blocks.length > 0 ? message.content : bare
  return {
    type: 'tool_result',
    tool_use_id: id,
    ...(blocks.length > 0 ? { content } : {}),
    ...(message.is_error === true ? { is_error: true } : {}),
    ...(isObject(marked) ? { cache_control: marked } : {}),
  }
}

const ID_CHARS_MAX = 64

/** Any call id → `^[a-zA-Z0-9_-]{1,64}$`, the same each time; long ones keep a digest, since they share beginnings. */
function toolId(id: unknown, param: string): string {
  if (typeof id !== 'string' || id === '') throw refuse('must be the id of a tool call', param)
  const clean = id.replace(/[^a-zA-Z0-9_-]/g, '_')
  if (clean.length <= ID_CHARS_MAX) return clean
  const digest = fnv1a(id).toString(16).padStart(8, '0')
  return `${clean.slice(0, ID_CHARS_MAX - 9)}_${digest}`
}

/** 32-bit FNV-1a over UTF-16 units. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** The start of an answer that a caller puts in the model's mouth must not end in white space. */
function trimPrefill(turns: Turn[]): void {
  const last = turns.at(-1)
  const block = last?.content.at(-1)
  if (last?.role !== 'assistant' || block?.type !== 'text') return
  last.content[last.content.length - 1] = { ...block, text: String(block.text).trimEnd() }
}
