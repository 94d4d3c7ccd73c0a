/** The command line's way to the admin plane: a remote gateway, the one that runs on this machine, or the folder itself. */
import { existsSync } from 'node:fs'
import { type IncomingMessage, request as httpRequest } from 'node:http'
import { resolve } from 'node:path'
import { CommandError, EXIT, type Env } from './command.ts'

export interface AdminAnswer {
  readonly status: number
  /** The body as sent: money in it is exact. */
  readonly text: string
}

type Reach = (
  method: string,
  path: string,
  body: string | undefined,
  headers: Readonly<Record<string, string>>,
) => Promise<AdminAnswer>

/** The admin plane below `/admin/v1`. Every call throws CommandError with the gateway's own message on failure. */
export interface AdminClient {
  /** `once` = `Idempotency-Key`. */
  send(method: string, path: string, body?: unknown, accept?: string, once?: string): Promise<AdminAnswer>
  /** Parsed body of `send`. */
  get(path: string): Promise<Record<string, unknown>>
  /** Where calls go, for `doctor`. */
  where(): Promise<string>
  close(): Promise<void>
}

export interface ClientOptions {
  readonly url: string | undefined
  readonly token: string | undefined
  readonly env: Env
}

const CONNECT_MS_MAX = 60_000

/** Over the network, with the admin token. Redirects are not followed: the token is for this address alone. */
function reachRemote(url: string, token: string): Reach {
  const base = url.replace(/\/+$/, '').replace(/\/admin\/v1$/, '')
  return async (method, path, body, own) => {
    const headers = { ...own, authorization: `Bearer ${token}` }
    try {
      const signal = AbortSignal.timeout(CONNECT_MS_MAX)
      const init: RequestInit = { method, headers, redirect: 'manual', signal }
      if (body !== undefined) init.body = body
      const answer = await fetch(`${base}/admin/v1${path}`, init)
      return { status: answer.status, text: await answer.text() }
    } catch (error) {
      const cause =
        error instanceof Error ? ((error.cause as Error | undefined)?.message ?? error.message) : ''
      throw new CommandError(`cannot reach ${base}: ${cause}`, EXIT.unavailable)
    }
  }
}

function readAnswer(
  response: IncomingMessage,
  done: (answer: AdminAnswer) => void,
  fail: (error: Error) => void,
) {
  let text = ''
  response.setEncoding('utf8')
  response.on('data', (part: string) => {
    text += part
  })
  response.on('end', () => done({ status: response.statusCode ?? 0, text }))
  response.on('error', fail)
}

/** Over the unix socket of the running gateway. Rejects with the socket's error. */
function reachSocket(socketPath: string): Reach {
  return (method, path, body, own) =>
    new Promise((done, fail) => {
      const headers = { ...own, host: 'localhost' }
      const options = { socketPath, method, path: `/admin/v1${path}`, headers, timeout: CONNECT_MS_MAX }
      const request = httpRequest(options, response => readAnswer(response, done, fail))
      request.on('timeout', () => request.destroy(new Error('the gateway does not answer')))
      request.on('error', fail)
      request.end(body)
    })
}

async function isListening(socketPath: string): Promise<boolean> {
  if (!existsSync(socketPath)) return false
  try {
    await reachSocket(socketPath)('GET', '/openapi.json', undefined, { accept: 'application/json' })
    return true
  } catch {
    // A socket file without a listener is what a killed gateway leaves behind.
    return false
  }
}

interface Way {
  readonly reach: Reach
  readonly where: string
  close(): Promise<void>
}

/** What reads things that only a folder with data has. */
const READS_DATA = /^\/(keys|projects|organisation|credentials|spend|requests|ledger|audit|config)\b/
/** Asks by POST, and changes nothing. */
const ASKS = new Set(['/config/diff'])

