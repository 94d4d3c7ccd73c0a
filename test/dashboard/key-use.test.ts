/** The dashboard's forms for routes, pages and hours of a key: made, shown, changed, refused with what was typed. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ADMIN_TOKEN, openRig, type Rig } from '../admin/rig.ts'

let rig: Rig
beforeAll(async () => {
  rig = await openRig()
})
afterAll(() => rig.close())

const post = (path: string, fields: Record<string, string>) =>
  rig.call('POST', path, new URLSearchParams(fields).toString(), {
    authorization: `Bearer ${ADMIN_TOKEN}`,
    'content-type': 'application/x-www-form-urlencoded',
  })
const page = async (path: string) => (await rig.call('GET', path)).text()

test('a key is made with them and changed on its own page; empty fields take them away', async () => {
  const made = await post('/dashboard/keys', {
    name: 'page',
    scopes: 'chat, models',
    origin_allow: 'https://app.example.com',
    hours: 'mon-fri 08:00-18:00@Europe/Berlin',
  })
  expect(made.status).toBe(201)
  const [key] = rig.deps.keys.list()
  const id = key?.id ?? ''
  expect(key).toMatchObject({ scopes: ['chat', 'models'], originAllow: ['https://app.example.com'] })
  const shown = await page(`/dashboard/keys/${id}`)
  expect(shown).toContain('value="mon-fri 08:00-18:00@Europe/Berlin"')
  expect(shown).toContain('<dd class="">chat, models</dd>')
  const changed = await post(`/dashboard/keys/${id}/use`, {
    scopes: 'none',
    origin_allow: '*',
    hours: 'never',
  })
  expect([changed.status, changed.headers.get('location')]).toEqual([303, `/dashboard/keys/${id}`])
  expect(rig.deps.keys.get(id)).toMatchObject({ scopes: [], originAllow: ['*'], hours: { allow: [] } })
  // the form shows what it would have to be sent to change nothing
  const again = await page(`/dashboard/keys/${id}`)
  for (const value of ['none', '*', 'never']) expect(again).toContain(`value="${value}"`)
  expect((await post(`/dashboard/keys/${id}/use`, { scopes: '', origin_allow: ' ', hours: '' })).status).toBe(
    303,
  )
  expect(rig.deps.keys.get(id)).toMatchObject({ scopes: null, originAllow: null, hours: null, name: 'page' })
})

test('a fault is shown beside what was typed, and nothing is changed', async () => {
  const { key } = await rig.deps.keys.create({ scopes: ['chat'] })
  for (const [fields, field, message] of [
    [{ scopes: 'chats' }, 'scopes', 'must be one of chat'],
    [{ origin_allow: 'app.example.com' }, 'origin_allow', 'must be an origin'],
    [{ hours: '<b>office</b>' }, 'hours', 'is not a time, as in mon-fri'],
  ] as const) {
    const refused = await post(`/dashboard/keys/${key.id}/use`, fields)
    expect(refused.status).toBe(400)
    const text = await refused.text()
    expect(text).toContain(message)
    expect(text).not.toContain('<b>office')
    expect(text).toMatch(new RegExp(`name="${field}"[^>]*aria-invalid="true"`))
    const fresh = await post('/dashboard/keys', { name: 'x', ...fields })
    expect(fresh.status).toBe(400)
    expect(await fresh.text()).toMatch(new RegExp(`name="${field}"[^>]*aria-invalid="true"`))
  }
  expect(rig.deps.keys.get(key.id)?.scopes).toEqual(['chat'])
  expect(rig.deps.keys.list().filter(({ name }) => name === 'x')).toEqual([])
  expect((await post('/dashboard/keys/nobody/use', {})).status).toBe(404)
})
