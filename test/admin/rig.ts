/** The admin plane over real parts: SQLite in a temporary folder, key book, vault, ledger with its journal; served on a real socket. */
import { createHash, createHmac } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { createAdmin } from '../../src/admin/admin.ts'
import type { AdminBindings, AdminDeps } from '../../src/admin/deps.ts'
import { createGate } from '../../src/admin/gate.ts'
import { createAuditLog } from '../../src/audit/log.ts'
import { createDashboard } from '../../src/dashboard/dashboard.tsx'
import type { LogFields } from '../../src/deps.ts'
import { createKeyBook } from '../../src/keys/book.ts'
import { createProjectBook } from '../../src/keys/projects.ts'
import { timeText } from '../../src/ids.ts'
import { createLedger, type LedgerOwner } from '../../src/ledger/ledger.ts'
import { createHealth } from '../../src/route/health.ts'
import type { Listing, Market, Site } from '../../src/route/market.ts'
import { createAuthorScope } from '../../src/runtime/author.ts'
import { createAuditHmac, createKeyHmac, nodeRandomBytes } from '../../src/runtime/node/digest.ts'
import { openJournal } from '../../src/runtime/node/journal.ts'
import { createReadRef } from '../../src/runtime/node/refs.ts'
import { openSqlite } from '../../src/runtime/node/sqlite.ts'
import type { AttemptRow, Key } from '../../src/terms.ts'
import { Secret } from '../../src/vault/secret.ts'
import { createVault, type OpenVault } from '../../src/vault/vault.ts'

export const ADMIN_TOKEN = 'sgate_admin_0123456789abcdefghijklmnopqrstuvwxyz'

const sha = (text: string): string => createHash('sha256').update(text).digest('hex')

function siteOf(name: string): Site {
  return {
    name,
    provider: { name, auth: 'bearer' },
    origin: `https://${name}.example`,
    basePath: '/v1',
    auth: 'bearer',
    quirks: {},
    headers: [],
    onDisconnect: 'abort',
    timeouts: {
      connectMs: 1,
      firstByteMs: 1,
      firstTokenMs: 1,
      idleMs: 1,
      stallMs: 1,
      keepaliveMs: 1,
      totalMs: 1,
    },
    credentials: [
      { id: `${name}-main`, name: 'main', weight: 1, headers: ['authorization', 'Bearer upstream-canary'] },
    ],
    builtIn: false,
  }
}

function listingOf(site: Site, model: string, inputPico: number, outputPico: number): Listing {
  const price = { id: `${site.name}/${model}@2026-09-30`, inputPico, outputPico }
  const limits = { contextTokens: 400_000, maxOutputTokens: 128_000 }
  return {
    site,
    offer: {
      provider: site.name,
      model,
      upstream: model,
      price,
      ...limits,
      supports: new Set(),
      thinksUnseen: false,
    },
  }
}

/** A market of three providers; the names are those that the seeded rows use. */
export function testMarket(): Market {
  const [openai, anthropic, groq] = ['openai', 'anthropic', 'groq'].map(siteOf) as [Site, Site, Site]
  const listings = [
    listingOf(openai, 'gpt-5', 1_250_000, 10_000_000),
    listingOf(openai, 'gpt-5-mini', 250_000, 2_000_000),
    listingOf(anthropic, 'claude-sonnet-4-5', 3_000_000, 15_000_000),
    listingOf(groq, 'gpt-oss-120b', 150_000, 750_000),
  ]
  return {
    resolve: name => {
      const found = listings.filter(({ offer }) => offer.model === name)
      return found.length === 0
        ? { kind: 'unknown', near: [] }
        : { kind: 'found', listings: found, strategy: undefined, alias: undefined }
    },
    listings,
    canonical: () => undefined,
    aliases: [],
    sites: [openai, anthropic, groq],
  }
}

export interface Rig {
  readonly deps: AdminDeps
  readonly ledger: LedgerOwner
  readonly app: Hono<{ Bindings: AdminBindings }>
  readonly folder: string
  /** What `env://` references read; empty at first. */
  readonly refEnv: Record<string, string>
  readonly logged: { level: string; event: string; fields: LogFields | undefined }[]
  /** Epoch ms that the clock shows; may be moved. */
  nowMs: number
  /** A request as from 127.0.0.1, with the admin token unless headers say otherwise. */
  call(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
    connection?: AdminBindings,
  ): Promise<Response>
  /** Spends as the pipeline does: hold, settle. */
  spend(key: Key, row: Partial<AttemptRow>): void
  close(): Promise<void>
}

