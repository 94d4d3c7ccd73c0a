/** `/admin/v1/keys`: made, listed, changed, rotated, suspended, resumed, revoked. */
import { GatewayError } from '../errors.ts'
import type { KeyUse } from '../store/store.ts'
import type { Key } from '../terms.ts'
import { nanoFromUsd } from '../price.ts'
import { keyWire, type LineageUse, usesByLineage } from '../wire/account.ts'
import { isoOrNull } from '../wire/plain.ts'
import { checkShown, topUpSchema } from './budget-schema.ts'
import type { AdminDeps } from './deps.ts'
import { createKeySchema, draftOf, patchKeySchema, rotateKeySchema } from './key-schema.ts'
import { policyWarnings } from './key-names.ts'
import { checkLimits, NO_LIMITS } from './limit-schema.ts'
import { pageOf } from './page.ts'
import { type AdminAnswer, type AdminCall, type AdminRoute, withBody } from './route.ts'
import { changedKeyShape, keyShape, listOf, mintedKeyShape, rotatedKeyShape, spendShape } from './shapes.ts'
import { SPEND_PARAMETERS, spendAnswer } from './spend.ts'

/** The key with this id. Throws 404 `not_found`. */
export function keyOf(deps: AdminDeps, id: string): Key {
  const key = deps.keys.get(id)
  if (key !== undefined) return key
  throw new GatewayError('not_found', `there is no key ${JSON.stringify(id.slice(0, 40))}`, { param: 'id' })
}

/** Last use and total spend of every key, up to this moment. */
export async function keyUses(deps: AdminDeps): Promise<ReadonlyMap<string, KeyUse>> {
  await deps.ledger.fold()
  return new Map((await deps.store.keyUse()).map(use => [use.keyId, use]))
}

/** As `keyUses`, with what each key's whole lineage has spent. */
export async function lineageUses(deps: AdminDeps): Promise<ReadonlyMap<string, LineageUse>> {
  await deps.ledger.fold()
  return usesByLineage(deps.keys.list(), await deps.store.keyUse())
}

/** The key and its kin. */
export const kinIdsOf = (deps: AdminDeps, { lineage }: Key): readonly string[] =>
  deps.keys.lineage(lineage).map(({ id }) => id)

/** All keys, newest first. */
export function keysNewestFirst(deps: AdminDeps): readonly Key[] {
  return deps.keys.list().toSorted((a, b) => b.createdAtMs - a.createdAtMs || (a.id < b.id ? -1 : 1))
}

async function wireOf(deps: AdminDeps, key: Key): Promise<Record<string, unknown>> {
  const uses = await lineageUses(deps)
  return keyWire(key, deps.ledger.usageOf(key), uses.get(key.id), deps.clock.now())
}

async function list(deps: AdminDeps, call: AdminCall<unknown>): Promise<AdminAnswer> {
  const page = pageOf(keysNewestFirst(deps), key => key.id, call.query)
  const uses = await lineageUses(deps)
  const now = deps.clock.now()
  const data = page.data.map(key => keyWire(key, deps.ledger.usageOf(key), uses.get(key.id), now))
  return { json: { data, next_cursor: page.nextCursor } }
}

/** Changes the status and answers with the key. Throws 404, and 409 for a revoked key. */
export async function setKeyStatus(deps: AdminDeps, id: string, status: Key['status']): Promise<Key> {
  keyOf(deps, id)
  const key = await deps.keys.setStatus(id, status)
  return key ?? keyOf(deps, id)
}

/** `warnings` of an answer, absent where there are none. */
export const warned = (warnings: readonly string[]) => (warnings.length === 0 ? {} : { warnings })

function statusRoute(
  verb: 'revoke' | 'suspend' | 'resume',
  status: Key['status'],
  summary: string,
): AdminRoute {
  return {
    method: 'POST',
    path: `/keys/:id/${verb}`,
    summary,
    response: keyShape,
    async handle(deps, call) {
      return { json: await wireOf(deps, await setKeyStatus(deps, call.params.id ?? '', status)) }
    },
  }
}

