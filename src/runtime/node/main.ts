/** `switchgate serve` on Node: opens the gateway, listens, drains on SIGTERM. */
import { chmodSync, rmSync, unwatchFile, watchFile } from 'node:fs'
import type { Server } from 'node:http'
import { createRedactor } from '../../redact.ts'
import { noteThat } from './audit.ts'
import { firstStart, firstStartText } from './first-start.ts'
import { FolderInUse } from './folder.ts'
import { makeServer } from './lane/server.ts'
import type { ListenerOptions } from './listener.ts'
import { createLog, createOutput, logSettings } from './log.ts'
import { type App, type Gateway, openGateway } from './open.ts'
import { unconfigured } from '../../catalog/local.ts'
import { findServers, maySearch, offer } from './local.ts'
import { listen, listenAt, type Place, PlaceTaken } from './place.ts'
import { proveConfig } from './supply.ts'
import { type Pems, readTls } from './setting-file.ts'
import { type Env, isLoopbackHost, readSettings, type Settings } from './settings.ts'
import { endNow } from './stop.ts'
import { createPeerOf, parseTrustedProxies } from './trust.ts'

const EXIT_CONFIG = 78
const EXIT_UNAVAILABLE = 69
const DRAIN_MS_MAX = 30_000
const SWEEP_MS = 50
/** How often one's own model servers are asked what they serve. */
const LOOK_MS = 30_000
/** Time for what was broken off to be settled and told. */
const BREAK_OFF_MS_MAX = 2_000

interface Listening {
  readonly server: Server
  readonly url: string
}

function urlOf(server: Server, host: string, secure: boolean): string {
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const shown = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
  return `${secure ? 'https' : 'http'}://${shown.includes(':') && !shown.startsWith('[') ? `[${shown}]` : shown}:${port}`
}

const isLanguageError = (error: Error) =>
  error instanceof TypeError ||
  error instanceof ReferenceError ||
  error instanceof SyntaxError ||
  error instanceof RangeError

/** What every fault at start is told with: exit code and one clear message. */
function fatal(error: unknown): { code: number; message: string } {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof FolderInUse || error instanceof PlaceTaken) return { code: EXIT_UNAVAILABLE, message }
  const code = (error as { code?: unknown })?.code
  // what we throw on purpose at a start says what to set; what the language throws is a bug
  const isOurs = error instanceof Error && code === undefined && !isLanguageError(error)
  return { code: isOurs ? EXIT_CONFIG : 1, message }
}

/** Runs until it is told to stop; resolves with the exit code. */
export async function serve(_argv: readonly string[], given: Env): Promise<number> {
  const redactor = createRedactor()
  const stdout = process.stdout
  // a reader that went away must not take the gateway with it
  stdout.on('error', () => undefined)
  process.stderr.on('error', () => undefined)
  try {
    const settings = readSettings(given)
    const log = createLog({
      ...logSettings(settings.env, stdout.isTTY === true),
      scrub: text => redactor.scrub(text),
      secrets: () => redactor.count,
      write: createOutput(stdout),
      backlog: () => stdout.writableLength,
    })
    process.on('unhandledRejection', reason => {
      log('error', 'unhandled_rejection', {
        detail: reason instanceof Error ? (reason.stack ?? reason.message) : String(reason),
      })
    })
    return await run(settings, log, redactor)
  } catch (error) {
    const { code, message } = fatal(error)
    process.stderr.write(`switchgate: ${redactor.scrub(message)}\n`)
    return code
  }
}

async function run(
  settings: Settings,
  log: ReturnType<typeof createLog>,
  redactor: ReturnType<typeof createRedactor>,
): Promise<number> {
  const secure = settings.tls !== undefined
  const trusted = parseTrustedProxies(settings.env.SWITCHGATE_TRUSTED_PROXIES)
  const loopback = isLoopbackHost(settings.host)
  const planned = `${secure ? 'https' : 'http'}://${settings.host === '0.0.0.0' ? '127.0.0.1' : settings.host}:${settings.port}`
  const pems = readTls(settings.tls)
  proveConfig(settings)
  const gateway = await openGateway({ settings, log, redactor, origin: planned })
  await gateway.supply.look(gateway.deps.send)
  const peerOf = createPeerOf(trusted)
  const listener = (app: App, more: Partial<ListenerOptions> = {}): ListenerOptions => ({
    deps: gateway.deps,
    app,
    peerOf,
    secure,
    ...more,
  })
  const listening: Listening[] = []
  try {
    const data = await open(
      listener(loopback ? gateway.whole : gateway.data),
      { host: settings.host, port: settings.port, hostVariable: 'HOST', portVariable: 'PORT' },
      pems,
    )
    listening.push(data)
    const adminPlace: Place = {
      host: settings.adminHost,
      port: settings.adminPort,
      hostVariable: 'SWITCHGATE_ADMIN_HOST',
      portVariable: 'SWITCHGATE_ADMIN_PORT',
    }
    const admin = loopback ? data : await open(listener(gateway.admin), adminPlace, undefined)
    if (!loopback) listening.push(admin)
    const socket = await openSocket(gateway, listener(gateway.admin, { trusted: true, secure: false }))
    if (socket) listening.push(socket)
    if (!loopback && !secure && trusted.length === 0) {
      log('warn', 'listener.public_without_tls', {
        host: settings.host,
        cure: 'set TLS_CERT_FILE and TLS_KEY_FILE, or put a TLS proxy in front and name it in SWITCHGATE_TRUSTED_PROXIES',
      })
    }
    await noteThat(gateway.audit, log, { action: 'gateway.start', target: null, detail: { url: data.url } })
    await announce(gateway, { data: data.url, admin: admin.url }, log)
    if (gateway.supply.config().discoverEnv && maySearch(settings.env))
      void findServers(unconfigured(gateway.supply.config())).then(found => offer(found, log))
  } catch (error) {
    for (const { server } of listening) server.close()
    await gateway.close()
    throw error
  }
  return stopped(gateway, listening, log, settings)
}

