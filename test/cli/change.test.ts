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
  [['key', 'create', '--budget=-1/day'], /--budget: "-1\/day" is not an amount/],
  [['key', 'list', '--json=yes'], /^switchgate: --json takes no value\n/],
  [['doctor', '--ledger', '--since', 'yesterday'], /^switchgate: --since is not a time: .*2026-11-01/],
])('%j is refused in our own words', async (args, words) => {
  const { code, out, err } = await run(...args)
  expect(code).toBe(64)
  expect(out + err).toMatch(words)
})
