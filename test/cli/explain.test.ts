/** `switchgate explain` at a gateway that runs: what it tells, and an exit code that scripts can go by. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  completion,
  configFor,
  type ScriptedUpstream,
  sendJson,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'
import { say } from './say.ts'

const TOKEN = 'explain-test-admin-token-0123456789abcdef'
let upstream: ScriptedUpstream
let gateway: TestGateway
const explain = (words: string) => say(`explain ${words} --url ${gateway.url} --token ${TOKEN}`)

beforeAll(async () => {
  upstream = await startUpstream(response => sendJson(response, 200, completion()))
  gateway = await startGateway({
    config: configFor({ alpha: upstream.port }),
    env: { SWITCHGATE_ADMIN_TOKEN: TOKEN },
  })
})
afterAll(async () => {
  await gateway.close()
  await upstream.close()
})

test('somebody would be asked: 0, and nobody was', async () => {
  const said = await explain('house-model')
  expect(said).toMatchObject({ code: 0, err: '' })
  expect(said.out).toMatch(/^1 +alpha +house-model/m)
  expect(JSON.parse((await explain('house-model --json')).out)).toMatchObject({ refusal: null })
  expect(upstream.seen).toEqual([])
})

test('it would be refused: 1, with the refusal and who is out', async () => {
  const unknown = await explain('nope')
  expect(unknown).toMatchObject({ code: 1, err: '' })
  expect(unknown.out).toMatch(/^Refused with 404 model_not_found: /)
  const id = (await gateway.key({ models: [] })).split('_')[2]
  const forbidden = await explain(`house-model --key ${id}`)
  expect(forbidden).toMatchObject({ code: 1, err: '' })
  expect(forbidden.out).toMatch(/^Refused with 403 model_not_allowed: [\s\S]+\nOUT/)
  expect((await explain(`house-model --key ${id} --json`)).code).toBe(1)
})
