/**
 * The mock upstream, a process of its own: node:net without an HTTP parser, answers built beforehand, so that it is not
 * what the benchmark measures. One port for each target, each counting what it served. Started by targets.ts with the
 * number of ports; tells them over IPC, and its counts whenever it is asked.
 */
import { createServer, type Socket } from 'node:net'
import {
  ANSWER_TOKENS,
  asksUsage,
  contentEvent,
  PROMPT_TOKENS,
  type StreamShape,
  shapeOf,
  streamEnd,
  WHOLE,
} from './traffic.ts'

/** What one port has served to its end. */
export interface Served {
  requests: number
  inputTokens: number
  outputTokens: number
}

const HEAD_END = Buffer.from('\r\n\r\n')
const LENGTH = /\r\ncontent-length: *(\d+)/i
/** Answers kept ready, by the body that asked for them; a benchmark asks for a handful. */
const MEMORY_MAX = 64

const chunked = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
const LAST_CHUNK = '0\r\n\r\n'
const STREAM_HEAD =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n'
const WHOLE_BYTES = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(WHOLE)}\r\n\r\n${WHOLE}`,
)
const NO_LENGTH = 'HTTP/1.1 411 Length Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'

/** What to answer a body with: everything is bytes already. */
interface Prepared {
  readonly shape: StreamShape | undefined
  /** Whole answers and bursts: the answer. Paced streams: the head. */
  readonly first: Buffer
  readonly events: readonly Buffer[]
  readonly last: Buffer
}

function prepare(body: string): Prepared {
  const shape = shapeOf(body)
  const nothing = Buffer.alloc(0)
  if (shape === undefined) return { shape, first: WHOLE_BYTES, events: [], last: nothing }
  const events = Array.from({ length: shape.events }, (_, n) => chunked(contentEvent(n)))
  const last = chunked(streamEnd(shape.events, asksUsage(body))) + LAST_CHUNK
  if (shape.gapMs === 0)
    return { shape, first: Buffer.from(STREAM_HEAD + events.join('') + last), events: [], last: nothing }
  return {
    shape,
    first: Buffer.from(STREAM_HEAD),
    events: events.map(event => Buffer.from(event)),
    last: Buffer.from(last),
  }
}

const memory = new Map<string, Prepared>()

function preparedFor(body: string): Prepared {
  const known = memory.get(body)
  if (known !== undefined) return known
  const made = prepare(body)
  if (memory.size < MEMORY_MAX) memory.set(body, made)
  return made
}

function answer(socket: Socket, body: string, served: Served): void {
  const { shape, first, events, last } = preparedFor(body)
  const count = () => {
    served.requests++
    served.inputTokens += PROMPT_TOKENS
    served.outputTokens += shape?.events ?? ANSWER_TOKENS
  }
  socket.write(first)
  if (shape === undefined || shape.gapMs === 0) return count()
  let next = 0
  const timer = setInterval(() => {
    const event = events[next++]
    if (event !== undefined) return void socket.write(event)
    clearInterval(timer)
    socket.removeListener('close', stop)
    socket.write(last)
    count()
  }, shape.gapMs)
  const stop = () => clearInterval(timer)
  socket.on('close', stop)
}

/** Cuts requests out of the bytes of one connection. */
function attend(socket: Socket, served: Served): void {
  let waiting: Buffer | undefined
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.on('data', (part: Buffer) => {
    let rest = waiting ? Buffer.concat([waiting, part]) : part
    waiting = undefined
    while (rest.length > 0) {
      const head = rest.indexOf(HEAD_END)
      if (head < 0) break
      const length = LENGTH.exec(rest.toString('latin1', 0, head))?.[1]
      if (length === undefined) return void socket.end(NO_LENGTH)
      const start = head + HEAD_END.length
      const end = start + Number(length)
      if (rest.length < end) break
      answer(socket, rest.toString('utf8', start, end), served)
      rest = rest.subarray(end)
    }
    if (rest.length > 0) waiting = rest
  })
}

async function listen(served: Served): Promise<number> {
  const server = createServer(socket => attend(socket, served))
  await new Promise<void>(resolve => server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve))
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

const count = Number(process.argv[2] ?? 1)
const served = Array.from({ length: count }, (): Served => ({ requests: 0, inputTokens: 0, outputTokens: 0 }))
const ports: number[] = []
for (const each of served) ports.push(await listen(each))
process.on('message', () => process.send?.({ served }))
process.on('disconnect', () => process.exit(0))
process.send?.({ ports })
