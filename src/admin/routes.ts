/** The admin plane's one table: `createAdmin` serves it, the OpenAPI document and the docs page are made of it. */
import { z } from 'zod'
import { credentialRoutes } from './credentials.ts'
import { keyRoutes } from './keys.ts'
import { requestRoutes } from './requests.ts'
import type { AdminRoute } from './route.ts'
import { spendRoutes } from './spend.ts'
import { targetRoutes } from './targets.ts'

const sealRoutes: readonly AdminRoute[] = [
  {
    method: 'POST',
    path: '/seal',
    summary: 'Forget the master key in memory: everything answers 503 `sealed` until a restart.',
    response: z.object({ sealed: z.literal(true) }),
    handle(deps) {
      deps.vault.seal()
      deps.log('warn', 'vault.sealed')
      return { json: { sealed: true } }
    },
  },
]

export const ADMIN_ROUTES: readonly AdminRoute[] = [
  ...keyRoutes,
  ...credentialRoutes,
  ...spendRoutes,
  ...requestRoutes,
  ...targetRoutes,
  ...sealRoutes,
]
