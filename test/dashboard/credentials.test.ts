/** The dashboard's pages of credentials: what they show, what their forms do, and that no secret comes back. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ADMIN_TOKEN, openRig, type Rig } from '../admin/rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await openRig()
})
afterEach(() => rig.close())

const post = (path: string, fields: Record<string, string> = {}, headers: Record<string, string> = {}) =>
  rig.call('POST', path, new URLSearchParams(fields).toString(), {
    authorization: `Bearer ${ADMIN_TOKEN}`,
    'content-type': 'application/x-www-form-urlencoded',
    ...headers,
  })
const page = async (path: string) => (await rig.call('GET', path)).text()
const kept = async () => {
  const [one] = await rig.deps.vault.list()
  if (one === undefined) throw new Error('none is kept')
  return one
}
const added = () => rig.deps.vault.add({ provider: 'openai', name: 'main', secret: 'sk-good-one' })

test('a secret goes in and never comes out: list and page show its fingerprint', async () => {
  const made = await post('/dashboard/credentials', {
    provider: 'openai',
    name: '',
    secret: ' sk-good-canary\n',
    ref: '',
    weight: '2.5',
  })
  const { id, fingerprint } = await kept()
  expect([made.status, made.headers.get('location')]).toEqual([
    303,
    `/dashboard/credentials/${id}?done=added`,
  ])
  expect(await kept()).toMatchObject({ provider: 'openai', name: 'main', weight: 2.5 })
  expect(await rig.deps.vault.open(await kept())).toBe('sk-good-canary')
  for (const path of [
    '/dashboard/credentials',
    `/dashboard/credentials/${id}?done=added`,
    '/dashboard/audit',
  ]) {
    const text = await page(path)
    expect(text, path).not.toContain('canary')
    if (path !== '/dashboard/audit') expect(text, path).toContain(`<code>${fingerprint}</code>`)
  }
  // those of the market that are not kept here are named, and those that are kept are not named twice
  expect(await page('/dashboard/credentials')).toContain('<dt>groq</dt><dd>main</dd>')
})

test('a reference is shown as it is, and its secret is changed where it lives', async () => {
  rig.refEnv.GROQ_KEY = 'sk-good-referred'
  await post('/dashboard/credentials', { provider: 'groq', name: 'team', ref: 'env://GROQ_KEY' })
  const { id } = await kept()
  const text = await page(`/dashboard/credentials/${id}`)
  expect(text).toContain('<code>env://GROQ_KEY</code>')
  expect(text).toContain('kept elsewhere')
  expect(text).not.toContain('Replace the secret')
  expect(text).not.toContain('sk-good-referred')
  expect((await post(`/dashboard/credentials/${id}/rotate`, { secret: 'sk-good-x' })).status).toBe(409)
})

test('what is refused is said beside what was typed, but for the secret', async () => {
  await added()
  for (const [fields, field, message] of [
    [{ provider: 'openai', name: 'main', secret: 'sk-typed' }, 'name', 'already has a credential'],
    [{ provider: 'openai', name: 'b', secret: 'sk-typed', ref: 'env://X' }, 'secret', 'exactly one of'],
    [{ provider: 'openai', name: 'b' }, 'secret', 'exactly one of'],
    [{ provider: 'nobody', name: 'b', secret: 'sk-typed' }, 'provider', 'there is no provider'],
    [{ provider: '', name: 'b', secret: 'sk-typed' }, 'provider', 'must be the name of a provider'],
    [{ provider: 'openai', name: '<b>', secret: 'sk-typed' }, 'name', 'must be 1 to 64 letters'],
    [{ provider: 'openai', name: 'b', secret: 'sk-typed', weight: 'much' }, 'weight', 'must be a number'],
    [{ provider: 'openai', name: 'b', ref: 'env://NOT_SET_1' }, 'ref', 'NOT_SET_1'],
  ] as const) {
    const refused = await post('/dashboard/credentials', fields)
    expect(refused.status, message).toBe('name' in fields && fields.name === 'main' ? 409 : 400)
    const text = await refused.text()
    expect(text).toContain(message)
    expect(text).not.toContain('sk-typed')
    expect(text).not.toContain('<b>')
    expect(text).toMatch(new RegExp(`name="${field}"[^>]*aria-invalid="true"`))
    expect(text).toContain('<details class="card" open="" id="new">')
  }
  expect(await rig.deps.vault.list()).toHaveLength(1)
})

test('a new secret is asked for first, kept pending or put in force, promoted and retired', async () => {
  const { id } = await added()
  const at = `/dashboard/credentials/${id}`
  const refused = await post(`${at}/rotate`, { secret: 'sk-bad-canary', stage: 'current', test: '1' })
  expect(refused.status).toBe(400)
  const text = await refused.text()
  expect(text).toContain('refused: 401')
  expect(text).not.toContain('canary')
  // the form has a box, not the API's field
  expect(text).not.toMatch(/test(&quot;|"): false/)
  expect(text).toContain('untick “Ask the provider first”')
  expect(await rig.deps.vault.open(await kept())).toBe('sk-good-one')

  // the box is not ticked: kept all the same
  const untested = await post(`${at}/rotate`, { secret: 'sk-bad-but-mine', stage: 'pending' })
  expect(untested.headers.get('location')).toBe(`${at}?done=pending`)
  expect((await kept()).others).toMatchObject([{ stage: 'pending' }])
  expect(await page(at)).toContain('Promote…')
  expect((await post(`${at}/promote`)).headers.get('location')).toBe(`${at}?done=promoted`)
  expect(await rig.deps.vault.open(await kept())).toBe('sk-bad-but-mine')
  expect((await post(`${at}/retire`, { stage: 'previous' })).headers.get('location')).toBe(
    `${at}?done=retired`,
  )
  expect((await kept()).others).toEqual([])

  await post(`${at}/rotate`, { secret: 'sk-good-two', stage: 'current', test: '1', grace_hours: '1.5' })
  const [previous] = (await kept()).others
  expect(previous).toMatchObject({ stage: 'previous', endsAtMs: rig.nowMs + 5_400_000 })
  const long = await post(`${at}/rotate`, { secret: 'sk-good-3', stage: 'current', grace_hours: '721' })
  expect(long.status).toBe(400)
  expect(await long.text()).toMatch(/name="grace_hours"[^>]*aria-invalid="true"/)
  expect((await post(`${at}/promote`)).status).toBe(409)
})

test('the current secret says since when it is in force, whatever became of the one before', async () => {
  const { id } = await added()
  const at = `/dashboard/credentials/${id}`
  const since = async () => {
    const text = await page(at)
    const row = /<span class="pill ok">current<\/span>(.*?)<\/tr>/s.exec(text)?.[1] ?? ''
    return /data-label="There since"[^>]*>(?:<time[^>]*datetime="([^"]+)"|<span class="muted">(–))/
      .exec(row)
      ?.slice(1)
  }
  const told = (ms: number) => [new Date(ms).toISOString(), undefined]
  const madeAtMs = rig.nowMs
  rig.nowMs += 60_000
  expect(await since()).toEqual(told(madeAtMs))
  await rig.deps.vault.replace(id, 'sk-good-2', { graceMs: 3_600_000 })
  const replacedAtMs = rig.nowMs
  rig.nowMs += 60_000
  expect(await since()).toEqual(told(replacedAtMs))
  // a secret that waits changes nothing of the one in force; with the previous one gone the log still knows
  await rig.deps.vault.replace(id, 'sk-good-3', { stage: 'pending' })
  await rig.deps.vault.retire(id, 'previous')
  rig.nowMs += 60_000
  expect(await since()).toEqual(told(replacedAtMs))
  await rig.deps.vault.promote(id, 0)
  const promotedAtMs = rig.nowMs
  expect((await kept()).others).toEqual([])
  rig.nowMs += 60_000
  expect(await since()).toEqual(told(promotedAtMs))
  // further back than the log is looked through
  for (let count = 0; count < 100; count++)
    await rig.deps.audit.record({
      action: 'credential.test',
      target: `credential:${id}`,
      detail: { ok: true },
    })
  expect(await since()).toEqual([undefined, '–'])
})

test('a test says what the provider says, whichever it is', async () => {
  const { id } = await added()
  const works = await (await post(`/dashboard/credentials/${id}/test`)).text()
  expect(works).toContain('It works: accepted')
  await rig.deps.vault.replace(id, 'sk-bad-now')
  const refused = await (await post(`/dashboard/credentials/${id}/test`)).text()
  expect(refused).toContain('It does not work: refused: 401')
})

test('a refused credential is shown as such until it is tried again', async () => {
  const { id } = await added()
  expect(await page('/dashboard/credentials')).toContain('<span class="pill ok">in use</span>')
  rig.deps.health.observe(id, { kind: 'cool_down', untilMs: rig.nowMs + 60_000, told: true }, rig.nowMs)
  expect(await page('/dashboard/credentials')).toContain('<span class="pill bad">refused</span>')
  rig.nowMs += 61_000
  expect(await page('/dashboard/credentials')).toContain('<span class="pill ok">in use</span>')
})

test('it is forgotten with all of its secrets, and every change has its row of the audit log', async () => {
  const { id } = await added()
  await post(`/dashboard/credentials/${id}/rotate`, { secret: 'sk-good-two', stage: 'current', test: '1' })
  const gone = await post(`/dashboard/credentials/${id}/delete`)
  expect(gone.headers.get('location')).toBe('/dashboard/credentials?done=deleted')
  expect(await page('/dashboard/credentials?done=deleted')).toContain('No credential is kept here')
  const rows = await rig.deps.store.auditRows({ order: 'oldest', limit: 50, targets: [`credential:${id}`] })
  expect(rows.map(row => row.action)).toEqual(['credential.create', 'credential.rotate', 'credential.delete'])
  expect(JSON.stringify(rows)).not.toContain('sk-good')
  for (const verb of ['test', 'rotate', 'promote', 'retire', 'delete'])
    expect((await post(`/dashboard/credentials/${id}/${verb}`, { secret: 'sk-good-x' })).status, verb).toBe(
      404,
    )
  expect((await rig.call('GET', `/dashboard/credentials/${id}`)).status).toBe(404)
})

test('only a signed-in person’s own page may ask for it', async () => {
  const { id } = await added()
  for (const path of ['', `/${id}/delete`, `/${id}/rotate`]) {
    const stranger = await post(`/dashboard/credentials${path}`, {}, { authorization: '' })
    expect([stranger.status, stranger.headers.get('location')]).toEqual([303, '/dashboard/login'])
  }
  expect((await rig.call('GET', '/dashboard/credentials', undefined, {})).status).toBe(303)
  const signed = await post('/dashboard/login', { token: ADMIN_TOKEN }, { origin: 'http://127.0.0.1:8484' })
  const cookie = signed.headers.get('set-cookie')?.split(';')[0] ?? ''
  const from = (origin: string) =>
    rig.call('POST', `/dashboard/credentials/${id}/delete`, '', {
      cookie,
      origin,
      'content-type': 'application/x-www-form-urlencoded',
    })
  expect((await from('https://evil.example')).status).toBe(403)
  expect(await rig.deps.vault.list()).toHaveLength(1)
  expect((await from('http://127.0.0.1:8484')).status).toBe(303)
  expect(await rig.deps.vault.list()).toEqual([])
})
