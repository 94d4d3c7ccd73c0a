/** What a caller is told when nobody is left to ask. Part of planning, pure. */
import { GatewayError } from '../errors.ts'
import type { Key } from '../terms.ts'
import { CONTEXT, ELSEWHERE, FORBIDDEN, HOSTED, keyAllows, NOT_FOR, UNPRICED } from './able.ts'
import { nameOf, serves } from './codec.ts'
import type { Excluded, RouteDeps, Wanted } from './plan.ts'

const shown = (name: string) => (name.length > 100 ? `${name.slice(0, 100)}…` : name)

/** The model exists but does something else: says who does what was asked. */
function notFor({ model, operation = 'chat' }: Wanted, key: Key, { market }: RouteDeps): GatewayError {
  const able = market.listings.filter(l => serves(l, operation) && keyAllows(key, l, undefined))
  const names = [...new Set(able.map(l => l.offer.model))]
  const list = `${names.slice(0, 5).join(', ')}${names.length > 5 ? ', …' : ''}`
  const cure = names.length > 0 ? `Here these are: ${list}.` : 'No model here is.'
  return new GatewayError('invalid_request', `'${shown(model)}' is not for ${nameOf(operation)}. ${cure}`, {
    param: 'model',
  })
}

/** The error that names why all of them are out. `soonestMs` = when the first of those that wait may be asked, Infinity = none waits. */
export function nobodyLeft(
  wanted: Wanted,
  key: Key,
  excluded: readonly Excluded[],
  soonestMs: number,
  deps: RouteDeps,
): GatewayError {
  if (excluded.length > 0 && excluded.every(e => e.reason.startsWith(NOT_FOR)))
    return notFor(wanted, key, deps)
  const model = shown(wanted.model)
  if (Number.isFinite(soonestMs)) {
    const retryAfterMs = Math.max(1000, soonestMs - deps.nowMs)
    return new GatewayError('no_candidate', `Every provider of '${model}' asked to be left alone for now.`, {
      retryAfterMs,
    })
  }
  // a rule of an alias stands for models that nobody sells here
  if (excluded.length === 0) {
    const message = `What '${model}' stands for in a request like this is not for sale here.`
    return new GatewayError('unknown_model', message, { param: 'model' })
  }
  const only = (...reasons: string[]) =>
    excluded.length > 0 && excluded.every(e => reasons.includes(e.reason))
  if (only(FORBIDDEN))
    return new GatewayError('forbidden', `This key may not use the model '${model}'.`, { param: 'model' })
  if (only(FORBIDDEN, ELSEWHERE)) {
    const where = key.regions?.length ? `in ${shown(key.regions.join(', '))}` : 'in no region at all'
    const message = `This key may only use providers ${where}, and nobody there sells '${model}' (providers.<name>.region says where one is).`
    return new GatewayError('forbidden', message, { param: 'model', code: 'region_not_allowed' })
  }
  if (only(FORBIDDEN, UNPRICED)) {
    const message = `The price of '${model}' is unknown and this key has a budget. Set input_usd_per_mtok and output_usd_per_mtok for it in switchgate.yaml.`
    return new GatewayError('model_unpriced', message, { param: 'model' })
  }
  if (wanted.hosted && excluded.some(e => e.reason === HOSTED))
    return new GatewayError('invalid_request', wanted.hosted.message, { param: wanted.hosted.param })
  const reasons = [...new Set(excluded.map(e => `${e.provider}: ${e.reason}`))].slice(0, 8).join('; ')
  if (excluded.some(e => e.reason === CONTEXT)) {
    const message = `The request is too long for '${model}' at every provider (${reasons}).`
    return new GatewayError('context_length', message, { param: 'messages' })
  }
  return new GatewayError(
    'invalid_request',
    `No provider of '${model}' can serve this request (${reasons}).`,
    { param: 'model' },
  )
}
