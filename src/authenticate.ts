/** First stage of the pipeline: credential carriers → Caller. Everything about the key itself is checked here, at each use. */
import type { Clock, Deps, KeyRing, Log } from './deps.ts'
import { isInside, type Network, parseAddress, parseNetwork, subscriberOf } from './egress/address.ts'
import { GatewayError } from './errors.ts'
import { KEY_PREFIX, mistypedId, parse } from './keys/format.ts'
import { isOpen, opensAt } from './keys/hours.ts'
import { isOriginIn } from './keys/origins.ts'
import { isInScope } from './keys/scopes.ts'
import type { Call, Caller, Environment, Hours, Key, Scope } from './terms.ts'

/** Counts failed attempts by address. A right key always gets in: a bad neighbour behind the same NAT cannot lock it out. */
export interface AuthGuard {
  /** Counts one failure; how long this address must wait (ms), or undefined while it is below the limit. */
  fail(peer: string): number | undefined
}

export interface AuthGuardOptions {
  readonly clock: Clock
  /** Failures answered 401 per window; the next ones are answered 429. */
  readonly failuresMax?: number
  readonly windowMs?: number
  /** Addresses remembered; the oldest are forgotten first. */
  readonly addressesMax?: number
}

/** 20 failures in 5 minutes per IPv4 address or IPv6 /64, in fixed windows that start at the first failure. */
export function createAuthGuard({
  clock,
  failuresMax = 20,
  windowMs = 300_000,
  addressesMax = 10_000,
}: AuthGuardOptions): AuthGuard {
  const seen = new Map<string, { failures: number; endsAtMs: number }>()
  return {
    fail(peer) {
      const nowMs = clock.monotonic()
      const who = subscriberOf(peer)
      let entry = seen.get(who)
      if (entry === undefined || entry.endsAtMs <= nowMs) {
        seen.delete(who)
        // A Map keeps insertion order: its first entry is the oldest window.
        if (seen.size >= addressesMax) for (const oldest of seen.keys()) if (seen.delete(oldest)) break
        entry = { failures: 0, endsAtMs: nowMs + windowMs }
        seen.set(who, entry)
      }
      entry.failures++
      return entry.failures > failuresMax ? entry.endsAtMs - nowMs : undefined
    },
  }
}

export interface AuthenticateDeps {
  readonly keys: KeyRing
  readonly clock: Clock
  readonly env: Environment
  readonly guard: AuthGuard
  readonly log: Log
  readonly refused?: Deps['refused']
}

const CARRIERS = ['x-api-key', 'api-key', 'x-goog-api-key'] as const

function bearer(value: string | undefined): string | undefined {
  if (value === undefined || value.length < 8 || value.charCodeAt(6) !== 32) return undefined
  return value.slice(0, 6).toLowerCase() === 'bearer' ? value.slice(7).trim() : undefined
}

const twoKeys = (param: string): GatewayError =>
  new GatewayError(
    'invalid_request',
    'Two different API keys were sent. Send one, in one of Authorization, x-api-key, api-key, x-goog-api-key.',
    { param },
  )

/** A value of ours in one header. A header sent twice arrives joined by commas: the same key twice is one key. */
function ours(value: string, param: string): string | undefined {
  if (!value.includes(',')) return value.startsWith(KEY_PREFIX) ? value : undefined
  const keys = new Set<string>()
  for (const part of value.split(',')) {
    const text = part.trim().replace(/^bearer\s+/i, '')
    if (text.startsWith(KEY_PREFIX)) keys.add(text)
  }
  if (keys.size > 1) throw twoKeys(param)
  return keys.values().next().value
}

/** The one credential of ours in the request; undefined = none. Values without our prefix belong to somebody else. */
function credentialOf(call: Call): string | undefined {
  const first = bearer(call.header('authorization'))
  let found = first === undefined ? undefined : ours(first, 'authorization')
  for (const name of CARRIERS) {
    const sent = call.header(name)
    const value = sent === undefined ? undefined : ours(sent, name)
    if (value === undefined) continue
    if (found !== undefined && found !== value) throw twoKeys(name)
    found = value
  }
  return found
}

/** Why a key that was found opens nothing, for the log; undefined = it is good. */
function whyUnfit(key: Key, clock: Clock): string | undefined {
  if (key.status !== 'active') return key.status
  return key.expiresAtMs !== null && key.expiresAtMs <= clock.now() ? 'expired' : undefined
}

function refuse(call: Call, deps: AuthenticateDeps, reason: string, keyId: string | undefined): never {
  const waitMs = deps.guard.fail(call.peer)
  if (waitMs !== undefined)
    // Not logged: an attacker who is already turned away must not fill the log.
    throw new GatewayError('rate_limited_here', 'Too many failed attempts from this address.', {
      retryAfterMs: waitMs,
      limit: 'address.failed_auth',
    })
  deps.refused?.(reason, keyId, call.peer)
  deps.log('warn', 'auth_failed', { request: call.id, reason, key: keyId, peer: call.peer })
  throw new GatewayError('unauthenticated', 'Incorrect API key provided.')
}

