/**
 * The load generator: keep-alive connections on node:net, closed loop or at a fixed rate. Runs in the benchmark's own
 * process. Every answer is read to its end: status, framing, and for streams the `[DONE]` at the end.
 */
import { connect, type Socket } from 'node:net'

/** What one run saw. */
export interface Run {
  /** Exchanges answered in full with a 2xx. */
  readonly ok: number
  /** Exchanges that ended any other way. */
  readonly failed: number
  /** The first thing that went wrong. */
  readonly fault: string | undefined
  readonly seconds: number
  /** Milliseconds, ascending. */
  readonly latenciesMs: readonly number[]
}

export interface Traffic {
  readonly port: number
  readonly request: Buffer
  readonly stream: boolean
  readonly connections: number
}

/** A target that has answered nobody for this long has hung. */
const GRACE_MS = 30_000
const LOOK_MS = 1_000
const HEAD_END = Buffer.from('\r\n\r\n')
const BODY_END = Buffer.from('0\r\n\r\n')
const LENGTH = /\r\ncontent-length: *(\d+)/i
/** Longer than `data: [DONE]`, its frame and the last chunk together. */
const TAIL_BYTES = 64
const FIRST_DIGIT_AT = 'HTTP/1.1 '.length
const TWO = '2'.charCodeAt(0)

/** `undefined` = a good answer, else what was wrong with it. */
type Done = (fault: string | undefined) => void

/** One connection, one exchange at a time. */
class Caller {
  onHead: (() => void) | undefined
  private readonly socket: Socket
  private readonly stream: boolean
  private done: Done | undefined
  private head: Buffer | undefined
  private isInBody = false
  private isGood = false
  private status = ''
  /** Bytes of body that are still to come; -1 = chunked. */
  private missing = 0
  private tail: Buffer = Buffer.alloc(0)

  constructor(traffic: Traffic, connected: () => void) {
    this.stream = traffic.stream
    this.socket = connect({ port: traffic.port, host: '127.0.0.1', noDelay: true })
    this.socket.on('connect', connected)
    this.socket.on('data', part => this.read(part))
    this.socket.on('error', error => this.finish(error.message))
    this.socket.on('close', () => this.finish('the connection was closed'))
  }

  get isOpen(): boolean {
    return !this.socket.destroyed
  }

  send(request: Buffer, done: Done): void {
    this.done = done
    this.head = undefined
    this.isInBody = false
    this.socket.write(request)
  }

  close(): void {
    this.done = undefined
    this.socket.destroy()
  }

  private read(part: Buffer): void {
    if (this.isInBody) return this.body(part)
    const bytes = this.head ? Buffer.concat([this.head, part]) : part
    const end = bytes.indexOf(HEAD_END)
    if (end < 0) {
      this.head = bytes
      return
    }
    const length = LENGTH.exec(bytes.toString('latin1', 0, end))?.[1]
    this.isGood = bytes[FIRST_DIGIT_AT] === TWO
    if (!this.isGood) this.status = bytes.toString('latin1', FIRST_DIGIT_AT, FIRST_DIGIT_AT + 3)
    this.missing = length === undefined ? -1 : Number(length)
    this.tail = Buffer.alloc(0)
    this.isInBody = true
    this.onHead?.()
    this.body(bytes.subarray(end + HEAD_END.length))
  }

  private body(part: Buffer): void {
    if (this.missing >= 0) {
      this.missing -= part.length
      if (this.missing < 0) return this.finish('more body than was announced')
    }
    this.tail =
      part.length >= TAIL_BYTES
        ? part.subarray(part.length - TAIL_BYTES)
        : Buffer.concat([this.tail, part]).subarray(-TAIL_BYTES)
    // no answer of ours ends a piece with these bytes but the last: content ends in a brace or a line break
    const ended =
      this.missing >= 0 ? this.missing === 0 : this.tail.subarray(-BODY_END.length).equals(BODY_END)
    if (!ended) return
    if (!this.isGood) return this.finish(`status ${this.status}`)
    if (this.stream && !this.tail.includes('[DONE]')) return this.finish('a stream ended without [DONE]')
    this.finish(undefined)
  }

  private finish(fault: string | undefined): void {
    const { done } = this
    this.done = undefined
    done?.(fault)
  }
}

/** What a run collects; `ended` resolves when nothing is under way any more, or the grace is over. */
class Tally {
  ok = 0
  failed = 0
  fault: string | undefined
  readonly latenciesMs: number[] = []
  readonly startedMs = performance.now()
  private lastMs = this.startedMs

  /** Calls `hung` once if nothing is answered for the grace. */
  watch(hung: () => void): () => void {
    const timer = setInterval(() => {
      if (performance.now() - this.lastMs < GRACE_MS) return
      clearInterval(timer)
      hung()
    }, LOOK_MS)
    return () => clearInterval(timer)
  }

