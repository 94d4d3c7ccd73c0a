/** Sessions of the dashboard: a signed cookie value; nothing is stored but the list of those that were closed. */

const IDLE_MS = 30 * 60_000
const MAX_MS = 12 * 3_600_000
/** A cookie younger than this is not sent anew. */
const REFRESH_MS = 60_000
const CLOSED_MAX = 10_000

export interface SessionCheck {
  /** The cookie's next value when it is time for one; undefined = keep it. */
  readonly refreshed: string | undefined
}

export interface Sessions {
  open(): Promise<string>
  /** Undefined = no session: forged, idle for 30 minutes, older than 12 hours, or closed. */
  check(value: string): Promise<SessionCheck | undefined>
  close(value: string): void
}

export interface SessionInput {
  readonly now: () => number
  readonly randomBytes: (count: number) => Uint8Array
  /** Secret that signs; must change when the admin token is reset, so that a reset ends every session. */
  readonly sessionKey: () => Uint8Array | Promise<Uint8Array>
}

const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')

const FORM = /^(\d{13,15})\.(\d{13,15})\.([0-9a-f]{32})\.([0-9a-f]{64})$/

/** Sessions as `<start>.<seen>.<nonce>.<HMAC-SHA-256>`, times in epoch ms. */
export function createSessions(input: SessionInput): Sessions {
  const closed = new Map<string, number>()

  async function importKey(): Promise<CryptoKey> {
    const raw = new Uint8Array(await input.sessionKey())
    return crypto.subtle.importKey('raw', raw, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify'])
  }
  const payload = (text: string): Uint8Array<ArrayBuffer> =>
    new Uint8Array(new TextEncoder().encode(`switchgate session ${text}`))

  async function issue(startMs: number, nonce: string): Promise<string> {
    const text = `${startMs}.${input.now()}.${nonce}`
    const mac = await crypto.subtle.sign('HMAC', await importKey(), payload(text))
    return `${text}.${hex(new Uint8Array(mac))}`
  }

  async function check(value: string): Promise<SessionCheck | undefined> {
    const [, start, seen, nonce, mac] = FORM.exec(value) ?? []
    if (start === undefined || seen === undefined || nonce === undefined || mac === undefined)
      return undefined
    const bytes = new Uint8Array(mac.match(/../g)?.map(pair => Number.parseInt(pair, 16)) ?? [])
    const signed = payload(`${start}.${seen}.${nonce}`)
    if (!(await crypto.subtle.verify('HMAC', await importKey(), bytes, signed))) return undefined
    const now = input.now()
    if (now - Number(start) > MAX_MS || now - Number(seen) > IDLE_MS || closed.has(nonce)) return undefined
    const stale = now - Number(seen) > REFRESH_MS
    return { refreshed: stale ? await issue(Number(start), nonce) : undefined }
  }

  function close(value: string): void {
    const [, start, , nonce] = FORM.exec(value) ?? []
    if (start === undefined || nonce === undefined) return
    const now = input.now()
    for (const [old, endsMs] of closed) {
      if (endsMs >= now && closed.size < CLOSED_MAX) break
      closed.delete(old)
    }
    closed.set(nonce, Number(start) + MAX_MS)
  }

  return { open: () => issue(input.now(), hex(input.randomBytes(16))), check, close }
}
