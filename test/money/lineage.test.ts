/** After a rotation the successor goes on where its predecessor was: budgets, spend, requests. In every view, and nobody else's. */
import { expect, test } from 'vitest'
import { CHAT, completion, sendJson, startUpstream } from '../gateway/harness.ts'
import { startMoney } from './rig.ts'

const COST_USD = 0.00002

test('the views of an heir are those of its lineage', async () => {
  const upstream = await startUpstream(response => sendJson(response, 200, completion()))
  const rig = await startMoney({ alpha: upstream.port })
  try {
    const old = await rig.key({ name: 'app', budgets: [{ window: 'month', usd: 1 }] })
    const stranger = await rig.key({})
    const answer = await rig.post(old.key, CHAT)
    await answer.text()
    const request = String(answer.headers.get('x-request-id'))
    const rotated = await rig.admin('POST', `/keys/${old.id}/rotate`, { grace_seconds: 3600 })
    const heir = { id: String(rotated.json.id), key: String(rotated.json.key) }
    expect(rotated.json).toMatchObject({ spent_usd: COST_USD, last_used_at: null })
    const read = async (key: string, path: string) => {
      const reply = await fetch(`${rig.url}/v1${path}`, { headers: { authorization: `Bearer ${key}` } })
      return { status: reply.status, json: (await reply.json()) as Record<string, unknown> }
    }
    const see = async (times: number) => {
      for (const { id, key } of [old, heir]) {
        const spent = { spent_usd: COST_USD * times, budgets: [{ spent_usd: COST_USD * times }] }
        expect((await read(key, '/key')).json).toMatchObject(spent)
        expect((await rig.admin('GET', `/keys/${id}`)).json).toMatchObject(spent)
        const total = { total: { requests: times, cost_usd: COST_USD * times } }
        expect((await read(key, '/key/spend')).json).toMatchObject(total)
        expect((await rig.admin('GET', `/keys/${id}/spend`)).json).toMatchObject(total)
        expect((await read(key, `/generation?id=${request}`)).json).toMatchObject({ id: request })
      }
    }
    await see(1)
    await (await rig.post(heir.key, CHAT)).text()
    await see(2)
    // the operator still sees who it was
    const { json } = await rig.admin('GET', '/spend?group_by=key')
    expect(json.data).toMatchObject([
      { requests: 1, key_name: 'app' },
      { requests: 1, key_name: 'app' },
    ])
    expect(json.total).toMatchObject({ requests: 2, cost_usd: COST_USD * 2 })
    expect((await rig.admin('GET', '/keys')).json.data).toHaveLength(3)
    expect(await read(stranger.key, `/generation?id=${request}`)).toMatchObject({ status: 404 })
    expect((await read(stranger.key, '/key')).json).toMatchObject({ spent_usd: 0 })
  } finally {
    await rig.close()
    await upstream.close()
  }
})