async function open(listener: ListenerOptions, place: Place, tls: Pems | undefined): Promise<Listening> {
  const server = makeServer({ ...listener, tls })
  await listenAt(server, place)
  return { server, url: urlOf(server, place.host, tls !== undefined) }
}

/** The command line's way in: `<data>/switchgate.sock`, 0600. A path too long for a socket is done without. */
async function openSocket(gateway: Gateway, listener: ListenerOptions): Promise<Listening | undefined> {
  const path = gateway.folder.file('switchgate.sock')
  // the folder's lock is ours: a socket file that lies there is a dead one's
  rmSync(path, { force: true })
  const server = makeServer(listener)
  try {
    const before = process.umask(0o177)
    try {
      await listen(server, { path })
    } finally {
      process.umask(before)
    }
    chmodSync(path, 0o600)
  } catch (error) {
    gateway.deps.log('warn', 'socket.not_opened', {
      path,
      message: error instanceof Error ? error.message : 'unknown',
    })
    return undefined
  }
  return { server, url: path }
}

async function announce(
  gateway: Gateway,
  urls: { data: string; admin: string },
  log: ReturnType<typeof createLog>,
): Promise<void> {
  const first = await firstStart(gateway)
  if (first) {
    const text = firstStartText(first, gateway, urls)
    if (process.stdout.isTTY) process.stdout.write(`\n${text}\n`)
    else {
      rmSync(gateway.folder.file('first-start.txt'), { force: true })
      const path = gateway.folder.writeNew('first-start.txt', text)
      process.stdout.write(`switchgate: first start; the admin token and a first key are in ${path}\n`)
    }
  }
  const { masterKey } = gateway
  if (masterKey.source === 'folder') {
    log('warn', 'master_key.beside_database', {
      path: masterKey.path,
      cure: 'keep it elsewhere with SWITCHGATE_MASTER_KEY_FILE; back it up apart from the database',
    })
  }
  log('info', 'listening', {
    url: urls.data,
    dashboard: `${urls.admin}/dashboard`,
    models: gateway.deps.market().listings.length,
  })
}

/** Waits for a signal, drains, settles. A second signal breaks off what runs, and a third ends at once: the journal has everything. */
function stopped(
  gateway: Gateway,
  listening: readonly Listening[],
  log: ReturnType<typeof createLog>,
  settings: Settings,
): Promise<number> {
  return new Promise(resolve => {
    let signals = 0
    const look = () => gateway.supply.look(gateway.deps.send)
    const reload = () => void gateway.supply.reload().then(look)
    const looking = setInterval(() => void look(), LOOK_MS)
    looking.unref()
    if (settings.configPath) watchFile(settings.configPath, { interval: 1_000, persistent: false }, reload)
    process.on('SIGHUP', reload)
    const stop = (signal: string) => {
      signals++
      if (signals > 2) process.exit(0)
      if (signals === 2)
        return void endNow(gateway, log).then(() => {
          log.flush()
          process.exit(0)
        })
      log('info', 'stopping', { signal, running: gateway.ledger.openHolds() })
      clearInterval(looking)
      if (settings.configPath) unwatchFile(settings.configPath, reload)
      void finish(gateway, listening, log).then(resolve)
    }
    process.on('SIGTERM', () => stop('SIGTERM'))
    process.on('SIGINT', () => stop('SIGINT'))
  })
}

async function finish(
  gateway: Gateway,
  listening: readonly Listening[],
  log: ReturnType<typeof createLog>,
): Promise<number> {
  gateway.drain()
  const untilMs = Date.now() + DRAIN_MS_MAX
  // a request whose body is still on its way holds no money yet
  const running = () => Math.max(gateway.ledger.openHolds(), gateway.deps.pressure?.inFlight ?? 0)
  // listeners stay up while they run, so that /readyz can say 503
  while (running() > 0 && Date.now() < untilMs) await new Promise(resolve => setTimeout(resolve, SWEEP_MS))
  gateway.breakOff()
  const lastMs = Date.now() + BREAK_OFF_MS_MAX
  while (gateway.ledger.openHolds() > 0 && Date.now() < lastMs)
    await new Promise(resolve => setTimeout(resolve, SWEEP_MS))
  for (const { server } of listening) {
    server.close()
    server.closeIdleConnections()
  }
  await new Promise(resolve => setTimeout(resolve, SWEEP_MS))
  for (const { server } of listening) server.closeAllConnections()
  if (!gateway.vault.sealed)
    await noteThat(gateway.audit, log, { action: 'gateway.stop', target: null, detail: {} })
  await gateway.close()
  log('info', 'stopped', {})
  log.flush()
  return 0
}
