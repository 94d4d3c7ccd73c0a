/**
 * Reasoning between chat and Messages. Claude's own signatures go through as they are; what another provider signed
 * (Gemini's thoughts, OpenAI's encrypted items) travels inside a thinking block and is taken out again on its way back.
 */
import { isObject } from '../extensions.ts'

type Json = Record<string, unknown>

/** `format` of reasoning details that hold Claude's signatures (OpenRouter's name for it). */
const CLAUDE = 'anthropic-claude-v1'
/** Begins what we put where Claude puts a signature. No signature of Claude's holds a dot: they are base64. */
const PREFIX = 'switchgate.v1.'

/** Base64 of JSON text in UTF-8. */
function packed(value: Json): string {
  const bytes = new TextEncoder().encode(JSON.stringify(value))
  let binary = ''
  for (let at = 0; at < bytes.length; at += 8_192)
    binary += String.fromCharCode(...bytes.subarray(at, at + 8_192))
  return PREFIX + btoa(binary)
}

function unpacked(text: unknown): Json | undefined {
  if (typeof text !== 'string' || !text.startsWith(PREFIX)) return undefined
  try {
    const bytes = Uint8Array.from(atob(text.slice(PREFIX.length)), char => char.charCodeAt(0))
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    return isObject(value) ? value : undefined
  } catch {
    // A client that changed it has lost it, as with every signature.
    return undefined
  }
}

/** Is this a thinking block that Claude did not make? It would be refused there. */
export function isForeignThinking(block: unknown): boolean {
  if (!isObject(block)) return false
  const sign = block.type === 'thinking' ? block.signature : block.data
  if (block.type !== 'thinking' && block.type !== 'redacted_thinking') return false
  return sign === '' || sign == null || (typeof sign === 'string' && sign.startsWith(PREFIX))
}

/** The `signature` that stands for a signed detail; the text itself is the block's. '' = nothing is signed. */
export function signatureFor(detail: Json): string {
  const { text: _, summary: __, ...rest } = detail
  if (typeof rest.signature !== 'string' || rest.signature === '') return ''
  return rest.format === undefined || rest.format === null || rest.format === CLAUDE
    ? rest.signature
    : packed(rest)
}

/** A detail without readable text → a `redacted_thinking` block; undefined when there is nothing to keep. */
export function redactedBlock(detail: Json): Json | undefined {
  if (typeof detail.data !== 'string' || detail.data === '') return undefined
  const plain = (detail.format == null || detail.format === CLAUDE) && detail.id == null
  return { type: 'redacted_thinking', data: plain ? detail.data : packed(detail) }
}

/** What a provider wants back beside a tool call (`extra_content`), as a block of its own. */
export function callBlock(id: string, extraContent: Json): Json {
  return { type: 'redacted_thinking', data: packed({ tool_call_id: id, extra_content: extraContent }) }
}

export interface Thoughts {
  /** `reasoning_content`: all the text. */
  readonly text: string
  /** `reasoning_details`, one for each block that was signed or has text. */
  readonly details: readonly Json[]
  /** Tool-call id → its `extra_content`. */
  readonly extras: ReadonlyMap<string, Json>
}

/** Thinking blocks of an assistant turn → what chat calls them. */
export function thoughtsOf(blocks: readonly Json[]): Thoughts {
  let text = ''
  const details: Json[] = []
  const extras = new Map<string, Json>()
  for (const block of blocks) {
    const index = details.length
    if (block.type === 'thinking') {
      const said = typeof block.thinking === 'string' ? block.thinking : ''
      text += said
      const kept = unpacked(block.signature)
      if (kept) details.push({ ...kept, type: 'reasoning.text', text: said, index })
      else if (typeof block.signature === 'string' && block.signature !== '')
        details.push({
          type: 'reasoning.text',
          text: said,
          signature: block.signature,
          format: CLAUDE,
          index,
        })
    } else if (block.type === 'redacted_thinking') {
      const kept = unpacked(block.data)
      if (kept && typeof kept.tool_call_id === 'string' && isObject(kept.extra_content))
        extras.set(kept.tool_call_id, kept.extra_content)
      else if (kept) details.push({ ...kept, index })
      else if (typeof block.data === 'string')
        details.push({ type: 'reasoning.encrypted', data: block.data, format: CLAUDE, index })
    }
  }
  return { text, details, extras }
}
