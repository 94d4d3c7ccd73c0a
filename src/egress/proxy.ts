/** Which outbound proxy serves an origin: `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` read as curl and Go read them. Pure. */
import { isInside, parseAddress, parseNetwork } from './address.ts'
import type { VettedOrigin } from './guard.ts'

/** The proxy's URL for this origin, or undefined = connect directly. */
export type ProxyFor = (origin: VettedOrigin) => string | undefined

/** Is the host excluded by one entry of `NO_PROXY`: `*`, `host`, `.domain`, `host:port`, an address or a network? */
function isExcluded(at: VettedOrigin, entry: string): boolean {
  if (entry === '*') return true
  const net = parseNetwork(entry)
  if (net !== undefined) return at.literal !== undefined && isInside(at.literal, net)
  const colon = entry.lastIndexOf(':')
  const port = colon > 0 && /^\d+$/.test(entry.slice(colon + 1)) ? Number(entry.slice(colon + 1)) : undefined
  if (port !== undefined && port !== at.port) return false
  const name = (port === undefined ? entry : entry.slice(0, colon))
    .replace(/^\*?\./, '')
    .replace(/^\[|\]$/g, '')
  if (name === '') return false
  const literal = parseAddress(name)
  if (literal !== undefined)
    return at.literal !== undefined && isInside(at.literal, { ...literal, bits: 128 })
  return at.host === name || at.host.endsWith(`.${name}`)
}

/**
 * Reads the proxy variables; lower case wins, as in curl. Loopback is never proxied.
 * Throws when a variable is set but is no http(s) URL; the message does not repeat the value, which may hold a password.
 */
export function createProxyFor(env: Readonly<Record<string, string | undefined>>): ProxyFor {
  const read = (name: string): string | undefined => {
    const text = env[name.toLowerCase()] || env[name] || undefined
    if (text === undefined) return undefined
    const url = URL.parse(text.includes('://') ? text : `http://${text}`)
    if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
      throw new Error(
        `${name} is not the URL of an http or https proxy; write for example http://proxy.local:3128`,
      )
    return url.href
  }
  const secure = read('HTTPS_PROXY')
  const plain = read('HTTP_PROXY')
  const excluded = (env.no_proxy || env.NO_PROXY || '')
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
  const loopback = [parseNetwork('127.0.0.0/8'), parseNetwork('::1')].filter(net => net !== undefined)
  return at => {
    const proxy = at.protocol === 'https:' ? secure : plain
    if (proxy === undefined || at.host === 'localhost' || at.host.endsWith('.localhost')) return undefined
    const literal = at.literal
    if (literal !== undefined && loopback.some(net => isInside(literal, net))) return undefined
    return excluded.some(entry => isExcluded(at, entry)) ? undefined : proxy
  }
}
