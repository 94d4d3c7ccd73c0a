/** IP addresses as numbers: every textual form of one address gives the same verdict. Used by the egress guard, key policy and trusted proxies. Pure. */

/** Eight 16-bit words. IPv4 is kept as `::ffff:a.b.c.d`, so that a mapped form and the plain form are one value. */
export interface Address {
  readonly v4: boolean
  readonly words: readonly number[]
}

/** A network: `bits` counts from the left of the eight words, so `10.0.0.0/8` has 104. */
export interface Network extends Address {
  readonly bits: number
}

const DECIMAL = /^(?:0|[1-9]\d{0,2})$/
const GROUP = /^[0-9A-Fa-f]{1,4}$/

function parseQuad(text: string): readonly [number, number] | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  let value = 0
  for (const part of parts) {
    // A leading zero is octal to some parsers and decimal to others: refused.
    if (!DECIMAL.test(part) || Number(part) > 255) return undefined
    value = value * 256 + Number(part)
  }
  return [Math.floor(value / 65536), value % 65536]
}

function parseGroups(text: string): number[] | undefined {
  if (text === '') return []
  const parts = text.split(':')
  const words: number[] = []
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] ?? ''
    if (i === parts.length - 1 && part.includes('.')) {
      const quad = parseQuad(part)
      if (quad === undefined) return undefined
      words.push(quad[0], quad[1])
    } else if (GROUP.test(part)) words.push(Number.parseInt(part, 16))
    else return undefined
  }
  return words
}

const isMapped = (words: readonly number[]): boolean =>
  words[0] === 0 &&
  words[1] === 0 &&
  words[2] === 0 &&
  words[3] === 0 &&
  words[4] === 0 &&
  words[5] === 0xffff

/** Reads a textual IPv4 or IPv6 address (RFC 4291 2.2; a zone such as `%eth0` is dropped). Undefined = not an address. */
export function parseAddress(text: string): Address | undefined {
  if (text.length > 64) return undefined
  if (!text.includes(':')) {
    const quad = parseQuad(text)
    return quad && { v4: true, words: [0, 0, 0, 0, 0, 0xffff, quad[0], quad[1]] }
  }
  const zone = text.indexOf('%')
  const bare = zone < 0 ? text : text.slice(0, zone)
  const gap = bare.indexOf('::')
  let words: number[] | undefined
  if (gap < 0) words = parseGroups(bare)
  else {
    const left = parseGroups(bare.slice(0, gap))
    const right = parseGroups(bare.slice(gap + 2))
    // A quad may only stand at the very end: `1.2.3.4::` is nothing.
    if (left === undefined || right === undefined || bare.slice(0, gap).includes('.')) return undefined
    if (left.length + right.length > 7) return undefined
    words = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right]
  }
  if (words === undefined || words.length !== 8) return undefined
  return { v4: isMapped(words), words }
}

/** Reads `address/bits` or a single address as a network of one. Bits beyond the prefix are ignored, as firewalls do. */
export function parseNetwork(text: string): Network | undefined {
  const slash = text.indexOf('/')
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash))
  if (address === undefined) return undefined
  const dotted = address.v4 && !text.includes(':')
  const most = dotted ? 32 : 128
  const given = slash < 0 ? String(most) : text.slice(slash + 1)
  if (!DECIMAL.test(given) || Number(given) > most) return undefined
  const bits = dotted ? Number(given) + 96 : Number(given)
  // `::ffff:0:0/90` speaks of IPv6 space: only a prefix that covers the mapping itself is about IPv4.
  return { v4: address.v4 && bits >= 96, words: address.words, bits }
}

/** Is the address inside the network? IPv4 networks hold IPv4 addresses only, in whatever form they came; `::/0` holds no IPv4. */
export function isInside(address: Address, network: Network): boolean {
  if (address.v4 !== network.v4) return false
  let left = network.bits
  for (let i = 0; left > 0; i++, left -= 16) {
    const differ = (address.words[i] ?? 0) ^ (network.words[i] ?? 0)
    if (left >= 16 ? differ !== 0 : differ >>> (16 - left) !== 0) return false
  }
  return true
}

