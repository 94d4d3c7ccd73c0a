/** The whole life of what an operator keeps leaves the rows one expects: over the admin plane, with real SQLite and the real vault. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ADMIN_ROUTES } from '../../src/admin/routes.ts'
import { ADMIN_TOKEN, openRig, type Rig } from '../admin/rig.ts'

interface Row {
  readonly seq: number
  readonly actor: string
  readonly address: string | null
  readonly action: string
  readonly target: string | null
  readonly detail: Record<string, unknown>
}

let rig: Rig
beforeEach(async () => {
  rig = await openRig()
})
afterEach(() => rig.close())

async function call(
  method: string,
  path: string,
  body?: unknown,
  status = 200,
): Promise<Record<string, unknown>> {
  const response = await rig.call(method, `/admin/v1${path}`, body)
  const text = await response.text()
  expect(response.status, text).toBe(status)
  return JSON.parse(text) as Record<string, unknown>
}

/** Rows after `seq`, oldest first. */
async function rows(query = ''): Promise<Row[]> {
  const { data } = await call('GET', `/audit?limit=500${query}`)
  return (data as Row[]).toReversed()
}

const shortOf = ({ action, target, detail }: Row) => [action, target, detail]

describe('the life of a key', () => {
  it('is told step by step, with what was before and after', async () => {
    const { id } = await call('POST', '/keys', { name: 'app', limits: { rpm: 60 } }, 201)
    await call('PATCH', `/keys/${id}`, {
      name: 'app two',
      models: ['gpt-5'],
      budgets: [{ window: 'total', usd: 5 }],
      metadata: { team: 'blue' },
    })
    // the same again changes nothing
    await call('PATCH', `/keys/${id}`, { name: 'app two' })
    await call('POST', `/keys/${id}/top-up`, { usd: 2.5 })
    const { id: successor } = await call('POST', `/keys/${id}/rotate`, { grace_seconds: 60 }, 201)
    await call('POST', `/keys/${successor}/suspend`)
    await call('POST', `/keys/${successor}/suspend`)
    await call('POST', `/keys/${successor}/resume`)
    await call('POST', `/keys/${successor}/revoke`)
    await call('POST', `/keys/${successor}/resume`, undefined, 409)

    const own = (await rows()).map(shortOf)
    const ends = new Date(rig.nowMs + 60_000).toISOString()
    expect(own).toEqual([
      [
        'key.create',
        `key:${id}`,
        { after: { name: 'app', env: 'live', status: 'active', limits: { rpm: 60 } } },
      ],
      [
        'key.change',
        `key:${id}`,
        {
          before: { name: 'app', models: null, budgets: [], metadata: {} },
          after: {
            name: 'app two',
            models: ['gpt-5'],
            budgets: [{ window: 'total', limit_usd: '5' }],
            metadata: { team: 'blue' },
          },
        },
      ],
      [
        'key.top_up',
        `key:${id}`,
        {
          before: { budgets: [{ window: 'total', limit_usd: '5' }] },
          after: { budgets: [{ window: 'total', limit_usd: '7.5' }] },
        },
      ],
      [
        'key.create',
        `key:${successor}`,
        { after: expect.objectContaining({ name: 'app two', lineage: id, models: ['gpt-5'] }) },
      ],
      ['key.rotate', `key:${id}`, { before: { expires_at: null }, after: { expires_at: ends } }],
      ['key.suspend', `key:${successor}`, { before: { status: 'active' }, after: { status: 'suspended' } }],
      ['key.resume', `key:${successor}`, { before: { status: 'suspended' }, after: { status: 'active' } }],
      ['key.revoke', `key:${successor}`, { before: { status: 'active' }, after: { status: 'revoked' } }],
    ])
    expect((await rows(`&target=${successor}`)).map(({ action }) => action)).toEqual([
      'key.create',
      'key.suspend',
      'key.resume',
      'key.revoke',
    ])
    expect(await call('GET', '/audit/verify')).toMatchObject({ ok: true, rows: 8, head: { seq: 8 } })
  })

  it('tells a raise of a shared budget of every key that shares it', async () => {
    const { id } = await call('POST', '/keys', { budgets: [{ window: 'day', usd: 1 }] }, 201)
    const { id: successor } = await call('POST', `/keys/${id}/rotate`, { grace_seconds: 60 }, 201)
    const [, , , ...none] = await rows()
    expect(none).toEqual([])
    await call('PATCH', `/keys/${successor}`, { budgets: [{ window: 'day', usd: 9 }] })
    const raised = (await rows()).slice(3)
    expect(raised.map(({ target }) => target).sort()).toEqual([`key:${id}`, `key:${successor}`].sort())
    for (const { action, detail } of raised)
      expect([action, detail]).toEqual([
        'key.change',
        {
          before: { budgets: [{ window: 'day', limit_usd: '1' }] },
          after: { budgets: [{ window: 'day', limit_usd: '9' }] },
        },
      ])
  })
})

