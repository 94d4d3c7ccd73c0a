/** One guarded TCP or TLS connection of `send`: resolves, vets every address, connects only to the vetted ones. */
import { lookup as systemLookup } from 'node:dns/promises'
import type { LookupFunction } from 'node:net'
import { buildConnector } from 'undici'
import type { Log } from '../../deps.ts'
import type { Guard, VettedOrigin } from '../../egress/guard.ts'

export type Resolve = (host: string) => Promise<readonly { address: string; family: number }[]>

export interface ConnectOptions {
  readonly at: VettedOrigin
  readonly guard: Guard
  readonly log: Log
  readonly timeoutMs: number
  readonly resolve: Resolve | undefined
}

/** The guard said no. The reason is logged, not carried: the caller of the gateway has no business with our network. */
export class EgressRefused extends Error {
  override readonly name = 'EgressRefused'
  readonly code = 'EGRESS_REFUSED'
}

const resolveAll: Resolve = host => systemLookup(host, { all: true, verbatim: true })

/**
 * undici's connector with our lookup. Each new connection resolves again and is vetted again (a name that turned private since
 * is refused), and the addresses that were vetted are the ones that Node connects to: there is no second resolution to rebind.
 */
export function createConnect(options: ConnectOptions): buildConnector.connector {
  const { at, guard, log, timeoutMs, resolve = resolveAll } = options
  const whyNot = (addresses: readonly string[]): EgressRefused | undefined => {
    const refusal = guard.addresses(at, addresses)
    if (refusal === undefined) return undefined
    log('warn', 'egress_refused', { origin: at.origin, why: refusal.why })
    return new EgressRefused('refused by the egress guard')
  }

  const lookup: LookupFunction = (host, { all }, done) => {
    resolve(host).then(
      found => {
        const first = found[0]
        const error = whyNot(found.map(each => each.address))
        // An empty answer is refused too, so `first` exists below.
        if (error !== undefined || first === undefined) done(error ?? new EgressRefused('no address'), '', 4)
        else if (all) done(null, [...found])
        else done(null, first.address, first.family)
      },
      (error: Error) => done(error, '', 4),
    )
  }

  // HTTP/1.1 only: one socket per stream keeps back-pressure and cancelling per request.
  const connector = buildConnector({ lookup, timeout: timeoutMs, allowH2: false })
  return (target, callback) =>
    connector(target, (error, socket) => {
      if (error !== null) {
        callback(error, null)
        return
      }
      // Belt and braces: what matters in the end is where the socket really is. Node never calls `lookup` for a literal
      // address; the guard has judged those when the origin was opened, and they are seen here once more.
      const late = whyNot([socket.remoteAddress ?? ''])
      if (late === undefined) callback(null, socket)
      else {
        socket.destroy()
        callback(late, null)
      }
    })
}
