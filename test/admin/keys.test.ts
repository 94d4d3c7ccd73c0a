/** Keys through the admin plane, over real parts: what is accepted is in force, what is not is refused by name. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRig, type Rig } from './rig.ts'

type Wire = Record<string, unknown>

let rig: Rig
beforeAll(async () => {
  rig = await openRig()
})
afterAll(() => rig.close())

const json = async (answer: Response): Promise<Wire> => (await answer.json()) as Wire
const create = async (body: Wire): Promise<Wire> => {
  const answer = await rig.call('POST', '/admin/v1/keys', body)
  expect(answer.status).toBe(201)
  return json(answer)
}

/** Members of the contract's key object (section 7), no more and no less. */
const MEMBERS = [
  'id',
  'name',
  'env',
  'status',
  'project',
  'owner',
  'created_at',
  'expires_at',
  'last_used_at',
  'models',
  'providers',
  'scopes',
  'limits',
  'budgets',
  'ip_allow',
  'ip_deny',
  'origin_allow',
  'regions',
  'hours',
  'max_output_tokens',
  'default_model',
  'priority',
  'tags',
  'metadata',
  'spent_usd',
]

describe('a key’s life', () => {
  it('is made with the contract’s members, and its text opens the gate and is shown once', async () => {
    const made = await create({
      name: 'service',
      models: ['gpt-5', '*@groq'],
      limits: { rpm: 60 },
      budgets: [
        { window: 'day', usd: 0.0000005, soft_usd: 0.0000001 },
        { window: '5h', usd: 2 },
      ],
      ip_allow: ['10.0.0.0/8', '2001:db8::1'],
      expires_at: '2027-01-31T00:00:00+02:00',
      metadata: { team: 'a' },
    })
    expect(Object.keys(made).sort()).toEqual([...MEMBERS, 'key'].sort())
    expect(rig.deps.keys.find(String(made.key))).toMatchObject({ id: made.id })
    expect(made).toMatchObject({ status: 'active', env: 'live', expires_at: '2027-01-30T22:00:00.000Z' })
    const answer = await rig.call('GET', `/admin/v1/keys/${made.id}`)
    const text = await answer.text()
    expect(text).not.toContain(String(made.key))
    expect(Object.keys(JSON.parse(text)).sort()).toEqual([...MEMBERS].sort())
    // Money as plain decimals: JSON.stringify alone would have written 5e-7.
    expect(text).toContain('"usd": 0.0000005,')
    expect(text).not.toMatch(/\d[eE][+-]?\d/)
  })

  it('merges a patch: absent stays, null clears, a list replaces', async () => {
    const { id } = await create({
      name: 'patched',
      limits: { rpm: 5, tpm: 100 },
      metadata: { a: '1', b: '2' },
      owner: 'ann',
      budgets: [{ window: 'day', usd: 1 }],
    })
    const path = `/admin/v1/keys/${id}`
    const first = await json(
      await rig.call('PATCH', path, { limits: { tpm: null }, metadata: { a: null, c: '3' } }),
    )
    expect(first).toMatchObject({
      name: 'patched',
      owner: 'ann',
      limits: { rpm: 5, tpm: null },
      metadata: { b: '2', c: '3' },
      budgets: [{ window: 'day', usd: 1 }],
    })
    expect(first.metadata).not.toHaveProperty('a')
    const second = await json(
      await rig.call('PATCH', path, { owner: null, limits: null, metadata: null, budgets: null, models: [] }),
    )
    expect(second).toMatchObject({
      owner: null,
      limits: { rpm: null },
      metadata: null,
      budgets: null,
      models: [],
    })
  })

  it('shows what is unset as null, in every answer and after clearing', async () => {
    const { id } = await create({ name: 'bare' })
    const path = `/admin/v1/keys/${id}`
    const unset = { tags: null, metadata: null, budgets: null }
    expect(await json(await rig.call('GET', path))).toMatchObject(unset)
    const set = { tags: ['a'], metadata: { b: 'c' }, budgets: [{ window: 'day', usd: 1 }] }
    expect(await json(await rig.call('PATCH', path, set))).toMatchObject(set)
    expect(await json(await rig.call('PATCH', path, unset))).toMatchObject(unset)
    // As it came, it can be sent again.
    expect(await create({ name: 'copy', ...unset })).toMatchObject(unset)
  })

  it('keeps every metadata patch of many that arrive together', async () => {
    const { id } = await create({ name: 'together' })
    const path = `/admin/v1/keys/${id}`
    const names = Array.from({ length: 8 }, (_, at) => `n${at}`)
    await Promise.all(names.map(name => rig.call('PATCH', path, { metadata: { [name]: 'x' } })))
    const { metadata } = await json(await rig.call('GET', path))
    expect(Object.keys(metadata as Wire).sort()).toEqual(names)
  })

  it('keeps a budget’s spend when its amount changes, and takes back what it answered', async () => {
    const { id } = await create({ name: 'spender', budgets: [{ window: 'month', usd: 1 }] })
    const key = rig.deps.keys.get(String(id))
    if (key === undefined) throw new Error('no key')
    rig.spend(key, { costNanoUsd: 250_000_000 })
    const path = `/admin/v1/keys/${id}`
    const before = await json(await rig.call('GET', path))
    expect(before).toMatchObject({
      spent_usd: 0.25,
      last_used_at: new Date(rig.nowMs).toISOString(),
      budgets: [
        { usd: 1, spent_usd: 0.25, held_usd: 0, remaining_usd: 0.75, resets_at: '2026-12-01T00:00:00.000Z' },
      ],
    })
    const budgets = (before.budgets as Wire[]).map(budget => ({ ...budget, usd: 2 }))
    const after = await json(await rig.call('PATCH', path, { budgets }))
    expect(after.budgets).toMatchObject([{ usd: 2, spent_usd: 0.25, remaining_usd: 1.75 }])
  })

  it('rotates: both work, share the budget, and the old one ends after the grace', async () => {
    const old = await create({ name: 'rotated', budgets: [{ window: 'total', usd: 1 }] })
    const answer = await rig.call('POST', `/admin/v1/keys/${old.id}/rotate`, { grace_seconds: 60 })
    expect(answer.status).toBe(201)
    const next = await json(answer)
    expect(next).toMatchObject({
      replaces: old.id,
      replaces_expires_at: new Date(rig.nowMs + 60_000).toISOString(),
    })
    const key = rig.deps.keys.get(String(next.id))
    if (key === undefined) throw new Error('no key')
    rig.spend(key, { costNanoUsd: 400_000_000 })
    const seen = await json(await rig.call('GET', `/admin/v1/keys/${old.id}`))
    expect(seen.budgets).toMatchObject([{ spent_usd: 0.4 }])
    rig.nowMs += 61_000
    expect(await json(await rig.call('GET', `/admin/v1/keys/${old.id}`))).toMatchObject({ status: 'expired' })
    expect(await json(await rig.call('GET', `/admin/v1/keys/${next.id}`))).toMatchObject({ status: 'active' })
  })

  it('rotated keys share one set of budgets and limits, whichever of them is changed', async () => {
    const old = await create({ name: 'kin', budgets: [{ window: 'total', usd: 1 }] })
    const next = await json(await rig.call('POST', `/admin/v1/keys/${old.id}/rotate`, { grace_seconds: 900 }))
    const keyOf = (id: unknown) => {
      const key = rig.deps.keys.get(String(id))
      if (key === undefined) throw new Error('no key')
      return key
    }
    const refused = (id: unknown) =>
      'limit' in rig.ledger.hold(keyOf(id), `probe-${String(id)}.1`, 500_000_000)
    for (const [changed, other] of [
      [next.id, old.id],
      [old.id, next.id],
    ]) {
      const patch = (usd: number) =>
        rig.call('PATCH', `/admin/v1/keys/${changed}`, {
          budgets: [{ window: 'total', usd }],
          limits: { concurrency: usd > 1 ? 7 : null },
        })
      expect((await patch(0.4)).status).toBe(200)
      expect(refused(other)).toBe(true)
      expect((await patch(900)).status).toBe(200)
      expect(refused(other)).toBe(false)
      expect(await json(await rig.call('GET', `/admin/v1/keys/${other}`))).toMatchObject({
        budgets: [{ usd: 900 }],
        limits: { concurrency: 7 },
      })
    }
  })

  it('suspends, resumes, revokes, and never brings a revoked key back', async () => {
    const { id } = await create({ name: 'ended' })
    const act = async (verb: string) => rig.call('POST', `/admin/v1/keys/${id}/${verb}`)
    expect(await json(await act('suspend'))).toMatchObject({ status: 'suspended' })
    expect(await json(await act('resume'))).toMatchObject({ status: 'active' })
    expect(await json(await act('revoke'))).toMatchObject({ status: 'revoked' })
    expect(rig.deps.keys.get(String(id))?.status).toBe('revoked')
    const refused = await act('resume')
    expect(refused.status).toBe(409)
    expect(await json(refused)).toMatchObject({ error: { code: 'conflict' } })
  })

  it('pages through all keys once', async () => {
    for (let count = 0; count < 7; count++) await create({ name: `page-${count}` })
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const page: Wire = await json(
        await rig.call('GET', `/admin/v1/keys?limit=3${cursor === null ? '' : `&cursor=${cursor}`}`),
      )
      seen.push(...(page.data as Wire[]).map(key => String(key.id)))
      cursor = page.next_cursor as string | null
    } while (cursor !== null)
    expect(seen.length).toBe(new Set(seen).size)
    expect(new Set(seen)).toEqual(new Set(rig.deps.keys.list().map(key => key.id)))
  })
})

