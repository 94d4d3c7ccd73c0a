/** Opens what an operator keeps: keys, projects, the admin token. Used by open.ts. */
import type { Clock, Log } from '../../deps.ts'
import { type AdminGate, createAdminGate } from '../../keys/admin.ts'
import { createKeyBook, type KeyBook } from '../../keys/book.ts'
import { createProjectBook, type ProjectBook } from '../../keys/projects.ts'
import type { Store } from '../../store/store.ts'
import type { OpenVault } from '../../vault/vault.ts'
import { createKeyHmac, createSessionHmac, nodeRandomBytes } from './digest.ts'
import type { Settings } from './settings.ts'

export interface Books {
  readonly keys: KeyBook
  readonly projects: ProjectBook
  readonly adminGate: AdminGate
  /** Keyed hash of a text, hex. */
  readonly sessionHmac: (text: string) => string
}

/** Rejects when the store cannot be read or the configured admin token is unusable. */
export async function openBooks(input: {
  store: Store
  vault: OpenVault
  settings: Settings
  clock: Clock
  log: Log
  makesToken: boolean
}): Promise<Books> {
  const { store, vault, settings, clock, log } = input
  const keyring = () => vault.keyring()
  const sessionHmac = createSessionHmac(keyring)
  const projects = await createProjectBook({ store, clock, randomBytes: nodeRandomBytes, log })
  const keys = await createKeyBook({
    store,
    project: projects.get,
    peppers: [...keyring().peppers.keys()],
    hmac: createKeyHmac(keyring),
    clock,
    env: settings.environment,
    randomBytes: nodeRandomBytes,
    log,
  })
  const adminGate = await createAdminGate({
    store,
    hmac: sessionHmac,
    randomBytes: nodeRandomBytes,
    configured: settings.env.SWITCHGATE_ADMIN_TOKEN || undefined,
    mayMake: input.makesToken,
  })
  return { keys, projects, adminGate, sessionHmac }
}
