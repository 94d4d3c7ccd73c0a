/** `GET /metrics` of a whole gateway after real traffic: the ledger's own counts, in a form that a strict reader takes. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AttemptRow } from '../../src/terms.ts'
import {
  CHAT,
  completion,
  configFor,
  DONE,
  delta,
  finish,
  role,
  sendJson,
  sse,
  startGateway,
  startUpstream,
  type ScriptedUpstream,
  type TestGateway,
  until,
  usageEvent,
} from '../gateway/harness.ts'
import { readStrictly, sumOf } from './strict.ts'

const TOKEN = 'metrics-test-admin-token-0123456789abcdef'
const env = { SWITCHGATE_ADMIN_TOKEN: TOKEN }
const OPENMETRICS = 'application/openmetrics-text; version=1.0.0'

async function scrape(gateway: TestGateway, accept?: string) {
  const headers = { authorization: `Bearer ${TOKEN}`, ...(accept && { accept }) }
  const answer = await fetch(`${gateway.url}/metrics`, { headers })
  const text = await answer.text()
  expect(answer.status, text).toBe(200)
  return { text, type: answer.headers.get('content-type') ?? '', answer }
}
const families = async (gateway: TestGateway) => readStrictly((await scrape(gateway)).text, 'prometheus')

const total = (rows: readonly AttemptRow[], of: (row: AttemptRow) => number) =>
  rows.reduce((sum, row) => sum + of(row), 0)

describe('after real traffic', () => {
  let upstreams: ScriptedUpstream[]
  let gateway: TestGateway
  let key: string
  beforeAll(async () => {
    const good = await startUpstream((response, seen) => {
      if (seen.json().stream !== true) return sendJson(response, 200, completion())
      sse(response).end(`${role}${delta('Hello')}${finish()}${usageEvent}${DONE}`)
    })
    const bad = await startUpstream(response => sendJson(response, 500, { error: { message: 'no' } }))
    upstreams = [good, bad]
    gateway = await startGateway({
      config: configFor(
        { bad: bad.port, good: good.port },
        'aliases:\n  both: { models: [house-model@bad, house-model@good], strategy: priority }\nmetrics: { by: [key, project] }\n',
      ),
      env,
    })
    await gateway.gateway.projects.create('team', { budgets: [budget(50)] })
    key = await gateway.key({ project: 'team' })
    for (let i = 0; i < 4; i++) await (await gateway.post(key, { ...CHAT, model: 'house-model@good' })).text()
    for (let i = 0; i < 3; i++) {
      const body = { ...CHAT, model: 'house-model@good', stream: true }
      await (await gateway.post(key, body)).text()
    }
    await (await gateway.post(key, { ...CHAT, model: 'both' })).text()
    await (await gateway.post('sgate_live_nonsense', CHAT)).text()
    await (await gateway.post(key, { ...CHAT, model: 'no-such-model' })).text()
    const slow = await gateway.key({ limits: { rpm: 1, tpm: null, rpd: null, concurrency: null } })
    for (let i = 0; i < 3; i++)
      await (await gateway.post(slow, { ...CHAT, model: 'house-model@good' })).text()
    const poor = await gateway.key({ budgets: [{ ...budget(0), limitNanoUsd: 1 }] })
    await (await gateway.post(poor, { ...CHAT, model: 'house-model@good' })).text()
  })
  afterAll(async () => {
    await gateway.close()
    for (const one of upstreams) await one.close()
  })

  test('both forms are taken by a strict reader, and say what they are', async () => {
    const plain = await scrape(gateway)
    expect(plain.type).toBe('text/plain; version=0.0.4; charset=utf-8')
    const open = await scrape(gateway, OPENMETRICS)
    expect(open.type).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8')
    const names = [...readStrictly(plain.text, 'prometheus').keys()]
    expect([...readStrictly(open.text, 'openmetrics').keys()]).toEqual(names)
    expect(names.every(name => /^(gen_ai|switchgate|process|nodejs)_/.test(name))).toBe(true)
    expect(open.answer.headers.get('cache-control')).toBe('no-store')
  })

  test('attempts, tokens and cost are the rows of the ledger', async () => {
    const read = await families(gateway)
    const rows = await gateway.rows()
    expect(rows.length).toBeGreaterThanOrEqual(10)
    expect(sumOf(read, 'switchgate_attempts')).toBe(rows.length)
    for (const provider of ['good', 'bad']) {
      const own = rows.filter(row => row.provider === provider)
      const at = { provider, model: 'house-model' }
      expect(sumOf(read, 'switchgate_attempts', at), provider).toBe(own.length)
      const tokens = (of: (usage: NonNullable<AttemptRow['usage']>) => number) =>
        total(own, row => (row.usage ? of(row.usage) : 0))
      const direction = (name: string) => sumOf(read, 'switchgate_tokens', { ...at, direction: name })
      expect(direction('input'), provider).toBe(tokens(usage => usage.inputTokens))
      expect(direction('output'), provider).toBe(tokens(usage => usage.outputTokens))
      const cost = Math.round(sumOf(read, 'switchgate_cost_usd', at) * 1e9)
      expect(cost, provider).toBe(total(own, row => row.costNanoUsd ?? 0))
      const operations = { gen_ai_provider_name: provider, gen_ai_request_model: 'house-model' }
      expect(sumOf(read, 'gen_ai_client_operation_duration_seconds', operations, '_count')).toBe(own.length)
      const used = { ...operations, gen_ai_token_type: 'output' }
      expect(sumOf(read, 'gen_ai_client_token_usage', used, '_sum')).toBe(tokens(usage => usage.outputTokens))
    }
    expect(sumOf(read, 'gen_ai_server_time_to_first_token_seconds', {}, '_count')).toBe(
      rows.filter(row => row.stream && row.ttftMs !== null && row.error === null).length,
    )
    expect(sumOf(read, 'switchgate_answers')).toBe(rows.filter(row => row.last).length)
  })

  test('they are also the sums that the admin plane shows', async () => {
    const read = await families(gateway)
    const headers = { authorization: `Bearer ${TOKEN}` }
    const answer = await fetch(`${gateway.url}/admin/v1/spend?group_by=provider`, { headers })
    const spend = (await answer.json()) as {
      total: { requests: number; attempts: number; input_tokens: number; cost_nano_usd: string }
    }
    expect(sumOf(read, 'switchgate_attempts')).toBe(spend.total.attempts)
    expect(sumOf(read, 'switchgate_answers')).toBe(spend.total.requests)
    expect(sumOf(read, 'switchgate_tokens', { direction: 'input' })).toBe(spend.total.input_tokens)
    expect(Math.round(sumOf(read, 'switchgate_cost_usd') * 1e9)).toBe(Number(spend.total.cost_nano_usd))
  })

  test('requests are counted by route and status, failures and refusals by what they were', async () => {
    const read = await families(gateway)
    const route = '/v1/chat/completions'
    const status = (code: string) => sumOf(read, 'switchgate_requests', { route, status: code })
    expect(status('200')).toBe(9)
    expect(status('401')).toBe(1)
    expect(status('404')).toBe(1)
    expect(status('429')).toBe(3)
    expect(sumOf(read, 'switchgate_requests')).toBe(14)
    expect(sumOf(read, 'switchgate_request_duration_seconds', { route }, '_count')).toBe(14)
    expect(sumOf(read, 'switchgate_failures', { error: 'unauthenticated' })).toBe(1)
    expect(sumOf(read, 'switchgate_failures', { error: 'unknown_model' })).toBe(1)
    expect(sumOf(read, 'switchgate_refusals', { limit: 'key.rpm' })).toBe(2)
    expect(sumOf(read, 'switchgate_refusals', { limit: 'key.budget.month' })).toBe(1)
    expect(sumOf(read, 'switchgate_failovers', { provider: 'bad' })).toBeGreaterThanOrEqual(1)
    // one for each answer that a provider had a part in
    expect(sumOf(read, 'switchgate_overhead_seconds', {}, '_count')).toBe(9)
  })

  test('how things stand: budgets, targets, ledger, process', async () => {
    const read = await families(gateway)
    const rows = await gateway.rows()
    const team = { level: 'project', owner: 'team', window: 'month' }
    expect(sumOf(read, 'switchgate_budget_limit_usd', team)).toBe(50)
    const spent = total(rows, row => (row.project === 'team' ? (row.costNanoUsd ?? 0) : 0))
    expect(Math.round(sumOf(read, 'switchgate_budget_spent_usd', team) * 1e9)).toBe(spent)
    expect(sumOf(read, 'switchgate_budget_held_usd', team)).toBe(0)
    expect(sumOf(read, 'switchgate_target_up', { provider: 'good' })).toBe(1)
    expect(sumOf(read, 'switchgate_target_error_ratio', { provider: 'bad' })).toBeGreaterThan(0)
    expect(sumOf(read, 'switchgate_requests_in_flight')).toBe(0)
    expect(sumOf(read, 'switchgate_attempts_open')).toBe(0)
    expect(sumOf(read, 'switchgate_ledger_pending_rows')).toBe(0)
    expect(sumOf(read, 'switchgate_ledger_up')).toBe(1)
    expect(sumOf(read, 'switchgate_sealed')).toBe(0)
    expect(sumOf(read, 'switchgate_build_info')).toBe(1)
    expect(sumOf(read, 'process_resident_memory_bytes')).toBeGreaterThan(1e7)
    const started = sumOf(read, 'process_start_time_seconds') * 1_000
    expect(Math.abs(started - performance.timeOrigin)).toBeLessThan(2)
  })

  test('keys and projects by id, because the config says so', async () => {
    const read = await families(gateway)
    const rows = await gateway.rows()
    const id = key.split('_')[2] ?? ''
    const own = rows.filter(row => row.keyId === id)
    expect(sumOf(read, 'switchgate_key_requests', { key: id })).toBe(own.filter(row => row.last).length)
    expect(sumOf(read, 'switchgate_project_requests', { project: 'team' })).toBe(
      own.filter(row => row.last).length,
    )
    expect(Math.round(sumOf(read, 'switchgate_key_cost_usd', { key: id }) * 1e9)).toBe(
      total(own, row => row.costNanoUsd ?? 0),
    )
    const { text } = await scrape(gateway)
    expect(text).not.toContain(key)
    expect(text).not.toContain('127.0.0.1')
    expect(text).not.toContain('no-such-model')
  })

  test('nobody reads it without the admin token', async () => {
    for (const authorization of [undefined, 'Bearer wrong', `Bearer ${key}`]) {
      const answer = await fetch(`${gateway.url}/metrics`, {
        headers: authorization ? { authorization } : {},
      })
      expect(answer.status).toBe(401)
      expect(await answer.text()).not.toContain('switchgate_')
    }
    const answer = await gateway.gateway.data.fetch(new Request('http://127.0.0.1/metrics'))
    expect(answer.status).toBe(404)
  })
})

const budget = (usd: number) => ({ window: 'month' as const, limitNanoUsd: usd * 1e9, softNanoUsd: null })

test('requests and attempts that run are shown while they do', async () => {
  let answer: (() => void) | undefined
  const upstream = await startUpstream(
    response =>
      new Promise<void>(resolve => {
        answer = () => {
          sendJson(response, 200, completion())
          resolve()
        }
      }),
  )
  const gateway = await startGateway({ config: configFor({ alpha: upstream.port }), env })
  try {
    const key = await gateway.key({ budgets: [budget(10)] })
    const asked = gateway.post(key, CHAT)
    await until(() => answer !== undefined)
    const during = await families(gateway)
    expect(sumOf(during, 'switchgate_requests_in_flight')).toBe(1)
    expect(sumOf(during, 'switchgate_attempts_open')).toBe(1)
    expect(during.has('switchgate_key_requests')).toBe(false)
    expect(during.has('switchgate_budget_spent_usd')).toBe(false)
    answer?.()
    await (await asked).text()
    await until(async () => sumOf(await families(gateway), 'switchgate_requests_in_flight') === 0)
    const after = await families(gateway)
    expect(sumOf(after, 'switchgate_attempts')).toBe(1)
    // one key more than the catalogue of one model: who has spent is not shown unless the config says so
    expect(after.has('switchgate_key_cost_usd')).toBe(false)
  } finally {
    await gateway.close()
    await upstream.close()
  }
})

test('a name that only a caller knows is other; a model of one’s own with quotes in it is itself', async () => {
  const upstream = await startUpstream(response => sendJson(response, 200, completion()))
  const odd = 'odd"}\\model{x="1'
  const config = configFor({ alpha: upstream.port }).replace(
    '      house-model:',
    `      '${odd}': { upstream: odd, input_usd_per_mtok: 1.0, output_usd_per_mtok: 2.0 }\n      house-model:`,
  )
  const gateway = await startGateway({ config, env })
  try {
    const key = await gateway.key()
    for (const model of ['secret-project-name@alpha', 'another-name@alpha', odd])
      expect((await gateway.post(key, { ...CHAT, model })).status, model).toBe(200)
    const { text } = await scrape(gateway)
    const read = readStrictly(text, 'prometheus')
    expect(sumOf(read, 'switchgate_attempts', { provider: 'alpha', model: 'other' })).toBe(2)
    expect(sumOf(read, 'switchgate_attempts', { provider: 'alpha', model: odd })).toBe(1)
    expect(sumOf(read, 'switchgate_unpriced_attempts', { model: 'other' })).toBe(2)
    expect(text).not.toContain('secret-project')
  } finally {
    await gateway.close()
    await upstream.close()
  }
})

test('a start counts from zero, whatever the ledger holds', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'switchgate-metrics-'))
  const upstream = await startUpstream(response => sendJson(response, 200, completion()))
  const config = configFor({ alpha: upstream.port })
  try {
    const before = await startGateway({ config, env, folder })
    const key = await before.key()
    for (let i = 0; i < 3; i++) await (await before.post(key, CHAT)).text()
    expect(sumOf(await families(before), 'switchgate_attempts')).toBe(3)
    await before.close()
    const after = await startGateway({ config, env, folder })
    expect((await families(after)).has('switchgate_attempts')).toBe(false)
    await (await after.post(key, CHAT)).text()
    expect(sumOf(await families(after), 'switchgate_attempts')).toBe(1)
    expect(await after.rows()).toHaveLength(4)
    await after.close()
  } finally {
    await upstream.close()
    rmSync(folder, { recursive: true, force: true })
  }
})
