/** The command line's gateway when none runs: the same admin plane over the same folder, in this process, without listeners. */
import { createRedactor } from '../../redact.ts'
import { createLog } from './log.ts'
import { openGateway } from './open.ts'
import { type Env, readSettings } from './settings.ts'
import { proveConfig } from './supply.ts'

export interface Offline {
  fetch(request: Request): Promise<Response>
  close(): Promise<void>
}

/** Throws FolderInUse when a gateway holds the folder after all. */
export async function openOffline(env: Env): Promise<Offline> {
  const redactor = createRedactor()
  const log = createLog({
    level: 'error',
    format: 'pretty',
    scrub: text => redactor.scrub(text),
    secrets: () => redactor.count,
    write: text => process.stderr.write(text),
    backlog: () => 0,
  })
  const settings = readSettings(env)
  proveConfig(settings)
  const gateway = await openGateway({ settings, log, redactor, makesToken: false })
  await gateway.supply.look(gateway.deps.send)
  return {
    fetch: async request => gateway.admin.fetch(request, { trusted: true }),
    close: () => gateway.close(),
  }
}
