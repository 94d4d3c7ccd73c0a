/**
 * Thousands of byte strings, good and bad, to a listener with the lane and to node:http alone: both see the same requests and
 * give the same answers. The lane reads a strict subset of what node:http's parser reads, so nobody can say one thing to the
 * one and another to the other. What differs is listed below, with its reason.
 */
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { open } from './lane-rig.ts'
import { dice, type Written, write } from './lane-strings.ts'

/** More of them, and others: `LANE_STRINGS=100000 LANE_SEED=7 npx vitest run test/runtime/lane-differential`. */
const STRINGS = Number(process.env.LANE_STRINGS ?? 2_400)
const SEED = Number(process.env.LANE_SEED ?? 0)
const AT_ONCE = 8
const ASKED = [
  'host',
  'authorization',
  'x-api-key',
  'content-type',
  'content-length',
  'content-encoding',
  'x-forwarded-for',
  'cookie',
  'x-a',
  'x-97',
  'x-long',
]

const SAME = 'none: they are the same'
/** The last request of every string: where it is reached, the connection ends well. */
const LAST = 'GET /last HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n'

interface Answered {
  /** What the handler was told, one line for each request in the order of their coming. */
  readonly requests: readonly string[]
  readonly answers: readonly string[]
  /** Requests that the lane served itself. */
  readonly byLane: number
}

/** Every answer in what came back: status and body, however it was framed. */
function answersIn(heard: string): string[] {
  const answers: string[] = []
  let rest = heard
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n')
    const head = end < 0 ? rest : rest.slice(0, end)
    const status = /^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]
    if (status === undefined || end < 0) return [...answers, `cut: ${rest}`]
    rest = rest.slice(end + 4)
    let body = ''
    const length = /^content-length: (\d+)$/im.exec(head)?.[1]
    if (length !== undefined) {
      body = rest.slice(0, Number(length))
      rest = rest.slice(Number(length))
    } else if (/^transfer-encoding: chunked$/im.test(head)) {
      for (let size = -1; size !== 0; ) {
        const line = rest.indexOf('\r\n')
        size = Number.parseInt(rest, 16)
        if (line < 0 || Number.isNaN(size)) return [...answers, `cut: ${status} ${body}`]
        body += rest.slice(line + 2, line + 2 + size)
        rest = rest.slice(line + 4 + size)
      }
    }
    answers.push(`${status} ${body}`)
  }
  return answers
}

/** A listener that takes one string after the other, and knows when nothing more will happen by itself. */
async function listener(lane: boolean) {
  let requests: string[] = []
  const seen = { byLane: 0, handlers: 0, readingLane: 0, readingNode: 0, responses: 0 }
  let accepted: (socket: Socket) => void = () => {}
  const { port, server } = await open(
    async (call, sink) => {
      const own = requests
      const at = own.length
      const told = [call.method, call.path, call.query, call.peer, ...ASKED.map(name => call.header(name))]
      own.push(JSON.stringify(told))
      const isLane = call.constructor.name === 'LaneExchange'
      const count = isLane ? 'readingLane' : 'readingNode'
      if (isLane) seen.byLane++
      seen.handlers++
      seen[count]++
      let body = ''
      try {
        body = Buffer.from(await call.read(100_000)).toString('latin1')
        own[at] += ` ${JSON.stringify(body)}`
      } catch (error) {
        own[at] += ` ${String((error as Error).message)}`
      }
      seen[count]--
      sink.head(200, ['content-type', 'text/plain'])
      sink.end(Buffer.from(`${told.join(' ')} ${body}`, 'latin1'))
      seen.handlers--
    },
    { lane },
  )
  server.on('connection', socket => accepted(socket))
  server.on('request', (_, response) => {
    seen.responses++
    response.on('close', () => seen.responses--)
  })

  return async ({ text, cuts }: Written): Promise<Answered> => {
    requests = []
    Object.assign(seen, { byLane: 0, handlers: 0, readingLane: 0, readingNode: 0, responses: 0 })
    const accept = new Promise<Socket>(resolve => (accepted = resolve))
    let heard = ''
    let over = false
    const client = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true })
    client.on('data', bytes => (heard += bytes.toString('latin1')))
    client.on('error', () => {})
    const ended = new Promise<void>(resolve => {
      const end = () => {
        over = true
        resolve()
      }
      client.on('end', end).on('close', end)
    })
    const socket = await accept
    const whole = Buffer.from(text + LAST, 'latin1')
    let sent = 0
    /** All that was sent has been read, and nothing runs but who waits for more of a body. */
    const quiet = async () => {
      for (let turns = 0; turns < 5 && !over; turns++) {
        const { handlers, readingLane, readingNode, responses } = seen
        const isRead = socket.bytesRead >= sent || socket.destroyed
        if (!isRead || handlers > readingLane + readingNode || responses > readingNode) turns = -1
        await new Promise(done => setImmediate(done))
      }
    }
    for (const cut of [...cuts, whole.length]) {
      if (cut <= sent || over) continue
      client.write(whole.subarray(sent, cut))
      sent = cut
      await quiet()
    }
    if (!over) client.end()
    await ended
    client.destroy()
    // what was asked for when the connection broke is told of by then
    while (seen.handlers > 0) await new Promise(done => setImmediate(done))
    return { requests, answers: answersIn(heard), byLane: seen.byLane }
  }
}

