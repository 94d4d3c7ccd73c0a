/** Cohere's /v2/rerank (https://docs.cohere.com/reference/rerank): the request is spliced, the answer passes untouched. */
import { GatewayError } from '../../src/errors.ts'
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
    const meta = isObject(answer.meta) ? answer.meta : {}
    const billed = isObject(meta.billed_units) ? meta.billed_units.search_units : undefined
    const known = typeof billed === 'number' && Number.isSafeInteger(billed) && billed >= 0
    const usage = {
      inputTokens: 0,
      cacheReadInputTokens: 0,
      cacheCreationInputTokens: 0,
      outputTokens: 0,
      reasoningOutputTokens: 0,
      units: { kind: 'search', count: known ? billed : 0 },
    }
    return {
      usage: known ? usage : undefined,
      finishReason: 'stop',
      answerId: typeof answer.id === 'string' ? answer.id : undefined,
      textBytes: 0,
    }
  },
  // it has no stream
  tap: () => ({ event: () => ({}), cut: () => '', missing: () => '' }),
}
