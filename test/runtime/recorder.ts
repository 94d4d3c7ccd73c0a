/** A receiver that writes down what `send` reports, for the tests of the runtime. */
import type { LogFields, LogLevel } from '../../src/deps.ts'
import { GatewayError } from '../../src/errors.ts'
import type { Receiver, Send, Upstream, UpstreamRequest } from '../../src/terms.ts'

export interface Report {
  readonly events: string[]
  status: number | undefined
  headers: Record<string, string | string[] | undefined>
  readonly chunks: Uint8Array[]
  error: GatewayError | undefined
  text(): string
}

export interface Exchange {
  readonly upstream: Upstream
  readonly report: Report
  /** Resolves at `end` or `fail`. */
  readonly over: Promise<Report>
}

/** Starts an exchange; `onChunk` may pause, abort or throw. */
export function exchange(
  send: Send,
  request: Partial<UpstreamRequest> & { origin: string },
  hooks: { onChunk?: (upstream: Upstream, report: Report) => void; onHead?: () => void } = {},
): Exchange {
  const chunks: Uint8Array[] = []
  const report: Report = {
    events: [],
    status: undefined,
    headers: {},
    chunks,
    error: undefined,
    text: () => Buffer.concat(chunks).toString('utf8'),
  }
  let upstream: Upstream | undefined
  const over = new Promise<Report>(resolve => {
    const to: Receiver = {
      head(status, headers) {
        report.events.push('head')
        report.status = status
        report.headers = headers
        hooks.onHead?.()
      },
      chunk(bytes) {
        report.events.push('chunk')
        chunks.push(bytes)
        if (upstream !== undefined) hooks.onChunk?.(upstream, report)
      },
      end() {
        report.events.push('end')
        resolve(report)
      },
      fail(error) {
        report.events.push('fail')
        report.error = error as GatewayError
        if (!(error instanceof GatewayError)) throw new Error('not a GatewayError')
        resolve(report)
      },
    }
    upstream = send({ path: '/v1/x', method: 'POST', headers: [], ...request }, to)
  })
  if (upstream === undefined) throw new Error('send returned nothing')
  return { upstream, report, over }
}

export interface Line {
  readonly level: LogLevel
  readonly event: string
  readonly fields: LogFields
}

/** A log that remembers. */
export function logbook(): {
  lines: Line[]
  log: (level: LogLevel, event: string, fields?: LogFields) => void
} {
  const lines: Line[] = []
  return { lines, log: (level, event, fields = {}) => void lines.push({ level, event, fields }) }
}
