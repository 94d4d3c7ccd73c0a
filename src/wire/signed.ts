/** Who signed thoughts that a conversation holds: formats of reasoning details, in OpenRouter's names. Asked by routing. */
import type { Body } from './body.ts'
import { isObject } from './extensions.ts'

type Json = Readonly<Record<string, unknown>>

export const CLAUDE_FORMAT = 'anthropic-claude-v1'
export const GOOGLE_FORMAT = 'google-gemini-v1'

/** Adds the format of each detail that is signed; a detail that names none is Claude's. */
export function addFormats(formats: Set<string>, details: unknown): void {
  for (const detail of Array.isArray(details) ? details : []) {
    if (!isObject(detail)) continue
    const { signature, data, format } = detail
    const isSigned = [signature, data].some(value => typeof value === 'string' && value !== '')
    if (isSigned) formats.add(typeof format === 'string' ? format : CLAUDE_FORMAT)
  }
}

/** Is there a signature of Google's beside a tool call? */
export const isGoogleSigned = (extra: unknown): boolean =>
  isObject(extra) && isObject(extra.google) && typeof extra.google.thought_signature === 'string'

/** The formats in the messages of a chat body. */
export function signedInChat({ json }: Body): ReadonlySet<string> {
  const formats = new Set<string>()
  for (const message of Array.isArray(json.messages) ? (json.messages as Json[]) : []) {
    addFormats(formats, message.reasoning_details)
    const calls = Array.isArray(message.tool_calls) ? message.tool_calls : []
    if (calls.some(call => isObject(call) && isGoogleSigned(call.extra_content))) formats.add(GOOGLE_FORMAT)
  }
  return formats
}
