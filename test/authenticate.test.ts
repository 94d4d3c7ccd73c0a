/** Authentication: every carrier, every bad key with the same answer, and policies that hold whichever way the key came. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type AuthenticateDeps,
  authenticate,
  createAuthGuard,
  isAddressAllowed,
} from '../src/authenticate.ts'
import { GatewayError } from '../src/errors.ts'
import type { KeyBook, MintedKey } from '../src/keys/book.ts'
import { mint } from '../src/keys/format.ts'
import type { Call, Caller } from '../src/terms.ts'
import { type Bench, bench, bytes } from './keys/parts.ts'
import { logbook } from './runtime/recorder.ts'

const CARRIERS = {
  bearer: (text: string) => ({ authorization: `Bearer ${text}` }),
  'bearer in lower case': (text: string) => ({ authorization: `bearer ${text}` }),
  'x-api-key': (text: string) => ({ 'x-api-key': text }),
  'api-key': (text: string) => ({ 'api-key': text }),
  'x-goog-api-key': (text: string) => ({ 'x-goog-api-key': text }),
} as const

const call = (headers: Record<string, string>, more: Partial<Call> = {}): Call => ({
  id: 'req_1',
  method: 'POST',
  path: '/v1/chat/completions',
  query: '',
  read: () => Promise.reject(new Error('authentication never reads the body')),
  header: name => headers[name],
  peer: '198.51.100.7',
  startedAtMs: 0,
  ...more,
})

let at: Bench
let book: KeyBook
let good: MintedKey
let deps: AuthenticateDeps
let lines: ReturnType<typeof logbook>['lines']
beforeEach(async () => {
  at = bench()
  book = await at.book()
  good = await book.create({})
  const logs = logbook()
  lines = logs.lines
  deps = {
    keys: book,
    clock: at.clock,
    env: 'live',
    guard: createAuthGuard({ clock: at.clock }),
    log: logs.log,
  }
})
afterEach(() => at.clean())

const who = (headers: Record<string, string>, more?: Partial<Call>): Caller =>
  authenticate(call(headers, more), deps, 'chat') as Caller

function refusal(headers: Record<string, string>, more?: Partial<Call>): GatewayError {
  try {
    who(headers, more)
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
  throw new Error('was let in')
}

test.each(Object.entries(CARRIERS))('%s carries a key', (_, carry) => {
  expect(who(carry(good.text)).key.id).toBe(good.key.id)
})

test('a key of somebody else beside ours does not disturb', () => {
  expect(who({ authorization: 'Bearer sk-foreign', 'x-api-key': good.text }).key.id).toBe(good.key.id)
  expect(who({ ...CARRIERS.bearer(good.text), 'api-key': 'dummy' }).key.id).toBe(good.key.id)
})

test('the same key twice is one key; two different ones are 400, in every pair of carriers', async () => {
  const other = await book.create({})
  const names = ['bearer', 'x-api-key', 'api-key', 'x-goog-api-key'] as const
  for (const one of names)
    for (const two of names) {
      if (one === two) continue
      expect(who({ ...CARRIERS[one](good.text), ...CARRIERS[two](good.text) }).key.id).toBe(good.key.id)
      const error = refusal({ ...CARRIERS[one](good.text), ...CARRIERS[two](other.text) })
      expect([error.kind, error.status]).toEqual(['invalid_request', 400])
      expect(refusal({ ...CARRIERS[one](good.text), ...CARRIERS[two]('sgate_junk') }).status).toBe(400)
    }
})

test('no key, a foreign key, and an odd scheme are 401 and not counted as attempts', () => {
  for (let i = 0; i < 50; i++)
    for (const headers of [
      {},
      { authorization: 'Bearer sk-proj-abc' },
      { authorization: `Basic ${good.text}` },
      { authorization: good.text },
      { authorization: 'Bearer' },
    ] as Record<string, string>[])
      expect(refusal(headers)).toMatchObject({
        kind: 'unauthenticated',
        status: 401,
        code: 'invalid_api_key',
      })
})

test('a key in the URL is 401, even a right one and even beside a right header', () => {
  for (const query of [`key=${good.text}`, 'key=x', 'alt=sse&key=x', 'KEY=x', `a=${good.text}`])
    expect(refusal(CARRIERS.bearer(good.text), { query }).status).toBe(401)
  expect(who(CARRIERS.bearer(good.text), { query: 'alt=sse&monkey=1' }).key.id).toBe(good.key.id)
})

test('every bad key gets the same answer in every carrier; only the log knows why', async () => {
  const make = async (act: (key: MintedKey) => Promise<unknown>): Promise<string> => {
    const minted = await book.create({})
    await act(minted)
    return minted.text
  }
  const bad = {
    unknown: mint('live', bytes).text,
    'unknown, other environment': mint('test', bytes).text,
    malformed: 'sgate_live_short',
    'wrong checksum': `${good.text.slice(0, -1)}${good.text.endsWith('0') ? '1' : '0'}`,
    'with a tail': `${good.text}x`,
    admin: mint('admin', bytes).text,
    revoked: await make(({ key }) => book.setStatus(key.id, 'revoked')),
    suspended: await make(({ key }) => book.setStatus(key.id, 'suspended')),
    expired: await make(({ key }) => book.patch(key.id, { expiresAtMs: at.clock.nowMs })),
    injection: `sgate_live_' OR 1=1 --`,
    long: `sgate_${'a'.repeat(100_000)}`,
  }
  const answers = new Set<string>()
  for (const [name, text] of Object.entries(bad))
    for (const carry of Object.values(CARRIERS)) {
      deps = { ...deps, guard: createAuthGuard({ clock: at.clock }) }
      const { kind, message, status, code, param, type, retryAfterMs } = refusal(carry(text))
      expect(message, name).not.toContain('sgate_live')
      answers.add(JSON.stringify({ kind, message, status, code, param, type, retryAfterMs }))
    }
  expect(answers.size).toBe(1)
  expect([...answers][0]).toContain('"status":401')
  const reasons = new Set(lines.map(line => line.fields.reason))
  expect(reasons).toEqual(
    new Set(['unknown', 'malformed', 'wrong_checksum', 'admin_token', 'revoked', 'suspended', 'expired']),
  )
  for (const text of Object.values(bad)) expect(JSON.stringify(lines)).not.toContain(text)
})

test('expiry is judged at each use', async () => {
  await book.patch(good.key.id, { expiresAtMs: at.clock.nowMs + 10 })
  expect(who(CARRIERS.bearer(good.text)).key.id).toBe(good.key.id)
  at.clock.nowMs += 10
  expect(refusal(CARRIERS.bearer(good.text)).status).toBe(401)
})

test('an authentic key of another environment is 403', async () => {
  const testKey = await book.create({ env: 'test' })
  expect(refusal(CARRIERS.bearer(testKey.text))).toMatchObject({
    status: 403,
    code: 'environment_not_allowed',
  })
  deps = { ...deps, env: 'test' }
  expect(who(CARRIERS.bearer(testKey.text)).key.id).toBe(testKey.key.id)
})

test('address rules hold in every carrier and for every form of the address', async () => {
  const { text } = await book.create({ ipAllow: ['10.0.0.0/8', '2606:4700::/32'], ipDeny: ['10.9.0.0/16'] })
  const verdicts = {
    '10.1.2.3': true,
    '::ffff:10.1.2.3': true,
    '::ffff:a01:203': true,
    '10.9.1.1': false,
    '::ffff:10.9.1.1': false,
    '11.0.0.1': false,
    '2606:4700:1::1': true,
    '2606:4701::1': false,
    '': false,
    junk: false,
  }
  for (const [peer, allowed] of Object.entries(verdicts))
    for (const carry of Object.values(CARRIERS))
      if (allowed) expect(who(carry(text), { peer }).key, peer).toBeDefined()
      else
        expect(refusal(carry(text), { peer }), peer).toMatchObject({
          kind: 'forbidden',
          status: 403,
          code: 'ip_not_allowed',
        })
})

test('an address rule that cannot be read lets nobody in', () => {
  expect(isAddressAllowed({ ...good.key, ipAllow: ['nonsense'] }, '1.2.3.4')).toBe(false)
  expect(isAddressAllowed({ ...good.key, ipAllow: [] }, '1.2.3.4')).toBe(false)
  expect(isAddressAllowed({ ...good.key, ipDeny: ['nonsense'] }, '1.2.3.4')).toBe(false)
  expect(isAddressAllowed({ ...good.key, ipDeny: [] }, '1.2.3.4')).toBe(true)
})

describe('failed attempts', () => {
  const fail = (peer: string): GatewayError => refusal({ authorization: 'Bearer sgate_wrong' }, { peer })

  test('20 are answered 401, the next 429 until the window ends; a right key still gets in', () => {
    for (let i = 0; i < 20; i++) expect(fail('192.0.2.1').status).toBe(401)
    const logged = lines.length
    at.clock.nowMs += 60_000
    expect(fail('192.0.2.1')).toMatchObject({ kind: 'rate_limited_here', status: 429, retryAfterMs: 240_000 })
    expect(fail('::ffff:192.0.2.1').status).toBe(429)
    expect(lines.length).toBe(logged)
    expect(who(CARRIERS.bearer(good.text), { peer: '192.0.2.1' }).key.id).toBe(good.key.id)
    expect(fail('192.0.2.2').status).toBe(401)
    at.clock.nowMs += 240_000
    expect(fail('192.0.2.1').status).toBe(401)
  })

  test('an IPv6 /64 is one attacker', () => {
    for (let i = 0; i < 20; i++) fail(`2606:4700:1:2::${i}`)
    expect(fail('2606:4700:1:2:ffff::1').status).toBe(429)
    expect(fail('2606:4700:1:3::1').status).toBe(401)
  })

  test('a million addresses cost bounded memory', () => {
    const guard = createAuthGuard({ clock: at.clock, addressesMax: 1000 })
    globalThis.gc?.()
    const before = process.memoryUsage().heapUsed
    for (let i = 0; i < 1_000_000; i++)
      guard.fail(`${(i >>> 24) & 255}.${(i >>> 16) & 255}.${(i >>> 8) & 255}.${i & 255}`)
    globalThis.gc?.()
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 1024 * 1024)
  })
})

test('a key ring that answers later works the same', async () => {
  const slow = { ...deps, keys: { find: async (text: string) => book.find(text) } }
  expect((await authenticate(call(CARRIERS.bearer(good.text)), slow, 'chat')).key.id).toBe(good.key.id)
  await expect(authenticate(call(CARRIERS.bearer('sgate_x')), slow, 'chat')).rejects.toMatchObject({
    status: 401,
  })
})

test('a header sent twice: the same key is one key, two keys are refused', async () => {
  const other = await book.create({})
  expect(who({ authorization: `Bearer ${good.text}, Bearer ${good.text}` }).key.id).toBe(good.key.id)
  expect(refusal({ authorization: `Bearer ${good.text}, Bearer ${other.text}` })).toMatchObject({
    status: 400,
  })
})
