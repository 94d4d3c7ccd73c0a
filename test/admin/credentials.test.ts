/** Providers' secrets go in and never come out. */
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
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
    [{ provider: 'openai', secret: 'x', weight: -1 }, 'weight', /more than 0/],
    [{ provider: 'openai', secret: 'x', weight: 0 }, 'weight', /more than 0/],
    [{ provider: 'openai', secret: 'sk-canary\nsecond line' }, 'secret', /one line/],
    [{ provider: 'openai', secret: 'sk-canary\u0000x' }, 'secret', /cannot be sent/],
    [{ provider: 'openai', secret: 'sk-canary\u001b[31m' }, 'secret', /cannot be sent/],
    [{ provider: 'openai', secret: 'sk-canary-ключ' }, 'secret', /non-ASCII/],
    [{ provider: 'openai', ref: 'env://NOPE_X' }, 'ref', /env:\/\/NOPE_X is not set: set NOPE_X/],
    [
      { provider: 'openai', ref: 'file:///nope/x' },
      'ref',
      /file:\/\/\/nope\/x does not exist.*put the secret/,
    ],
    [{ provider: 'openai', ref: 'env://SWITCHGATE_MASTER_KEY' }, 'ref', /never sent/],
    [{ provider: 'openai', secrt: 'canary-typo' }, 'secrt', /`secret`/],
  ])('refuse %j', async (body, param, message) => {
    const answer = await rig.call('POST', '/admin/v1/credentials', body)
    expect(answer.status).toBe(400)
    const { error } = (await answer.json()) as { error: Wire }
    expect(error.param).toBe(param)
    expect(error.message).toMatch(message)
    expect(JSON.stringify(error)).not.toContain('canary')
  })

  it('refuse a file of several lines, by its name and without its content', async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'sg-ref-')), 'key')
    writeFileSync(path, 'sk-canary-1\nsk-canary-2\n')
    const body = { provider: 'openai', name: 'lines', ref: `file://${path}` }
    const refused = await rig.call('POST', '/admin/v1/credentials', body)
    expect(refused.status).toBe(400)
    const { error } = (await refused.json()) as { error: Wire }
    expect(error).toMatchObject({ param: 'ref', message: expect.stringContaining(`file://${path}`) })
    expect(error.message).toMatch(/one line/)
    writeFileSync(path, 'sk-good-file\n')
    const answer = await rig.call('POST', '/admin/v1/credentials', body)
    expect(answer.status).toBe(201)
    const { id } = (await answer.json()) as Wire
    const works = await rig.call('POST', `/admin/v1/credentials/${id}/test`)
    expect(await works.json()).toMatchObject({ ok: true })
    writeFileSync(path, 'sk-canary-1\nsk-canary-2\n')
    const fails = await rig.call('POST', `/admin/v1/credentials/${id}/test`)
    expect(fails.status).toBe(200)
    const said = await fails.text()
    expect(JSON.parse(said)).toMatchObject({ id, ok: false })
    for (const place of [JSON.stringify(error), said, JSON.stringify(rig.logged)])
      expect(place).not.toContain('canary')
  })

  it('whose reference is gone are tested with an answer that names it and the cure', async () => {
    rig.refEnv.SOON_GONE = 'sk-good-env'
    const answer = await rig.call('POST', '/admin/v1/credentials', {
      provider: 'openai',
      name: 'ref',
      ref: 'env://SOON_GONE',
    })
    const { id } = (await answer.json()) as Wire
    const test = async () => rig.call('POST', `/admin/v1/credentials/${id}/test`)
    expect(await (await test()).json()).toEqual({ id, ok: true, message: 'accepted' })
    delete rig.refEnv.SOON_GONE
    const gone = await test()
    expect(gone.status).toBe(200)
    expect(await gone.json()).toEqual({
      id,
      ok: false,
      message:
        'env://SOON_GONE is not set: set SOON_GONE in the environment of the gateway and start it again',
    })
  })

  it('whose sealed secret was damaged are tested with an answer that says so', async () => {
    const added = await rig.deps.vault.add({ provider: 'groq', name: 'damaged', secret: 'sk-good' })
    const other = await rig.deps.vault.add({ provider: 'groq', name: 'other', secret: 'sk-good' })
    await rig.deps.store.commit([{ op: 'put_credential', credential: { ...added, sealed: other.sealed } }])
    const answer = await rig.call('POST', `/admin/v1/credentials/${added.id}/test`)
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({
      ok: false,
      message: expect.stringMatching(/does not open.*rotate/),
    })
  })
})