/** Networks of a key, parsed once. An entry that is no network matches nothing in `allow` and everything in `deny`. */
interface AddressRule {
  readonly allow: readonly Network[] | null
  readonly deny: readonly Network[]
  readonly broken: boolean
}
const rules = new WeakMap<Key, AddressRule>()

function ruleOf(key: Key): AddressRule {
  let rule = rules.get(key)
  if (rule === undefined) {
    const read = (list: readonly string[]): Network[] =>
      list.map(parseNetwork).filter(net => net !== undefined)
    const deny = read(key.ipDeny ?? [])
    rule = {
      allow: key.ipAllow && read(key.ipAllow),
      deny,
      broken: deny.length !== (key.ipDeny?.length ?? 0),
    }
    rules.set(key, rule)
  }
  return rule
}

/** May this key be used from this address? An address that cannot be read is refused. */
export function isAddressAllowed(key: Key, peer: string): boolean {
  if (key.ipAllow === null && key.ipDeny === null) return true
  const { allow, deny, broken } = ruleOf(key)
  const address = parseAddress(peer)
  if (address === undefined || broken || deny.some(net => isInside(address, net))) return false
  return allow?.some(net => isInside(address, net)) ?? true
}

/** An authentic key that may not, with the reason for the log. */
function forbid(
  reason: string,
  code: string,
  message: string,
  key: Key,
  call: Call,
  deps: AuthenticateDeps,
): never {
  deps.refused?.(code, key.id, call.peer)
  deps.log('warn', 'auth_refused', { request: call.id, reason, key: key.id, peer: call.peer })
  throw new GatewayError('forbidden', message, { code })
}

function closedWords(hours: Hours, nowMs: number): string {
  const atMs = opensAt(hours, nowMs)
  return atMs === undefined
    ? 'This key may not be used at any time: it has no hours.'
    : `This key may not be used at this hour. It may again from ${new Date(atMs).toISOString().slice(0, 16)}Z.`
}

/** Route, origin and hour: asked only of keys that name any. */
function checkUse(key: Key, scope: Scope, call: Call, deps: AuthenticateDeps): void {
  if (!isInScope(key, scope)) {
    const may = key.scopes?.join(', ') || 'none'
    forbid(
      'route',
      'route_not_allowed',
      `This key may not call this route (${scope}). Its scopes: ${may}.`,
      key,
      call,
      deps,
    )
  }
  const origin = key.originAllow == null ? undefined : call.header('origin')
  if (origin !== undefined && !isOriginIn(key.originAllow ?? [], origin))
    forbid(
      'origin',
      'origin_not_allowed',
      'This key may not be used by pages of this origin.',
      key,
      call,
      deps,
    )
  const nowMs = deps.clock.now()
  if (key.hours != null && !isOpen(key.hours, nowMs))
    forbid('hour', 'hour_not_allowed', closedWords(key.hours, nowMs), key, call, deps)
}

function admitKey(
  key: Key | undefined,
  credential: string,
  call: Call,
  deps: AuthenticateDeps,
  scope: Scope,
): Caller {
  if (key === undefined) {
    const parsed = parse(credential)
    if (parsed === undefined) {
      const mistyped = mistypedId(credential)
      return refuse(call, deps, mistyped === undefined ? 'malformed' : 'wrong_checksum', mistyped)
    }
    return refuse(call, deps, parsed.env === 'admin' ? 'admin_token' : 'unknown', parsed.id)
  }
  const unfit = whyUnfit(key, deps.clock)
  if (unfit !== undefined) return refuse(call, deps, unfit, key.id)
  if (key.env !== deps.env) {
    const message = `This key is for the ${key.env} environment; this gateway serves ${deps.env}.`
    forbid('environment', 'environment_not_allowed', message, key, call, deps)
  }
  if (!isAddressAllowed(key, call.peer))
    forbid('address', 'ip_not_allowed', 'This key may not be used from this address.', key, call, deps)
  if (key.scopes != null || key.originAllow != null || key.hours != null) checkUse(key, scope, call, deps)
  return { key }
}

function refuseKeyInUrl(query: string): void {
  if (!query.includes(KEY_PREFIX) && !/(?:^|&)key=/i.test(query)) return
  throw new GatewayError(
    'unauthenticated',
    'An API key in the URL is never accepted: URLs end up in logs. Send it as Authorization: Bearer, x-api-key or x-goog-api-key.',
  )
}

/**
 * Who is calling a route of this scope. Synchronous when the key ring is. Throws (or rejects with) GatewayError: `unauthenticated` with the same
 * message for every bad key, `invalid_request` for two keys, `forbidden` for a good key in the wrong place,
 * `rate_limited_here` after too many failures from one address.
 */
export function authenticate(call: Call, deps: AuthenticateDeps, scope: Scope): Caller | Promise<Caller> {
  if (call.query !== '') refuseKeyInUrl(call.query)
  const credential = credentialOf(call)
  if (credential === undefined)
    throw new GatewayError(
      'unauthenticated',
      'No API key provided. Send a Switchgate key as Authorization: Bearer sgate_…, x-api-key or x-goog-api-key.',
    )
  const found = deps.keys.find(credential)
  return found instanceof Promise
    ? found.then(key => admitKey(key, credential, call, deps, scope))
    : admitKey(found, credential, call, deps, scope)
}
