/** Who signed the thoughts of a conversation in Gemini's wire. Asked by routing. */
import type { Body } from '../body.ts'
import { addFormats, GOOGLE_FORMAT } from '../signed.ts'
import { field, listField } from './proto.ts'
import { readSignature } from './signatures.ts'

/** Google, where its own signatures stand, and whoever signed what is packed in others. */
export function signedInContents({ json }: Body): ReadonlySet<string> {
  const formats = new Set<string>()
  for (const content of listField(json, 'contents'))
    for (const part of listField(content, 'parts')) {
      const signed = readSignature(field(part, 'thoughtSignature'))
      if (signed?.by === 'google') formats.add(GOOGLE_FORMAT)
      else addFormats(formats, signed?.details)
    }
  return formats
}
