/**
 * One exchange with one target: sends, watches the clock, reads the answer, and lets the caller have it. Content commits:
 * until then the outcome may be another target's turn. The last bytes are kept back until the settlement is durable.
 */
import { type HeaderMap, headerOf, refusalOf, upstreamError } from '../attempt/classify.ts'
import type { Deps, Watched } from '../deps.ts'
import { type Failure, GatewayError } from '../errors.ts'
import type { Receiver, Upstream } from '../terms.ts'
import type { ExchangeInput, ExchangeResult, Phase } from './contract.ts'
import { ERROR_BODY, failureIn, hasEnded, isComplete, kindOfBreak, phaseOf } from './endings.ts'
import { callersPauseMs, DRAIN_MS_MAX, keepAliveDue, LINGER_MS, silenceMs } from './patience.ts'
import type { StreamState } from './reader.ts'
import { shown } from './shown.ts'
import { readWhole, type WholeAnswer } from './whole.ts'

export function runExchange(input: ExchangeInput, deps: Deps): Promise<ExchangeResult> {
  return new Promise(resolve => new Exchange(input, deps, resolve).start())
}

class Exchange implements Receiver, Watched {
  place = -1
  dueMs = Number.POSITIVE_INFINITY
  private phase: Phase = 'waiting'
  private upstream: Upstream | undefined
  private status = 0
  private responseHeaders: HeaderMap = {}
  private parts: Uint8Array[] = []
  private bodyBytes = 0
  private ttftMs: number | undefined
  private committed = false
  private drained = false
  private pausedByCaller = false
  private resolved = false
  private readonly startedMs: number
  private readonly i: ExchangeInput
  private readonly deps: Deps
  private readonly resolve: (result: ExchangeResult) => void
  private keepAliveDueMs: number
  private limitDueMs: number

  constructor(input: ExchangeInput, deps: Deps, resolve: (result: ExchangeResult) => void) {
    this.i = input
    this.deps = deps
    this.resolve = resolve
    this.startedMs = deps.clock.monotonic()
    const { timeouts, stream } = input
    const first = stream ? timeouts.firstTokenMs : timeouts.firstByteMs
    this.limitDueMs = input.lastResort ? input.deadlineMs : Math.min(this.startedMs + first, input.deadlineMs)
    this.keepAliveDueMs = stream ? keepAliveDue(input, this.startedMs) : Number.POSITIVE_INFINITY
  }

  start(): void {
    if (this.i.answer.left) return this.finish(new GatewayError('cancelled', 'the caller left'))
    // named first: assigned as a literal, V8 puts it into old space, where it keeps the whole request alive
    const left = () => this.callerLeft()
    this.i.answer.onLeft = left
    this.setDue()
    this.deps.watch.add(this)
    this.upstream = this.i.send(this.i.request, this)
    if (this.resolved) this.upstream.abort()
  }

  head(status: number, headers: HeaderMap): void {
    if (this.phase !== 'waiting') return
    this.status = status
    this.responseHeaders = headers
    const phase = phaseOf(status, headers, this.i)
    if (phase instanceof GatewayError) return this.finish(phase)
    this.phase = phase
    if (phase === 'error')
      this.limitDueMs = Math.min(this.limitDueMs, this.deps.clock.monotonic() + ERROR_BODY.msMax)
    else if (phase === 'stream' && !this.i.lastResort) this.touch(this.i.timeouts.idleMs)
    this.setDue()
  }

  chunk(bytes: Uint8Array): void {
    switch (this.phase) {
      case 'stream':
        return this.streamChunk(bytes)
      case 'whole':
      case 'error': {
        this.bodyBytes += bytes.length
        const most = this.phase === 'error' ? ERROR_BODY.bytesMax : this.i.answerBytesMax
        if (this.bodyBytes <= most) this.parts.push(bytes)
        else if (this.phase === 'whole') this.fail('oversized')
        else this.refused()
        return
      }
    }
  }

