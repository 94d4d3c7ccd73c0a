/** What concerns the gateway itself: sealing it, its admin token, a backup of its database. */
import { z } from 'zod'
import { GatewayError } from '../errors.ts'
import { type AdminRoute, withBody } from './route.ts'

const backupSchema = z.strictObject({
  path: z
    .string({ error: 'must be a path' })
    .regex(/^(\/|[A-Za-z]:[\\/]).+/, 'must be an absolute path on the machine of the gateway')
    .max(4096),
})

/** What an operator can do about a file that cannot be written, by the system's code. */
const WRITE_CURES: Readonly<Record<string, string>> = {
  ENOENT: 'its folder does not exist: make it first',
  ENOTDIR: 'a part of the path is a file: name a file in a folder that exists',
  EEXIST: 'it exists already: name a new file',
  EISDIR: 'it is a folder: name a file in it',
  EACCES: 'the gateway may not write there: name a folder that its user may write to',
  EPERM: 'the gateway may not write there: name a folder that its user may write to',
  EROFS: 'that disk is read-only: name a folder on another one',
  ENOSPC: 'the disk is full: make room, or name a folder on another one',
  ENAMETOOLONG: 'the name is too long: name a shorter one',
}

/** A backup that could not be written, with its place and the reason; what the store itself refuses keeps its own words. */
function backupFailed(path: string, error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  const code = (error as { code?: unknown } | null)?.code
  const words = error instanceof Error ? error.message : String(error)
  const why = (typeof code === 'string' ? WRITE_CURES[code] : undefined) ?? words
  const options = { param: 'path', cause: error, ...(code === 'EEXIST' && { status: 409, code: 'conflict' }) }
  return new GatewayError('invalid_request', `no backup was made at ${path}: ${why}`, options)
}

export const hostRoutes: readonly AdminRoute[] = [
  {
    method: 'POST',
    path: '/seal',
    summary: 'Forget the master key in memory: everything answers 503 `sealed` until a restart.',
    response: z.object({ sealed: z.literal(true) }),
    audit: () => ({ action: 'vault.seal', target: 'vault', detail: {} }),
    async handle(deps) {
      // the log's key goes with the master key
      await deps.audit.settle()
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
    audit: ({ body }) => ({ action: 'database.backup', target: 'database', detail: { path: body.path } }),
    async handle(deps, call) {
      await deps.ledger.fold()
      await deps.store.backup(call.body.path).catch((error: unknown) => {
        throw backupFailed(call.body.path, error)
      })
      return { json: { path: call.body.path } }
    },
  }),
]
