/** Where the listeners go: host and port, the variables that say so, and what is said when a place is not to be had. */
import type { Server } from 'node:http'
import { SettingsError } from './settings.ts'

/** Where a listener goes, and the variables that say so. */
export interface Place {
  readonly host: string
  readonly port: number
  readonly hostVariable: string
  readonly portVariable: string
}

/** A port that is not to be had now. */
export class PlaceTaken extends Error {
  override readonly name = 'PlaceTaken'
}

/** A listener's place that is not to be had, with the variable to change; anything else as it came. */
function placeFault({ host, port, hostVariable, portVariable }: Place, error: unknown): unknown {
  const code = (error as { code?: unknown } | null)?.code
  const cure = `Set ${hostVariable} to an address of this machine, as in 127.0.0.1 or 0.0.0.0.`
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return new SettingsError(`${hostVariable}: ${host} does not resolve to an address. ${cure}`)
  if (code === 'EADDRNOTAVAIL' || code === 'EINVAL' || code === 'EAFNOSUPPORT')
    return new SettingsError(`${hostVariable}: ${host} is not an address of this machine. ${cure}`)
  if (code === 'EADDRINUSE')
    return new PlaceTaken(
      `port ${port} is already in use. Stop what listens there, or set ${portVariable} to another one.`,
    )
  if (code === 'EACCES')
    return new PlaceTaken(`may not listen on port ${port}: set ${portVariable} to another one, above 1023.`)
  return error
}

/** Resolves when the server listens; rejects with the system's error. */
export function listen(server: Server, at: { port: number; host: string } | { path: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ ...at, backlog: 4096 }, () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
}

/** Listens there; rejects with SettingsError (a host that is none of this machine) or PlaceTaken, both naming the variable. */
export async function listenAt(server: Server, place: Place): Promise<void> {
  try {
    await listen(server, { host: place.host.replace(/^\[|\]$/g, ''), port: place.port })
  } catch (error) {
    throw placeFault(place, error)
  }
}