  end(): void {
    switch (this.phase) {
      case 'waiting':
        return this.fail('unreachable')
      case 'error':
        return this.refused()
      case 'whole':
        return this.wholeEnd()
      case 'stream':
        return this.streamEnd()
      case 'linger':
        return this.release()
    }
  }

  fail(error: unknown): void {
    if (this.phase === 'linger') return this.release()
    if (this.phase === 'over') return
    const named = error instanceof GatewayError ? error.kind : typeof error === 'string' ? error : undefined
    if (this.phase === 'error') return this.refused()
    if (this.phase === 'stream' && hasEnded(this.i.reader?.state)) {
      // a stream that said how it ended is whole, however its connection went down, or if it stays open
      this.upstream?.abort()
      return this.streamEnd()
    }
    const kind = kindOfBreak(named as Failure | undefined, this.phase !== 'waiting', this.committed)
    this.finish(upstreamError(kind, this.i.providerName, { scrub: this.i.scrub, cause: error }))
  }

  expire(nowMs: number): void {
    if (this.phase === 'linger') {
      this.upstream?.abort()
      return this.release()
    }
    const isOver = nowMs >= this.limitDueMs
    // before another target is asked; an end of all is rather told with its own status
    if (nowMs >= this.keepAliveDueMs && !this.committed && !(isOver && this.i.lastResort)) {
      this.keepAliveDueMs = keepAliveDue(this.i, nowMs)
      this.i.answer.keepAlive([])
    }
    if (isOver) return this.pausedByCaller ? this.cancel('read nothing for too long') : this.fail('silent')
    this.setDue()
  }

  stop(): void {
    if (this.resolved) return
    this.finish(new GatewayError('draining', 'This gateway is shutting down.', { retryAfterMs: 1000 }))
  }

  private setDue(): void {
    this.dueMs = Math.min(this.limitDueMs, this.committed ? Number.POSITIVE_INFINITY : this.keepAliveDueMs)
  }

  /** Something was heard: the silence limit starts again. */
  private touch(silenceMs: number): void {
    const now = this.deps.clock.monotonic()
    const cap =
      this.ttftMs === undefined ? this.startedMs + this.i.timeouts.firstTokenMs : Number.POSITIVE_INFINITY
    this.limitDueMs = Math.min(now + silenceMs, cap, this.i.deadlineMs)
    this.setDue()
  }

  private streamChunk(bytes: Uint8Array): void {
    const { reader } = this.i
    if (!reader) return
    this.deliver(reader.push(bytes))
    if (this.phase !== 'stream') return
    const { state } = reader
    if (state.failure) return this.streamFailed(state)
    if (state.done) return this.streamEnd()
    const silence = silenceMs(state, !this.committed && !this.i.lastResort, this.i.timeouts)
    if (silence !== undefined && !this.pausedByCaller) this.touch(silence)
    if (state.content && this.i.afford && !this.i.afford(state.textBytes, state)) {
      // the budget ends here: the stream is closed as if the model had reached its limit
      this.upstream?.abort()
      this.releaseHeld()
      this.finish(undefined, { cutShort: true })
    }
  }

  private deliver(out: Uint8Array | undefined): void {
    const { reader, holdBack } = this.i
    if (this.ttftMs === undefined && reader?.state.content) {
      this.ttftMs = this.deps.clock.monotonic() - this.startedMs
      this.i.onContent?.(this.ttftMs)
    }
    if (holdBack && !this.committed && reader) {
      const free = holdBack.take(out, reader.state, this.deps.clock.monotonic())
      if (holdBack.open) this.send(free)
    } else this.send(out)
  }

  private releaseHeld(): void {
    if (this.i.holdBack && !this.committed) this.send(this.i.holdBack.release())
  }