export const keyRoutes: readonly AdminRoute[] = [
  withBody({
    method: 'POST',
    path: '/keys',
    summary: 'Make a key. Its text is in `key`, here and never again.',
    body: createKeySchema,
    needsBody: true,
    response: mintedKeyShape,
    status: 201,
    async handle(deps, call) {
      const draft = draftOf(call.body, deps.clock.now())
      checkLimits(NO_LIMITS, draft.limits)
      checkShown(call.body.budgets, [], deps.clock.now())
      const warnings = policyWarnings(draft, deps)
      const minted = await deps.keys.create(draft)
      const { id, ...rest } = await wireOf(deps, minted.key)
      return { json: { id, key: minted.text, ...rest, ...warned(warnings) } }
    },
  }),
  {
    method: 'GET',
    path: '/keys',
    summary: 'All keys, newest first.',
    query: { cursor: 'next_cursor of the page before', limit: '1–500, default 50' },
    response: listOf(keyShape),
    handle: list,
  },
  {
    method: 'GET',
    path: '/keys/:id',
    summary: 'One key with its budgets as they stand now.',
    response: keyShape,
    handle: async (deps, call) => ({ json: await wireOf(deps, keyOf(deps, call.params.id ?? '')) }),
  },
  withBody({
    method: 'PATCH',
    path: '/keys/:id',
    summary: 'Change a key: absent = unchanged, null = cleared; a budget of the same window keeps its spend.',
    body: patchKeySchema,
    response: changedKeyShape,
    async handle(deps, call) {
      const key = keyOf(deps, call.params.id ?? '')
      const draft = draftOf(call.body, deps.clock.now(), key.budgets)
      checkLimits(key.limits, draft.limits)
      checkShown(call.body.budgets, key.budgets, deps.clock.now())
      const warnings = policyWarnings(draft, deps, key)
      const changed = await deps.keys.patch(key.id, draft)
      return { json: { ...(await wireOf(deps, changed ?? keyOf(deps, key.id))), ...warned(warnings) } }
    },
  }),
  {
    method: 'GET',
    path: '/keys/:id/spend',
    summary: 'The spend of a key and of those that it replaced or that replaced it, JSON or CSV by `Accept`.',
    query: SPEND_PARAMETERS,
    response: spendShape,
    csv: true,
    handle: (deps, call) =>
      spendAnswer(deps, call, ['model'], kinIdsOf(deps, keyOf(deps, call.params.id ?? ''))),
  },
  withBody({
    method: 'POST',
    path: '/keys/:id/rotate',
    summary:
      'A successor that shares budgets and limits; the old key ends after `grace_seconds` (default 0).',
    body: rotateKeySchema,
    response: rotatedKeyShape,
    status: 201,
    async handle(deps, call) {
      const old = keyOf(deps, call.params.id ?? '')
      const minted = await deps.keys.rotate(old.id, call.body.grace_seconds)
      if (minted === undefined) keyOf(deps, old.id)
      const { key, text, replaced } = minted ?? { key: old, text: '', replaced: old }
      const { id, ...rest } = await wireOf(deps, key)
      const replaces = { replaces: replaced.id, replaces_expires_at: isoOrNull(replaced.expiresAtMs) }
      return { json: { id, key: text, ...rest, ...replaces } }
    },
  }),
  withBody({
    method: 'POST',
    path: '/keys/:id/top-up',
    summary: 'Add to the prepaid budget (`total`) of the key and its kin.',
    body: topUpSchema,
    once: 'The same top-up sent again with the same key (any text of your own) counts once.',
    response: keyShape,
    async handle(deps, call) {
      const key = keyOf(deps, call.params.id ?? '')
      const changed = await deps.keys.topUp(key.id, nanoFromUsd(call.body.usd), call.once)
      return { json: await wireOf(deps, changed ?? key) }
    },
  }),
  statusRoute('revoke', 'revoked', 'End a key for good; in force when this answers.'),
  statusRoute('suspend', 'suspended', 'Refuse a key until it is resumed; in force when this answers.'),
  statusRoute('resume', 'active', 'Let a suspended key work again.'),
]
