/**
 * What a model needs back of its own thoughts, carried by the caller: `encrypted_content` of a reasoning item.
 * Nothing is stored here, so the item holds the chat message's members as the provider wrote them, signatures included.
 */
import { isObject } from '../extensions.ts'

/** Members of a chat message that go back as they came. */
export interface Kept {
  /** `reasoning_details`: blocks with their signatures. */
  readonly details?: readonly unknown[]
  /** `reasoning_content`, of hosts that want plain text back and sign nothing. */
  readonly text?: string
  /** `extra_content` of tool calls, by call id: where Gemini's signatures of calls are. */
  readonly calls?: Readonly<Record<string, unknown>>
}

/** Tells our items from OpenAI's own: those are sealed for their organisation and mean nothing to anybody else. */
const MARK = 'sgate1.'

/** Kept members → text that a caller hands back untouched; base64 of UTF-8 JSON, not a secret. */
export function sealKept(kept: Kept): string {
  let binary = ''
  for (const byte of new TextEncoder().encode(JSON.stringify(kept))) binary += String.fromCharCode(byte)
  return MARK + btoa(binary)
}

/** The members that `sealKept` put in; undefined for anything else. */
export function openKept(sealed: unknown): Kept | undefined {
  if (typeof sealed !== 'string' || !sealed.startsWith(MARK)) return undefined
  try {
    const bytes = Uint8Array.from(atob(sealed.slice(MARK.length)), char => char.charCodeAt(0))
    const json: unknown = JSON.parse(new TextDecoder().decode(bytes))
    if (!isObject(json)) return undefined
    const { details, text, calls } = json
    return {
      ...(Array.isArray(details) && { details }),
      ...(typeof text === 'string' && { text }),
      ...(isObject(calls) && { calls }),
    }
  } catch {
    return undefined
  }
}

/**
 * Streamed pieces of `reasoning_details` → whole blocks: pieces of one `index` belong together until a signature closes
 * them. Takes the pieces as they come; the list it gives back is the one that goes into `Kept`.
 */
export function addDetails(blocks: Record<string, unknown>[], pieces: unknown): void {
  for (const piece of Array.isArray(pieces) ? pieces : []) {
    if (!isObject(piece)) continue
    const last = blocks.at(-1)
    const same =
      last !== undefined && last.type === piece.type && last.index === piece.index && last.id === piece.id
    if (!same || piece.type === 'reasoning.encrypted' || typeof last.signature === 'string') {
      blocks.push({ ...piece })
      continue
    }
    for (const [name, value] of Object.entries(piece)) {
      const grows = name === 'text' || name === 'summary'
      if (grows && typeof value === 'string' && typeof last[name] === 'string') last[name] += value
      else if (value !== null && value !== undefined) last[name] = value
    }
  }
}

/** Text of details, for hosts that send no plain form beside them. */
export function textOfDetails(details: unknown): string {
  let text = ''
  for (const detail of Array.isArray(details) ? details : []) {
    if (!isObject(detail)) continue
    if (typeof detail.text === 'string') text += detail.text
    else if (typeof detail.summary === 'string') text += detail.summary
  }
  return text
}
