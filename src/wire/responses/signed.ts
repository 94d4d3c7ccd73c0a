/** Who signed the thoughts of a Responses conversation. Asked by routing. */
import type { Body } from '../body.ts'
import { isObject } from '../extensions.ts'
import { addFormats, GOOGLE_FORMAT, isGoogleSigned } from '../signed.ts'
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
