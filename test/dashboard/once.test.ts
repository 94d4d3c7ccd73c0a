/** A form that makes a key is not done twice: a reload shows no second key, and forms that differ are not taken for one. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ADMIN_TOKEN, openRig, type Rig } from '../admin/rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await openRig()
})
afterEach(() => rig.close())

const post = (path: string, fields: Record<string, string>) =>
  rig.call('POST', path, new URLSearchParams(fields).toString(), {
    authorization: `Bearer ${ADMIN_TOKEN}`,
    'content-type': 'application/x-www-form-urlencoded',
  })

/** The token that a page's form to `action` holds now. */
async function tokenIn(path: string, action: string): Promise<string> {
  const text = await (await rig.call('GET', path)).text()
  const form = text.split('<form').find(part => part.includes(`action="${action}"`)) ?? ''
  const token = /name="once" value="([\w-]{36})"/.exec(form)?.[1]
  if (token === undefined) throw new Error(`${path} has no token for ${action}`)
  return token
}
const newToken = () => tokenIn('/dashboard/keys', '/dashboard/keys')
const names = () => rig.deps.keys.list().map(({ name }) => name)

test('sent again it makes no second key, shows no text, and leads to the first', async () => {
  const form = { name: 'reloaded', budget: '5', once: await newToken() }
  const made = await post('/dashboard/keys', form)
  expect(made.status).toBe(201)
  expect(await made.text()).toMatch(/sgate_live_\w{12}_\w{49}/)
  const again = await post('/dashboard/keys', form)
  expect(again.status).toBe(200)
  const text = await again.text()
  expect(text).toContain('This key was made already')
  expect(text).toContain(`href="/dashboard/keys/${rig.deps.keys.list()[0]?.id}"`)
  expect(text).not.toMatch(/sgate_live_/)
  expect(names()).toEqual(['reloaded'])
})

test('a double click makes one key', async () => {
  const form = { name: 'twice', once: await newToken() }
  const answers = await Promise.all([post('/dashboard/keys', form), post('/dashboard/keys', form)])
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 201])
  expect(names()).toEqual(['twice'])
})

test('other words, another token, no token and ten minutes later are another key', async () => {
  const once = await newToken()
  expect(await newToken()).not.toBe(once)
  for (const form of [
    { name: 'a', once },
    { name: 'b', once },
    { name: 'a', once: await newToken() },
    { name: 'a' },
    { name: 'a' },
  ] as Record<string, string>[])
    expect((await post('/dashboard/keys', form)).status, JSON.stringify(form)).toBe(201)
  expect(names().toSorted()).toEqual(['a', 'a', 'a', 'a', 'b'])
  rig.nowMs += 10 * 60_000 - 1
  expect((await post('/dashboard/keys', { name: 'a', once })).status).toBe(200)
  rig.nowMs += 1
  expect((await post('/dashboard/keys', { name: 'a', once })).status).toBe(201)
})

test('what was refused may be sent again', async () => {
  const once = await newToken()
  vi.spyOn(rig.deps.keys, 'create').mockRejectedValueOnce(new Error('the disk is full'))
  expect((await post('/dashboard/keys', { name: 'again', once })).status).toBe(500)
  expect((await post('/dashboard/keys', { name: 'again', once })).status).toBe(201)
  expect((await post('/dashboard/keys', { name: 'again', rpm: '1.5', once })).status).toBe(400)
  expect(names()).toEqual(['again'])
})

test('only the last 200 forms are remembered', async () => {
  const first = { name: 'first', once: await newToken() }
  await post('/dashboard/keys', first)
  for (let count = 0; count < 199; count++) await post('/dashboard/keys', { name: `${count}`, once: 'x' })
  expect((await post('/dashboard/keys', first)).status).toBe(200)
  await post('/dashboard/keys', { name: 'one more', once: 'x' })
  expect((await post('/dashboard/keys', first)).status).toBe(201)
})

test('a rotation is not repeated either, and a second one is asked for anew', async () => {
  const { key } = await rig.deps.keys.create({ name: 'rotated' })
  const at = `/dashboard/keys/${key.id}`
  const once = await tokenIn(at, `${at}/rotate`)
  expect((await post(`${at}/rotate`, { once })).status).toBe(201)
  const again = await post(`${at}/rotate`, { once })
  expect(again.status).toBe(200)
  const successor = rig.deps.keys.list().find(({ id }) => id !== key.id)
  expect(await again.text()).toContain(`href="/dashboard/keys/${successor?.id}"`)
  expect(rig.deps.keys.list()).toHaveLength(2)
  expect((await post('/dashboard/keys/nobody/rotate', { once })).status).toBe(404)
})
