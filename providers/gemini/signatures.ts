/** Thought signatures between the two wires: where a chat message carries them, and how they come back. Used by encode and decode. */
import type { Json } from '../provider.ts'
import { isObject } from './params.ts'

/** `format` of reasoning details (OpenRouter's name for it), so that no other model's signature is sent to Gemini. */
export const SIGNATURE_FORMAT = 'google-gemini-v1'

/** Stands in for a signature that never was: https://ai.google.dev/gemini-api/docs/thought-signatures. */
export const SKIP_SIGNATURE = 'skip_thought_signature_validator'

/** Signatures are base64 in protobuf's JSON: anything else would be refused for the whole request. */
const isSignature = (value: unknown): value is string =>
  typeof value === 'string' && /^[A-Za-z0-9+/_-]+={0,2}$/.test(value)

/** `extra_content` of a tool call, as Google's own OpenAI-compatible endpoint writes it. */
export const extraContent = (signature: string): Json => ({ google: { thought_signature: signature } })

export interface Signatures {
  /** Signed thoughts: they go back as they came. Unsigned ones are not needed again and stay out. */
  readonly thoughts: readonly { readonly text: string; readonly thoughtSignature: string }[]
  /** Signatures of text parts, in order. */
  readonly texts: readonly string[]
}

/** Reads `reasoning_details` of an assistant message; entries bound to a tool call (`id`) are left to `signatureOf`. */
export function readSignatures(message: Json): Signatures {
  const thoughts: { text: string; thoughtSignature: string }[] = []
  const texts: string[] = []
  for (const detail of detailsOf(message)) {
    if (detail.type === 'reasoning.text' && isSignature(detail.signature)) {
      const text = typeof detail.text === 'string' ? detail.text : ''
      thoughts.push({ text, thoughtSignature: detail.signature })
    } else if (
      detail.type === 'reasoning.encrypted' &&
      isSignature(detail.data) &&
      !ofCall(message, detail)
    ) {
      texts.push(detail.data)
    }
  }
  return { thoughts, texts }
}

/** The signature of one entry of `tool_calls`: from its `extra_content`, or from a reasoning detail that has the call's id. */
export function signatureOf(message: Json, entry: Json): string | undefined {
  if (isObject(entry.extra_content) && isObject(entry.extra_content.google)) {
    const signature = entry.extra_content.google.thought_signature
    if (isSignature(signature)) return signature
  }
  if (typeof entry.id !== 'string' || entry.id === '') return undefined
  const bound = detailsOf(message).find(d => d.type === 'reasoning.encrypted' && d.id === entry.id)
  return isSignature(bound?.data) ? bound.data : undefined
}

function detailsOf(message: Json): Json[] {
  const details = Array.isArray(message.reasoning_details) ? message.reasoning_details : []
  return details.filter(isObject).filter(detail => detail.format === SIGNATURE_FORMAT)
}

const ofCall = (message: Json, detail: Json): boolean =>
  Array.isArray(message.tool_calls) &&
  message.tool_calls.some(call => isObject(call) && call.id === detail.id && detail.id !== undefined)
