/** Who signed the thoughts of a Responses conversation, and which were sealed last. Asked by routing. */
import type { Body } from '../body.ts'
import { isObject } from '../extensions.ts'
import { addFormats, GOOGLE_FORMAT, isGoogleSigned, sealOf } from '../signed.ts'
import { openKept } from './reasoning.ts'

/** Formats of what our reasoning items hold; OpenAI's own are sealed for it alone. */
export function signedInInput({ json }: Body): ReadonlySet<string> {
  const formats = new Set<string>()
  for (const item of Array.isArray(json.input) ? json.input : []) {
    if (!isObject(item) || item.type !== 'reasoning') continue
    const kept = openKept(item.encrypted_content)
    addFormats(formats, kept?.details)
    if (Object.values(kept?.calls ?? {}).some(isGoogleSigned)) formats.add(GOOGLE_FORMAT)
  }
  return formats
}

/** The last that OpenAI sealed: its own items, or what stands in ours. */
export function sealedInInput({ json }: Body): string | undefined {
  const items = Array.isArray(json.input) ? (json.input as unknown[]) : []
  for (const item of items.toReversed()) {
    if (!isObject(item) || item.type !== 'reasoning' || typeof item.encrypted_content !== 'string') continue
    const kept = openKept(item.encrypted_content)
    const sealed = kept === undefined ? item.encrypted_content : sealOf(kept.details)
    if (sealed !== undefined) return sealed
  }
  return undefined
}
