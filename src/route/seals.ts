/**
 * Sealed thoughts: OpenAI encrypts reasoning for one organisation, and a request with another's is refused
 * (`invalid_encrypted_content`), so a conversation that holds some goes on with the credential that got it. Last part of planning.
 */
import type { Signatures } from '../deps.ts'
import type { Caller } from '../terms.ts'
import type { Body } from '../wire/body.ts'
import type { Inbound } from '../wire/inbound.ts'
import type { Plan } from './plan.ts'

/** Random bytes stand at the beginning of what is sealed, and its check at the end. */
const ENDS_CHARS = 1_024

/** Under which the sealer of a text is kept, beside the signatures of calls: two 32-bit multiplicative hashes and the length. */
export function sealName(sealed: string): string {
  const text = sealed.slice(0, ENDS_CHARS) + sealed.slice(-ENDS_CHARS)
  let [a, b] = [0x9e3779b9, 0x85ebca6b]
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 0x01000193)
    b = Math.imul(b ^ code, 0x5bd1e995) ^ (b >>> 15)
  }
  return `seal ${sealed.length.toString(36)} ${(a >>> 0).toString(36)} ${(b >>> 0).toString(36)}`
}

/** The targets of the asked-for model with the credential that sealed the conversation's last thoughts come first, the others as they were. */
export function sealersFirst(
  plan: Plan,
  inbound: Pick<Inbound, 'sealedIn'>,
  body: Body,
  { key }: Caller,
  signatures: Signatures | undefined,
): Plan {
  const { targets } = plan
  const first = targets[0]
  if (first === undefined || targets.length < 2 || !signatures || !inbound.sealedIn) return plan
  const sealed = inbound.sealedIn(body)
  const sealer = sealed === undefined ? undefined : signatures.find(key.lineage, sealName(sealed))
  if (sealer === undefined) return plan
  const { model } = first.listing.offer
  const isSealer = ({ listing, credential }: typeof first) =>
    credential?.id === sealer && listing.offer.model === model
  return { ...plan, targets: [...targets.filter(isSealer), ...targets.filter(each => !isSealer(each))] }
}
