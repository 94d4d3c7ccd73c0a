/** Projects and the organisation over a real gateway: budgets above keys are set, enforced, named, raised, topped up and closed. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { CHAT, completion, sendJson, type ScriptedUpstream, startUpstream } from '../gateway/harness.ts'
import { type MoneyRig, startMoney } from './rig.ts'

let upstream: ScriptedUpstream
let rig: MoneyRig
beforeAll(async () => {
  upstream = await startUpstream((response, seen) =>
    // 1,000 tokens in and 500 out: $0.002 at the harness's prices
    sendJson(response, 200, {
      ...completion('x', { prompt_tokens: 1000, completion_tokens: 500, total_tokens: 1500 }),
      model: seen.json().model,
    }),
  )
  rig = await startMoney({ alpha: upstream.port })
})
afterAll(async () => {
  await rig.close()
  await upstream.close()
})
beforeEach(() => {
  upstream.seen.length = 0
})

const ask = (more: object = {}) => ({ ...CHAT, max_tokens: 500, ...more })
const COST = 0.002

test('a project’s budget stands above its keys: one key’s spending stops the other, and the answer says which limit', async () => {
  const made = await rig.admin('POST', '/projects', {
    id: 'team',
    budgets: [{ window: 'month', usd: 0.0025 }],
  })
  expect(made).toMatchObject({ status: 201, json: { id: 'team', status: 'active', keys: 0, spent_usd: 0 } })
  const one = await rig.key({ project: 'team' })
  const two = await rig.key({ project: 'team', budgets: [{ window: 'day', usd: 1 }] })
  const other = await rig.key({})
  expect((await rig.post(one.key, ask())).status).toBe(200)
  const refused = await rig.post(two.key, ask())
  expect(refused.status).toBe(429)
  expect(refused.headers.get('x-switchgate-limit')).toBe('project.budget.month')
  expect(refused.headers.get('x-should-retry')).toBe('false')
  expect(await refused.json()).toMatchObject({
    error: { code: 'insufficient_quota', type: 'insufficient_quota' },
  })
  expect((await rig.post(other.key, ask())).status).toBe(200)
  expect(upstream.seen).toHaveLength(2)
  // all levels or none: what the project refused was not taken from the key
  expect((await rig.admin('GET', `/keys/${two.id}`)).json.budgets).toMatchObject([
    { spent_usd: 0, held_usd: 0 },
  ])
  expect((await rig.admin('GET', '/projects/team')).json).toMatchObject({
    keys: 2,
    spent_usd: COST,
    budgets: [{ window: 'month', usd: 0.0025, spent_usd: COST, held_usd: 0, remaining_usd: 0.0005 }],
  })
  const rows = await rig.rows()
  expect(rows.filter(row => row.project === 'team')).toHaveLength(1)
})

test('the organisation stands above all, and a restart remembers every level', async () => {
  const mine = await rig.fresh()
  await mine.admin('POST', '/projects', { id: 'p', budgets: [{ window: 'week', usd: 1 }] })
  await mine.admin('PATCH', '/organisation', {
    budgets: [
      { window: 'total', usd: 0.0041 },
      { window: 'day@Europe/Berlin', usd: 1, per: 'user' },
    ],
  })
  const key = await mine.key({ project: 'p', budgets: [{ window: '5h', usd: 1 }] })
  const bare = await mine.key({})
  expect((await mine.post(key.key, ask({ user: 'ada' }))).status).toBe(200)
  const again = await mine.restart()
  const levels = async () => ({
    key: (await again.admin('GET', `/keys/${key.id}`)).json.budgets,
    project: (await again.admin('GET', '/projects/p')).json.budgets,
    organisation: (await again.admin('GET', '/organisation')).json.budgets,
  })
  expect(await levels()).toMatchObject({
    key: [{ window: '5h', spent_usd: COST }],
    project: [{ window: 'week', spent_usd: COST }],
    organisation: [
      { window: 'total', spent_usd: COST },
      { window: 'day@Europe/Berlin', per: 'user', fullest: 'ada', spent_usd: COST },
    ],
  })
  expect((await again.post(bare.key, ask())).status).toBe(200)
  const refused = await again.post(bare.key, ask())
  expect([refused.status, refused.headers.get('x-switchgate-limit')]).toEqual([
    429,
    'organisation.budget.total',
  ])
  await again.close()
})

test('end users, tags and models have budgets of their own; leaving the name out opens no door', async () => {
  const key = await rig.key({
    tags: ['batch'],
    budgets: [
      { window: 'day', usd: 0.0025, per: 'user' },
      { window: 'day', usd: 0.0105, user: 'vip' },
    ],
  })
  const limitOf = async (more: object) => {
    const answer = await rig.post(key.key, ask(more))
    await answer.text()
    return answer.status === 200 ? 'ok' : answer.headers.get('x-switchgate-limit')
  }
  expect(await limitOf({ user: 'ada' })).toBe('ok')
  expect(await limitOf({ user: 'ada' })).toBe('key.user.budget.day')
  expect(await limitOf({ user: 'bob' })).toBe('ok')
  expect(await limitOf({})).toBe('ok')
  expect(await limitOf({})).toBe('key.user.budget.day')
  for (let i = 0; i < 5; i++) expect(await limitOf({ user: 'vip' })).toBe('ok')
  expect(await limitOf({ user: 'vip' })).toBe('key.user.budget.day')
  await rig.admin('PATCH', `/keys/${key.id}`, { budgets: [{ window: 'total', usd: 0.0025, tag: 'batch' }] })
  // the caller's own tags are added to the key's: they cannot lead away from them
  expect(await limitOf({ metadata: { tags: 'mine' } })).toBe('ok')
  expect(await limitOf({ metadata: { tags: 'other' } })).toBe('key.tag.budget.total')
  await rig.admin('PATCH', `/keys/${key.id}`, {
    budgets: [{ window: 'total', usd: 0.0025, model: 'house-model' }],
  })
  expect(await limitOf({})).toBe('ok')
  expect(await limitOf({})).toBe('key.model.budget.total')
})

test('a raise stands in place of the limit until it ends; a top-up adds to the prepaid budget', async () => {
  const key = await rig.key({ budgets: [{ window: 'total', usd: 0.002 }] })
  const status = async () => {
    const answer = await rig.post(key.key, ask())
    await answer.text()
    return answer.status
  }
  // the bound of the prompt is above what it costs: $0.0013 are held for a prompt that costs $0.001
  expect(await status()).toBe(200)
  expect(await status()).toBe(429)
  const until = new Date(Date.now() + 3_600_000).toISOString()
  const raised = await rig.admin('PATCH', `/keys/${key.id}`, {
    budgets: [{ window: 'total', usd: 0.002, raise: { usd: 0.0045, until } }],
  })
  expect(raised.json.budgets).toMatchObject([
    { usd: 0.002, raise: { usd: 0.0045, until }, remaining_usd: 0.0025 },
  ])
  expect(await status()).toBe(200)
  expect(await status()).toBe(429)
  const ended = await rig.admin('PATCH', `/keys/${key.id}`, {
    budgets: [{ window: 'total', usd: 0.002, raise: null }],
  })
  expect(ended.json.budgets).toMatchObject([{ raise: null, remaining_usd: 0 }])
  expect(await status()).toBe(429)
  const topped = await rig.admin('POST', `/keys/${key.id}/top-up`, { usd: 0.005 })
  expect(topped.json.budgets).toMatchObject([
    { window: 'total', usd: 0.007, spent_usd: 0.004, resets_at: null },
  ])
  expect(await status()).toBe(200)
  const bare = await rig.key({})
  expect(await rig.admin('POST', `/keys/${bare.id}/top-up`, { usd: 1 })).toMatchObject({
    status: 400,
    json: { error: { param: 'budgets', message: expect.stringContaining('prepaid') } },
  })
})

test('a project that is closed ends its keys at once and takes no more', async () => {
  await rig.admin('POST', '/projects', { id: 'gone', name: 'Gone' })
  const key = await rig.key({ project: 'gone' })
  expect((await rig.post(key.key, ask())).status).toBe(200)
  expect((await rig.admin('POST', '/projects/gone/close')).json).toMatchObject({ status: 'closed' })
  expect((await rig.post(key.key, ask())).status).toBe(401)
  expect((await rig.admin('GET', `/keys/${key.id}`)).json.status).toBe('revoked')
  for (const [method, path, body] of [
    ['POST', '/keys', { project: 'gone' }],
    ['POST', '/keys', { project: 'never' }],
    ['POST', '/keys', { project: 'organisation' }],
  ] as const)
    expect(await rig.admin(method, path, body)).toMatchObject({
      status: 400,
      json: { error: { param: 'project' } },
    })
  expect(await rig.admin('PATCH', '/projects/gone', { name: 'x' })).toMatchObject({ status: 409 })
  expect(await rig.admin('POST', '/projects', { id: 'gone' })).toMatchObject({ status: 409 })
  expect(await rig.admin('POST', '/projects/organisation/close')).toMatchObject({ status: 400 })
  expect(await rig.admin('GET', '/projects/nowhere')).toMatchObject({ status: 404 })
})

test('a key that moves takes its kin along and spends from its new project', async () => {
  await rig.admin('POST', '/projects', { id: 'from', budgets: [{ window: 'total', usd: 0.0025 }] })
  await rig.admin('POST', '/projects', { id: 'to', budgets: [{ window: 'total', usd: 0.0025 }] })
  const key = await rig.key({ project: 'from' })
  const { json: heir } = await rig.admin('POST', `/keys/${key.id}/rotate`, { grace_seconds: 3600 })
  expect((await rig.post(key.key, ask())).status).toBe(200)
  expect((await rig.post(String(heir.key), ask())).status).toBe(429)
  await rig.admin('PATCH', `/keys/${key.id}`, { project: 'to' })
  expect((await rig.post(String(heir.key), ask())).status).toBe(200)
  expect((await rig.post(key.key, ask())).status).toBe(429)
})

test('a changed project is in force for a request that comes after the answer, and keeps what was spent', async () => {
  await rig.admin('POST', '/projects', { id: 'moving' })
  const key = await rig.key({ project: 'moving' })
  expect((await rig.post(key.key, ask())).status).toBe(200)
  await rig.admin('PATCH', '/projects/moving', { budgets: [{ window: 'day', usd: 0.0025 }] })
  expect((await rig.post(key.key, ask())).status).toBe(200)
  expect((await rig.post(key.key, ask())).status).toBe(429)
  await rig.admin('PATCH', '/projects/moving', { budgets: [{ window: 'day', usd: 0.005 }] })
  expect((await rig.post(key.key, ask())).status).toBe(200)
  await rig.admin('PATCH', '/projects/moving', { budgets: null })
  expect((await rig.post(key.key, ask())).status).toBe(200)
})

test('what a key spent stays in the project that it was spent in, wherever the key goes', async () => {
  for (const id of ['before', 'after']) await rig.admin('POST', '/projects', { id })
  const mover = await rig.key({ project: 'before' })
  expect((await rig.post(mover.key, ask())).status).toBe(200)
  expect((await rig.post(mover.key, ask())).status).toBe(200)
  await rig.admin('PATCH', `/keys/${mover.id}`, { project: 'after' })
  expect((await rig.post(mover.key, ask())).status).toBe(200)
  const spent = async (id: string) => (await rig.admin('GET', `/projects/${id}`)).json.spent_usd
  expect([await spent('before'), await spent('after')]).toEqual([2 * COST, COST])
  const { data } = (await rig.admin('GET', '/projects?limit=200')).json as { data: { id: string }[] }
  expect(data.find(({ id }) => id === 'before')).toMatchObject({ keys: 0, spent_usd: 2 * COST })
  const view = (await rig.admin('GET', '/spend?group_by=project')).json as { data: { project: string }[] }
  expect(view.data.find(({ project }) => project === 'before')).toMatchObject({ cost_usd: 2 * COST })
  const all = (view.data as unknown as { cost_nano_usd: string }[]).reduce(
    (sum, row) => sum + Number(row.cost_nano_usd),
    0,
  )
  expect((await rig.admin('GET', '/organisation')).json.spent_usd).toBe(all / 1e9)
})
