/** Tells the outside of a budget that is nearly spent or was overrun: one POST of JSON for each, off the request path. Used by the ledger, if an address is configured. */
import type { Clock, Log, LogFields } from '../deps.ts'
import type { Send } from '../terms.ts'

/** The same thing is told once in this time. */
const QUIET_MS = 600_000
/** Things remembered as told, and alerts that may wait for an address that does not answer. */
const TOLD_MAX = 10_000
const WAITING_MAX = 100
const ANSWER_MS_MAX = 10_000
const RETRY_MS = [0, 2_000, 15_000] as const

export type Alert = (event: string, fields: LogFields) => void

export interface AlertDeps {
  /** Where to, now; undefined = nowhere. Rejects when the address cannot be read. */
  readonly webhook: () => Promise<string | undefined>
  readonly send: Send
  readonly clock: Clock
  readonly pause: (ms: number) => Promise<void>
  /** UTF-8. */
  readonly bytes: (text: string) => Uint8Array
  readonly log: Log
}

/** In words, for those who show only `text` (Slack, Mattermost, Google Chat: their incoming webhooks take this member). */
function wordsOf(event: string, fields: LogFields): string {
  const facts = Object.entries(fields).map(([name, value]) => `${name} ${value}`)
  return `Switchgate: ${event} (${facts.join(', ')})`
}

/** Status of one POST; 0 = no answer. Never rejects. The body of the answer is not read. */
function post(address: URL, body: Uint8Array, { send, pause }: AlertDeps): Promise<number> {
  return new Promise(resolve => {
    const request = {
      origin: address.origin,
      path: address.pathname + address.search,
      method: 'POST',
      headers: ['content-type', 'application/json', 'user-agent', 'switchgate'],
      body,
    } as const
    const upstream = send(request, {
      head(status) {
        resolve(status)
        // what it says in its body is of no interest
        void pause(0).then(() => upstream.abort())
      },
      chunk() {},
      end() {},
      fail: () => resolve(0),
    })
    void pause(ANSWER_MS_MAX).then(() => {
      upstream.abort()
      resolve(0)
    })
  })
}

/** Alerts to the webhook, in the background; what cannot be told is logged, and nothing waits for it. */
export function createAlerts(deps: AlertDeps): Alert {
  const { webhook, clock, pause, bytes, log } = deps
  const toldAtMs = new Map<string, number>()
  let waiting = 0

  async function tell(event: string, body: Uint8Array): Promise<void> {
    let status = 0
    for (const waitMs of RETRY_MS) {
      if (waitMs > 0) await pause(waitMs)
      const text = await webhook()
      if (text === undefined) return
      status = await post(new URL(text), body, deps)
      if (status >= 200 && status < 300) return
      // the address itself is refused: asking again changes nothing
      if (status >= 400 && status < 500 && status !== 429) break
    }
    log('warn', 'alert.not_told', { alert: event, status })
  }

  return (event, fields) => {
    const nowMs = clock.monotonic()
    const what = JSON.stringify([
      event,
      fields.key,
      fields.owner,
      fields.limit,
      fields.soft_usd,
      fields.target,
    ])
    if (nowMs - (toldAtMs.get(what) ?? Number.NEGATIVE_INFINITY) < QUIET_MS) return
    if (waiting >= WAITING_MAX) return log('warn', 'alert.not_told', { alert: event, waiting })
    if (toldAtMs.size >= TOLD_MAX) toldAtMs.clear()
    toldAtMs.set(what, nowMs)
    waiting++
    const at = new Date(clock.now()).toISOString()
    const body = bytes(JSON.stringify({ text: wordsOf(event, fields), event, at, ...fields }))
    void tell(event, body)
      .catch(error => {
        const reason = error instanceof Error ? error.message : 'unknown'
        log('warn', 'alert.not_told', { alert: event, reason })
      })
      .finally(() => {
        waiting--
      })
  }
}