export async function openRig(nowMs = Date.UTC(2026, 10, 20, 14, 30)): Promise<Rig> {
  const folder = mkdtempSync(join(tmpdir(), 'switchgate-admin-'))
  const logged: Rig['logged'] = []
  const log: AdminDeps['log'] = (level, event, fields) => void logged.push({ level, event, fields })
  const state = { nowMs }
  const refEnv: Record<string, string> = {}
  const clock = { now: () => state.nowMs, monotonic: () => performance.now() }
  const audit = createAuditLog({
    store: openSqlite(join(folder, 'switchgate.db')),
    hmac: createAuditHmac(() => vault.keyring()),
    clock,
    scope: createAuthorScope(),
    log,
  })
  const { store } = audit
  const vault: OpenVault = await createVault({
    store,
    masterKey: new Secret(nodeRandomBytes(32), 'master key'),
    clock,
    random: nodeRandomBytes,
    readRef: createReadRef({ env: refEnv, privateFolder: folder }),
    log,
  })
  const projects = await createProjectBook({ store, clock, randomBytes: nodeRandomBytes, log })
  const keys = await createKeyBook({
    store,
    project: projects.get,
    peppers: [...vault.keyring().peppers.keys()],
    hmac: createKeyHmac(() => vault.keyring()),
    clock,
    env: 'live',
    randomBytes: nodeRandomBytes,
    log,
  })
  const ledger = createLedger({ store, journal: openJournal(folder, log), clock, log })
  projects.onChange(ledger.adopt)
  await ledger.recover()
  const market = testMarket()
  const gate = createGate({
    now: clock.now,
    randomBytes: nodeRandomBytes,
    sessionKey: () => createHmac('sha256', 'rig').update(ADMIN_TOKEN).digest(),
    verifyAdminToken: async text => sha(text) === sha(ADMIN_TOKEN),
    hosts: ['gate.example'],
    audit,
  })
  const deps: AdminDeps = {
    store,
    keys,
    projects,
    vault,
    audit,
    ledger,
    health: createHealth(),
    market: () => market,
    clock,
    log,
    gate,
    providerNames: () => ['openai', 'anthropic', 'groq'],
    testCredential: async (_provider, secret) =>
      secret.startsWith('sk-good')
        ? { ok: true, message: 'accepted' }
        : { ok: false, message: 'refused: 401' },
    resetAdminToken: async () => 'sgate_admin_fresh',
    rotateMasterKey: async () => {
      const from = vault.masterKeyFingerprint
      await vault.rewrap(new Secret(nodeRandomBytes(32), 'master key'))
      return { from, to: vault.masterKeyFingerprint, path: null, oldPath: null }
    },
  }
  const app = new Hono<{ Bindings: AdminBindings }>()
  app.route('/', createDashboard(deps))
  app.route('/', createAdmin(deps))
  let count = 0

  return {
    deps,
    ledger,
    app,
    folder,
    refEnv,
    logged,
    get nowMs() {
      return state.nowMs
    },
    set nowMs(ms) {
      state.nowMs = ms
    },
    async call(method, path, body, headers, connection) {
      const given = headers ?? { authorization: `Bearer ${ADMIN_TOKEN}` }
      const init: RequestInit = { method, headers: { host: '127.0.0.1:8484', ...given } }
      if (body !== undefined) {
        init.body = typeof body === 'string' || body instanceof Blob ? body : JSON.stringify(body)
        init.headers = { 'content-type': 'application/json', ...init.headers }
      }
      const request = new Request(`http://127.0.0.1:8484${path}`, init)
      return app.fetch(request, connection ?? { peer: '127.0.0.1' })
    },
    spend(key, row) {
      count++
      const requestId = row.requestId ?? `req_${timeText(state.nowMs)}${String(count).padStart(10, '0')}`
      const attempt = row.attempt ?? 1
      const hold = ledger.hold(key, `${requestId}.${attempt}`, 0)
      if (!('attemptId' in hold)) throw new Error(`refused: ${hold.limit}`)
      ledger.settle(hold, {
        ...plainRow(key, state.nowMs),
        ...row,
        id: `${requestId}.${attempt}`,
        requestId,
        attempt,
      })
    },
    async close() {
      await ledger.close()
      await store.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function plainRow(key: Key, createdAtMs: number): AttemptRow {
  return {
    id: '',
    requestId: '',
    attempt: 1,
    last: true,
    createdAtMs,
    keyId: key.id,
    lineage: key.lineage,
    project: null,
    requestedModel: 'gpt-5',
    provider: 'openai',
    model: 'gpt-5',
    upstreamModel: 'gpt-5',
    credential: 'openai-main',
    operation: 'chat',
    stream: true,
    status: 200,
    error: null,
    finishReason: 'stop',
    usage: {
      inputTokens: 1200,
      cacheReadInputTokens: 200,
      cacheCreationInputTokens: 0,
      outputTokens: 300,
      reasoningOutputTokens: 64,
    },
    costNanoUsd: 4_500_000,
    heldNanoUsd: 0,
    overrunNanoUsd: 0,
    certainty: 'exact',
    priceId: 'openai/gpt-5@2026-09-30',
    ttftMs: 412,
    totalMs: 2310,
    peer: '203.0.113.7',
    user: null,
    tags: [],
    answerId: null,
    why: 'cheapest of 1',
  }
}

/** The rig's app on a real loopback socket. */
export async function listen(rig: Rig): Promise<{ origin: string; close(): Promise<void> }> {
  const server = createServer(
    getRequestListener(request => rig.app.fetch(request, { peer: '127.0.0.1' }), {
      overrideGlobalObjects: false,
    }),
  )
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise(resolve => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}
