/**
 * What one request gets: ports whose timers, reads and writes belong to it. Workers forbid to share I/O between requests,
 * so the ledger, the watch and the way out are made anew; none of them has anything to remember while budgets are refused.
 */
import { createAdmin } from '../../admin/admin.ts'
import type { AdminBindings, AdminDeps } from '../../admin/deps.ts'
import { refusedKey } from '../../audit/log.ts'
import { createDataPlane, exchange } from '../../app.ts'
import { createDashboard } from '../../dashboard/dashboard.tsx'
import type { Log } from '../../deps.ts'
import type { AccountDeps } from '../../http/account.ts'
import { endpointAt, plainPath } from '../../http/endpoints.ts'
import { createKeyBook } from '../../keys/book.ts'
import { createLedger, type LedgerOwner } from '../../ledger/ledger.ts'
import { knownNow } from '../../route/router.ts'
import { portableBytes } from '../../wire/bytes.ts'
import type { Context } from './bindings.ts'
import { newId, randomBytes, workerClock } from './clock.ts'
import { testCredential } from './credential-test.ts'
import type { Isolate } from './isolate.ts'
import { admitUnlimited, unsealable, withoutLimits } from './not-yet.ts'
import { createSend } from './send.ts'
import type { Stock } from './supply.ts'
import { createWatch } from './watch.ts'

const pause = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))

/** A database that was away for a moment; the platform ends us 30 s after the answer. */
const RETRY_MS = [0, 500, 2_000, 6_000, 12_000]

/** The rows were written before the last byte; this is for those that the database did not take then. */
async function settleRest(ledger: LedgerOwner, log: Log): Promise<void> {
  for (const waitMs of RETRY_MS) {
    if (waitMs > 0) await pause(waitMs)
    try {
      return await ledger.close()
    } catch (error) {
      log('error', 'ledger.not_written', { message: error instanceof Error ? error.message : 'unknown' })
    }
  }
  log('error', 'ledger.rows_lost')
}

interface Made {
  readonly deps: AccountDeps
  readonly ledger: LedgerOwner
}

function createDeps(isolate: Isolate, stock: Stock, context: Context): Made {
  const { log, store, redactor } = isolate
  const ledger = createLedger({ store, journal: undefined, clock: workerClock, log })
  const deps: AccountDeps = {
    config: () => stock.config,
    market: () => stock.market,
    keys: isolate.keys,
    env: isolate.settings.environment,
    guard: isolate.failures,
    refused: refusedKey(isolate.audit),
    signatures: isolate.signatures,
    ledger: admitUnlimited(ledger),
    account: ledger,
    health: isolate.health,
    experience: isolate.experience,
    pressure: isolate.pressure,
    store,
    send: createSend({ guard: stock.guard, origins: stock.origins, log }),
    bytes: portableBytes,
    clock: workerClock,
    watch: createWatch({ monotonic: workerClock.monotonic, log }),
    pause,
    random: Math.random,
    newId,
    log,
    scrub: text => redactor.scrub(text),
    background: work => context.waitUntil(work.then(() => settleRest(ledger, log))),
    closed: () => undefined,
  }
  return { deps, ledger }
}

/** The admin plane reads every key from the database for each request: isolates share nothing, and a person waits for it. */
async function createAdminDeps(isolate: Isolate, stock: Stock, { deps, ledger }: Made): Promise<AdminDeps> {
  const { log, store, settings } = isolate
  const book = await createKeyBook({
    store,
    peppers: isolate.peppers,
    hmac: isolate.hmac,
    clock: workerClock,
    env: settings.environment,
    randomBytes,
    log,
  })
  return {
    store,
    keys: withoutLimits(book),
    vault: unsealable(isolate.vault),
    audit: isolate.audit,
    ledger,
    health: isolate.health,
    market: () => stock.market,
    routing: () => knownNow(deps),
    clock: workerClock,
    log,
    gate: isolate.gate,
    providerNames: () => isolate.supply.providerNames,
    // only the command line beside a data folder may ask for it, and there is none
    resetAdminToken: () => Promise.reject(new Error('the admin token is the secret SWITCHGATE_ADMIN_TOKEN')),
    testCredential: (provider, secret) =>
      testCredential(provider, secret, {
        market: stock.market,
        send: deps.send,
        bytes: portableBytes,
        scrub: deps.scrub,
      }),
  }
}

/** One request over both planes: admin paths first, everything else is the data plane's. */
export async function answer(request: Request, isolate: Isolate, context: Context): Promise<Response> {
  const stock = await isolate.supply.stock()
  const made = createDeps(isolate, stock, context)
  const url = new URL(request.url)
  // set by the platform's edge, which overwrites what a caller sends
  const peer = request.headers.get('cf-connecting-ip') ?? ''
  const endpoint = endpointAt(plainPath(url.pathname))
  if (endpoint !== undefined && endpoint.method === request.method)
    return exchange(request, endpoint, made.deps, peer)
  const connection: AdminBindings = { peer, secure: url.protocol === 'https:' }
  if (url.pathname === '/') return Response.redirect(`${url.origin}/dashboard`, 302)
  if (!/^\/(admin|dashboard)(\/|$)/.test(url.pathname))
    return createDataPlane(made.deps).fetch(request, connection)
  const adminDeps = await createAdminDeps(isolate, stock, made)
  const isApi = url.pathname.startsWith('/admin/v1')
  const plane = isApi ? createAdmin(adminDeps) : createDashboard(adminDeps, { origin: url.origin })
  return plane.fetch(request, connection)
}
