/** node:http's side of the listeners on Node: inference that the lane left goes straight into the pipeline, everything else through Hono. */
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import { GatewayError } from '../../errors.ts'
import { serve } from '../../gateway.ts'
import { endpointAt, plainPath } from '../../http/endpoints.ts'
import { refuseEncoded, tooLarge } from '../../http/web.ts'
import type { Deps } from '../../deps.ts'
import type { Call, Sink } from '../../terms.ts'
import { refusalBody } from './lane/refusal.ts'
import type { PeerOf } from './trust.ts'

/** Reads a body with a running count. Resolves once; a client that leaves in the middle rejects. */
function readBody(request: IncomingMessage, bytesMax: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const declared = Number(request.headers['content-length'] ?? 0)
    if (declared > bytesMax) return reject(tooLarge(bytesMax))
    let first: Buffer | undefined
    let parts: Buffer[] | undefined
    let length = 0
    request.on('data', (part: Buffer) => {
      length += part.length
      if (length > bytesMax) {
        request.pause()
        request.removeAllListeners('data')
        return reject(tooLarge(bytesMax))
      }
      if (first === undefined) first = part
      else {
        parts ??= [first]
        parts.push(part)
      }
    })
    request.on('end', () => resolve(parts ? Buffer.concat(parts) : (first ?? Buffer.alloc(0))))
    request.on('error', error =>
      reject(new GatewayError('cancelled', 'the caller left while sending', { cause: error })),
    )
    request.on('close', () => {
      if (!request.complete) reject(new GatewayError('cancelled', 'the caller left while sending'))
    })
  })
}

class NodeCall implements Call {
  readonly id: string
  readonly method: string
  readonly path: string
  readonly query: string
  readonly peer: string
  readonly startedAtMs: number
  private readonly request: IncomingMessage

  constructor(request: IncomingMessage, path: string, query: string, peer: string, deps: Deps) {
    this.request = request
    this.id = deps.newId('req_')
    this.method = request.method ?? ''
    this.path = path
    this.query = query
    this.peer = peer
    this.startedAtMs = deps.clock.monotonic()
  }

  header(name: string): string | undefined {
    if (name === 'authorization') return this.authorization()
    const value = this.request.headers[name]
    return Array.isArray(value) ? value[0] : value
  }

  /** Node drops a second Authorization line; two of them must be seen, since they may hold two keys. */
  private authorization(): string | undefined {
    const { rawHeaders, headers } = this.request
    let all: string | undefined
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
      const name = rawHeaders[i]
      if (name?.length !== 13 || name.toLowerCase() !== 'authorization') continue
      all = all === undefined ? rawHeaders[i + 1] : `${all}, ${rawHeaders[i + 1]}`
    }
    return all ?? headers.authorization
  }

  async read(bytesMax: number): Promise<Uint8Array> {
    refuseEncoded(this.request.headers['content-encoding'])
    return readBody(this.request, bytesMax)
  }
}

class NodeSink implements Sink {
  private readonly response: ServerResponse
  private readonly request: IncomingMessage

  constructor(response: ServerResponse, request: IncomingMessage) {
    this.response = response
    this.request = request
  }

  head(status: number, headers: readonly string[]): void {
    // a body that was not read to its end would be taken for the next request
    if (!this.request.complete) this.response.shouldKeepAlive = false
    this.response.writeHead(status, headers as string[])
  }

  write(bytes: Uint8Array): boolean {
    return this.response.write(bytes)
  }

  onDrain(resume: () => void): void {
    this.response.on('drain', resume)
  }

  end(bytes?: Uint8Array): void {
    if (bytes && bytes.length > 0) this.response.end(bytes)
    else this.response.end()
  }

  abort(): void {
    this.response.destroy()
  }

  onClose(left: () => void): void {
    this.response.on('close', () => {
      if (!this.response.writableFinished) left()
    })
  }
}

/** node:http keeps the first in silence. The lane takes none of them (`readHead`). */
function hasHosts({ rawHeaders }: IncomingMessage): boolean {
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  return hosts > 1
}

/** RFC 9112, 3.2: who means two hosts is answered by neither. */
function refuseHosts(response: ServerResponse): void {
  const body = refusalBody('The request has more than one Host header: send one.')
  response.shouldKeepAlive = false
  response.writeHead(400, { 'content-type': 'application/json', 'content-length': body.length })
  response.end(body)
}

export interface ListenerOptions {
  readonly deps: Deps
  readonly app: Hono<{ Bindings: { peer?: string; trusted?: boolean; secure?: boolean } }>
  readonly peerOf: PeerOf
  /** The unix socket: file permissions have let the caller in. */
  readonly trusted?: boolean
  readonly secure?: boolean
  /** Who answers inference; absent = the pipeline. */
  readonly serve?: typeof serve
}

export function createListener(options: ListenerOptions): RequestListener {
  const { deps, app, peerOf, trusted, secure, serve: answer = serve } = options
  const peer = (request: IncomingMessage): string => {
    const forwarded = request.headers['x-forwarded-for']
    return peerOf(request.socket.remoteAddress, Array.isArray(forwarded) ? forwarded.join(',') : forwarded)
  }
  const rest = getRequestListener(
    (request, env) => {
      const incoming = (env as { incoming: IncomingMessage }).incoming
      return app.fetch(request, { peer: peer(incoming), trusted: trusted === true, secure: secure === true })
    },
    { overrideGlobalObjects: false },
  ) as (
    request: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
  ) => Promise<void>

  return (request, response) => {
    if (hasHosts(request)) return refuseHosts(response)
    const url = request.url ?? '/'
    const mark = url.indexOf('?')
    const path = plainPath(mark < 0 ? url : url.slice(0, mark))
    const endpoint = endpointAt(path)
    if (endpoint === undefined || request.method !== endpoint.method) return void rest(request, response)
    const call = new NodeCall(request, path, mark < 0 ? '' : url.slice(mark + 1), peer(request), deps)
    void answer(call, new NodeSink(response, request), endpoint, deps)
  }
}
