/** The admin plane's one table: `createAdmin` serves it, the OpenAPI document and the docs page are made of it. */
import { auditRoutes } from './audit.ts'
import { catalogRoutes } from './catalog.ts'
import { configRoutes } from './config.ts'
import { credentialRoutes } from './credentials.ts'
import { explainRoutes } from './explain.ts'
import { hostRoutes } from './host.ts'
import { keyRoutes } from './keys.ts'
import { ledgerRoutes } from './ledger.ts'
import { projectRoutes } from './projects.ts'
import { requestRoutes } from './requests.ts'
import type { AdminRoute } from './route.ts'
import { spendRoutes } from './spend.ts'
import { targetRoutes } from './targets.ts'
import { vaultRoutes } from './vault.ts'

export const ADMIN_ROUTES: readonly AdminRoute[] = [
  ...keyRoutes,
  ...projectRoutes,
  ...credentialRoutes,
  ...spendRoutes,
  ...requestRoutes,
  ...ledgerRoutes,
  ...targetRoutes,
  ...explainRoutes,
  ...catalogRoutes,
  ...configRoutes,
  ...auditRoutes,
  ...hostRoutes,
  ...vaultRoutes,
]
