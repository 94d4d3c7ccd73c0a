/** The door of the admin plane and the dashboard: allowed hosts, the admin token, sessions, where a request came from, failed logins. */
import type { AuditLog, Author } from '../audit/log.ts'
import { GatewayError } from '../errors.ts'
import type { AdminBindings } from './deps.ts'
import { createSessions, type SessionInput } from './session.ts'

const FAILURES_MAX = 10
const WINDOW_MS = 5 * 60_000
const PEERS_MAX = 5_000
const COOKIE = 'switchgate_session'
/** Our pages refresh themselves with this header; that is no sign of a person, so it does not keep a session alive. */
const UNATTENDED = 'x-switchgate-refresh'

export interface GateInput extends SessionInput {
  readonly verifyAdminToken: (text: string) => Promise<boolean>
  /** Host names beside loopback that browsers may use, without port; `['*']` = any. */
  readonly hosts: readonly string[]
  /** Told of sign-ins and of wrong tokens. */
  readonly audit: Pick<AuditLog, 'as' | 'record' | 'refused'>
}

/** A request that may pass. `setCookie` renews the session, when there is one. */
export interface Pass {
  readonly setCookie: string | undefined
  /** Whose request it is, for the audit log. */
  readonly author: Author
}

export interface Gate {
  /** Throws GatewayError: 403 `host_not_allowed`, 403 `origin_not_allowed`, 401 `invalid_api_key`, 429. */
  enter(request: Request, connection: AdminBindings): Promise<Pass>
  /** Admin token → `set-cookie` of a new session. Throws as `enter`. */
  login(request: Request, connection: AdminBindings, token: string): Promise<string>
  /** Ends the session; returns the `set-cookie` that removes the cookie. */
  logout(request: Request, connection: AdminBindings): string
  /** Host allow-list alone, for what needs no login. */
  checkHost(request: Request, connection: AdminBindings): void
}

const unauthenticated = (): GatewayError =>
  new GatewayError('unauthenticated', 'Send the admin token: `Authorization: Bearer <admin token>`.')

function isLoopback(name: string): boolean {
  return (
    name === 'localhost' ||
    name.endsWith('.localhost') ||
    name === '[::1]' ||
    /^127(\.\d{1,3}){3}$/.test(name)
  )
}

/** `Host` without its port, lower case, without a trailing dot. */
function hostName(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '')
}

function checkHost(request: Request, connection: AdminBindings, hosts: readonly string[]): void {
  if (connection.trusted === true) return
  const name = hostName(request.headers.get('host') ?? new URL(request.url).host)
  if (isLoopback(name) || hosts.includes('*') || hosts.some(host => hostName(host) === name)) return
  const message =
    'this host name may not be used for the admin plane: use localhost, or name it in SWITCHGATE_ADMIN_HOSTS'
  throw new GatewayError('forbidden', message, { code: 'host_not_allowed' })
}

/**
 * Cookies travel by themselves: what rides on one must come from our own pages. A write has to prove it; a read is only
 * refused when its headers name another place, because browsers send no `Origin` with a link or a page's own GET
 * (Fetch standard, "append a request `Origin` header").
 */
function checkOrigin(request: Request): void {
  const site = request.headers.get('sec-fetch-site')
  if (site === 'same-origin') return
  const origin = request.headers.get('origin')
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  if (isRead && origin === null && site !== 'cross-site') return
  const host = request.headers.get('host') ?? new URL(request.url).host
  if (
    site === null &&
    origin !== null &&
    origin.replace(/^https?:\/\//, '').toLowerCase() === host.toLowerCase()
  )
    return
  const message =
    'this request did not come from the dashboard itself; scripts send `Authorization: Bearer <admin token>`'
  throw new GatewayError('forbidden', message, { code: 'origin_not_allowed' })
}

function cookieOf(request: Request): string | undefined {
  for (const part of (request.headers.get('cookie') ?? '').split(';')) {
    const [name, value] = part.trim().split('=', 2)
    if (name === COOKIE && value) return value
  }
  return undefined
}

interface Misses {
  count: number
  untilMs: number
}

/** Counts failed logins by address, in fixed windows; memory is bounded by dropping the oldest. */
function createLimiter(now: () => number) {
  const peers = new Map<string, Misses>()
  return {
    check(peer: string): void {
      const misses = peers.get(peer)
      if (misses === undefined || misses.count < FAILURES_MAX) return
      const retryAfterMs = misses.untilMs - now()
      if (retryAfterMs <= 0) return
      const message = 'too many wrong admin tokens from this address; wait, then try again'
      throw new GatewayError('rate_limited_here', message, { retryAfterMs, limit: 'admin.login' })
    },
    miss(peer: string): void {
      const current = peers.get(peer)
      const running = current !== undefined && current.untilMs > now()
      peers.delete(peer)
      peers.set(
        peer,
        running ? { ...current, count: current.count + 1 } : { count: 1, untilMs: now() + WINDOW_MS },
      )
      const oldest = peers.keys().next().value
      if (peers.size > PEERS_MAX && oldest !== undefined) peers.delete(oldest)
    },
  }
}

/** Builds the gate; one per process. */
export function createGate(input: GateInput): Gate {
  const sessions = createSessions(input)
  const limiter = createLimiter(input.now)

  async function verify(token: string, connection: AdminBindings): Promise<void> {
    const peer = connection.peer ?? 'unknown'
    // the right one always passes: whoever shares the operator's address could lock the door with wrong ones
    if (token.length <= 512 && (await input.verifyAdminToken(token))) return
    limiter.check(peer)
    limiter.miss(peer)
    input.audit.refused({
      action: 'admin_token.refused',
      reason: token === '' ? 'malformed' : 'wrong',
      keyId: undefined,
      address: peer,
    })
    throw unauthenticated()
  }

  function cookie(value: string, connection: AdminBindings, maxAgeSeconds: number): string {
    const secure = connection.secure === true ? '; Secure' : ''
    return `${COOKIE}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${maxAgeSeconds}${secure}`
  }

  return {
    checkHost: (request, connection) => checkHost(request, connection, input.hosts),
    async enter(request, connection) {
      checkHost(request, connection, input.hosts)
      const address = connection.peer ?? null
      if (connection.trusted === true)
        return { setCookie: undefined, author: { actor: 'local', address: null } }
      const authorization = request.headers.get('authorization')
      if (authorization !== null) {
        await verify(/^bearer\s+(\S+)\s*$/i.exec(authorization)?.[1] ?? '', connection)
        return { setCookie: undefined, author: { actor: 'admin', address } }
      }
      const value = cookieOf(request)
      const session = value === undefined ? undefined : await sessions.check(value)
      if (session === undefined) throw unauthenticated()
      checkOrigin(request)
      const renew = session.refreshed !== undefined && !request.headers.has(UNATTENDED)
      const setCookie = renew ? cookie(session.refreshed ?? '', connection, 12 * 3600) : undefined
      return { setCookie, author: { actor: 'dashboard', address } }
    },
    async login(request, connection, token) {
      checkHost(request, connection, input.hosts)
      checkOrigin(request)
      await verify(token.trim(), connection)
      const author: Author = { actor: 'dashboard', address: connection.peer ?? null }
      await input.audit.as(author, () =>
        input.audit.record({ action: 'session.open', target: 'dashboard', detail: {} }),
      )
      return cookie(await sessions.open(), connection, 12 * 3600)
    },
    logout(request, connection) {
      const value = cookieOf(request)
      if (value !== undefined) sessions.close(value)
      return cookie('', connection, 0)
    },
  }
}
