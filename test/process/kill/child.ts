/**
 * A whole gateway that kills itself at a named point of its ledger: `node child.ts <folder> <config> <point> <nth>`. Runs
 * the build in dist/. Says `ready <port> <ms>` once, with the milliseconds from its own start.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Ledger } from '../../../src/deps.ts'
import type * as listenerModule from '../../../src/runtime/node/listener.ts'
import type * as openModule from '../../../src/runtime/node/open.ts'
import type * as redactModule from '../../../src/redact.ts'
import type * as settingsModule from '../../../src/runtime/node/settings.ts'
import type * as trustModule from '../../../src/runtime/node/trust.ts'

const built = <T>(path: string) =>
  import(new URL(`../../../dist/src/${path}`, import.meta.url).href) as Promise<T>
const { createListener } = await built<typeof listenerModule>('runtime/node/listener.js')
const { openGateway } = await built<typeof openModule>('runtime/node/open.js')
const { createRedactor } = await built<typeof redactModule>('redact.js')
const { readSettings } = await built<typeof settingsModule>('runtime/node/settings.js')
const { createPeerOf } = await built<typeof trustModule>('runtime/node/trust.js')

const [folder, config, point, nth] = process.argv.slice(2) as [string, string, string, string]
const startedAt = performance.now()
const gateway = await openGateway({
  settings: readSettings({ SWITCHGATE_CONFIG: config, SWITCHGATE_DATA: join(folder, 'data') }),
  log: () => {},
  redactor: createRedactor(),
})
const { ledger } = gateway.deps

let left = Number(nth)
function reached(name: string): void {
  if (name === point && --left === 0) process.kill(process.pid, 'SIGKILL')
}

/** What a caller of `durable` has just said: it decides which point its answer is. */
let said: 'hold' | 'settle' = 'hold'
const watched: Ledger = {
  ...ledger,
  hold(...input) {
    reached('before hold')
    const hold = ledger.hold(...input)
    said = 'hold'
    return hold
  },
  settle(...input) {
    reached('before settle')
    ledger.settle(...input)
    said = 'settle'
  },
  durable() {
    const name = `after ${said}`
    return ledger.durable().then(() => reached(name))
  },
}
const server = createServer(
  createListener({
    deps: { ...gateway.deps, ledger: watched },
    app: gateway.whole,
    peerOf: createPeerOf([]),
  }),
)
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  process.stdout.write(`ready ${port} ${(performance.now() - startedAt).toFixed(1)}\n`)
})
