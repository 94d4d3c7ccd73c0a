/** Connections of `send`: one pool per vetted origin, directly or through a proxy. */
import { type Dispatcher, Pool, ProxyAgent } from 'undici'
import type { Log } from '../../deps.ts'
import type { Guard, VettedOrigin } from '../../egress/guard.ts'
import type { ProxyFor } from '../../egress/proxy.ts'
import { createConnect, type Resolve } from './connect.ts'

export interface SendOptions {
  readonly guard: Guard
  readonly connectTimeoutMs: number
  readonly log: Log
  /** Default: no proxy. A proxied origin is vetted by name before CONNECT; the proxy resolves it, so its addresses are the proxy's business. */
  readonly proxyFor?: ProxyFor
  /** Default: the system's resolver, all addresses. */
  readonly resolve?: Resolve
}

/** Where requests for one origin go. */
export interface Route {
  readonly dispatcher: Dispatcher
  /** False = through a proxy, whose agent serves other origins as well. */
  readonly direct: boolean
  readonly origin: string
}

export interface Routes {
  /** Undefined = the guard refused, and the log says why. */
  to(origin: string): Route | undefined
  dispatchers(): readonly Dispatcher[]
}

/** Origins come from the configuration; the bound is for one that changes all the time. The first one opened is closed gracefully. */
const ORIGINS_MAX = 512
const KEEP_ALIVE_MS = 60_000

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

/** Origins are vetted once here and their addresses again at every connect. */
export function createRoutes(options: SendOptions): Routes {
  const { guard, log, connectTimeoutMs, proxyFor, resolve } = options
  const routes = new Map<string, Route>()
  const refused = new Map<string, string>()
  const proxies = new Map<string, ProxyAgent>()

  const proxyAgent = (uri: string): ProxyAgent => {
    let agent = proxies.get(uri)
    if (agent === undefined) {
      agent = new ProxyAgent({
        ...LIMITS,
        uri,
        connectTimeout: connectTimeoutMs,
        // A proxy that accepts and then says nothing counts as not connecting.
        clientFactory: (origin, client) => new Pool(origin, { ...client, headersTimeout: connectTimeoutMs }),
      })
      proxies.set(uri, agent)
    }
    return agent
  }

  const open = (at: VettedOrigin): Route => {
    const proxy = proxyFor?.(at)
    if (proxy !== undefined) return { dispatcher: proxyAgent(proxy), direct: false, origin: at.origin }
    const connect = createConnect({ at, guard, log, timeoutMs: connectTimeoutMs, resolve })
    return { dispatcher: new Pool(at.origin, { ...LIMITS, connect }), direct: true, origin: at.origin }
  }

  return {
    to(text) {
      const known = routes.get(text)
      if (known !== undefined) return known
      if (refused.has(text)) return undefined
      const at = guard.origin(text)
      if ('why' in at) {
        if (refused.size >= ORIGINS_MAX) dropOldest(refused)
        refused.set(text, at.why)
        log('warn', 'egress_refused', { why: at.why })
        return undefined
      }
      const oldest = routes.size >= ORIGINS_MAX ? dropOldest(routes) : undefined
      // Graceful: streams that still run on it end as they would have.
      if (oldest?.direct) oldest.dispatcher.close().catch(() => undefined)
      const route = open(at)
      routes.set(text, route)
      return route
    },
    dispatchers: () => [
      ...[...routes.values()].filter(route => route.direct).map(route => route.dispatcher),
      ...proxies.values(),
    ],
  }
}
