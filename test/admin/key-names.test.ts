/** Names in a key's policy: what may be sold later is warned of, what cannot be meant is refused. Over a real gateway. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { configFor, startUpstream, type ScriptedUpstream } from '../gateway/harness.ts'
import { type MoneyRig, startMoney } from '../money/rig.ts'

let upstream: ScriptedUpstream
let rig: MoneyRig
beforeAll(async () => {
  upstream = await startUpstream(response => void response.end())
  const text = configFor(
    { alpha: upstream.port },
    'aliases: { fast: { models: [house-model] }, both: { models: [house-model, other-model] } }\n',
  ).replace(
    '      house-model:',
    '      other-model: { input_usd_per_mtok: 1, output_usd_per_mtok: 1 }\n      house-model:',
  )
  rig = await startMoney({}, '', undefined, text)
})
afterAll(async () => {
  await rig.close()
  await upstream.close()
})

const create = (body: object) => rig.admin('POST', '/keys', { name: 'k', ...body })

test.each<[object, RegExp[]]>([
  [
    { models: ['house-modle'] },
    [/^models\[0\]: "house-modle" is no model and no alias here now, did you mean "house-model"\?$/],
  ],
  [
    { models: ['house-model', 'house-model@alhpa'] },
    [/^models\[1\]: "house-model@alhpa" is no provider here now, did you mean "alpha"/],
  ],
  [
    { models: ['alpha/house-model'] },
    [/^models\[0\]: "alpha\/house-model" matches nothing: write "house-model"$/],
  ],
  [{ providers: ['alpha', 'nope'] }, [/^providers\[1\]: "nope" is no provider here now/]],
  [{ default_model: 'zzz' }, [/^default_model: "zzz" is no model/]],
  [
    { limits: { per_model: { 'house-modle': { rpm: 1 } } } },
    [/^limits.per_model: "house-modle" is no model/],
  ],
  [
    { models: ['typo-one', 'typo-two'], providers: ['nope'] },
    [/^models\[0\]/, /^models\[1\]/, /^providers\[0\]/],
  ],
])('%j is made, with a warning', async (body, expected) => {
  const made = await create(body)
  expect(made.status).toBe(201)
  const said = made.json.warnings as string[]
  expect(said).toHaveLength(expected.length)
  for (const [i, each] of expected.entries()) expect(said[i]).toMatch(each)
  // the same of a key that is changed; a change of something else says nothing again
  const { id } = (await create({})).json
  expect((await rig.admin('PATCH', `/keys/${id}`, body)).json.warnings).toEqual(said)
  expect((await rig.admin('PATCH', `/keys/${id}`, { owner: 'ann' })).json).not.toHaveProperty('warnings')
  expect((await rig.admin('GET', `/keys/${id}`)).json).not.toHaveProperty('warnings')
})

test.each([
  { models: ['house-model', 'fast', '*@alpha', 'house-model@alpha', 'not-yet@alpha', 'gpt-5'] },
  { models: [], providers: [] },
  { models: ['house-model'], default_model: 'house-model' },
  { models: ['fast'], default_model: 'fast' },
  { providers: ['alpha', 'openai'] },
  { limits: { rpm: 5, burst: 5, per_model: { 'house-model': { rpm: 1 } } } },
])('%j is nothing to warn of', async body => {
  const made = await create(body)
  expect(made.status).toBe(201)
  expect(made.json).not.toHaveProperty('warnings')
})

test.each([
  [{ models: ['other-model'], default_model: 'house-model' }, 'default_model', /may not call "house-model"/],
  [{ providers: ['openai'], default_model: 'house-model' }, 'default_model', /may not call/],
  [{ limits: { rpm: 5, burst: 6 } }, 'limits.burst', /must not be above `rpm`/],
  [{ limits: { per_user: { rpm: 5, burst: 6 } } }, 'limits.per_user.burst', /must not be above `rpm`/],
  [{ name: '  ' }, 'name', /must not be blank/],
])('%j is refused', async (body, param, message) => {
  const refused = { status: 400, json: { error: { param, message: expect.stringMatching(message) } } }
  expect(await create(body)).toMatchObject(refused)
  const { id } = (await create({})).json
  expect(await rig.admin('PATCH', `/keys/${id}`, body)).toMatchObject(refused)
})

const LIMIT = { rpm: 1 }
const named = (model: string) => ({ budgets: [{ window: 'total', usd: 0, model }] })
const limited = (model: string) => ({ limits: { per_model: { [model]: LIMIT } } })

test.each([
  ['house-model@alpha', '"house-model"'],
  ['alpha/house-model', '"house-model"'],
  ['fast', '"house-model"'],
  ['fast@alpha', '"house-model"'],
  ['both', 'one for each of "house-model", "other-model"'],
  ['house-model:floor', '"house-model"'],
  ['house-model@alhpa', '"house-model"'],
  ['not-yet@alpha', '"not-yet"'],
  ['*@alpha', 'the name of one model'],
  ['openai/gpt-5', '"gpt-5"'],
  ['gpt-5@openai', '"gpt-5"'],
])(
  'a budget or a limit for %s would never be counted: refused, with the name to write',
  async (name, cure) => {
    const { id } = (await create({})).json
    const project = (await rig.admin('POST', '/projects', {})).json.id
    for (const [body, param] of [
      [named(name), 'budgets[0].model'],
      [limited(name), 'limits.per_model'],
    ] as const) {
      const refused = { status: 400, json: { error: { param } } }
      for (const answer of [
        await create(body),
        await rig.admin('PATCH', `/keys/${id}`, body),
        await rig.admin('POST', '/projects', body),
        await rig.admin('PATCH', `/projects/${project}`, body),
        await rig.admin('PATCH', '/organisation', body),
      ]) {
        expect(answer).toMatchObject(refused)
        expect((answer.json.error as { message: string }).message).toContain(`Write ${cure}`)
      }
    }
  },
)

test.each(['house-modle', 'House-model', 'nope/house-model'])(
  'a budget or a limit for %s may be meant for later: kept, with a warning',
  async name => {
    for (const [body, place] of [
      [named(name), 'budgets[0].model'],
      [limited(name), 'limits.per_model'],
    ] as const)
      for (const path of ['/keys', '/projects']) {
        const made = await rig.admin('POST', path, body)
        expect(made.status).toBe(201)
        expect(made.json.warnings).toEqual([
          expect.stringContaining(`${place}: "${name}" is no model here now`),
        ])
        const changed = await rig.admin('PATCH', `${path}/${made.json.id}`, body)
        expect(changed.json.warnings).toEqual(made.json.warnings)
      }
  },
)

test.each(['house-model', 'gpt-5'])('a budget for %s is counted: nothing to say', async name => {
  for (const path of ['/keys', '/projects']) {
    const made = await rig.admin('POST', path, { ...named(name), ...limited(name) })
    expect(made.status).toBe(201)
    expect(made.json).not.toHaveProperty('warnings')
  }
})

test('what a key has already counts with what is changed', async () => {
  const { id } = (await create({ models: ['house-model'], limits: { rpm: 5 } })).json
  const patch = async (body: object) => (await rig.admin('PATCH', `/keys/${id}`, body)).status
  expect(await patch({ default_model: 'other-model' })).toBe(400)
  expect(await patch({ default_model: 'house-model' })).toBe(200)
  expect(await patch({ models: ['other-model'] })).toBe(400)
  expect(await patch({ models: ['other-model'], default_model: null })).toBe(200)
  expect(await patch({ limits: { burst: 6 } })).toBe(400)
  expect(await patch({ limits: { burst: 6, rpm: 6 } })).toBe(200)
})
