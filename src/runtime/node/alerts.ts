/** The way of alerts on Node: where `alerts.webhook` leads, read anew for each, so that a reload is enough to change it. */
import type { Config } from '../../config/schema.ts'
import type { Clock, Log } from '../../deps.ts'
import { type Alert, createAlerts } from '../../ledger/alerts.ts'
import type { Send } from '../../terms.ts'
import { parseRef, type ReadRef } from '../../vault/ref.ts'
import { nodeBytes } from './bytes.ts'

/** The address that this text is or refers to. Rejects as `ReadRef` does. */
async function addressOf(text: string | undefined, readRef: ReadRef): Promise<string | undefined> {
  if (text === undefined || /^https?:\/\//.test(text)) return text
  const ref = parseRef(text)
  if ('why' in ref) throw new Error(ref.why)
  return readRef(ref)
}

/** `send` is the guarded way out: private addresses need `egress.allow`. */
export function openAlerts(input: {
  config: () => Config
  readRef: ReadRef
  send: Send
  clock: Clock
  log: Log
}): Alert {
  const { config, readRef, send, clock, log } = input
  return createAlerts({
    webhook: () => addressOf(config().alerts.webhook, readRef),
    send,
    clock,
    pause: ms => new Promise(resolve => setTimeout(resolve, ms).unref()),
    bytes: text => nodeBytes.of(text),
    log,
  })
}
