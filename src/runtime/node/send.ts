/** `deps.send` on Node: the only code that opens an upstream connection. Connections of our own, or undici's through a proxy. */
import type { Log } from '../../deps.ts'
import { GatewayError } from '../../errors.ts'
import type { Receiver, Send, Upstream, UpstreamRequest } from '../../terms.ts'
import { Exchange } from './http1/exchange.ts'
import { ProxiedExchange } from './proxied.ts'
import { createRoutes, type Route, type SendOptions } from './routes.ts'

export type { SendOptions }

/** `close` lets running exchanges finish; `destroy` cuts them. */
export type NodeSend = Send & { close(): Promise<void>; destroy(): Promise<void> }

/** Host and framing follow from the origin and the body; a header that names them would be a second opinion. */
function whyUnsendable(headers: readonly string[]): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]
    if (name === 'host' || name === 'content-length' || name === 'connection' || name === 'transfer-encoding')
      return name
  }
  return undefined
}

function sendProxied(
  route: Route & { direct: false },
  request: UpstreamRequest,
  exchange: ProxiedExchange,
): void {
  try {
    route.dispatcher.dispatch(
      {
        origin: route.origin,
        path: request.path,
        method: request.method,
        headers: request.headers as string[],
        body: request.body ?? null,
      },
      exchange,
    )
  } catch (error) {
    process.nextTick(() => exchange.onResponseError(undefined, error as Error))
  }
}

/** Nothing is told before `send` has returned. */
function refuse(to: Receiver, log: Log, origin: string, error: GatewayError): Upstream {
  const exchange = new Exchange(to, log, origin)
  process.nextTick(() => exchange.fail(error))
  return exchange
}

/** The only way out of the process. Time limits after the connect are the relay's; redirects are answers like any other. */
export function createSend(options: SendOptions): NodeSend {
  const { log } = options
  const routes = createRoutes(options)

  const send = (request: UpstreamRequest, to: Receiver): Upstream => {
    const route = routes.to(request.origin)
    if (route === undefined)
      return refuse(
        to,
        log,
        'refused',
        new GatewayError('unreachable', 'The egress guard refused the upstream’s address.'),
      )
    const unsendable = whyUnsendable(request.headers)
    if (unsendable !== undefined) {
      log('error', 'send_refused', { origin: route.origin, header: unsendable })
      return refuse(
        to,
        log,
        route.origin,
        new GatewayError('bug', `The header ${unsendable} is not for callers of send.`),
      )
    }
    if (!route.direct) {
      const exchange = new ProxiedExchange(to, log, route.origin)
      sendProxied(route, request, exchange)
      return exchange
    }
    const head = route.pool.heads.of(request)
    if (head === undefined)
      return refuse(
        to,
        log,
        route.origin,
        new GatewayError('bug', 'The upstream request could not be built.'),
      )
    const exchange = new Exchange(to, log, route.origin)
    route.pool.send(exchange, head, request.body)
    return exchange
  }

  return Object.assign(send, {
    close: async () => void (await Promise.allSettled(routes.opened().map(each => each.close()))),
    destroy: async () => void (await Promise.allSettled(routes.opened().map(async each => each.destroy()))),
  })
}
