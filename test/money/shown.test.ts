/** What a failed attempt is billed: the prompt and the text that came, or nothing where none came. The row says that it is a guess. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  CHAT,
  completion,
  type Script,
  type ScriptedUpstream,
  sendJson,
  startUpstream,
} from '../gateway/harness.ts'
import { type MoneyRig, startMoney } from './rig.ts'

let upstream: ScriptedUpstream
let rig: MoneyRig

beforeAll(async () => {
  upstream = await startUpstream(() => undefined)
  rig = await startMoney({ alpha: upstream.port }, 'retries: { attempts: 1 }\ntimeouts: { total_ms: 1500 }\n')
})
afterAll(async () => {
  await rig.close()
  await upstream.close()
})

const TEXT = 'Sunlight is scattered by the molecules of the air. '.repeat(20)
const WHOLE = JSON.stringify(completion(TEXT, null))
const HALF = WHOLE.slice(0, WHOLE.indexOf('air. ') + 500)

async function billed(script: Script, more: object = {}) {
  upstream.script = script
  const { key } = await rig.key({})
  const answer = await rig.post(key, { ...CHAT, ...more })
  await answer.text()
  const row = (await rig.rows()).at(-1)
  return { status: answer.status, row }
}

test.each<[string, Script, object]>([
  ['a body that is cut short', response => sendJson(response, 200, HALF), {}],
  [
    'a connection that breaks',
    response => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': WHOLE.length })
      response.write(HALF, () => response.destroy())
    },
    {},
  ],
  [
    'a body that never ends',
    response => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': WHOLE.length })
      response.write(HALF)
    },
    {},
  ],
  ['a whole body in place of a stream', response => sendJson(response, 200, WHOLE), { stream: true }],
])('%s is billed for its prompt and for the text that came', async (_name, script, more) => {
  const { status, row } = await billed(script, more)
  expect(status).toBeGreaterThanOrEqual(500)
  expect(row).toMatchObject({ certainty: 'estimated', status })
  expect(row?.error).not.toBeNull()
  // between four bytes a token and three, of what was written and not of the frame around it
  const text = more && 'stream' in more ? TEXT.length : HALF.length - HALF.indexOf('Sunlight')
  expect(row?.usage?.inputTokens).toBeGreaterThan(3)
  expect(row?.usage?.outputTokens).toBeGreaterThan(text / 4)
  expect(row?.usage?.outputTokens).toBeLessThanOrEqual(Math.ceil(text / 3) + 1)
  expect(row?.costNanoUsd).toBe(
    (row?.usage?.inputTokens ?? 0) * 1000 + (row?.usage?.outputTokens ?? 0) * 2000,
  )
})

test.each<[string, Script]>([
  ['silence', () => undefined],
  ['an empty body', response => sendJson(response, 200, '')],
  ['a page', response => sendJson(response, 200, '<html>welcome</html>')],
  [
    'an error that calls itself a success',
    response => sendJson(response, 200, { error: { message: 'busy' } }),
  ],
])('%s costs nothing, and says that this is not certain', async (_name, script) => {
  expect((await billed(script)).row).toMatchObject({ certainty: 'estimated', costNanoUsd: 0 })
})

test.each<[string, Script]>([
  ['a refusal', response => sendJson(response, 500, { error: { message: 'busy', content: TEXT } })],
])('%s costs nothing', async (_name, script) => {
  expect((await billed(script)).row).toMatchObject({ certainty: 'exact', costNanoUsd: 0 })
})
