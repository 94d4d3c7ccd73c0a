/** What the command line changes and how it refuses: limits are taken away by `none`, nothing is never said to be done. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { say } from './say.ts'

const folder = mkdtempSync(join(tmpdir(), 'switchgate-cli-change-'))
const env = { SWITCHGATE_DATA: join(folder, 'data'), SWITCHGATE_DISCOVER_LOCAL: 'false' }
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const run = (...args: string[]) => say(args, env)
const wire = async (...args: string[]) => JSON.parse((await run(...args, '--json')).out)

test('`none` takes a limit away, of a key and above all keys; the others stay', async () => {
  const { id } = await wire('key', 'create', '--rpm', '5', '--tpm', '1000', '--max-output-tokens', '9')
  expect(
    (await wire('key', 'change', id, '--rpm', 'none', '--max-output-tokens', 'none')).limits,
  ).toMatchObject({ rpm: null, tpm: 1000 })
  expect(await wire('key', 'show', id)).toMatchObject({ max_output_tokens: null })
  await run('project', 'change', 'organisation', '--rpm', '7', '--rpd', '8')
  expect((await wire('project', 'change', 'organisation', '--rpm', 'none')).limits).toMatchObject({
    rpm: null,
    rpd: 8,
  })
  expect(await run('key', 'change', id, '--rpm', 'many')).toMatchObject({ code: 64, out: '' })
})

test.each([
  [['key', 'change', 'some-id'], /nothing to change/],
  [['project', 'change', 'organisation'], /nothing to change/],
  [['key', 'create', '--budget', '-1/day'], /^switchgate: --budget needs a value; .*--budget=-…\n/],
  [['key', 'create', '--budget'], /^switchgate: --budget needs a value/],
  [
    ['key', 'create', '--budget', '1,50/day'],
    /--budget: "1,50" may be one .* write 1\.50, or --budget twice/,
  ],
  [['key', 'create', '--budget', '1/day,$1.000,50'], /"\$1\.000,50" .* write \$1000\.50/],
  [['project', 'create', '--budget', '25,50/month'], /"25,50" .* write 25\.50/],
  [['key', 'create', '--models', 'all,gpt-5'], /--models: "all" stands alone; .*'"all"'/],
  [['key', 'create', '--models', ''], /--models: name at least one, or write all or none/],
  [['key', 'create', '--tag', ''], /--tag: name at least one, or write none/],
  [['key', 'create', '--budget=-1/day'], /--budget: "-1\/day" is not an amount/],
  [['key', 'list', '--json=yes'], /^switchgate: --json takes no value\n/],
  [['doctor', '--ledger', '--since', 'yesterday'], /^switchgate: --since is not a time: .*2026-11-01/],
])('%j is refused in our own words', async (args, words) => {
  const { code, out, err } = await run(...args)
  expect(code).toBe(64)
  expect(out + err).toMatch(words)
})

/** `key show` as a table: row → words. */
async function shown(id: string): Promise<Record<string, string>> {
  const { out } = await run('key', 'show', id)
  return Object.fromEntries(out.split('\n').map(line => [line.slice(0, 14).trim(), line.slice(14)]))
}

const FIELDS = [
  // option, row of `key show`, member of the wire, a value, the words that take it away with what they are on the wire
  ['models', 'models', 'models', 'gpt-5', { all: null, none: [] }],
  ['providers', 'providers', 'providers', 'openai', { all: null, none: [] }],
  ['regions', 'regions', 'regions', 'eu', { all: null, none: [] }],
  ['scopes', 'scopes', 'scopes', 'chat', { all: null, none: [] }],
  ['ip-allow', 'ip allow', 'ip_allow', '10.0.0.0/8', { any: null, none: [] }],
  ['origins', 'origins', 'origin_allow', 'https://app.example.com', { any: null, none: [] }],
  ['hours', 'hours', 'hours', 'mon 08:00-18:00', { always: null, never: { zone: 'UTC', allow: [] } }],
  ['owner', 'owner', 'owner', 'ann', { none: null }],
  ['project', 'project', 'project', 'team', { none: null }],
  ['default-model', 'default model', 'default_model', 'gpt-5', { none: null }],
  ['expires', 'ends', 'expires_at', '2099-01-31', { never: null }],
  ['tag', 'tags', 'tags', 'web', { none: null }],
  ['budget', 'budgets', 'budgets', '25/month', { none: null }],
  ['max-output-tokens', 'max output', 'max_output_tokens', '9', { none: null }],
  ['rpm', 'limits', 'limits', '9', { none: expect.objectContaining({ rpm: null }) }],
] as const

test('the words that `key show` prints are those that `key change` takes, for every field', async () => {
  await run('project', 'create', 'team')
  for (const [option, row, member, value, words] of FIELDS) {
    const { id } = await wire('key', 'create', `--${option}`, value)
    const [was, set] = [(await shown(id))[row], (await wire('key', 'show', id))[member]]
    for (const [word, expected] of Object.entries(words)) {
      expect((await wire('key', 'change', id, `--${option}`, value))[member], option).toEqual(set)
      expect((await wire('key', 'change', id, `--${option}`, word))[member], `${option} ${word}`).toEqual(
        expected,
      )
      expect((await shown(id))[row], option).toBe(word)
      expect((await run('key', 'change', '--help')).out).toMatch(
        new RegExp(`--${option} [^\\]]*\\|${word}[|\\]]`),
      )
      // a key may be made so, too
      expect((await wire('key', 'create', `--${option}`, word))[member], option).toEqual(expected)
    }
    expect([was, set]).not.toContain(Object.keys(words)[0])
  }
}, 60_000)

test('one whose name is such a word is shown in quotes, and written in them', async () => {
  const { id, owner } = await wire(
    'key',
    'create',
    '--regions',
    '"all"',
    '--owner',
    '"none"',
    '--tag',
    '"none",a',
  )
  expect([owner, (await wire('key', 'show', id)).regions]).toEqual(['none', ['all']])
  expect(await shown(id)).toMatchObject({ regions: '"all"', owner: '"none"', tags: '"none", a' })
})

test('several budgets with a comma between them are several', async () => {
  const { budgets } = await wire('key', 'create', '--budget', '1.50/day,25/month,9/5h')
  expect(budgets.map(({ usd, window }: { usd: number; window: string }) => `${usd}/${window}`)).toEqual([
    '1.5/day',
    '25/month',
    '9/5h',
  ])
})
