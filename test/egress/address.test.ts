/** Addresses: every textual form of one address is one value, and every private form is seen for what it is. */
import fc from 'fast-check'
import { BlockList } from 'node:net'
import { describe, expect, test } from 'vitest'
import {
  formatAddress,
  isInside,
  parseAddress,
  parseNetwork,
  subscriberOf,
  whyDenied,
} from '../../src/egress/address.ts'

const quad = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255))
const hex = (high: number, low: number): string => (high * 256 + low).toString(16)

/** Forms in which one IPv4 address can be written in IPv4 or mapped IPv6 text. */
function forms([a, b, c, d]: readonly number[]): string[] {
  const [p = 0, q = 0, r = 0, s = 0] = [a, b, c, d]
  const dotted = `${p}.${q}.${r}.${s}`
  const tail = `${hex(p, q)}:${hex(r, s)}`
  return [
    dotted,
    `::ffff:${dotted}`,
    `::FFFF:${dotted}`,
    `0:0:0:0:0:ffff:${dotted}`,
    `0000:0000:0000:0000:0000:ffff:${tail}`,
    `::ffff:${tail}`,
    `::ffff:${tail.toUpperCase()}`,
    `0::ffff:${tail}`,
  ]
}

describe('forms', () => {
  test('every form of an IPv4 address is the same value with the same verdict', () => {
    fc.assert(
      fc.property(quad, bytes => {
        const [first = '', ...rest] = forms(bytes)
        const one = parseAddress(first)
        expect(one).toBeDefined()
        for (const text of rest) {
          const other = parseAddress(text)
          expect(other, text).toEqual(one)
          expect(other && whyDenied(other)).toBe(one && whyDenied(one))
          expect(other && formatAddress(other)).toBe(first)
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('IPv6: what is printed is read back as the same address', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 }), words => {
        const text = words.map(word => word.toString(16)).join(':')
        const viaUrl = new URL(`http://[${text}]/`).hostname.slice(1, -1)
        expect(parseAddress(viaUrl)).toEqual(parseAddress(text))
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    '',
    '1',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '1.2.3.256',
    '0x7f.0.0.1',
    '1.2.3.4 ',
    ' 1.2.3.4',
    '1.2.3.-4',
    '1..3.4',
    '127.1',
    '2130706433',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    'g::1',
    '12345::',
    '1.2.3.4::',
    '::1.2.3.4:5',
    '::ffff:1.2.3',
    '[::1]',
    '::1/128',
    'localhost',
    '1:2:3:4:5:6:7:1.2.3.4',
    '１２７.0.0.1',
    '::ffff:01.2.3.4',
    'a'.repeat(10_000),
  ])('%s is no address', text => {
    expect(parseAddress(text)).toBeUndefined()
  })

  test('a zone is dropped', () => {
    expect(parseAddress('fe80::1%eth0')).toEqual(parseAddress('fe80::1'))
  })
})

describe('networks', () => {
  test('agree with Node’s BlockList for IPv4, whatever the prefix', () => {
    fc.assert(
      fc.property(quad, quad, fc.nat(32), (base, other, bits) => {
        const list = new BlockList()
        list.addSubnet(base.join('.'), bits, 'ipv4')
        const net = parseNetwork(`${base.join('.')}/${bits}`)
        for (const candidate of [base, other, [base[0], base[1], other[2], other[3]]]) {
          const address = parseAddress(candidate.join('.'))
          if (net === undefined || address === undefined) throw new Error('unreadable')
          expect(isInside(address, net)).toBe(list.check(candidate.join('.'), 'ipv4'))
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('agree with Node’s BlockList for IPv6', () => {
    const group = fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 })
    fc.assert(
      fc.property(group, group, fc.nat(128), fc.nat(8), (base, other, bits, keep) => {
        const list = new BlockList()
        const text = (words: number[]): string => words.map(word => word.toString(16)).join(':')
        const mixed = [...base.slice(0, keep), ...other.slice(keep)]
        list.addSubnet(text(base), bits, 'ipv6')
        const [net, address] = [parseNetwork(`${text(base)}/${bits}`), parseAddress(text(mixed))]
        if (net === undefined || address === undefined) throw new Error('unreadable')
        fc.pre(!address.v4 && !net.v4)
        expect(isInside(address, net)).toBe(list.check(text(mixed), 'ipv6'))
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['::ffff:10.0.0.0/104', '10.1.2.3', true],
    ['::ffff:a00:0/104', '11.1.2.3', false],
    ['0.0.0.0/0', '2606::1', false],
    ['::/0', '10.1.2.3', false],
    ['::/0', '2606::1', true],
    ['::ffff:0:0/96', '1.2.3.4', true],
    ['1.2.3.4', '1.2.3.4', true],
    ['1.2.3.4', '1.2.3.5', false],
    ['2606:4700::/32', '2606:4700:1::', true],
    ['2606:4700::/33', '2606:4700:8000::', false],
  ])('%s holds %s: %s', (network, address, inside) => {
    const [net, parsed] = [parseNetwork(network), parseAddress(address)]
    if (net === undefined || parsed === undefined) throw new Error('unreadable')
    expect(isInside(parsed, net)).toBe(inside)
  })

  test.each([
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '::/129',
    '10.0.0/8',
    '/8',
    '10.0.0.0/08',
    'x',
  ])('%s is no network', text => expect(parseNetwork(text)).toBeUndefined())
})

test.each([
  ['0.0.0.0'],
  ['10.0.0.1'],
  ['100.64.0.1'],
  ['100.100.100.200'],
  ['127.0.0.1'],
  ['127.255.255.254'],
  ['169.254.169.254'],
  ['168.63.129.16'],
  ['172.16.0.1'],
  ['172.31.255.255'],
  ['192.0.0.1'],
  ['192.0.2.1'],
  ['192.168.1.1'],
  ['198.18.0.1'],
  ['198.51.100.1'],
  ['203.0.113.1'],
  ['224.0.0.1'],
  ['240.0.0.1'],
  ['255.255.255.255'],
  ['::'],
  ['::1'],
  ['::127.0.0.1'],
  ['::ffff:127.0.0.1'],
  ['::ffff:0:127.0.0.1'],
  ['64:ff9b::7f00:1'],
  ['64:ff9b:1::1'],
  ['100::1'],
  ['2001::1'],
  ['2001:db8::1'],
  ['2002:7f00:1::'],
  ['fc00::1'],
  ['fd00:ec2::254'],
  ['fe80::1'],
  ['fec0::1'],
  ['ff02::1'],
  ['4000::1'],
  ['3fff::1'],
])('%s is denied', text => {
  const address = parseAddress(text)
  expect(address && whyDenied(address)).toEqual(expect.any(String))
})

test.each([
  '1.1.1.1',
  '8.8.8.8',
  '172.15.0.1',
  '172.32.0.1',
  '192.169.0.1',
  '100.63.0.1',
  '100.128.0.1',
  '2606:4700::1111',
  '2a00:1450::1',
])('%s is public', text => {
  const address = parseAddress(text)
  if (address === undefined) throw new Error('unreadable')
  expect(whyDenied(address)).toBeUndefined()
})

test('one subscriber: an IPv4 address in any form, an IPv6 /64', () => {
  expect(subscriberOf('::ffff:1.2.3.4')).toBe(subscriberOf('1.2.3.4'))
  expect(subscriberOf('2606:4700:1:2:3::1')).toBe(subscriberOf('2606:4700:1:2:ffff::9'))
  expect(subscriberOf('2606:4700:1:2::1')).not.toBe(subscriberOf('2606:4700:1:3::1'))
  expect(subscriberOf('junk')).toBe('unknown')
})