interface Pair {
  readonly lane: Answered
  readonly node: Answered
}

const isRefusal = (answer: string | undefined) =>
  answer !== undefined && /^4(00|31) (\{"error"|$)/.test(answer)
/** Without the refusals at the end, and without `100 Continue`. */
function given(answers: readonly string[]): readonly string[] {
  const all = answers.filter(answer => !answer.startsWith('100 '))
  while (isRefusal(all.at(-1))) all.pop()
  return all
}

/** Why two accounts of one string may differ. Undefined = they may not. */
function reasonFor({ text }: Written, { lane, node }: Pair): string | undefined {
  if (isSame(lane.requests, node.requests) && isSame(lane.answers, node.answers)) return SAME
  // Where something stands behind a request that is no HTTP (or CONNECT), node:http ends the connection at once: of the
  // answers that were on their way some are lost, how many hangs on how the bytes reached its parser. The lane gives its
  // own first. What was seen is the same.
  const [some, all] = [given(lane.answers), given(node.answers)].sort((a, b) => a.length - b.length)
  const isRefused =
    isRefusal(lane.answers.at(-1)) || isRefusal(node.answers.at(-1)) || /^.*(CONNECT|PRI) /m.test(text)
  if (isRefused && some && all && isStart(some, all) && isSame(lane.requests, node.requests))
    return 'node:http refuses what stands behind before it has answered what stands in front'
  return undefined
}

const isSame = (a: readonly string[], b: readonly string[]) => JSON.stringify(a) === JSON.stringify(b)
const isStart = (start: readonly string[], all: readonly string[]) =>
  isSame(start, all.slice(0, start.length))
test('the same requests are seen and the same answers given', { timeout: 600_000 }, async () => {
  const reasons = new Map<string, number>()
  const different: unknown[] = []
  let byLane = 0
  await Promise.all(
    Array.from({ length: AT_ONCE }, async (_, i) => {
      const roll = dice(i + SEED * 1_000)
      const [toLane, toNode] = [await listener(true), await listener(false)]
      for (let n = 0; n < STRINGS / AT_ONCE && different.length < 5; n++) {
        const written = write(roll)
        const pair = { lane: await toLane(written), node: await toNode(written) }
        byLane += pair.lane.byLane
        const reason = reasonFor(written, pair)
        if (reason === undefined) different.push({ written, ...pair })
        else reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
      }
    }),
  )
  expect(different).toEqual([])
  // most were the lane's to answer, and many were not
  expect(byLane).toBeGreaterThan(STRINGS / 3)
  expect(reasons.get(SAME)).toBeGreaterThan(STRINGS * 0.8)
})
