/**
 * Mends answers of hosts whose row says what they get wrong, chunk by chunk and without waiting. What comes out is
 * OpenAI's chat wire with `reasoning_content`; a chunk in which nothing is wrong is not touched.
 */
import { createGrowth, type Growth } from './openai-growth.ts'
import { createThinking, splitThinking, type Thinking, unifyReasoning } from './openai-reasoning.ts'
import { createCalls, type Calls, mendCalls } from './openai-tool-deltas.ts'
import type { DecodeContext, Json, Quirks, Repair } from './provider.ts'

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const choicesOf = (chunk: Json): readonly Json[] =>
  Array.isArray(chunk.choices) ? chunk.choices.filter(isObject) : []

const MOVED: ReadonlySet<Quirks['usageIn']> = new Set(['x_groq', 'choice'])

/** Does a row ask for any of this? Most do not, and their bytes are not even parsed. */
function needed(quirks: Quirks): boolean {
  return (
    quirks.reasoningField !== undefined ||
    quirks.repairsToolCalls === true ||
    quirks.finishReasons !== undefined ||
    quirks.sendsFinishReason === false ||
    quirks.cumulativeDeltas === true ||
    MOVED.has(quirks.usageIn)
  )
}

/** Undefined = this host's answers are as OpenAI's. */
export function createRepair(context: DecodeContext): Repair | undefined {
  return needed(context.quirks) ? new HostRepair(context) : undefined
}

/** What is known of one choice of a stream. */
interface Seen {
  readonly thinking: Thinking | undefined
  readonly growth: Growth | undefined
  readonly calls: Calls
  finished: boolean
}

class HostRepair implements Repair {
  private readonly quirks: Quirks
  private readonly newId: DecodeContext['newId']
  private readonly seen = new Map<unknown, Seen>()
  /** Usage that came in an odd place, until it has a chunk of its own. */
  private usage: Json | undefined
  /** The members that all chunks share. */
  private frame: Json = {}

  constructor({ quirks, newId }: DecodeContext) {
    this.quirks = quirks
    this.newId = newId
  }

  chunk(chunk: Json): readonly Json[] | undefined {
    // an error is read by the relay as it came
    if (chunk.error != null) return undefined
    const { choices: _, usage: __, ...frame } = chunk
    this.frame = frame
    const choices = choicesOf(chunk)
    let changed = this.moveUsage(chunk, choices)
    const after: Json[] = []
    for (const choice of choices) {
      const seen = this.of(choice.index)
      const delta = isObject(choice.delta) ? choice.delta : undefined
      if (delta !== undefined) changed = this.mendDelta(delta, seen) || changed
      const failed = this.mendFinish(choice, seen)
      if (failed === 'error') return [failure(this.frame, choice.native_finish_reason)]
      changed = failed || changed
      const held = seen.finished ? heldBack(seen) : undefined
      if (held !== undefined && delta !== undefined) changed = append(delta, held) || changed
      if (this.splitsFinish(choice, delta)) {
        after.push({ ...this.frame, choices: [{ ...choice, delta: {} }] })
        choice.finish_reason = null
        changed = true
      }
    }
    return changed || after.length > 0 ? [chunk, ...after] : undefined
  }

  end(complete: boolean): readonly Json[] {
    const owed: Json[] = []
    for (const [index, seen] of this.seen) {
      const delta: Json = {}
      const held = seen.finished ? undefined : heldBack(seen)
      if (held !== undefined) append(delta, held)
      // a host that never says why it stopped: calls were made, or the answer is whole
      const unsaid = complete && !seen.finished && this.quirks.sendsFinishReason === false
      if (!unsaid && held === undefined) continue
      const reason = unsaid ? (seen.calls.any ? 'tool_calls' : 'stop') : null
      if (unsaid) seen.finished = true
      owed.push({ ...this.frame, choices: [{ index: index ?? 0, delta, finish_reason: reason }] })
    }
    if (this.usage !== undefined) owed.push({ ...this.frame, choices: [], usage: this.usage })
    this.usage = undefined
    return owed
  }

