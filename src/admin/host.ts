/** What concerns the gateway itself: sealing it, its admin token, a backup of its database. */
import { z } from 'zod'
import { type AdminRoute, withBody } from './route.ts'

const backupSchema = z.strictObject({
  path: z
    .string({ error: 'must be a path' })
    .regex(/^(\/|[A-Za-z]:[\\/]).+/, 'must be an absolute path on the machine of the gateway')
    .max(4096),
})

export const hostRoutes: readonly AdminRoute[] = [
  {
    method: 'POST',
    path: '/seal',
    summary: 'Forget the master key in memory: everything answers 503 `sealed` until a restart.',
    response: z.object({ sealed: z.literal(true) }),
    handle(deps) {
      deps.vault.seal()
      deps.log('warn', 'vault_sealed')
      return { json: { sealed: true } }
    },
  },
  {
    method: 'POST',
    path: '/admin-token/reset',
    summary: 'A new admin token, shown once; the old one and every session end. Local only.',
    response: z.object({ admin_token: z.string() }),
    localOnly: true,
    handle: async deps => ({ json: { admin_token: await deps.resetAdminToken() } }),
  },
  withBody({
    method: 'POST',
    path: '/backup',
    summary: 'Copy the database to a new file on the machine of the gateway. Local only.',
    body: backupSchema,
    response: z.object({ path: z.string() }),
    localOnly: true,
    async handle(deps, call) {
      await deps.ledger.fold()
      await deps.store.backup(call.body.path)
      return { json: { path: call.body.path } }
    },
  }),
]
