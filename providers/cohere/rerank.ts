/** Cohere's /v2/rerank (https://docs.cohere.com/reference/rerank): the request is spliced, the answer passes untouched. */
import { GatewayError } from '../../src/errors.ts'
import { usageOf } from '../../src/wire/metered/facts.ts'
import { searchUnits } from '../../src/wire/metered/units.ts'
import { splice } from '../../src/wire/splice.ts'
import type { NativeCodec } from '../provider.ts'
import { isObject } from './messages.ts'

/** Billed by the search: `meta.billed_units.search_units`. Callers of Voyage's form say `top_k` for `top_n`. */
export const rerank: NativeCodec = {
  encode({ body, offer, extensions }) {
    const set: Record<string, string> =
      body.json.model === offer.upstream ? {} : { model: JSON.stringify(offer.upstream) }
    const edits = { set, remove: extensions, rename: { top_k: 'top_n' } }
    return { path: '/rerank', body: splice(body, edits), headers: [], dropped: [] }
  },
  read(answer) {
    if (!isObject(answer) || !Array.isArray(answer.results))
      throw new GatewayError('malformed', 'the provider sent an answer without results')
    const units = searchUnits(answer)
    return {
      usage: units && usageOf(0, 0, units),
      finishReason: 'stop',
      answerId: typeof answer.id === 'string' ? answer.id : undefined,
      textBytes: 0,
    }
  },
  // it has no stream
  tap: () => ({ event: () => ({}), cut: () => '', missing: () => '' }),
}
