/** Client addresses behind proxies: forged headers change nothing, trusted chains are followed from the right. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createPeerOf, parseTrustedProxies } from '../../src/runtime/node/trust.ts'

const TRUSTED = ['10.0.0.0/8', '::1', '2001:db8::/32']

test.each([
  // socket, header, client
  ['203.0.113.5', undefined, '203.0.113.5'],
  ['::ffff:203.0.113.5', undefined, '203.0.113.5'],
  ['203.0.113.5', '1.1.1.1', '203.0.113.5'],
  ['10.0.0.1', undefined, '10.0.0.1'],
  ['10.0.0.1', '1.1.1.1', '1.1.1.1'],
  ['::ffff:10.0.0.1', '1.1.1.1', '1.1.1.1'],
  ['10.0.0.1', '6.6.6.6, 1.1.1.1', '1.1.1.1'],
  ['10.0.0.1', '6.6.6.6, 1.1.1.1, 10.2.2.2', '1.1.1.1'],
  ['10.0.0.1', '10.3.3.3, 10.2.2.2', '10.3.3.3'],
  ['10.0.0.1', '127.0.0.1, 1.1.1.1', '1.1.1.1'],
  ['10.0.0.1', '1.1.1.1, junk', '10.0.0.1'],
  ['10.0.0.1', '1.1.1.1, junk, 10.2.2.2', '10.2.2.2'],
  ['10.0.0.1', '', '10.0.0.1'],
  ['10.0.0.1', ' , ', '10.0.0.1'],
  ['10.0.0.1', '1.1.1.1:4711', '1.1.1.1'],
  ['10.0.0.1', '[2606:4700::1]:443', '2606:4700:0:0:0:0:0:1'],
  ['10.0.0.1', '2606:4700::1', '2606:4700:0:0:0:0:0:1'],
  ['::1', '::ffff:1.1.1.1', '1.1.1.1'],
  ['10.0.0.1', `1.1.1.1, ${'10.0.0.2, '.repeat(100)}10.0.0.3`, '10.0.0.2'],
  [undefined, '1.1.1.1', ''],
])('%s with %s is %s', (socket, header, client) => {
  expect(createPeerOf(TRUSTED)(socket, header)).toBe(client)
})

test('without trusted proxies no header is believed', () => {
  const peerOf = createPeerOf([])
  fc.assert(fc.property(fc.string(), header => peerOf('127.0.0.1', header) === '127.0.0.1'))
})

test('whatever an outsider writes to the left of a proxy’s entry changes nothing', () => {
  const peerOf = createPeerOf(TRUSTED)
  fc.assert(fc.property(fc.string(), forged => peerOf('10.0.0.1', `${forged}, 9.9.9.9`) === '9.9.9.9'))
})

test('the variable is read, and a wrong entry is named', () => {
  expect(parseTrustedProxies(undefined)).toEqual([])
  expect(parseTrustedProxies('10.0.0.0/8, ::1  192.168.0.1')).toEqual(['10.0.0.0/8', '::1', '192.168.0.1'])
  for (const bad of ['10.0.0.0/33', 'proxy.local', '*', 'true', '10.0.0'])
    expect(() => parseTrustedProxies(`::1,${bad}`)).toThrow(bad)
})
