/** Connections of `send`: one pool per vetted origin, or the agent of its proxy. */
import { type Dispatcher, Pool as ProxiedPool, ProxyAgent } from 'undici'
import type { Log } from '../../deps.ts'
import type { Guard, VettedOrigin } from '../../egress/guard.ts'
import type { ProxyFor } from '../../egress/proxy.ts'
import { createConnect, type Resolve } from './connect.ts'
import { Pool } from './http1/pool.ts'

export interface SendOptions {
  readonly guard: Guard
  readonly connectTimeoutMs: number
  readonly log: Log
  /** Default: no proxy. A proxied origin is vetted by name before CONNECT; the proxy resolves it, so its addresses are the proxy's business. */
  readonly proxyFor?: ProxyFor
  /** Default: the system's resolver, all addresses. */
  readonly resolve?: Resolve
}

/** Where requests for one origin go. A proxy's agent serves other origins as well. */
export type Route =
  | { readonly direct: true; readonly origin: string; readonly pool: Pool }
  | { readonly direct: false; readonly origin: string; readonly dispatcher: Dispatcher }

/** What has connections: `close` lets running exchanges finish; `destroy` cuts them. */
interface Opened {
  close(): Promise<void>
  destroy(): Promise<void> | void
}

export interface Routes {
  /** Undefined = the guard refused, and the log says why. */
  to(origin: string): Route | undefined
  opened(): readonly Opened[]
}

/** Origins come from the configuration; the bound is for one that changes all the time. The first one opened is closed gracefully. */
const ORIGINS_MAX = 512
const KEEP_ALIVE_MS = 60_000
/** A verdict of the guard is asked for again after this long: the configuration may have been reloaded. */
const VERDICT_MS = 1_000

/** Through a proxy. */
const LIMITS = {
  // No `connections`: undici would cap open streams with it and queue the rest in silence.
  pipelining: 1,
  keepAliveTimeout: KEEP_ALIVE_MS,
  keepAliveMaxTimeout: KEEP_ALIVE_MS,
  // The relay watches over time; two clocks would disagree.
  headersTimeout: 0,
  bodyTimeout: 0,
  allowH2: false,
}

/** Removes the entry that was put in first. */
function dropOldest<V>(map: Map<string, V>): V | undefined {
  for (const [key, value] of map) {
    map.delete(key)
    return value
  }
  return undefined
}

interface Verdict {
  /** Undefined = refused. */
  route: Route | undefined
  judgedAtMs: number
}

/** Opens connections to a vetted origin, directly or through its proxy. */
function createOpen(
  { guard, log, connectTimeoutMs, proxyFor, resolve }: SendOptions,
  proxies: Map<string, ProxyAgent>,
) {
  const proxyAgent = (uri: string): ProxyAgent => {
    let agent = proxies.get(uri)
    if (agent === undefined) {
      agent = new ProxyAgent({
        ...LIMITS,
        uri,
        connectTimeout: connectTimeoutMs,
        // A proxy that accepts and then says nothing counts as not connecting.
        clientFactory: (origin, client) =>
          new ProxiedPool(origin, { ...client, headersTimeout: connectTimeoutMs }),
      })
      proxies.set(uri, agent)
    }
    return agent
  }
  return (at: VettedOrigin): Route => {
    const proxy = proxyFor?.(at)
    if (proxy !== undefined) return { dispatcher: proxyAgent(proxy), direct: false, origin: at.origin }
    const connect = createConnect({ at, guard, log, timeoutMs: connectTimeoutMs, resolve })
    return { direct: true, origin: at.origin, pool: new Pool({ origin: at.origin, connect }) }
  }
}

/** Graceful: streams that still run on it end as they would have. */
function retire(route: Route | undefined): void {
  if (route?.direct) void route.pool.close()
}

/** Origins are vetted here, at first and then once a second while they are used, and their addresses at every connect. */
export function createRoutes(options: SendOptions): Routes {
  const { guard, log } = options
  const verdicts = new Map<string, Verdict>()
  const proxies = new Map<string, ProxyAgent>()
  const open = createOpen(options, proxies)

  const judge = (text: string, known: Verdict | undefined, nowMs: number): Route | undefined => {
    const at = guard.origin(text)
    let route = known?.route
    if ('why' in at) {
      log('warn', 'egress_refused', { why: at.why })
      retire(route)
      route = undefined
    } else route ??= open(at)
    if (known === undefined && verdicts.size >= ORIGINS_MAX) retire(dropOldest(verdicts)?.route)
    verdicts.set(text, { route, judgedAtMs: nowMs })
    return route
  }

  return {
    to(text) {
      const known = verdicts.get(text)
      const nowMs = performance.now()
      return known !== undefined && nowMs - known.judgedAtMs < VERDICT_MS
        ? known.route
        : judge(text, known, nowMs)
    },
    opened: () => {
      const direct = [...verdicts.values()].flatMap(({ route }) => (route?.direct ? [route.pool] : []))
      return [...direct, ...proxies.values()]
    },
  }
}
