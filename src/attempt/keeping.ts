/** What is kept of an answer for the conversation's next request: signatures of tool calls, and with which credential thoughts were sealed. */
import type { DecodeContext } from '../../providers/provider.ts'
import type { Signatures } from '../deps.ts'
import type { Target } from '../route/plan.ts'
import { sealName } from '../route/seals.ts'
import type { Caller } from '../terms.ts'

/** For the decoder or the tap of one answer; nothing where nothing is kept. */
export function keeping(
  signatures: Signatures | undefined,
  { key: { lineage } }: Caller,
  { credential }: Target,
): Pick<DecodeContext, 'keepSignature' | 'keepSeal'> {
  if (signatures === undefined) return {}
  return {
    keepSignature: (callId, signature) => signatures.keep(lineage, callId, signature),
    keepSeal: sealed => {
      if (credential !== undefined) signatures.keep(lineage, sealName(sealed), credential.id)
    },
  }
}
