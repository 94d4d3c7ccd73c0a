/** What the decoder or the tap of one answer may use, and what it is to keep for the conversation's next request. Between send.ts and the adapters. */
import type { DecodeContext } from '../../providers/provider.ts'
import type { Deps } from '../deps.ts'
import type { Target } from '../route/plan.ts'
import { sealName } from '../route/seals.ts'
import type { Job } from './attempt.ts'

/** `request` = in the wire that the codec reads. Signatures of calls and the sealer of thoughts are kept where anything is. */
export function contextFor(
  { caller }: Job,
  { listing, credential }: Target,
  request: DecodeContext['request'],
  { clock, newId, signatures }: Deps,
): DecodeContext {
  const { lineage } = caller.key
  return {
    offer: listing.offer,
    created: Math.floor(clock.now() / 1000),
    newId,
    keepSignature: signatures && ((callId, signature) => signatures.keep(lineage, callId, signature)),
    keepSeal:
      signatures && credential && (sealed => signatures.keep(lineage, sealName(sealed), credential.id)),
    quirks: listing.site.quirks,
    request,
  }
}
