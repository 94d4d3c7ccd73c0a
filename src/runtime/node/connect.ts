/** One guarded TCP or TLS connection of `send`: resolves, vets every address, connects only to the vetted ones. */
import { Buffer } from 'node:buffer'
import { lookup as systemLookup } from 'node:dns/promises'
import type { LookupFunction, Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
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

/**
 * What a connection reads: told by a call and not by `data`, which allocates a buffer for each read and queues it. The bytes
 * are in one buffer for all connections: whoever keeps some of them copies them before the call returns.
 */
export type Reads = (bytes: Buffer) => void

/** Connects; `reads` is never called before `done` has been. */
export type Connect = (
  target: buildConnector.Options,
  reads: Reads,
  done: (error: Error | null, socket: Socket | null) => void,
) => void

/** As much as Node reads at once. */
const READ_BYTES = 65_536
const arrived = Buffer.allocUnsafeSlow(READ_BYTES)

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
export function createConnect(options: ConnectOptions): Connect {
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

  /** Of the last TLS connection: the next one need not shake hands in full. */
  let session: Buffer | undefined
  const keepSession = (latest: Buffer | undefined): void => {
    session = latest
  }

  return (target, reads, done) => {
    const callback = (count: number): boolean => {
      reads(arrived.subarray(0, count))
      return true
    }
    const onread = { buffer: arrived, callback }
    // HTTP/1.1 only: one socket per stream keeps back-pressure and cancelling per request.
    const connector = buildConnector({ lookup, timeout: timeoutMs, allowH2: false, onread, session })
    connector(target, (error, socket) => {
      if (error !== null) {
        done(error, null)
        return
      }
      if (socket instanceof TLSSocket) {
        // TLS 1.3 has it later, and more than once
        if (socket.getProtocol() !== 'TLSv1.3') keepSession(socket.getSession())
        socket.on('session', keepSession)
      }
      // Belt and braces: what matters in the end is where the socket really is. Node never calls `lookup` for a literal
      // address; the guard has judged those when the origin was opened, and they are seen here once more.
      const late = whyNot([socket.remoteAddress ?? ''])
      if (late === undefined) done(null, socket)
      else {
        socket.destroy()
        done(late, null)
      }
    })
  }
}
