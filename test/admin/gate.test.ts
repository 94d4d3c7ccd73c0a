/** The door: same bytes for every refusal, sessions that end, writes from elsewhere, DNS rebinding, guessing. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ADMIN_ROUTES } from '../../src/admin/routes.ts'
import { ADMIN_TOKEN, openRig, type Rig } from './rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await openRig()
})
afterEach(() => rig.close())

const get = (headers: Record<string, string>, connection?: object) =>
  rig.call('GET', '/admin/v1/keys', undefined, headers, connection)

async function login(): Promise<string> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded', origin: 'http://127.0.0.1:8484' }
  const answer = await rig.call('POST', '/dashboard/login', `token=${ADMIN_TOKEN}`, headers)
  expect(answer.status).toBe(303)
  return (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
}

describe('the admin token', () => {
  it('is needed on every route, and every refusal has the same bytes', async () => {
    const minted = await rig.deps.keys.create({ name: 'data-plane' })
    const bodies = new Set<string>()
    const wrong: Record<string, string>[] = [
      {},
      { authorization: 'Bearer wrong' },
      { authorization: 'Basic YTpi' },
      { authorization: `Bearer ${minted.text}` },
      { 'x-api-key': ADMIN_TOKEN },
      { cookie: 'switchgate_session=1.2.3.4' },
      { authorization: 'Bearer ' },
    ]
    let peer = 0
    for (const headers of wrong) {
      for (const route of ADMIN_ROUTES) {
        const path = `/admin/v1${route.path.replace(':id', minted.key.id)}`
        const answer = await rig.call(route.method, path, undefined, headers, {
          peer: `192.0.2.${peer++ % 250}`,
        })
        expect(answer.status, `${route.method} ${path}`).toBe(401)
        expect(answer.headers.get('cache-control')).toBe('no-store')
        bodies.add(await answer.text())
      }
    }
    expect(bodies.size).toBe(1)
    expect(rig.deps.keys.get(minted.key.id)?.status).toBe('active')
    expect([...bodies][0]).not.toContain(minted.text)
  })

  it.each([
    '/admin/v1//keys',
    '/admin/v1/keys/',
    '/admin//v1/keys',
    '/admin/v1/%6beys',
    '/admin/v1/keys%2F',
    '/admin/v1/nothing',
    '/admin/docs',
    '/dashboard',
    '/dashboard/keys/',
  ])('has no way around it by path: %s', async path => {
    const answer = await rig.call('GET', path, undefined, {})
    expect([303, 401, 404]).toContain(answer.status)
    expect(await answer.text()).not.toContain('next_cursor')
  })

  it('limits guesses by address, and nobody else: not other addresses, nor the right token from this one', async () => {
    for (let count = 0; count < 10; count++) {
      expect((await get({ authorization: `Bearer guess-${count}` })).status).toBe(401)
    }
    const refused = await get({ authorization: 'Bearer guess-11' })
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(200)
    const other = await get({ authorization: `Bearer ${ADMIN_TOKEN}` }, { peer: '198.51.100.1' })
    expect(other.status).toBe(200)
    expect((await get({ authorization: `Bearer ${ADMIN_TOKEN}` })).status).toBe(200)
    // which does not make up for the wrong ones
    expect((await get({ authorization: 'Bearer guess-12' })).status).toBe(429)
    rig.nowMs += 5 * 60_000 + 1
    expect((await get({ authorization: 'Bearer guess-13' })).status).toBe(401)
  })

  it('is refused under a host name that is not ours (DNS rebinding)', async () => {
    const ask = (host: string) => get({ authorization: `Bearer ${ADMIN_TOKEN}`, host })
    for (const host of ['localhost:8484', '127.0.0.1', '[::1]:8484', 'gate.example', 'GATE.example.:8484']) {
      expect((await ask(host)).status, host).toBe(200)
    }
    for (const host of [
      'evil.example',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      'gate.example.evil.example',
    ]) {
      expect((await ask(host)).status, host).toBe(403)
    }
  })

  it('is not needed on the data folder’s socket, whatever a header says elsewhere', async () => {
    expect((await get({ host: 'anything' }, { trusted: true })).status).toBe(200)
    expect((await get({ trusted: 'true', 'x-forwarded-for': '127.0.0.1' })).status).toBe(401)
  })

  it('does not do for what only the local command line may', async () => {
    for (const [path, body] of [
      ['/admin-token/reset', {}],
      ['/backup', { path: '/tmp/never.db' }],
    ] as const) {
      const answer = await rig.call('POST', `/admin/v1${path}`, body)
      expect(answer.status, path).toBe(403)
    }
    const local = await rig.call('POST', '/admin/v1/admin-token/reset', {}, {}, { trusted: true })
    expect(await local.json()).toEqual({ admin_token: 'sgate_admin_fresh' })
  })
})

describe('a session', () => {
  it('has a cookie that scripts and other sites do not get', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' }
    const answer = await rig.call('POST', '/dashboard/login', `token=${ADMIN_TOKEN}`, headers, {
      peer: 'x',
      secure: true,
    })
    const cookie = answer.headers.get('set-cookie') ?? ''
    expect(cookie).toMatch(/; HttpOnly; SameSite=Strict;/)
    expect(cookie).toContain('; Secure')
    expect(cookie).not.toContain(ADMIN_TOKEN)
  })

  it('writes only from our own pages', async () => {
    const cookie = await login()
    const post = (headers: Record<string, string>) =>
      rig.call('POST', '/admin/v1/keys', { name: 'x' }, { cookie, ...headers })
    expect((await post({})).status).toBe(403)
    expect((await post({ origin: 'http://evil.example' })).status).toBe(403)
    expect((await post({ origin: 'null' })).status).toBe(403)
    expect((await post({ 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    expect((await post({ 'sec-fetch-site': 'same-site', origin: 'http://127.0.0.1:8484' })).status).toBe(403)
    expect(rig.deps.keys.list()).toEqual([])
    expect((await post({ 'sec-fetch-site': 'same-origin' })).status).toBe(201)
    expect((await post({ origin: 'http://127.0.0.1:8484' })).status).toBe(201)
  })

  it('reads for nobody else’s pages', async () => {
    const cookie = await login()
    const read = (method: string, path: string, headers: Record<string, string>) =>
      rig.call(method, path, undefined, { cookie, ...headers })
    for (const path of ['/admin/v1/keys', '/dashboard/keys', '/admin/v1/openapi.json'])
      for (const headers of [
        { origin: 'https://evil.example' },
        { origin: 'null' },
        { origin: 'http://127.0.0.1:8485' },
        { origin: 'http://127.0.0.1:8484', 'sec-fetch-site': 'cross-site' },
        { origin: 'http://127.0.0.1:3000', 'sec-fetch-site': 'same-site' },
        { 'sec-fetch-site': 'cross-site' },
      ] as Record<string, string>[])
        for (const method of ['GET', 'HEAD'])
          expect(
            (await read(method, path, headers)).status,
            `${method} ${path} ${JSON.stringify(headers)}`,
          ).toBe(403)
    const refused = await read('GET', '/admin/v1/keys', { origin: 'https://evil.example' })
    expect(await refused.json()).toMatchObject({ error: { code: 'origin_not_allowed' } })
    // an address that is typed, a link, the page's own script, a browser without Sec-Fetch-Site
    for (const headers of [
      {},
      { 'sec-fetch-site': 'none' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'same-origin' },
      { origin: 'http://127.0.0.1:8484' },
    ] as Record<string, string>[])
      expect((await read('GET', '/admin/v1/keys', headers)).status, JSON.stringify(headers)).toBe(200)
    // a token does not travel by itself
    const authorization = `Bearer ${ADMIN_TOKEN}`
    expect((await get({ authorization, origin: 'https://evil.example' })).status).toBe(200)
  })

  it('ends after half an hour without use, and after twelve hours with', async () => {
    let cookie = await login()
    rig.nowMs += 31 * 60_000
    expect((await get({ cookie })).status).toBe(401)
    cookie = await login()
    const first = cookie
    for (let minutes = 0; minutes <= 12 * 60; minutes += 20) {
      rig.nowMs += 20 * 60_000
      const answer = await get({ cookie })
      if (minutes + 20 > 12 * 60) expect(answer.status).toBe(401)
      else expect(answer.status, `${minutes} minutes`).toBe(200)
      cookie = answer.headers.get('set-cookie')?.split(';')[0] ?? cookie
    }
    expect(cookie).not.toBe(first)
  })

  it('is not kept alive by a page that refreshes itself', async () => {
    const cookie = await login()
    rig.nowMs += 10 * 60_000
    const answer = await get({ cookie, 'x-switchgate-refresh': '1' })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('set-cookie')).toBeNull()
  })

  it('cannot be made up or stretched', async () => {
    const cookie = await login()
    const [start, seen, nonce, mac] = cookie.replace('switchgate_session=', '').split('.')
    const forged = [
      `${start}.${Number(seen) + 1}.${nonce}.${mac}`,
      `${Number(start) + 1}.${seen}.${nonce}.${mac}`,
      `${start}.${seen}.${'0'.repeat(32)}.${mac}`,
      `${start}.${seen}.${nonce}.${'0'.repeat(64)}`,
      `${start}.${seen}.${nonce}`,
    ]
    for (const value of forged)
      expect((await get({ cookie: `switchgate_session=${value}` })).status).toBe(401)
    expect((await get({ cookie })).status).toBe(200)
  })

  it('leads after login only to places of ours', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' }
    for (const next of [
      '//evil.example',
      'https://evil.example',
      '/dashboard//evil.example',
      '/dashboard\\evil',
      '/v1/models',
      'javascript:alert(1)',
    ]) {
      const body = new URLSearchParams({ token: ADMIN_TOKEN, next }).toString()
      const answer = await rig.call('POST', '/dashboard/login', body, headers)
      expect(answer.headers.get('location'), next).toBe('/dashboard')
    }
    const body = new URLSearchParams({
      token: ADMIN_TOKEN,
      next: '/dashboard/requests?status=5xx',
    }).toString()
    const answer = await rig.call('POST', '/dashboard/login', body, headers)
    expect(answer.headers.get('location')).toBe('/dashboard/requests?status=5xx')
  })
})
