/** The audit log of the Worker, in real workerd with D1: isolates share nothing but the database. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ADMIN_TOKEN, json, PROVIDER_SECRET, type Served, serveUpstream } from '../runtime/worker-gateway.ts'

interface Row {
  readonly actor: string
  readonly action: string
  readonly target: string | null
  readonly detail: Record<string, unknown>
}

let served: Served
beforeAll(async () => {
  served = await serveUpstream()
})
afterAll(() => served?.close())

const rows = async (query = ''): Promise<Row[]> => {
  const { data } = await json(served.admin('GET', `/audit?limit=500${query}`))
  return (data as Row[]).toReversed()
}

describe('on Workers', () => {
  test('changes at the same moment keep one chain, each with its author', async () => {
    const made = await Promise.all(
      Array.from({ length: 8 }, (_, i) => json(served.admin('POST', '/keys', { name: `at once ${i}` }))),
    )
    const [first] = made
    await served.admin('PATCH', `/keys/${first?.id}`, { tags: ['a'] })
    await served.admin('POST', `/keys/${first?.id}/revoke`)
    const own = await rows(`&target=${first?.id}`)
    expect(own.map(({ action, actor }) => [action, actor])).toEqual([
      ['key.create', 'admin'],
      ['key.change', 'admin'],
      ['key.revoke', 'admin'],
    ])
    for (const { id } of made) expect(await rows(`&target=${id}&action=key.create`)).toHaveLength(1)
    expect(await json(served.admin('GET', '/audit/verify'))).toMatchObject({ ok: true })
  })

  test('a row that cannot be written undoes the change', async () => {
    const before = (await rows()).length
    await served.database
      .prepare("create trigger full before insert on audit begin select raise(abort, 'full'); end")
      .run()
    const refused = await served.admin('POST', '/keys', { name: 'never made' })
    expect(refused.status).toBe(503)
    await served.database.prepare('drop trigger full').run()
    expect(JSON.stringify(await json(served.admin('GET', '/keys?limit=500')))).not.toContain('never made')
    expect(await rows()).toHaveLength(before)
  })

  test('refused keys are counted, and no row has a secret', async () => {
    const made = await json(served.admin('POST', '/keys', { name: 'ends', models: [] }))
    const chat = { model: 'house-model', messages: [{ role: 'user', content: 'Hi' }] }
    expect((await served.post('/v1/chat/completions', chat, made.key)).status).toBe(403)
    await expect
      .poll(async () => (await rows('&action=key.refused')).at(-1), { timeout: 30_000 })
      .toMatchObject({
        actor: 'caller',
        target: `key:${made.id}`,
        detail: { reason: 'model_not_allowed', count: 1 },
      })
    const { results } = await served.database.prepare('select * from audit').all()
    const text = JSON.stringify(results)
    for (const canary of [made.key, ADMIN_TOKEN, PROVIDER_SECRET]) expect(text).not.toContain(canary)
  })

  test('a row that somebody changed is found', async () => {
    await served.database.prepare("update audit set actor = 'local' where seq = 2").run()
    expect(await json(served.admin('GET', '/audit/verify'))).toMatchObject({
      ok: false,
      rows: 1,
      first_bad: { seq: 2, kind: 'edit' },
    })
  })
})
