/** Providers' secrets go in and never come out. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRig, type Rig } from './rig.ts'

type Wire = Record<string, unknown>

let rig: Rig
beforeAll(async () => {
  rig = await openRig()
})
afterAll(() => rig.close())

describe('credentials', () => {
  const SECRET = 'sk-good-canary-7f3a9c'

  it('go in and never come out, in any answer, log or file', async () => {
    const answer = await rig.call('POST', '/admin/v1/credentials', {
      provider: 'openai',
      name: 'main',
      secret: SECRET,
    })
    expect(answer.status).toBe(201)
    const made = (await answer.json()) as Wire
    expect(made).toMatchObject({ provider: 'openai', name: 'main', weight: 1, ref: null, status: 'active' })
    expect(made.fingerprint).toMatch(/^[0-9a-f]{6}$/)
    const test = await rig.call('POST', `/admin/v1/credentials/${made.id}/test`)
    expect(await test.json()).toEqual({ id: made.id, ok: true, message: 'accepted' })
    const rotated = await rig.call('POST', `/admin/v1/credentials/${made.id}/rotate`, {
      secret: `${SECRET}-2`,
    })
    expect(((await rotated.json()) as Wire).fingerprint).not.toBe(made.fingerprint)
    const twice = await rig.call('POST', '/admin/v1/credentials', {
      provider: 'openai',
      name: 'main',
      secret: SECRET,
    })
    expect(twice.status).toBe(409)
    const listed = await (await rig.call('GET', '/admin/v1/credentials')).text()
    const files = readdirSync(rig.folder, { recursive: true, withFileTypes: true }).filter(entry =>
      entry.isFile(),
    )
    const disk = files.map(entry => readFileSync(join(entry.parentPath, entry.name), 'latin1')).join('\n')
    for (const place of [listed, disk, JSON.stringify(rig.logged), JSON.stringify(made)]) {
      expect(place).not.toContain('canary-7f3a9c')
    }
    const gone = await rig.call('DELETE', `/admin/v1/credentials/${made.id}`)
    expect(await gone.json()).toEqual({ id: made.id, deleted: true })
    expect((await rig.call('DELETE', `/admin/v1/credentials/${made.id}`)).status).toBe(404)
  })

  it.each([
    [{ provider: 'opanai', secret: 'x' }, 'provider', /did you mean "openai"/],
    [{ provider: 'openai' }, 'secret', /exactly one/],
    [{ provider: 'openai', secret: 'x', ref: 'env://A' }, 'secret', /exactly one/],
    [{ provider: 'openai', ref: 'http://x' }, 'ref', /env:\/\/NAME/],
    [{ provider: 'openai', secret: 'x', name: 'a b' }, 'name', /letters/],
    [{ provider: 'openai', secret: 'x', weight: -1 }, 'weight', /negative/],
    [{ provider: 'openai', secrt: 'canary-typo' }, 'secrt', /`secret`/],
  ])('refuse %j', async (body, param, message) => {
    const answer = await rig.call('POST', '/admin/v1/credentials', body)
    expect(answer.status).toBe(400)
    const { error } = (await answer.json()) as { error: Wire }
    expect(error.param).toBe(param)
    expect(error.message).toMatch(message)
    expect(JSON.stringify(error)).not.toContain('canary')
  })
})
