/** Reasoning in a host's own place → `reasoning_content`, which clients of OpenAI's wire read (DeepSeek's form). */
import type { Json, Quirks } from './provider.ts'

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Sets `reasoning_content` of a delta or a message from the field that this host uses; true = it was set. What the host
 * sent stays beside it, but Mistral's array of parts, which no client of this wire takes for content.
 */
export function unifyReasoning(holder: Json, field: NonNullable<Quirks['reasoningField']>): boolean {
  if (field === 'content_parts') return splitParts(holder)
  if (typeof holder.reasoning_content === 'string' && holder.reasoning_content !== '') return false
  const said =
    field === 'reasoning' ? holder.reasoning : field === 'reasoning_details' ? detailsText(holder) : ''
  if (typeof said !== 'string' || said === '') return false
  holder.reasoning_content = said
  return true
}

function detailsText({ reasoning_details: details }: Json): string {
  if (!Array.isArray(details)) return ''
  return details
    .map(detail => (isObject(detail) && typeof detail.text === 'string' ? detail.text : ''))
    .join('')
}

const textsOf = (parts: readonly unknown[]): string =>
  parts.map(part => (isObject(part) && typeof part.text === 'string' ? part.text : '')).join('')

/**
 * Mistral: `content: [{type: "thinking", thinking: [{type: "text", text}]}, {type: "text", text}]`; Claude at Databricks:
 * `{type: "reasoning", summary: [{type: "summary_text", text}]}`. Parts of other kinds stay in an array.
 */
function splitParts(holder: Json): boolean {
  const parts = holder.content
  if (!Array.isArray(parts)) return false
  let thought = ''
  const rest: unknown[] = []
  for (const part of parts) {
    if (isObject(part) && part.type === 'thinking')
      thought += Array.isArray(part.thinking) ? textsOf(part.thinking) : String(part.thinking ?? '')
    else if (isObject(part) && part.type === 'reasoning')
      thought += Array.isArray(part.summary) ? textsOf(part.summary) : ''
    else rest.push(part)
  }
  if (thought !== '') holder.reasoning_content = thought
  const plain = rest.every(part => isObject(part) && part.type === 'text')
  holder.content = plain ? textsOf(rest) : rest
  if (holder.content === '' && thought !== '') holder.content = null
  return true
}

const OPEN = '<think>'
const CLOSE = '</think>'

/** A whole answer that opens with `<think>…</think>`. */
export function splitThinking(message: Json): boolean {
  const thinking = createThinking()
  if (!thinking.mend(message)) return false
  const held = thinking.end()
  for (const [name, text] of Object.entries(held ?? {}))
    message[name] = String(message[name] ?? '') + String(text)
  return true
}

export interface Thinking {
  /** Moves what stands between the tags to `reasoning_content`; true = the delta was changed. */
  mend(delta: Json): boolean
  /** What was held back because it might have become a tag. */
  end(): Json | undefined
}

/** Most text that an ending of `text` shares with the beginning of `tag`. */
function tagBegun(text: string, tag: string): number {
  for (let length = Math.min(text.length, tag.length - 1); length > 0; length--) {
    if (tag.startsWith(text.slice(-length))) return length
  }
  return 0
}

/** Only an answer that begins with the tag thinks; one that speaks of it later on just speaks. */
export function createThinking(): Thinking {
  let place: 'before' | 'inside' | 'gap' | 'after' = 'before'
  let held = ''
  let opened = false
  const out = { thought: '', said: '' }

  function take(piece: string): void {
    let text = held + piece
    held = ''
    if (place === 'before') {
      const begun = text.trimStart()
      if (begun.length < OPEN.length && OPEN.startsWith(begun)) {
        held = text
        return
      }
      place = begun.startsWith(OPEN) ? 'inside' : 'after'
      opened = place === 'inside'
      if (opened) text = begun.slice(OPEN.length)
    }
    if (place === 'inside') {
      if (opened && text !== '') {
        opened = false
        text = text.replace(/^\n/, '')
      }
      const close = text.indexOf(CLOSE)
      if (close < 0) {
        const kept = tagBegun(text, CLOSE)
        out.thought = text.slice(0, text.length - kept)
        held = kept === 0 ? '' : text.slice(-kept)
        return
      }
      out.thought = text.slice(0, close)
      place = 'gap'
      text = text.slice(close + CLOSE.length)
    }
    if (place === 'gap') {
      // the line ends between thought and answer belong to neither
      text = text.replace(/^\n+/, '')
      if (text !== '') place = 'after'
    }
    out.said = text
  }

  return {
    mend(delta) {
      const piece = delta.content
      if (typeof piece !== 'string' || piece === '' || (place === 'after' && held === '')) return false
      out.thought = ''
      out.said = ''
      take(piece)
      if (out.said === piece) return false
      delta.content = out.said === '' && out.thought !== '' ? null : out.said
      if (out.thought !== '') delta.reasoning_content = out.thought
      return true
    },
    end() {
      const rest = held
      held = ''
      if (rest === '') return undefined
      return place === 'inside' ? { reasoning_content: rest } : { content: rest }
    },
  }
}
