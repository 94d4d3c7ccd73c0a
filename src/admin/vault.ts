/** `/admin/v1/vault`: what concerns the key above all secrets. */
import { z } from 'zod'
import { GatewayError } from '../errors.ts'
import { type AdminRoute, withBody } from './route.ts'

const rotateSchema = z.strictObject({
  key: z
    .string({ error: 'must be the new master key as text' })
    .max(4096, 'must be 32 bytes in base64')
    .optional(),
})

export const vaultRoutes: readonly AdminRoute[] = [
  withBody({
    method: 'POST',
    path: '/vault/rotate-master-key',
    summary:
      'Another master key: `key` (32 bytes, base64), or one that is made. Only the keyring is wrapped anew. Local only.',
    body: rotateSchema,
    response: z.object({
      from: z.string(),
      to: z.string(),
      path: z.string().nullable(),
      old_path: z.string().nullable(),
    }),
    localOnly: true,
    async handle(deps, call) {
      if (deps.rotateMasterKey === undefined)
        throw new GatewayError('invalid_request', 'here the master key is a secret of the platform', {
          code: 'not_supported',
        })
      const { from, to, path, oldPath } = await deps.rotateMasterKey(call.body.key)
      return { json: { from, to, path, old_path: oldPath } }
    },
  }),
]