  private send(out: Uint8Array | undefined): void {
    const { reader, answer } = this.i
    if (!this.committed && reader?.state.content) {
      this.committed = true
      answer.startStream(this.i.headers(), this.i.raw && headerOf(this.responseHeaders, 'content-type'))
    }
    if (!out || this.drained) return
    if (!answer.write(out) && !this.pausedByCaller) {
      this.pausedByCaller = true
      this.touch(callersPauseMs(this.i.timeouts.stallMs))
      this.upstream?.pause()
      answer.onResume(() => {
        this.pausedByCaller = false
        this.touch(this.i.timeouts.stallMs)
        this.upstream?.resume()
      })
    }
  }

  private streamEnd(): void {
    const { reader } = this.i
    if (!reader) return
    const wasDone = reader.state.done
    if (!wasDone) this.deliver(reader.end())
    const { state } = reader
    if (state.failure) return this.streamFailed(state)
    if (isComplete(state, this.i.needsFinish)) {
      this.releaseHeld()
      // the terminator came as data: the connection may still be open and may be used again
      return this.finish(undefined, { linger: wasDone })
    }
    const kind = this.committed ? 'interrupted' : 'malformed'
    this.finish(upstreamError(kind, this.i.providerName, { scrub: this.i.scrub }))
  }

  private streamFailed(state: StreamState): void {
    this.finish(failureIn(state, this.committed, this.i))
  }

  private wholeEnd(): void {
    const { bytes } = this.deps
    const body = this.parts.length === 1 ? (this.parts[0] as Uint8Array) : bytes.concat(this.parts)
    const result = readWhole(body, this.i, bytes, this.responseHeaders)
    if (result instanceof GatewayError) return this.finish(result)
    this.ttftMs = this.deps.clock.monotonic() - this.startedMs
    this.i.onContent?.(this.ttftMs)
    this.finish(undefined, { whole: result })
  }

  /** The provider's no, in as much of its words as came. */
  private refused(): void {
    const { bytes, clock } = this.deps
    const text = bytes.text(bytes.concat(this.parts))
    this.finish(refusalOf({ status: this.status, headers: this.responseHeaders, text }, this.i, clock.now()))
  }

  private callerLeft(): void {
    if (this.resolved) return
    if (this.i.onDisconnect === 'drain' && this.i.answer.left && this.phase !== 'error') {
      this.drained = true
      if (this.pausedByCaller) this.upstream?.resume()
      this.pausedByCaller = false
      this.limitDueMs = Math.min(this.i.deadlineMs, this.deps.clock.monotonic() + DRAIN_MS_MAX)
      this.setDue()
      return
    }
    this.cancel()
  }

  private cancel(what = 'left before the end'): void {
    this.finish(new GatewayError('cancelled', `the caller ${what}`))
  }

  private release(): void {
    this.phase = 'over'
    this.deps.watch.remove(this)
  }

  private finish(
    failure: GatewayError | undefined,
    more: { whole?: WholeAnswer; cutShort?: boolean; linger?: boolean } = {},
  ): void {
    if (this.resolved) return
    this.resolved = true
    if (failure) this.upstream?.abort()
    this.i.answer.onLeft = undefined
    if (more.linger) {
      this.phase = 'linger'
      this.dueMs = this.deps.clock.monotonic() + LINGER_MS
    } else this.release()
    const state = this.i.reader?.state
    const seen = more.whole ?? state
    this.resolve({
      failure,
      committed: this.committed,
      sent: this.upstream !== undefined,
      delivered: this.upstream?.sent,
      stale: this.upstream?.stale,
      status: this.status,
      usage: seen?.usage,
      usageIsFinal: state?.usageIsFinal ?? false,
      finishReason: more.cutShort ? 'length' : seen?.finishReason,
      answerId: seen?.answerId,
      textBytes: seen?.textBytes || shown(failure, this.status, this.bodyBytes, this.parts, this.deps.bytes),
      contentEvents: state?.contentEvents ?? 0,
      ttftMs: this.ttftMs,
      totalMs: this.deps.clock.monotonic() - this.startedMs,
      whole: more.whole,
      cutShort: more.cutShort ?? false,
      drained: this.drained,
    })
  }
}
