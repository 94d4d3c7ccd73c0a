/** Real listeners for the tests of the runtime; everything opened here is closed after each test. */
import type { Server } from 'node:http'
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Server as TcpServer,
  type Socket,
} from 'node:net'
import { afterEach } from 'vitest'
import { createGuard } from '../../src/egress/guard.ts'
import { createSend, type NodeSend, type SendOptions } from '../../src/runtime/node/send.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

/** Listens and returns the port; open connections are cut at the end of the test. */
export async function listen(server: Server | TcpServer, host = '127.0.0.1', port = 0): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  await new Promise<void>((done, failed) => server.once('error', failed).listen(port, host, done))
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** A port where nobody listens. */
export async function closedPort(): Promise<number> {
  const port = await listen(createTcpServer())
  closers.pop()?.()
  return port
}

/** A server that answers each read by hand, byte for byte. */
export async function raw(answer: (socket: Socket, request: string) => void): Promise<number> {
  return listen(
    createTcpServer(socket => {
      socket.on('error', () => {})
      socket.on('data', data => answer(socket, data.toString('latin1')))
    }),
  )
}

/** A `send` with the real guard and these entries of `egress.allow`. */
export function sender(more: Partial<SendOptions> & { allow?: string[] } = {}): NodeSend {
  const { allow = [], ...options } = more
  const send = createSend({ guard: createGuard(allow), connectTimeoutMs: 2000, log: () => {}, ...options })
  closers.push(() => send.destroy())
  return send
}