describe('projects, credentials and the rest', () => {
  it('a project is made, raised, topped up, and closed with its keys', async () => {
    await call('POST', '/projects', { id: 'blue', budgets: [{ window: 'total', usd: 1 }] }, 201)
    const { id } = await call('POST', '/keys', { project: 'blue' }, 201)
    await call('PATCH', '/projects/blue', { limits: { rpm: 9 } })
    await call('POST', '/projects/blue/top-up', { usd: 3 })
    await call('PATCH', '/organisation', { limits: { rpm: 900 } })
    await call('POST', '/projects/blue/close')
    await call('POST', '/projects/blue/close')
    expect((await rows()).map(({ action, target }) => [action, target])).toEqual([
      ['project.create', 'project:blue'],
      ['key.create', `key:${id}`],
      ['project.change', 'project:blue'],
      ['project.top_up', 'project:blue'],
      ['project.create', 'project:organisation'],
      ['project.close', 'project:blue'],
      ['key.revoke', `key:${id}`],
    ])
  })

  it('a credential shows its fingerprint and never its secret, wherever one looks', async () => {
    const secrets = ['sk-good-canary-1111111111', 'sk-good-canary-2222222222', 'sk-bad-canary-3333333333']
    const { id } = await call(
      'POST',
      '/credentials',
      { provider: 'openai', name: 'main', secret: secrets[0] },
      201,
    )
    await call('POST', `/credentials/${id}/test`)
    await call('POST', `/credentials/${id}/rotate`, { secret: secrets[1] })
    await call('POST', `/credentials/${id}/test`)
    await call('DELETE', `/credentials/${id}`)
    const { id: second } = await call('POST', '/credentials', { provider: 'groq', secret: secrets[2] }, 201)
    await call('POST', `/credentials/${second}/test`)
    const { key } = await call('POST', '/keys', {}, 201)
    const told = await rows()
    expect(told.slice(0, 5).map(({ action, target }) => [action, target])).toEqual(
      ['create', 'test', 'rotate', 'test', 'delete'].map(what => [`credential.${what}`, `credential:${id}`]),
    )
    const [added, good, rotated, , gone] = told.map(({ detail }) => detail) as Record<string, never>[]
    expect(added).toEqual({
      after: {
        provider: 'openai',
        name: 'main',
        weight: 1,
        fingerprint: expect.stringMatching(/^[0-9a-f]{6}$/),
        status: 'active',
      },
    })
    expect([good, told.at(-2)?.detail]).toEqual([{ ok: true }, { ok: false }])
    expect(Object.keys(rotated?.after ?? {})).toContain('fingerprint')
    expect(gone?.before).toMatchObject({ provider: 'openai', name: 'main' })
    const text = JSON.stringify(await rig.deps.store.auditRows({ order: 'oldest', limit: 500 }))
    const stored = (await rig.deps.store.keys())[0]?.hash
    for (const canary of [...secrets, key, ADMIN_TOKEN, stored])
      expect(text.includes(String(canary)), String(canary).slice(0, 8)).toBe(false)
  })

  it('says what a crash charged and what was released', async () => {
    const { id } = await call('POST', '/keys', {}, 201)
    const key = rig.deps.keys.get(String(id))
    if (key === undefined) throw new Error('no key')
    const crashed = {
      certainty: 'unknown',
      error: 'interrupted',
      status: 0,
      totalMs: 0,
      costNanoUsd: 4_000,
    } as const
    rig.spend(key, { requestId: 'req_crashed', ...crashed })
    await call('POST', '/requests/req_crashed/release', { cost_usd: 0.000001 })
    await call('POST', '/requests/req_crashed/release', { cost_usd: 0.000001 })
    expect((await rows()).slice(1).map(shortOf)).toEqual([
      [
        'request.release',
        'request:req_crashed',
        { before: { cost_usd: '0.000004' }, after: { cost_usd: '0.000001' }, key: id },
      ],
    ])
  })

  it('tells who it was, from where', async () => {
    await call('POST', '/keys', { name: 'by token' }, 201)
    const form = 'name=by+dashboard'
    const login = await rig.call('POST', '/dashboard/login', `token=${ADMIN_TOKEN}`, {
      'content-type': 'application/x-www-form-urlencoded',
      'sec-fetch-site': 'same-origin',
    })
    const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? ''
    const made = await rig.call(
      'POST',
      '/dashboard/keys',
      form,
      { cookie, 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' },
      { peer: '198.51.100.4' },
    )
    expect(made.status).toBe(201)
    await rig.call('POST', '/admin/v1/keys', { name: 'by socket' }, {}, { trusted: true })
    await rig.deps.keys.create({ name: 'by itself' })
    expect((await rows()).map(({ action, actor, address }) => [action, actor, address])).toEqual([
      ['key.create', 'admin', '127.0.0.1'],
      ['session.open', 'dashboard', '127.0.0.1'],
      ['key.create', 'dashboard', '198.51.100.4'],
      ['key.create', 'local', null],
      ['key.create', 'gateway', null],
    ])
  })

  it('counts wrong admin tokens, many in one row', async () => {
    for (let i = 0; i < 7; i++) {
      const refused = await rig.call('GET', '/admin/v1/keys', undefined, {
        authorization: `Bearer wrong-${i}`,
      })
      expect(refused.status).toBe(401)
    }
    await rig.deps.audit.flush()
    expect(
      (await rows()).map(({ action, actor, address, detail }) => [action, actor, address, detail]),
    ).toEqual([
      [
        'admin_token.refused',
        'stranger',
        '127.0.0.1',
        expect.objectContaining({ reason: 'wrong', count: 7 }),
      ],
    ])
  })

  it('every route that changes something leaves a row, or is known to change nothing', async () => {
    const { id } = await call('POST', '/keys', { budgets: [{ window: 'total', usd: 1 }] }, 201)
    const { id: credential } = await call(
      'POST',
      '/credentials',
      { provider: 'openai', secret: 'sk-good-1' },
      201,
    )
    const key = rig.deps.keys.get(String(id))
    if (key === undefined) throw new Error('no key')
    const crashed = {
      certainty: 'unknown',
      error: 'interrupted',
      status: 0,
      totalMs: 0,
      costNanoUsd: 4_000,
    } as const
    rig.spend(key, { requestId: 'req_crashed', ...crashed })
    await call('POST', '/projects', { id: 'blue', budgets: [{ window: 'total', usd: 1 }] }, 201)
    const bodies: Record<string, unknown> = {
      'POST /keys': { name: 'another' },
      'PATCH /keys/:id': { name: 'renamed' },
      'POST /keys/:id/top-up': { usd: 1 },
      // one that has ended cannot be resumed
      'POST /keys/:id/rotate': { grace_seconds: 3_600 },
      'POST /projects': { id: 'red' },
      'PATCH /projects/:id': { name: 'bluer' },
      'POST /projects/:id/top-up': { usd: 1 },
      'PATCH /organisation': { limits: { rpm: 5 } },
      'POST /credentials': { provider: 'openai', name: 'second', secret: 'sk-good-2' },
      'POST /credentials/:id/rotate': { secret: 'sk-good-3', stage: 'pending' },
      'POST /requests/:id/release': {},
      'POST /backup': { path: `${rig.folder}/copy.db` },
      'POST /catalog': { text: '{}' },
      'POST /models/refresh': { save: true },
    }
    /** Ask something by POST, and change nothing; the admin token of this rig is no stored one. */
    const without = new Set(['POST /route/explain', 'POST /admin-token/reset', 'POST /config/diff'])
    // a rig has no files: process.test.ts does it
    if (rig.deps.rotateMasterKey === undefined) without.add('POST /vault/rotate-master-key')
    // what ends things comes last
    const last = ['revoke', 'close', 'DELETE', 'seal']
    const weight = (name: string) => last.findIndex(word => name.includes(word))
    const named = ADMIN_ROUTES.filter(({ method }) => method !== 'GET').map(route => ({
      route,
      name: `${route.method} ${route.path}`,
    }))
    for (const { route, name } of named.toSorted((a, b) => weight(a.name) - weight(b.name))) {
      if (without.has(name)) continue
      const before = (await rig.deps.store.auditRows({ order: 'newest', limit: 1 }))[0]?.seq ?? 0
      const subject = route.path.startsWith('/keys')
        ? id
        : route.path.startsWith('/projects')
          ? 'blue'
          : route.path.startsWith('/requests')
            ? 'req_crashed'
            : credential
      const path = route.path.replace(':id', String(subject))
      await rig.call(route.method, `/admin/v1${path}`, bodies[name], {}, { trusted: true })
      const after = (await rig.deps.store.auditRows({ order: 'newest', limit: 1 }))[0]
      expect(after?.seq ?? 0, name).toBeGreaterThan(before)
      expect(after?.actor, name).toBe('local')
    }
  })
})

describe('the views', () => {
  it('page, filter and refuse what cannot be', async () => {
    for (let i = 0; i < 5; i++) {
      await call('POST', '/keys', { name: `k${i}` }, 201)
      rig.nowMs += 60_000
    }
    const seen: number[] = []
    let cursor = ''
    do {
      const page = await call('GET', `/audit?limit=2${cursor}`)
      seen.push(...(page.data as Row[]).map(({ seq }) => seq))
      cursor = page.next_cursor === null ? '' : `&cursor=${page.next_cursor}`
    } while (cursor !== '')
    expect(seen).toEqual([5, 4, 3, 2, 1])
    const [from, to] = [rig.nowMs - 4 * 60_000, rig.nowMs - 2 * 60_000].map(ms => new Date(ms).toISOString())
    expect((await rows(`&from=${from}&to=${to}`)).map(({ seq }) => seq)).toEqual([2, 3])
    expect(await rows('&action=project')).toEqual([])
    expect(await rows('&actor=admin&action=key.create')).toHaveLength(5)
    for (const [query, param] of [
      ['cursor=x', 'cursor'],
      ['from=yesterday', 'from'],
      ['limit=0', 'limit'],
      ['actr=admin', 'actr'],
    ]) {
      const refused = await call('GET', `/audit?${query}`, undefined, 400)
      expect(refused.error).toMatchObject({ param, code: 'invalid_request' })
    }
  })

  it('are pages for a person, with names as text and the history of a key on its own page', async () => {
    const { id } = await call('POST', '/keys', { name: '<b>bold</b>' }, 201)
    await call('POST', `/keys/${id}/suspend`)
    const page = async (path: string): Promise<string> => {
      const answer = await rig.call('GET', path)
      expect(answer.status, path).toBe(200)
      return answer.text()
    }
    const list = await page('/dashboard/audit?action=key&verify=1')
    expect(list).toContain('The log is whole: 2 rows')
    expect(list).toContain('key.suspend')
    expect(list).toContain('&lt;b&gt;bold&lt;/b&gt;')
    expect(list).not.toContain('<b>bold')
    expect(await page('/dashboard/audit?target=nobody')).toContain('Nothing matches')
    const own = await page(`/dashboard/keys/${id}`)
    expect(own).toMatch(/History[\s\S]*key\.suspend[\s\S]*active → suspended[\s\S]*key\.create/)
    const [first] = await rig.deps.store.auditRows({ order: 'oldest', limit: 1 })
    if (first === undefined) throw new Error('no row')
    await rig.deps.store.commit([{ op: 'put_audit', row: { ...first, seq: 3, detail: '[]' } }])
    expect(await page('/dashboard/audit?verify=1')).toContain('Row 3 is wrong (insert)')
    expect((await rig.call('GET', '/dashboard/audit?limit=0')).status).toBe(400)
  })

  it('answer CSV that no spreadsheet takes for formulas', async () => {
    await call('POST', '/keys', { name: '=1+1,"x"' }, 201)
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, accept: 'text/csv' }
    const response = await rig.call('GET', '/admin/v1/audit', undefined, headers)
    expect(response.headers.get('content-type')).toContain('text/csv')
    const lines = (await response.text()).trimEnd().split('\r\n')
    expect(lines).toHaveLength(2)
    expect(lines[0]).toBe('seq,at,actor,address,action,target,detail,prev,hash')
    expect(lines[1]).toContain(',admin,127.0.0.1,key.create,key:')
    expect(lines[1]).toContain('""=1+1,\\""x\\""""')
  })

  it('a forged row in the database is named', async () => {
    await call('POST', '/keys', { name: 'a' }, 201)
    await call('POST', '/keys', { name: 'b' }, 201)
    const [first] = await rig.deps.store.auditRows({ order: 'oldest', limit: 1 })
    if (first === undefined) throw new Error('no row')
    await rig.deps.store.commit([{ op: 'put_audit', row: { ...first, seq: 3, detail: 'not JSON' } }])
    expect(await call('GET', '/audit/verify')).toMatchObject({
      ok: false,
      rows: 2,
      first_bad: { seq: 3, kind: 'insert' },
    })
    const [newest] = (await rows()).slice(-1)
    expect(newest?.detail).toEqual({ unreadable: 'not JSON' })
  })
})