async function openHere(env: Env, reads: boolean): Promise<Way> {
  const { readSettings } = await import('../runtime/node/settings.ts')
  const folder = readSettings(env).dataFolder
  const socketPath = resolve(folder, 'switchgate.sock')
  if (await isListening(socketPath)) {
    return {
      reach: reachSocket(socketPath),
      where: `the running gateway (${socketPath})`,
      close: async () => {},
    }
  }
  // Opening it would make a database and a master key: nobody asked for those.
  if (reads && !existsSync(resolve(folder, 'switchgate.db')))
    throw new CommandError(
      `there is no data in ${folder}: no gateway ran there yet. Set SWITCHGATE_DATA to the folder of yours.`,
      EXIT.unavailable,
    )
  const { openOffline } = await import('../runtime/node/offline.ts')
  const offline = await openOffline(env)
  const reach: Reach = async (method, path, body, headers) => {
    const init: RequestInit = { method, headers }
    if (body !== undefined) init.body = body
    const answer = await offline.fetch(new Request(`http://localhost/admin/v1${path}`, init))
    return { status: answer.status, text: await answer.text() }
  }
  return { reach, where: `the folder ${folder} (no gateway runs there)`, close: () => offline.close() }
}

function openRemote({ url, token, env }: ClientOptions): Way {
  const secret = token ?? env.SWITCHGATE_ADMIN_TOKEN
  if (url === undefined || !URL.canParse(url) || !/^https?:/.test(url)) {
    throw new CommandError('--url must be an address, as in https://gateway.example:8485', EXIT.usage)
  }
  if (!secret) {
    throw new CommandError('--url needs an admin token: --token, or SWITCHGATE_ADMIN_TOKEN', EXIT.usage)
  }
  return { reach: reachRemote(url, secret), where: url, close: async () => {} }
}

/** The gateway's own error, or that this was no gateway of ours. */
function failureOf({ status, text }: AdminAnswer): CommandError {
  try {
    const { error } = JSON.parse(text) as { error?: Record<string, unknown> }
    if (typeof error?.message === 'string')
      return new CommandError(error.message, EXIT.failed, {
        type: typeof error.type === 'string' ? error.type : 'api_error',
        param: typeof error.param === 'string' ? error.param : null,
        code: typeof error.code === 'string' ? error.code : 'failed',
      })
  } catch {
    // Not ours: a proxy in between, or another program on that port.
  }
  const message = `unexpected answer (status ${status}): is this the admin plane of Switchgate?`
  return new CommandError(message, EXIT.failed, { type: 'api_error', param: null, code: 'unexpected_answer' })
}

function isJson(text: string): boolean {
  try {
    return typeof JSON.parse(text) === 'object'
  } catch {
    return false
  }
}

/** Connects on the first call, so that a command with wrong words opens nothing. */
export function createClient(options: ClientOptions): AdminClient {
  let way: Promise<Way> | undefined
  const open = (reads = false): Promise<Way> => {
    way ??=
      options.url === undefined && options.token === undefined
        ? openHere(options.env, reads)
        : Promise.resolve(openRemote(options))
    return way
  }
  async function send(
    method: string,
    path: string,
    body?: unknown,
    accept = 'application/json',
    once?: string,
  ) {
    const { reach } = await open((method === 'GET' || ASKS.has(path)) && READS_DATA.test(path))
    const headers = { accept, 'content-type': 'application/json', ...(once && { 'idempotency-key': once }) }
    const answer = await reach(method, path, body === undefined ? undefined : JSON.stringify(body), headers)
    const isFine = answer.status >= 200 && answer.status <= 299
    if (!isFine || (accept === 'application/json' && !isJson(answer.text))) throw failureOf(answer)
    return answer
  }
  return {
    send,
    get: async path => JSON.parse((await send('GET', path)).text) as Record<string, unknown>,
    where: async () => (await open()).where,
    async close() {
      await (await way?.catch(() => undefined))?.close()
    },
  }
}

/** All pages of a list as one. */
export async function getAll(admin: AdminClient, path: string): Promise<Record<string, unknown>[]> {
  const all: Record<string, unknown>[] = []
  let cursor: string | null = null
  do {
    const next: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const page = await admin.get(`${path}${path.includes('?') ? '&' : '?'}limit=500${next}`)
    all.push(...(page.data as Record<string, unknown>[]))
    cursor = typeof page.next_cursor === 'string' ? page.next_cursor : null
  } while (cursor !== null)
  return all
}
