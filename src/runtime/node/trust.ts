/** Who is calling when proxies stand in between: the right-most address that is not a trusted proxy. */
import { type Address, formatAddress, isInside, parseAddress, parseNetwork } from '../../egress/address.ts'

/** Client address from the socket's peer and `X-Forwarded-For`, canonical text; '' = the socket has none. */
export type PeerOf = (socketAddress: string | undefined, forwardedFor: string | undefined) => string

/** More hops than this are an attack or a loop: the rest is not looked at. */
const HOPS_MAX = 32

/** `1.2.3.4`, `1.2.3.4:5678`, `::1`, `[::1]:443`: proxies write all of them. */
function parseHop(text: string): Address | undefined {
  const hop = text.trim()
  if (hop.startsWith('[')) return parseAddress(hop.slice(1, hop.indexOf(']')))
  const colon = hop.indexOf(':')
  return parseAddress(colon > 0 && colon === hop.lastIndexOf(':') ? hop.slice(0, colon) : hop)
}

/** Reads `SWITCHGATE_TRUSTED_PROXIES`: networks and addresses, separated by commas or spaces. Throws naming the entry that is neither. */
export function parseTrustedProxies(text: string | undefined): readonly string[] {
  const entries = (text ?? '').split(/[\s,]+/).filter(Boolean)
  for (const entry of entries)
    if (parseNetwork(entry) === undefined)
      throw new Error(
        `SWITCHGATE_TRUSTED_PROXIES: "${entry}" is not an address or a network; write for example 10.0.0.0/8`,
      )
  return entries
}

/** Without trusted proxies forwarded headers are ignored: whoever connects is the client. */
export function createPeerOf(trustedProxies: readonly string[]): PeerOf {
  const trusted = trustedProxies.map(parseNetwork).filter(network => network !== undefined)
  const isTrusted = (address: Address): boolean => trusted.some(network => isInside(address, network))

  // connections are kept alive: the same neighbour asks again and again
  let lastText: string | undefined
  let lastPlain = ''

  return (socketAddress, forwardedFor) => {
    if (socketAddress === undefined) return ''
    const plain = forwardedFor === undefined || trusted.length === 0
    if (plain && socketAddress === lastText) return lastPlain
    const direct = parseAddress(socketAddress)
    if (direct === undefined) return socketAddress
    if (plain) {
      lastText = socketAddress
      lastPlain = formatAddress(direct)
      return lastPlain
    }
    if (!isTrusted(direct)) return formatAddress(direct)
    let client = direct
    const hops = forwardedFor.split(',')
    for (let i = hops.length - 1; i >= 0 && i >= hops.length - HOPS_MAX; i--) {
      const hop = parseHop(hops[i] ?? '')
      // What a trusted proxy could not have written ends the chain of trust.
      if (hop === undefined) break
      client = hop
      if (!isTrusted(hop)) break
    }
    return formatAddress(client)
  }
}
