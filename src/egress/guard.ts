/** The egress guard: which origins and addresses the gateway may connect to. Pure; `send` asks it before and during every connect. */
import { type Address, isMetadata, isSameAddress, parseAddress, whyDenied } from './address.ts'

/** An origin that passed the first check. Its addresses are still to be vetted unless `literal` is set. */
export interface VettedOrigin {
  readonly protocol: 'http:' | 'https:'
  /** `https://host:port` as WHATWG prints it; parsed once and passed on, so that no second parser can disagree. */
  readonly origin: string
  /** Lower case, without brackets and trailing dot. */
  readonly host: string
  readonly port: number
  readonly literal: Address | undefined
}

/** `why` is for the log and the operator: it names the place and the cure, never a secret. */
export interface Refusal {
  readonly why: string
}

export interface Guard {
  /** Scheme, userinfo, form, and a literal address. */
  origin(text: string): VettedOrigin | Refusal
  /** Judges the addresses that the host resolved to, or the one a socket ended at: one bad address refuses them all. */
  addresses(origin: VettedOrigin, addresses: readonly string[]): Refusal | undefined
}

/** One line of `egress.allow`. */
export interface AllowEntry {
  readonly host: string
  readonly port: number
  readonly literal: Address | undefined
}

/** Names that mean this machine or a metadata service whatever a resolver (or a proxy that resolves for us) says. */
const NAMES = new Set([
  'localhost',
  'localhost.localdomain',
  'ip6-localhost',
  'ip6-loopback',
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'instance-data',
  'instance-data.ec2.internal',
])

const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, '').replace(/\.+$/, '')

/** Reads `host:port`, `ip:port` or `[ip]:port` of `egress.allow`. Undefined = not of that form. */
export function parseAllowEntry(text: string): AllowEntry | undefined {
  const match = /^(\[[0-9A-Fa-f:.]+\]|[^\s:/@?#[\]\\]+):(\d{1,5})$/.exec(text)
  if (match === null || Number(match[2]) < 1 || Number(match[2]) > 65535) return undefined
  const url = URL.parse(`http://${text}`)
  if (url === null) return undefined
  const host = bare(url.hostname)
  const literal = parseAddress(host)
  // A URL may hold `*` and the like in its host; as an entry they would look like a pattern and match nothing.
  if (literal === undefined && !/^[a-z0-9._-]+$/.test(host)) return undefined
  return { host, port: Number(match[2]), literal }
}

function parseOrigin(text: string): VettedOrigin | Refusal {
  const url = URL.parse(text)
  if (url === null) return { why: 'not a URL' }
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    return { why: `scheme ${url.protocol} is not https` }
  if (url.username !== '' || url.password !== '') return { why: 'userinfo in the URL' }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    return { why: 'more than scheme, host and port' }
  const host = bare(url.hostname)
  if (host === '') return { why: 'no host' }
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  return { protocol: url.protocol, origin: url.origin, host, port, literal: parseAddress(host) }
}

/**
 * The guard of one configuration. Throws when an entry of `egress.allow` is not `host:port`.
 * An entry exempts exactly its host and port: plain http, and private addresses. A *name* still never leads to a metadata address.
 */
export function createGuard(allow: readonly string[]): Guard {
  const entries = allow.map((text, i) => {
    const entry = parseAllowEntry(text)
    if (entry === undefined)
      throw new Error(`egress.allow[${i}]: "${text}" is not host:port; write for example "127.0.0.1:11434"`)
    return entry
  })
  const isListed = (host: string, literal: Address | undefined, port: number): boolean =>
    entries.some(
      entry =>
        entry.port === port &&
        (literal === undefined || entry.literal === undefined
          ? entry.host === host
          : isSameAddress(entry.literal, literal)),
    )
  const place = (at: VettedOrigin): string => `${at.host.includes(':') ? `[${at.host}]` : at.host}:${at.port}`
  const cure = (at: VettedOrigin): string =>
    `add "${place(at)}" to egress.allow in the config file if this is meant`

  return {
    origin(text) {
      const at = parseOrigin(text)
      if ('why' in at || isListed(at.host, at.literal, at.port)) return at
      if (at.protocol === 'http:') return { why: `${place(at)} is plain http; ${cure(at)}` }
      const denied = at.literal === undefined ? undefined : whyDenied(at.literal)
      if (denied !== undefined) return { why: `${at.host} is not a public address (${denied}); ${cure(at)}` }
      if (NAMES.has(at.host) || at.host.endsWith('.localhost'))
        return { why: `${at.host} is a local name; ${cure(at)}` }
      return at
    },

    addresses(at, addresses) {
      if (addresses.length === 0) return { why: `${at.host} has no address` }
      const exempt = isListed(at.host, at.literal, at.port)
      for (const text of addresses) {
        const address = parseAddress(text)
        if (address === undefined) return { why: `${at.host} resolved to something that is no address` }
        if (isListed(text, address, at.port)) continue
        if (exempt && at.literal === undefined && !isMetadata(address)) continue
        const denied = whyDenied(address)
        if (denied !== undefined)
          return { why: `${at.host} resolved to ${text}, not a public address (${denied}); ${cure(at)}` }
      }
      return undefined
    },
  }
}
