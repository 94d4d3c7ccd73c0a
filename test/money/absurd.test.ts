/** Usage that no bill can hold is charged at the hold, and an admin who knows better says what it cost: row, sums and budgets. */
import { expect, test } from 'vitest'
import { CHAT, completion, sendJson, startUpstream } from '../gateway/harness.ts'
import { startMoney } from './rig.ts'

test('a row with absurd usage is unknown at its hold, and is released as one that a crash left', async () => {
  const usage = { prompt_tokens: 1e15, completion_tokens: 5, total_tokens: 1e15 + 5 }
  const upstream = await startUpstream(response => sendJson(response, 200, completion('Hello.', usage)))
  let rig = await startMoney({ alpha: upstream.port })
  try {
    const { id, key } = await rig.key({ budgets: [{ window: 'total', usd: 1 }] })
    const answer = await rig.post(key, { ...CHAT, max_tokens: 1000 })
    expect(answer.status).toBe(200)
    const request = String(answer.headers.get('x-request-id'))
    const spent = async () =>
      ((await rig.admin('GET', `/keys/${id}`)).json.budgets as { readonly spent_usd: number }[])[0]?.spent_usd
    const [row] = await rig.rows()
    expect(row).toMatchObject({ certainty: 'unknown', costNanoUsd: row?.heldNanoUsd })
    expect(await spent()).toBe((row?.heldNanoUsd ?? 0) / 1e9)
    rig = await rig.restart()
    const release = (usd: number) => rig.admin('POST', `/requests/${request}/release`, { cost_usd: usd })
    expect(await release(0.0001)).toMatchObject({ status: 200, json: { cost_usd: 0.0001 } })
    expect(await spent()).toBe(0.0001)
    expect((await rig.admin('GET', `/keys/${id}`)).json.spent_usd).toBe(0.0001)
    expect((await rig.rows())[0]).toMatchObject({
      certainty: 'recovered',
      costNanoUsd: 100_000,
      why: expect.stringMatching(/no bill can hold, released/),
    })
    // the same again changes nothing, another amount is refused
    expect((await release(0.0001)).status).toBe(200)
    expect(await release(0.5)).toMatchObject({ status: 409, json: { error: { code: 'conflict' } } })
    expect(await spent()).toBe(0.0001)
    expect(await rig.admin('GET', '/ledger/check')).toMatchObject({ status: 200, json: { ok: true } })
  } finally {
    await rig.close()
    await upstream.close()
  }
})
