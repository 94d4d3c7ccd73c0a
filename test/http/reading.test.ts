/** What the reading routes of the data plane are asked for beside their path: a form of answer, a query, names that nobody has. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { csvCell } from '../../src/wire/spend.ts'
import {
  configFor,
  type ScriptedUpstream,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'

let upstream: ScriptedUpstream
let gateway: TestGateway
let authorization: string
beforeAll(async () => {
  upstream = await startUpstream(response => void response.end())
  gateway = await startGateway({ config: configFor({ alpha: upstream.port }) })
  authorization = `Bearer ${await gateway.key()}`
})
afterAll(async () => {
  await gateway?.close()
  await upstream?.close()
})

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(`${gateway.url}${path}`, { headers: { authorization, ...headers } })
const errorAt = async (path: string) => {
  const answer = await get(path)
  const { error } = (await answer.json()) as { error: { message: string; param: string | null } }
  return { status: answer.status, ...error }
}

test.each([
  ['text/csv', 'text/csv'],
  ['TEXT/CSV', 'text/csv'],
  ['text/csv; charset=utf-8', 'text/csv'],
  ['application/json;q=0.1, text/csv;q=0.9', 'text/csv'],
  ['text/csv;q=0, application/json', 'application/json'],
  ['text/csv;q=0.1, application/json', 'application/json'],
  ['application/json', 'application/json'],
  ['*/*', 'application/json'],
])('spend for Accept: %s is %s', async (accept, type) => {
  const answer = await get('/v1/key/spend', { accept })
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toContain(type)
})

test('a query of spend is read whole or refused, with the cure', async () => {
  expect(await errorAt('/v1/key/spend?group_by=model&group_by=day')).toMatchObject({
    status: 400,
    param: 'group_by',
    message: expect.stringContaining('write `group_by=model,day`'),
  })
  expect(await errorAt('/v1/key/spend?foo=1')).toMatchObject({ status: 400, param: 'foo' })
  expect(await errorAt('/v1/key/spend?form=2026-01-01')).toMatchObject({
    status: 400,
    message: expect.stringContaining('did you mean `from`?'),
  })
  const both = (await (await get('/v1/key/spend?group_by=model,day')).json()) as { group_by: string[] }
  expect(both.group_by).toEqual(['model', 'day'])
})

test('a model that nobody has is named as it was asked for, with what is around it in the path', async () => {
  const { status, message } = await errorAt('/v1/models/zz/endpoints')
  expect(status).toBe(404)
  expect(message).toContain("The model 'zz' does not exist")
  expect((await get('/v1/models/house-model/endpoints')).status).toBe(200)
})

test('what exists is told whole', async () => {
  const { status, message } = await errorAt('/v1/nothing')
  expect(status).toBe(404)
  for (const path of ['/v1/models/{id}/endpoints', '/v1beta/models/{id}'])
    expect(message).toContain(`GET ${path}`)
})

test.each([' =1', '\u00a0=1', '\uff1d1+1', '\uff0b1', '\uff0d1', '\uff20x', '  @x', '=1', '\tx'])(
  'a cell with %j is no formula',
  text => expect(csvCell(text).replace(/^"/, '')).toBe(`'${text}${csvCell(text).endsWith('"') ? '"' : ''}`),
)

test.each(['a = 1', 'team-a', ' a', 'x\uff1d1'])('a cell with %j stays as it is', text =>
  expect(csvCell(text)).toBe(text),
)
