/**
 * Thought signatures between chat and Gemini's wire. Google's own go through as they are; what another provider signed
 * (Claude's thinking, OpenAI's encrypted items) travels in the same place, packed, and is taken out on its way back.
 */
import { isObject } from '../extensions.ts'
import { GOOGLE_FORMAT } from '../signed.ts'

type Json = Readonly<Record<string, unknown>>

/** Begins what is packed. Fifteen bytes, so that in base64 they are the same twenty characters whatever follows. */
const MARK = 'switchgate.v1.['
const MARK_BASE64 = btoa(MARK)

/** What a `thoughtSignature` holds. */
export type Signed =
  /** Google's own, to go back to a Gemini model untouched. */
  | { readonly by: 'google'; readonly signature: string }
  /** Reasoning details of another provider. */
  | { readonly by: 'other'; readonly details: readonly Json[] }

/**
 * Details as a `thoughtSignature`: base64, because clients may decode it and encode it again (it is `bytes` in Google's
 * protocol). One that Gemini signed is its own signature.
 */
export function signatureOf(details: readonly Json[]): string {
  const [first] = details
  const own =
    details.length === 1 && first?.format === GOOGLE_FORMAT ? (first.signature ?? first.data) : undefined
  if (typeof own === 'string' && own !== '') return own
  const bytes = new TextEncoder().encode(`switchgate.v1.${JSON.stringify(details)}`)
  let binary = ''
  for (let at = 0; at < bytes.length; at += 8_192)
    binary += String.fromCharCode(...bytes.subarray(at, at + 8_192))
  return btoa(binary)
}

/** Was this signature packed by us? It means nothing to Gemini, which would refuse it. */
export const isPacked = (signature: unknown): boolean =>
  typeof signature === 'string' && signature.startsWith(MARK_BASE64)

/** Reads a `thoughtSignature`; undefined = there is none, or a client has changed what we packed. */
export function readSignature(signature: unknown): Signed | undefined {
  if (typeof signature !== 'string' || signature === '') return undefined
  if (!isPacked(signature)) return { by: 'google', signature }
  try {
    // pydantic, and so Google's Python client, writes bytes in the URL-safe alphabet
    const plain = signature.replaceAll('-', '+').replaceAll('_', '/')
    const bytes = Uint8Array.from(atob(plain), char => char.charCodeAt(0))
    const details: unknown = JSON.parse(new TextDecoder().decode(bytes).slice(MARK.length - 1))
    return Array.isArray(details) ? { by: 'other', details: details.filter(isObject) } : undefined
  } catch {
    return undefined
  }
}