/** Do both name the same address? */
export function isSameAddress(one: Address, other: Address): boolean {
  return one.words.every((word, i) => word === other.words[i])
}

/** One canonical text per address: dotted IPv4 for IPv4 and mapped forms, else eight hex groups without `::`. */
export function formatAddress({ v4, words }: Address): string {
  if (!v4) return words.map(word => word.toString(16)).join(':')
  const [high = 0, low = 0] = [words[6], words[7]]
  return `${high >>> 8}.${high & 255}.${low >>> 8}.${low & 255}`
}

/** What stands for one subscriber when attempts are counted: an IPv4 address, or an IPv6 /64. */
export function subscriberOf(text: string): string {
  const address = parseAddress(text)
  if (address === undefined) return 'unknown'
  return address.v4 ? formatAddress(address) : address.words.slice(0, 4).join(':')
}

const network = (text: string): Network => {
  const parsed = parseNetwork(text)
  if (parsed === undefined) throw new Error(`not a network: ${text}`)
  return parsed
}

/** Where cloud instances find their credentials: never reached through a name, only if listed as a literal address. */
const METADATA: readonly (readonly [Network, string])[] = [
  ['169.254.0.0/16', 'link-local, cloud metadata'],
  ['100.100.100.200', 'cloud metadata'],
  ['168.63.129.16', 'cloud metadata'],
  ['192.0.0.192', 'cloud metadata'],
  ['fd00:ec2::/32', 'cloud metadata'],
  ['fe80::/10', 'link-local'],
].map(([text = '', why = '']) => [network(text), why] as const)

/** Special-purpose space of IANA's registries (RFC 6890, RFC 8190), and every form that smuggles an IPv4 address. */
const DENIED: readonly (readonly [Network, string])[] = [
  ...METADATA,
  ...[
    ['0.0.0.0/8', 'this host'],
    ['10.0.0.0/8', 'private'],
    ['100.64.0.0/10', 'carrier-grade NAT'],
    ['127.0.0.0/8', 'loopback'],
    ['172.16.0.0/12', 'private'],
    ['192.0.0.0/24', 'protocol assignments'],
    ['192.0.2.0/24', 'documentation'],
    ['192.88.99.0/24', '6to4 relay'],
    ['192.168.0.0/16', 'private'],
    ['198.18.0.0/15', 'benchmarking'],
    ['198.51.100.0/24', 'documentation'],
    ['203.0.113.0/24', 'documentation'],
    ['224.0.0.0/4', 'multicast'],
    ['240.0.0.0/4', 'reserved'],
    ['::1', 'loopback'],
    ['::/96', 'unspecified or IPv4-compatible'],
    ['64:ff9b::/96', 'NAT64'],
    ['64:ff9b:1::/48', 'local NAT64'],
    ['100::/64', 'discard'],
    ['2001::/23', 'protocol assignments, Teredo'],
    ['2001:db8::/32', 'documentation'],
    ['2002::/16', '6to4'],
    ['3fff::/20', 'documentation'],
    ['fc00::/7', 'unique local'],
    ['fec0::/10', 'site-local'],
    ['ff00::/8', 'multicast'],
  ].map(([text = '', why = '']) => [network(text), why] as const),
]

const GLOBAL_UNICAST = network('2000::/3')

/** Why this address must not be reached from the gateway (`loopback`, `private`, …); undefined = it is public. */
export function whyDenied(address: Address): string | undefined {
  for (const [denied, why] of DENIED) if (isInside(address, denied)) return why
  return address.v4 || isInside(address, GLOBAL_UNICAST) ? undefined : 'not global unicast'
}

/** Is this where a cloud keeps instance credentials, or link-local? */
export function isMetadata(address: Address): boolean {
  return METADATA.some(([denied]) => isInside(address, denied))
}
