/** Who signed thoughts that a conversation holds: formats of reasoning details, in OpenRouter's names. Asked by routing. */
import type { Body } from './body.ts'
import { isObject } from './extensions.ts'

type Json = Readonly<Record<string, unknown>>

export const CLAUDE_FORMAT = 'anthropic-claude-v1'
export const GOOGLE_FORMAT = 'google-gemini-v1'

/** OpenAI's encrypted reasoning, in OpenRouter's name for it. */
export const SEALED_FORMAT = 'openai-responses-v1'

/** The last of these details that OpenAI sealed. */
export function sealOf(details: unknown): string | undefined {
  const sealed = (Array.isArray(details) ? details : []).findLast(
    detail => isObject(detail) && detail.format === SEALED_FORMAT && typeof detail.data === 'string',
  )
  return sealed === undefined ? undefined : String((sealed as Json).data)
}

/** The last that OpenAI sealed in the messages of a chat body. */
export function sealedInChat({ json }: Body): string | undefined {
  const messages = Array.isArray(json.messages) ? (json.messages as unknown[]) : []
  for (const message of messages.toReversed()) {
    const sealed = isObject(message) ? sealOf(message.reasoning_details) : undefined
    if (sealed !== undefined) return sealed
  }
  return undefined
}

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
