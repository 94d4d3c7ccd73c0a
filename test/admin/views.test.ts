/** Spend, requests, targets, the document of it all, and what is not built yet. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { ADMIN_ROUTES } from '../../src/admin/routes.ts'
import type { Key } from '../../src/terms.ts'
import { ADMIN_TOKEN, openRig, type Rig } from './rig.ts'

type Wire = Record<string, unknown>

let rig: Rig
let key: Key
beforeAll(async () => {
  rig = await openRig()
  key = (await rig.deps.keys.create({ name: '=cmd()|"x",\nsecond line' })).key
})
afterAll(() => rig.close())

const read = async (path: string): Promise<Wire> => {
  const answer = await rig.call('GET', path)
  expect(answer.status, path).toBe(200)
  return (await answer.json()) as Wire
}
const refusal = async (path: string): Promise<Wire> => {
  const answer = await rig.call('GET', path)
  expect(answer.status, path).toBe(400)
  return ((await answer.json()) as { error: Wire }).error
}

describe('spend', () => {
  it('includes a request at once, by any group, with exact money', async () => {
    rig.spend(key, { costNanoUsd: 150, tags: ['a', 'b'], user: 'u1' })
    rig.spend(key, {
      costNanoUsd: 1_000_000_001,
      certainty: 'estimated',
      provider: 'groq',
      model: 'gpt-oss-120b',
    })
    rig.spend(key, { costNanoUsd: null, model: 'own' })
    const view = await read('/admin/v1/spend?group_by=model,provider')
    expect(view).toMatchObject({
      from: '2026-11-01T00:00:00.000Z',
      to: '2026-12-01T00:00:00.000Z',
      group_by: ['model', 'provider'],
      total: {
        requests: 3,
        attempts: 3,
        cost_nano_usd: '1000000151',
        cost_usd: 1.000000151,
        estimated_usd: 1.000000001,
        unpriced_requests: 1,
      },
    })
    expect((view.data as Wire[]).map(row => [row.model, row.provider, row.cost_nano_usd])).toEqual([
      ['gpt-oss-120b', 'groq', '1000000001'],
      ['gpt-5', 'openai', '150'],
      ['own', 'openai', '0'],
    ])
    const text = await (await rig.call('GET', '/admin/v1/spend?group_by=model')).text()
    expect(text).toContain('"cost_usd": 0.00000015,')
    // Two tags of one request: once in each group, once in the total.
    const tags = await read('/admin/v1/spend?group_by=tag')
    expect((tags.data as Wire[]).filter(row => row.tag !== null).length).toBe(2)
    expect(tags.total).toMatchObject({ requests: 3 })
    for (const group of ['key', 'project', 'day', 'hour', 'user']) {
      const { data } = await read(`/admin/v1/spend?group_by=${group}`)
      const sum = (data as Wire[]).reduce((total, row) => total + Number(row.cost_nano_usd), 0)
      expect(sum, group).toBe(1_000_000_151)
    }
    expect(await read(`/admin/v1/keys/${key.id}/spend`)).toMatchObject({
      group_by: ['model'],
      total: { requests: 3 },
    })
  })

  it('is the same JSON on one line where a view has thousands of groups', async () => {
    const other = await openRig()
    onTestFinished(() => other.close())
    const { key } = await other.deps.keys.create({ name: 'busy' })
    for (let n = 0; n < 1_100; n++) other.spend(key, { costNanoUsd: n, user: `many-${n}` })
    const path = '/admin/v1/spend?group_by=user,key'
    const answer = await other.call('GET', path)
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect(answer.headers.get('content-disposition')).toBeNull()
    const text = await answer.text()
    expect(text.trimEnd()).not.toContain('\n')
    const { data, total } = JSON.parse(text) as { data: Wire[]; total: Wire }
    const many = data.filter(({ user }) => String(user).startsWith('many-'))
    expect(many.map(row => row.cost_nano_usd)).toEqual(
      Array.from({ length: 1_100 }, (_, n) => `${1_099 - n}`),
    )
    expect(many[0]).toEqual({
      user: 'many-1099',
      key: key.id,
      key_name: key.name,
      requests: 1,
      attempts: 1,
      input_tokens: expect.any(Number),
      output_tokens: expect.any(Number),
      cached_tokens: expect.any(Number),
      cost_usd: 0.000001099,
      cost_nano_usd: '1099',
      estimated_usd: 0,
      unknown_usd: 0,
      unpriced_requests: 0,
    })
    expect(total.requests).toBe(data.reduce((sum, row) => sum + Number(row.requests), 0))
  })

  it('is CSV when asked for, without formulas', async () => {
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, accept: 'text/csv' }
    const answer = await rig.call('GET', '/admin/v1/spend?group_by=key', undefined, headers)
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    const [head, ...rest] = (await answer.text()).split('\r\n')
    expect(head).toBe(
      'key,key_name,requests,attempts,input_tokens,output_tokens,cached_tokens,cost_usd,cost_nano_usd,estimated_usd,unknown_usd,unpriced_requests',
    )
    expect(rest.join('\r\n')).toBe(
      `${key.id},"'=cmd()|""x"",\nsecond line",3,3,3600,900,600,1.000000151,1000000151,1.000000001,0,1\r\n`,
    )
  })

  it('refuses what it cannot mean', async () => {
    expect(await refusal('/admin/v1/spend?group_by=colour')).toMatchObject({ param: 'group_by' })
    expect(await refusal('/admin/v1/spend?from=yesterday')).toMatchObject({ param: 'from' })
    expect(await refusal('/admin/v1/spend?from=2026-02-01&to=2026-01-01')).toMatchObject({ param: 'to' })
    expect(await refusal('/admin/v1/spend?form=2026-02-01')).toMatchObject({
      param: 'form',
      message: /`from`/,
    })
    expect(await refusal('/admin/v1/spend?from=2026-02-01&from=2026-03-01')).toMatchObject({ param: 'from' })
  })
})

describe('requests', () => {
  it('show attempts, times, certainty, why, and the client’s address', async () => {
    const failed = {
      last: false,
      status: 503,
      error: 'overloaded',
      usage: null,
      costNanoUsd: 0,
      ttftMs: null,
    }
    rig.spend(key, { requestId: 'req_two', ...failed, why: 'cheapest of 2' })
    rig.spend(key, {
      requestId: 'req_two',
      attempt: 2,
      provider: 'anthropic',
      certainty: 'estimated',
      answerId: 'msg_9',
    })
    const request = await read('/admin/v1/requests/req_two')
    expect(request).toMatchObject({
      id: 'req_two',
      provider: 'anthropic',
      status: 200,
      certainty: 'estimated',
      cost_nano_usd: '4500000',
      cost_usd: 0.0045,
      key_id: key.id,
      client_address: '203.0.113.7',
      usage: { input_tokens: 1200, cached_tokens: 200, output_tokens: 300, reasoning_tokens: 64 },
      attempts: [
        {
          provider: 'openai',
          status: 503,
          error: 'overloaded',
          why: 'cheapest of 2',
          usage: null,
          cost_usd: 0,
        },
        { provider: 'anthropic', status: 200, error: null, total_ms: 2310, ttft_ms: 412 },
      ],
    })
    expect(await read('/admin/v1/requests/msg_9')).toMatchObject({ id: 'req_two' })
    expect((await rig.call('GET', '/admin/v1/requests/req_none')).status).toBe(404)
  })

  it('filter and page without loss', async () => {
    for (let count = 0; count < 9; count++) {
      rig.nowMs += 1000
      rig.spend(key, { model: 'paged', status: count % 3 === 0 ? 429 : 200 })
    }
    const ids: string[] = []
    let cursor: string | null = null
    do {
      const next: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
      const page: Wire = await read(`/admin/v1/requests?model=paged&limit=4${next}`)
      ids.push(...(page.data as Wire[]).map(entry => String(entry.id)))
      cursor = page.next_cursor as string | null
    } while (cursor !== null)
    expect(new Set(ids).size).toBe(9)
    expect((await read('/admin/v1/requests?model=paged&status=429')).data).toHaveLength(3)
    expect((await read('/admin/v1/requests?model=paged&status=4xx')).data).toHaveLength(3)
    expect((await read('/admin/v1/requests?key=nobody')).data).toEqual([])
    expect(await refusal('/admin/v1/requests?status=teapot')).toMatchObject({ param: 'status' })
    expect(await refusal('/admin/v1/requests?limit=0')).toMatchObject({ param: 'limit' })
    expect((await rig.call('GET', '/admin/v1/requests?cursor=%00nonsense')).status).toBeLessThan(500)
  })
})

describe('targets', () => {
  it('show health, speed and price', async () => {
    const { health } = rig.deps
    health.observe(
      'openai/gpt-5/openai-main',
      { kind: 'ok', ttftMs: 300, totalMs: 1300, outputTokens: 100 },
      rig.nowMs,
    )
    health.observe('groq-main', { kind: 'cool_down', untilMs: rig.nowMs + 5000, told: true }, rig.nowMs)
    const { data } = await read('/admin/v1/targets')
    expect(data).toHaveLength(4)
    const of = (provider: string, model: string) =>
      (data as Wire[]).find(target => target.provider === provider && target.model === model)
    expect(of('openai', 'gpt-5')).toMatchObject({
      health: 'ok',
      usable: true,
      ttft_ms: 300,
      tokens_per_second: 100,
      ttft_percentiles_ms: {
        p50: expect.closeTo(300, -2),
        p95: expect.closeTo(300, -2),
        p99: expect.closeTo(300, -2),
      },
      whole_percentiles_ms: null,
      tokens_per_second_percentiles: {
        p50: expect.closeTo(100, -2),
        p95: expect.closeTo(100, -2),
        p99: expect.closeTo(100, -2),
      },
      price: { input_usd_per_mtok: 1.25, output_usd_per_mtok: 10 },
      credential: { name: 'main' },
    })
    expect(of('anthropic', 'claude-sonnet-4-5')).toMatchObject({
      health: 'untried',
      usable: true,
      ttft_ms: null,
      ttft_percentiles_ms: null,
    })
    expect(of('groq', 'gpt-oss-120b')).toMatchObject({ health: 'cooling_down', usable: false })
    expect(JSON.stringify(data)).not.toContain('upstream-canary')
    expect((await read('/admin/v1/targets?provider=openai')).data).toHaveLength(2)
  })
})

describe('the document', () => {
  it('names every route, with schemas', async () => {
    const { paths } = (await read('/admin/v1/openapi.json')) as {
      paths: Record<string, Record<string, Wire>>
    }
    for (const route of ADMIN_ROUTES) {
      const path = `/admin/v1${route.path.replace(/:(\w+)/g, '{$1}')}`
      expect(paths[path]?.[route.method.toLowerCase()], path).toBeDefined()
    }
    const body = paths['/admin/v1/keys']?.post?.requestBody
    expect(JSON.stringify(body)).toContain('"additionalProperties":false')
  })

  it.each(['/nothing', '/audit/nothing', '/credentials/x/nothing'])('says of %s what exists', async path => {
    const answer = await rig.call('POST', `/admin/v1${path}`, {})
    expect(answer.status).toBe(404)
    const { error } = (await answer.json()) as { error: Wire }
    expect(error.code).toBe('not_found')
    expect(error.message).toMatch(/no such route.*GET \/admin\/v1\/keys.*GET \/admin\/v1\/audit/)
  })
})

describe('what fails inside', () => {
  it('is a 500 that says nothing, and a log line that does', async () => {
    const broken = await openRig()
    const store = broken.deps.store as unknown as { keyUse: () => Promise<never> }
    store.keyUse = () => Promise.reject(new Error('disk on fire at /secret/path'))
    const answer = await broken.call('GET', '/admin/v1/keys')
    expect(answer.status).toBe(500)
    expect(await answer.text()).not.toContain('fire')
    expect(JSON.stringify(broken.logged)).toContain('disk on fire')
    await broken.close()
  })

  it('seals: secrets are gone from memory', async () => {
    const sealed = await openRig()
    await sealed.call('POST', '/admin/v1/credentials', { provider: 'openai', secret: 'sk-good' })
    const answer = await sealed.call('POST', '/admin/v1/seal')
    expect(await answer.json()).toEqual({ sealed: true })
    const refused = await sealed.call('POST', '/admin/v1/credentials', {
      provider: 'groq',
      secret: 'sk-good',
    })
    expect(refused.status).toBe(503)
    expect(((await refused.json()) as { error: Wire }).error.code).toBe('sealed')
    await sealed.close()
  })
})
