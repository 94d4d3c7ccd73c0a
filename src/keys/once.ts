/** A top-up that is sent again counts once: the `Idempotency-Key` that its sender gave it is stored in one step with the money. For the books of keys and projects. */
import { GatewayError } from '../errors.ts'
import { usdFromNano } from '../price.ts'
import type { Op, Store } from '../store/store.ts'

/**
 * What to commit together with a top-up of this holder (`key.<lineage>`, `project.<id>`); 'done' = it was made before.
 * Throws 409 `conflict` when it was another amount's. Call it in the holder's turn.
 */
export async function topUpNote(
  store: Pick<Store, 'setting'>,
  holder: string,
  nanoUsd: number,
  once: string | undefined,
): Promise<readonly Op[] | 'done'> {
  if (once === undefined) return []
  const name = `top_up.${holder}.${once}`
  const before = await store.setting(name)
  if (before === undefined) return [{ op: 'put_setting', name, value: String(nanoUsd) }]
  if (before === String(nanoUsd)) return 'done'
  const message = `This key was used for a top-up of $${usdFromNano(Number(before))}: give another top-up another one.`
  throw new GatewayError('invalid_request', message, {
    code: 'conflict',
    status: 409,
    param: 'Idempotency-Key',
  })
}
