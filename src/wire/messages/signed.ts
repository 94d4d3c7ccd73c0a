/** Who signed the thoughts of a Messages conversation. Asked by routing. */
import type { Body } from '../body.ts'
import { addFormats, GOOGLE_FORMAT, isGoogleSigned, sealOf } from '../signed.ts'
import { blocksOf } from './blocks.ts'
import { thoughtsOf } from './reasoning.ts'

type Json = Record<string, unknown>

/** Formats of the thinking blocks that are signed, and of what stands for other providers' signatures. */
export function signedInMessages({ json }: Body): ReadonlySet<string> {
  const formats = new Set<string>()
  for (const message of json.messages as Json[]) {
    if (message.role !== 'assistant') continue
    const { details, extras } = thoughtsOf(blocksOf(message.content))
    addFormats(formats, details)
    if ([...extras.values()].some(isGoogleSigned)) formats.add(GOOGLE_FORMAT)
  }
  return formats
}

/** The last thoughts that OpenAI sealed, in what stands for them here. */
export function sealedInMessages({ json }: Body): string | undefined {
  for (const message of (json.messages as Json[]).toReversed()) {
    if (message.role !== 'assistant') continue
    const sealed = sealOf(thoughtsOf(blocksOf(message.content)).details)
    if (sealed !== undefined) return sealed
  }
  return undefined
}