it('a budget of nothing and one of a single nano-USD are taken as they are', async () => {
  const made = await create({
    budgets: [
      { window: 'day', usd: 0 },
      { window: 'month', usd: 1e-9 },
    ],
  })
  expect(made.budgets).toMatchObject([{ usd: 0 }, { usd: 1e-9 }])
})

describe('refusals name the field and the cure', () => {
  const rows: readonly (readonly [unknown, string | null, RegExp])[] = [
    [{ nmae: 'x' }, 'nmae', /did you mean `name`/],
    [{ limits: { rmp: 1 } }, 'limits.rmp', /known are rpm, tpm/],
    [{ budgets: [{ window: 'day', usd: 1, usdd: 2 }] }, 'budgets[0].usdd', /`usd`/],
    [{ name: '' }, 'name', /empty/],
    [{ name: 'x'.repeat(129) }, 'name', /128/],
    [{ name: 'a\u0007b' }, 'name', /control/],
    [{ limits: { rpm: 0 } }, 'limits.rpm', /positive whole number/],
    [{ limits: { rpm: 1.5 } }, 'limits.rpm', /positive whole number/],
    [{ limits: { rpm: '60' } }, 'limits.rpm', /positive whole number/],
    [{ limits: { burst: 2 } }, 'limits.burst', /set rpm as well/],
    [{ scopes: ['chat', 'x'] }, 'scopes[1]', /one of chat, completions, .*models, spend/],
    [{ scopes: 'chat' }, 'scopes', /list of routes \(chat/],
    [{ origin_allow: 'https://a' }, 'origin_allow', /list of origins/],
    [{ origin_allow: ['app.example.com'] }, 'origin_allow[0]', /as in https:/],
    [
      { origin_allow: ['*', 'https://a.example/'] },
      'origin_allow[1]',
      /as browsers send it: https:\/\/a.example$/,
    ],
    [{ origin_allow: ['https://A.example:443'] }, 'origin_allow[0]', /https:\/\/a.example$/],
    [{ origin_allow: ['https://*.com'] }, 'origin_allow[0]', /too wide/],
    [{ origin_allow: ['https://a.*.com'] }, 'origin_allow[0]', /a star stands for/],
    [{ origin_allow: ['null'] }, 'origin_allow[0]', /must be an origin/],
    [{ regions: 'eu' }, 'regions', /list of regions/],
    [{ regions: [''] }, 'regions[0]', /empty/],
    [{ hours: {} }, 'hours.allow', /list of windows/],
    [{ hours: 'mon-fri' }, 'hours', /allow: \[/],
    [{ hours: { zone: 'Mars/Olympus', allow: [] } }, 'hours.zone', /Europe\/Berlin/],
    [{ hours: { allow: [{ from: '8:00', to: '18:00' }] } }, 'hours.allow[0].from', /as in 08:00/],
    [{ hours: { allow: [{ from: '08:00', to: '24:01' }] } }, 'hours.allow[0].to', /as in 08:00/],
    [{ hours: { allow: [{ from: '08:00', to: '08:00' }] } }, 'hours.allow[0].to', /00:00 to 24:00/],
    [
      { hours: { allow: [{ days: ['Monday'], from: '08:00', to: '09:00' }] } },
      'hours.allow[0].days[0]',
      /mon, tue/,
    ],
    [{ hours: { allow: [{ days: [], from: '08:00', to: '09:00' }] } }, 'hours.allow[0].days', /name a day/],
    [{ hours: { allow: [{ from: '08:00', to: '09:00', day: 'mon' }] } }, 'hours.allow[0].day', /`days`/],
    [{ priority: 11 }, 'priority', /0 to 10/],
    [{ project: 'p' }, 'project', /there is no project/],
    [{ budgets: [{ window: 'year', usd: 1 }] }, 'budgets[0].window', /day, week, month .*total/],
    [{ budgets: [{ window: '0h', usd: 1 }] }, 'budgets[0].window', /rolling/],
    [{ budgets: [{ window: 'day', usd: -1 }] }, 'budgets[0].usd', /negative/],
    [{ budgets: [{ window: 'day', usd: 9e-10 }] }, 'budgets[0].usd', /at least 0\.000000001/],
    [{ budgets: [{ window: 'day', usd: 1, soft_usd: 1e-12 }] }, 'budgets[0].soft_usd', /0 or at least/],
    [{ budgets: [{ window: 'day', usd: 1e12 }] }, 'budgets[0].usd', /9000000/],
    [{ budgets: [{ window: 'day', usd: '1' }] }, 'budgets[0].usd', /amount in USD/],
    [{ budgets: [{ window: 'day', usd: 1, soft_usd: 2 }] }, 'budgets[0].soft_usd', /above `usd`/],
    [
      {
        budgets: [
          { window: 'day', usd: 1 },
          { window: 'day', usd: 2 },
        ],
      },
      'budgets',
      /twice/,
    ],
    [{ expires_at: 'tomorrow' }, 'expires_at', /ISO 8601/],
    [{ expires_at: '2020-01-01T00:00:00Z' }, 'expires_at', /future/],
    [{ ip_allow: ['10.0.0.0/33'] }, 'ip_allow[0]', /CIDR/],
    [{ ip_allow: ['localhost'] }, 'ip_allow[0]', /CIDR/],
    [{ models: 'gpt-5' }, 'models', /list of model names/],
    [{ models: [1] }, 'models[0]', /string/],
    [{ metadata: { __proto__x: 1 } }, 'metadata.__proto__x', /text/],
    [{ env: 'prod' }, 'env', /live, staging or test/],
    ['[1]', null, /object/],
    ['{"name":', null, /not valid JSON/],
  ]
  it.each(rows)('%j', async (body, param, message) => {
    const before = rig.deps.keys.list().length
    const answer = await rig.call('POST', '/admin/v1/keys', body)
    expect(answer.status).toBe(400)
    const { error } = (await answer.json()) as { error: Wire }
    expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type'])
    expect(error).toMatchObject({ type: 'invalid_request_error', code: 'invalid_request', param })
    expect(error.message).toMatch(message)
    expect(rig.deps.keys.list().length).toBe(before)
  })

  it('does not let a prototype in through JSON', async () => {
    const answer = await rig.call('POST', '/admin/v1/keys', '{"metadata":{"__proto__":{"polluted":"yes"}}}')
    expect(answer.status).toBe(400)
    expect(({} as Wire).polluted).toBeUndefined()
  })

  it('answers 404 for a key that is not there, 405 for a wrong method', async () => {
    const missing = await rig.call('GET', '/admin/v1/keys/nope')
    expect(missing.status).toBe(404)
    expect(await json(missing)).toMatchObject({ error: { code: 'not_found' } })
    const wrong = await rig.call('PUT', '/admin/v1/keys', {})
    expect(wrong.status).toBe(405)
    expect(wrong.headers.get('allow')).toBe('POST, GET')
  })

  it('refuses a body that is too large or not JSON by its type', async () => {
    const large = await rig.call('POST', '/admin/v1/keys', { name: 'x'.repeat(1_100_000) })
    expect(large.status).toBe(413)
    const form = await rig.call('POST', '/admin/v1/keys', 'name=x', {
      authorization: 'Bearer sgate_admin_0123456789abcdefghijklmnopqrstuvwxyz',
      'content-type': 'application/x-www-form-urlencoded',
    })
    expect(form.status).toBe(400)
  })
})
