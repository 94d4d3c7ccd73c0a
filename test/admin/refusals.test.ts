/** What the admin plane refuses rather than guess: figures that are only shown, names given twice, days that do not exist, releases of what no crash left. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { held } from '../ledger/parts.ts'
import { openRig, type Rig } from './rig.ts'

type Wire = Record<string, unknown>

let rig: Rig
beforeAll(async () => {
  rig = await openRig()
})
afterAll(() => rig.close())

const asked = async (method: string, path: string, body?: unknown): Promise<[number, Wire]> => {
  const answer = await rig.call(method, `/admin/v1${path}`, body)
  return [answer.status, (await answer.json()) as Wire]
}
const errorOf = (answer: Wire) => answer.error as Wire

describe('a budget that is sent back as it came', () => {
  const budgets = [
    { window: 'month', usd: 25 },
    { window: 'day', usd: 10, per: 'user' },
  ]

  it('is taken, after more was spent and with a new limit too', async () => {
    const [, made] = await asked('POST', '/keys', { name: 'k', budgets })
    const key = rig.deps.keys.get(String(made.id))
    if (key === undefined) throw new Error('no key')
    const spend = (nanoUsd: number) => {
      const hold = held(rig.ledger.hold(key, `req_x${nanoUsd}.1`, nanoUsd, { user: 'ann' }))
      rig.ledger.charge(hold, nanoUsd)
    }
    spend(1_500_000_001)
    const [, shown] = await asked('GET', `/keys/${key.id}`)
    expect((shown.budgets as Wire[])[0]).toMatchObject({
      spent_usd: 1.500000001,
      remaining_usd: 23.499999999,
    })
    spend(40)
    const edited = (shown.budgets as Wire[]).map(entry => ({ ...entry, usd: 50 }))
    const [status, changed] = await asked('PATCH', `/keys/${key.id}`, { budgets: edited })
    expect(status).toBe(200)
    expect((changed.budgets as Wire[])[0]).toMatchObject({ usd: 50, spent_usd: 1.500000041 })
  })

  it('is refused with figures that it never had: they would change nothing', async () => {
    for (const path of ['/keys', '/projects']) {
      const [, made] = await asked('POST', path, { name: 'k', budgets })
      const own = `${path}/${made.id}`
      for (const [name, figures] of [
        ['spent_usd', { spent_usd: 5 }],
        ['held_usd', { held_usd: 1 }],
        ['remaining_usd', { remaining_usd: 25 }],
        ['spent_usd', { spent_usd: -1, held_usd: 0, remaining_usd: 26 }],
        ['spent_usd', { spent_usd: '0', held_usd: 0, remaining_usd: 25 }],
      ] as const) {
        const [status, answer] = await asked('PATCH', own, { budgets: [{ ...budgets[0], ...figures }] })
        expect([status, errorOf(answer).param]).toEqual([400, `budgets[0].${name}`])
      }
      const [status] = await asked('POST', path, { name: 'new', budgets: [{ ...budgets[0], spent_usd: 3 }] })
      expect(status).toBe(400)
    }
  })
})

it('a name that stands twice in an object of a body is refused, at any depth; in two objects it is not', async () => {
  const [first, top] = await asked('POST', '/keys', '{"name":"a","n\\u0061me":"b"}')
  expect([first, errorOf(top).param]).toEqual([400, 'name'])
  const twice = '{"name":"a","budgets":[{"window":"day","usd":1,"usd":100}]}'
  const [second, deep] = await asked('POST', '/keys', twice)
  expect([second, errorOf(deep).param]).toEqual([400, 'usd'])
  const fine =
    '{"name":"{\\"x\\":1,\\"x\\":2}","budgets":[{"window":"day","usd":1},{"window":"month","usd":2}]}'
  expect((await asked('POST', '/keys', fine))[0]).toBe(201)
})

it('a day that does not exist is no time', async () => {
  for (const name of ['from', 'to'])
    for (const day of ['2026-02-30', '2025-02-29', '2026-04-31T10:00:00Z', '2026-13-01']) {
      const [status, answer] = await asked('GET', `/spend?${name}=${day}`)
      expect([status, errorOf(answer).param], day).toEqual([400, name])
    }
  expect((await asked('GET', '/spend?from=2024-02-29&to=2024-02-29T23:00:00%2B14:00'))[0]).not.toBe(500)
  expect((await asked('GET', '/spend?from=2024-02-29&to=2024-03-01'))[0]).toBe(200)
})

describe('a release', () => {
  it('of what is unknown here, or was no crash, or has no amount, is refused with the reason', async () => {
    expect((await asked('POST', '/requests/req_none/release'))[0]).toBe(404)
    const { key } = await rig.deps.keys.create({ name: 'fine' })
    rig.spend(key, { requestId: 'req_fine', costNanoUsd: 10 })
    const [status, answer] = await asked('POST', '/requests/req_fine/release', {})
    expect([status, errorOf(answer).code]).toEqual([409, 'conflict'])
    for (const cost_usd of [-1, '1', null]) {
      const [code, refused] = await asked('POST', '/requests/req_fine/release', { cost_usd })
      expect([code, errorOf(refused).param]).toEqual([400, 'cost_usd'])
    }
  })
})

describe('text that is none', () => {
  const send = async (body: Blob | string) => {
    const answer = await rig.call('POST', '/admin/v1/keys', body)
    return [answer.status, errorOf((await answer.json()) as Wire)] as const
  }
  const made = () => rig.deps.keys.list().length

  it('bytes that are no UTF-8 are refused, not mended', async () => {
    const count = made()
    const bytes = new Uint8Array([...new TextEncoder().encode('{"name":"caf'), 0xe9, 0x22, 0x7d])
    expect(await send(new Blob([bytes]))).toMatchObject([
      400,
      { message: expect.stringContaining('not valid UTF-8') },
    ])
    expect(made()).toBe(count)
  })

  it('half a surrogate pair is refused by its place, in values and in names; whole ones are text', async () => {
    const half = expect.stringContaining('half of a surrogate pair')
    const count = made()
    expect(await send('{"name":"\\ud800x"}')).toMatchObject([400, { param: 'name', message: half }])
    expect(await send('{"metadata":{"a\\udc00":"x"}}')).toMatchObject([400, { message: half }])
    expect(await send('{"tags":["ok","\\udfff"]}')).toMatchObject([400, { param: 'tags[1]', message: half }])
    expect(made()).toBe(count)
    expect((await send('{"name":"caf\u00e9 \\ud83c\\udf52"}'))[0]).toBe(201)
  })
})