  add(sinceMs: number, fault: string | undefined): void {
    this.lastMs = performance.now()
    if (fault === undefined) {
      this.ok++
      this.latenciesMs.push(this.lastMs - sinceMs)
      return
    }
    this.failed++
    this.fault ??= fault
  }

  run(): Run {
    const { ok, failed, fault, latenciesMs } = this
    const seconds = (this.lastMs - this.startedMs) / 1000
    return { ok, failed, fault, seconds, latenciesMs: latenciesMs.sort((a, b) => a - b) }
  }
}

function connectAll(traffic: Traffic): Promise<Caller[]> {
  return new Promise((resolve, reject) => {
    let open = 0
    const callers: Caller[] = []
    const late = setTimeout(
      () => reject(new Error(`port ${traffic.port}: ${open} of ${traffic.connections} connections in time`)),
      GRACE_MS,
    )
    const connected = () => {
      if (++open < traffic.connections) return
      clearTimeout(late)
      resolve(callers)
    }
    for (let i = 0; i < traffic.connections; i++) callers.push(new Caller(traffic, connected))
  })
}

/** Each connection sends its next request when the last one is answered, until the time is over and the count reached. */
export async function closedLoop(
  traffic: Traffic,
  until: { readonly seconds: number; readonly count: number },
): Promise<Run> {
  const callers = await connectAll(traffic)
  const tally = new Tally()
  const endMs = tally.startedMs + until.seconds * 1000
  let started = 0
  let running = callers.length
  await new Promise<void>(resolve => {
    const rest = tally.watch(resolve)
    const next = (caller: Caller) => {
      const nowMs = performance.now()
      if ((nowMs >= endMs && started >= until.count) || !caller.isOpen) {
        if (--running > 0) return
        rest()
        return resolve()
      }
      started++
      caller.send(traffic.request, fault => {
        tally.add(nowMs, fault)
        next(caller)
      })
    }
    for (const caller of callers) next(caller)
  })
  for (const caller of callers) caller.close()
  return withUnanswered(tally, started)
}

function withUnanswered(tally: Tally, started: number): Run {
  const missing = started - tally.ok - tally.failed
  for (let i = 0; i < missing; i++) tally.add(0, 'no answer in time')
  return tally.run()
}

/**
 * Requests at a fixed rate, whether or not earlier ones were answered. A request that finds no free connection waits
 * for one, and its time runs from when it was due: a slow target cannot slow down its own examiner.
 */
export async function openLoop(
  traffic: Traffic,
  pace: { readonly perSecond: number; readonly seconds: number },
): Promise<Run> {
  const free = await connectAll(traffic)
  const all = [...free]
  const tally = new Tally()
  const due: number[] = []
  const total = Math.max(1, Math.round(pace.perSecond * pace.seconds))
  let started = 0
  await new Promise<void>(resolve => {
    const rest = tally.watch(resolve)
    const serve = (caller: Caller, sinceMs: number) =>
      caller.send(traffic.request, fault => {
        tally.add(sinceMs, fault)
        const waiting = due.shift()
        if (waiting !== undefined && caller.isOpen) serve(caller, waiting)
        else if (caller.isOpen) free.push(caller)
        if (tally.ok + tally.failed === total) {
          rest()
          resolve()
        }
      })
    const tick = () => {
      const nowMs = performance.now()
      // timers tick in milliseconds: what has come due since the last tick arrives now
      const wanted = Math.min(total, Math.floor(((nowMs - tally.startedMs) / 1000) * pace.perSecond) + 1)
      for (; started < wanted; started++) {
        const caller = free.pop()
        if (caller) serve(caller, nowMs)
        else due.push(nowMs)
      }
      if (started < total) setTimeout(tick, 1)
    }
    tick()
  })
  for (const caller of all) caller.close()
  return withUnanswered(tally, started)
}

/** Opens one stream on each connection. `opened` resolves when every head is there, `finished` when every stream has ended. */
export async function openStreams(
  traffic: Traffic,
): Promise<{ readonly opened: Promise<void>; readonly finished: Promise<Run> }> {
  const callers = await connectAll(traffic)
  const tally = new Tally()
  const opened = Promise.withResolvers<void>()
  const finished = Promise.withResolvers<Run>()
  let heads = 0
  let running = callers.length
  const end = () => {
    rest()
    opened.resolve()
    for (const caller of callers) caller.close()
    finished.resolve(withUnanswered(tally, callers.length))
  }
  const rest = tally.watch(end)
  for (const caller of callers) {
    caller.onHead = () => {
      if (++heads === callers.length) opened.resolve()
    }
    caller.send(traffic.request, fault => {
      tally.add(tally.startedMs, fault)
      if (--running === 0) end()
    })
  }
  return { opened: opened.promise, finished: finished.promise }
}
