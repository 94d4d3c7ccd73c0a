/** A top-up that is sent again under the same `Idempotency-Key` counts once: at once, after a restart, and for a key's kin. */
import { expect, test } from 'vitest'
import { startMoney } from './rig.ts'

const once = (id: string) => ({ 'idempotency-key': id })

test('the same top-up twice counts once, of keys and projects, at the same time and after a restart', async () => {
  let rig = await startMoney({})
  try {
    const { id } = await rig.key({ budgets: [{ window: 'total', usd: 1 }] })
    await rig.admin('POST', '/projects', { id: 'team', budgets: [{ window: 'total', usd: 1 }] })
    const heir = String((await rig.admin('POST', `/keys/${id}/rotate`, { grace_seconds: 3600 })).json.id)
    const topUp = (path: string, usd: number, headers?: object) =>
      rig.admin('POST', `${path}/top-up`, { usd }, headers)
    const usdOf = async (path: string) =>
      ((await rig.admin('GET', path)).json.budgets as { readonly usd: number }[])[0]?.usd
    for (const path of [`/keys/${id}`, '/projects/team']) {
      const together = await Promise.all(Array.from({ length: 10 }, () => topUp(path, 5, once('"bill-1"'))))
      for (const answer of together)
        expect(answer).toMatchObject({ status: 200, json: { budgets: [{ usd: 6 }] } })
      // without an id each counts, and another id is another top-up
      await topUp(path, 1)
      await topUp(path, 1)
      await topUp(path, 5, once('bill-2'))
      expect(await usdOf(path)).toBe(13)
      expect(await topUp(path, 6, once('bill-1'))).toMatchObject({
        status: 409,
        json: {
          error: {
            code: 'conflict',
            param: 'Idempotency-Key',
            message: expect.stringMatching(/a top-up of \$5:/),
          },
        },
      })
    }
    // a rotated key has the same money, so it is the same top-up
    await topUp(`/keys/${heir}`, 5, once('bill-2'))
    rig = await rig.restart()
    for (const path of [`/keys/${id}`, `/keys/${heir}`, '/projects/team']) {
      await topUp(path, 5, once('bill-1'))
      expect(await usdOf(path)).toBe(13)
    }
  } finally {
    await rig.close()
  }
})

test('an Idempotency-Key that could not be kept is refused, and nothing is done', async () => {
  const rig = await startMoney({})
  try {
    const { id } = await rig.key({ budgets: [{ window: 'total', usd: 1 }] })
    for (const bad of ['', '""', 'two words', 'x'.repeat(256)])
      expect(await rig.admin('POST', `/keys/${id}/top-up`, { usd: 5 }, once(bad))).toMatchObject({
        status: 400,
        json: { error: { param: 'Idempotency-Key' } },
      })
    expect((await rig.admin('GET', `/keys/${id}`)).json.budgets).toMatchObject([{ usd: 1 }])
    // a top-up that fails leaves no note behind: the same one may be sent again
    const bare = await rig.key({})
    const refused = await rig.admin('POST', `/keys/${bare.id}/top-up`, { usd: 5 }, once('early'))
    expect(refused.json).toMatchObject({ error: { param: 'budgets' } })
    await rig.admin('PATCH', `/keys/${bare.id}`, { budgets: [{ window: 'total', usd: 1 }] })
    const made = await rig.admin('POST', `/keys/${bare.id}/top-up`, { usd: 5 }, once('early'))
    expect(made.json.budgets).toMatchObject([{ usd: 6 }])
    // where it would not be kept its sender must not believe in it
    expect(await rig.admin('POST', '/keys', { name: 'x' }, once('a'))).toMatchObject({
      status: 400,
      json: { error: { param: 'Idempotency-Key', message: expect.stringContaining('not kept') } },
    })
    const { json } = await rig.admin('GET', '/openapi.json')
    expect(JSON.stringify(json).match(/"Idempotency-Key"/g)).toHaveLength(2)
  } finally {
    await rig.close()
  }
})

test('no top-up makes a budget larger than an amount may be', async () => {
  const rig = await startMoney({})
  try {
    const { id } = await rig.key({ budgets: [{ window: 'total', usd: 8_999_999 }] })
    await rig.admin('POST', '/projects', { id: 'rich', budgets: [{ window: 'total', usd: 8_999_999 }] })
    for (const path of [`/keys/${id}`, '/projects/rich']) {
      const refused = await rig.admin('POST', `${path}/top-up`, { usd: 1.5 })
      expect(refused).toMatchObject({ status: 400, json: { error: { param: 'usd' } } })
      expect(await rig.admin('POST', `${path}/top-up`, { usd: 1 })).toMatchObject({
        status: 200,
        json: { budgets: [{ usd: 9_000_000 }] },
      })
    }
  } finally {
    await rig.close()
  }
})
