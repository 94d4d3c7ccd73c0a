/**
 * The practical ceiling of Node, a target of the benchmark: node:http in, undici's dispatch out, no feature at all.
 * Chunks are written as they come; what the peer sends slowly is read slowly. Started with the upstream's port.
 */
import { createServer, type ServerResponse } from 'node:http'
import { type Dispatcher, Pool } from 'undici'

const pool = new Pool(`http://127.0.0.1:${process.argv[2]}`, {
  connections: 1024,
  pipelining: 1,
  headersTimeout: 0,
  bodyTimeout: 0,
})
const HEADERS = ['content-type', 'application/json', 'authorization', 'Bearer sk-upstream']

class Handler implements Dispatcher.DispatchHandler {
  private readonly response: ServerResponse
  private controller: Dispatcher.DispatchController | undefined

  constructor(response: ServerResponse) {
    this.response = response
    response.on('close', () => {
      if (!response.writableFinished) this.controller?.abort(new Error('the caller left'))
    })
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    const kept = ['content-type', String(headers['content-type'])]
    if (headers['content-length']) kept.push('content-length', String(headers['content-length']))
    this.response.writeHead(status, kept)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.response.write(chunk)) return
    controller.pause()
    this.response.once('drain', () => controller.resume())
  }

  onResponseEnd(): void {
    this.response.end()
  }

  onResponseError(): void {
    if (this.response.headersSent) return void this.response.destroy()
    this.response.writeHead(502).end()
  }
}

const server = createServer((request, response) => {
  const parts: Buffer[] = []
  request.on('data', (part: Buffer) => parts.push(part))
  request.on('end', () => {
    const body = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
    pool.dispatch({ path: request.url ?? '/', method: 'POST', headers: HEADERS, body }, new Handler(response))
  })
})
process.on('disconnect', () => process.exit(0))
server.listen({ port: Number(process.argv[3]), host: '127.0.0.1', backlog: 4096 }, () =>
  process.send?.({ ready: true }),
)
