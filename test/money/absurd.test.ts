/** Usage that no bill can hold is charged at the hold, and an admin who knows better says what it cost: row, sums and budgets. */
import { expect, test } from 'vitest'
import {
  CHAT,
  completion,
  DONE,
  delta,
  event,
  finish,
  role,
  sendJson,
  sse,
  startUpstream,
} from '../gateway/harness.ts'
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

test.each([
  ['a whole answer', false],
  ['a stream', true],
])('a count that is not believed goes into no limit and no sum: %s', async (_name, stream) => {
  const text = 'The sky is blue because air scatters blue light. '.repeat(4)
  const usage = { prompt_tokens: 10, completion_tokens: 1e15, total_tokens: 1e15 + 10 }
  const upstream = await startUpstream(response => {
    if (!stream) return sendJson(response, 200, completion(text, usage))
    sse(response).write(role + delta(text))
    response.end(finish() + event({ id: 'x', choices: [], usage }) + DONE)
  })
  const rig = await startMoney({ alpha: upstream.port })
  try {
    await rig.admin('POST', '/projects', { id: 'shared', name: 'Shared', limits: { tpm: 100_000 } })
    const mine = await rig.key({ project: 'shared', limits: { tpm: 100_000 } })
    const other = await rig.key({ project: 'shared' })
    const body = { ...CHAT, max_tokens: 100, stream }
    const first = await rig.post(mine.key, body)
    expect(first.status).toBe(200)
    await first.text()
    for (const { key } of [mine, other]) {
      const next = await rig.post(key, body)
      expect(next.status).toBe(200)
      expect(Number(next.headers.get('x-ratelimit-remaining-tokens'))).toBeGreaterThan(99_000)
      await next.text()
    }
    const [row] = await rig.rows()
    expect(row?.usage?.outputTokens).toBeGreaterThan(20)
    expect(row?.usage?.outputTokens).toBeLessThan(200)
    expect(row?.certainty).toBe('unknown')
  } finally {
    await rig.close()
    await upstream.close()
  }
})