  whole(answer: Json): boolean {
    let changed = false
    for (const choice of choicesOf(answer)) {
      const message = isObject(choice.message) ? choice.message : undefined
      if (message !== undefined && this.quirks.reasoningField !== undefined) {
        changed = unifyReasoning(message, this.quirks.reasoningField) || changed
        if (this.quirks.reasoningField === 'think_tags') changed = splitThinking(message) || changed
      }
      const calls: Calls = createCalls()
      if (message !== undefined && this.quirks.repairsToolCalls === true)
        changed = mendCalls(message, calls, this.newId, true) || changed
      const seen: Seen = { thinking: undefined, growth: undefined, calls, finished: false }
      if (Array.isArray(message?.tool_calls) && message.tool_calls.length > 0) calls.any = true
      const mended = this.mendFinish(choice, seen)
      if (mended === 'error') answer.error = failure({}, choice.native_finish_reason).error
      changed = mended !== false || changed
      if (!seen.finished && this.quirks.sendsFinishReason === false) {
        choice.finish_reason = calls.any ? 'tool_calls' : 'stop'
        changed = true
      }
    }
    return changed
  }

  private of(index: unknown): Seen {
    let seen = this.seen.get(index)
    if (seen === undefined) {
      seen = {
        thinking: this.quirks.reasoningField === 'think_tags' ? createThinking() : undefined,
        growth: this.quirks.cumulativeDeltas === true ? createGrowth() : undefined,
        calls: createCalls(),
        finished: false,
      }
      this.seen.set(index, seen)
    }
    return seen
  }

  private mendDelta(delta: Json, seen: Seen): boolean {
    let changed = seen.growth?.mend(delta) ?? false
    const field = this.quirks.reasoningField
    if (field !== undefined) changed = unifyReasoning(delta, field) || changed
    if (seen.thinking !== undefined) changed = seen.thinking.mend(delta) || changed
    if (this.quirks.repairsToolCalls === true) return mendCalls(delta, seen.calls, this.newId) || changed
    if (Array.isArray(delta.tool_calls) && delta.tool_calls.length > 0) seen.calls.any = true
    return changed
  }

  /** The host's word for the end becomes OpenAI's; a second one is not passed on. 'error' = the host says that it failed. */
  private mendFinish(choice: Json, seen: Seen): boolean | 'error' {
    const said = choice.finish_reason
    if (said === '' || said === 'null') {
      choice.finish_reason = null
      return true
    }
    if (typeof said !== 'string') return false
    if (seen.finished) {
      choice.finish_reason = null
      return true
    }
    const low = said.toLowerCase()
    const { finishReasons } = this.quirks
    const named = finishReasons !== undefined && Object.hasOwn(finishReasons, low) ? finishReasons[low] : low
    // calls came, and the host says that it just stopped: an agent would stop too
    const reason =
      named === 'stop' && seen.calls.any && this.quirks.repairsToolCalls === true ? 'tool_calls' : named
    if (reason !== said) choice.native_finish_reason ??= said
    if (reason === 'error') return 'error'
    seen.finished = true
    if (reason === said) return false
    choice.finish_reason = reason
    return true
  }

  /** A whole call in the chunk that ends the answer: some SDKs read either the one or the other. */
  private splitsFinish(choice: Json, delta: Json | undefined): boolean {
    if (this.quirks.repairsToolCalls !== true || typeof choice.finish_reason !== 'string') return false
    return Array.isArray(delta?.tool_calls) && delta.tool_calls.length > 0
  }

  /** Usage is gathered, wherever it comes: the last word counts and goes out once, in a chunk of its own. */
  private moveUsage(chunk: Json, choices: readonly Json[]): boolean {
    const place = this.quirks.usageIn
    if (place === 'x_groq') {
      const usage = isObject(chunk.x_groq) ? chunk.x_groq.usage : undefined
      if (isObject(usage)) this.usage = usage
      // newer answers say it where it belongs too
      if (isObject(chunk.usage)) this.usage = undefined
    }
    const [first] = choices
    if (place !== 'choice' || first === undefined || !isObject(first.usage)) return false
    this.usage = first.usage
    delete first.usage
    return true
  }
}

function heldBack(seen: Seen): Json | undefined {
  const held = seen.growth?.end() ?? {}
  seen.thinking?.mend(held)
  for (const [name, text] of Object.entries(seen.thinking?.end() ?? {}))
    held[name] = textOf(held[name]) + text
  return Object.keys(held).length > 0 ? held : undefined
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** Held-back text goes behind what the delta itself says. */
function append(delta: Json, held: Json): boolean {
  for (const [name, text] of Object.entries(held)) delta[name] = textOf(delta[name]) + textOf(text)
  return Object.keys(held).length > 0
}

/** The relay tries another target before content, and ends the stream with an error after it. */
const failure = (frame: Json, native: unknown): Json => ({
  ...frame,
  choices: [],
  error: {
    message: `the provider ended its answer with "${String(native)}"`,
    type: 'server_error',
    code: 'server_error',
  },
})
