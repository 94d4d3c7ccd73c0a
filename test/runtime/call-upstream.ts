/** A process of its own that makes one request through `send` and prints the report as JSON: for what a process reads only at its start. */
import { lookup } from 'node:dns/promises'
import { createGuard } from '../../src/egress/guard.ts'
import { createProxyFor } from '../../src/egress/proxy.ts'
import { createSend } from '../../src/runtime/node/send.ts'
import { exchange, logbook } from './recorder.ts'

const [origin = '', allow = '', resolvesTo = ''] = process.argv.slice(2)
const { lines, log } = logbook()
const send = createSend({
  guard: createGuard(allow === '' ? [] : allow.split(',')),
  connectTimeoutMs: 2000,
  proxyFor: createProxyFor(process.env),
  resolve: async host =>
    resolvesTo === ''
      ? lookup(host, { all: true })
      : [{ address: resolvesTo, family: resolvesTo.includes(':') ? 6 : 4 }],
  log,
})
const report = await exchange(send, {
  origin,
  headers: ['authorization', 'Bearer CANARY'],
  body: new Uint8Array(3),
}).over
process.stdout.write(
  JSON.stringify({
    status: report.status,
    text: report.text(),
    kind: report.error?.kind,
    message: report.error?.message,
    lines,
  }),
)
await send.destroy()
