/** `switchgate reconcile` and `doctor --ledger` against a running admin plane over a real ledger. */
import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../../src/cli/run.ts'
import type { AttemptRow } from '../../src/terms.ts'
import { ADMIN_TOKEN, listen, openRig, type Rig } from '../admin/rig.ts'
import { ANTHROPIC_COST, ANTHROPIC_USAGE, OPENAI_COST, OPENAI_USAGE } from '../ledger/exports.ts'

let rig: Rig
let server: Awaited<ReturnType<typeof listen>>

async function say(...args: string[]) {
  const said = { out: '', err: '' }
  const code = await run([...args, '--url', server.origin, '--token', ADMIN_TOKEN], {
    env: {},
    out: text => {
      said.out += text
    },
    err: text => {
      said.err += text
    },
    readStdin: async () => undefined,
  })
  return { code, ...said }
}

const file = (name: string, text: string): string => {
  const path = join(rig.folder, name)
  writeFileSync(path, text)
  return path
}

const usage = (inputTokens: number, outputTokens: number): AttemptRow['usage'] => ({
  inputTokens,
  cacheReadInputTokens: 0,
  cacheCreationInputTokens: 0,
  outputTokens,
  reasoningOutputTokens: 0,
})

beforeAll(async () => {
  rig = await openRig(Date.UTC(2026, 10, 20, 10))
  server = await listen(rig)
  const { key } = await rig.deps.keys.create({ name: 'k' })
  rig.spend(key, { model: 'gpt-5', usage: usage(5_000, 1_700), costNanoUsd: 1 })
  rig.spend(key, { model: 'gpt-5', usage: usage(212, 73), costNanoUsd: 1 })
  rig.spend(key, { model: 'gpt-5-nano', usage: null, costNanoUsd: 503_835_980 })
  rig.spend(key, { provider: 'anthropic', model: 'claude-sonnet-4-5', usage: usage(62_979, 17_000) })
  rig.spend(key, {
    provider: 'anthropic',
    model: 'claude-haiku-4-5',
    usage: usage(1, 1),
    costNanoUsd: 35_000_000,
  })
  rig.nowMs += 86_400_000
  rig.spend(key, { model: 'gpt-5-mini', usage: usage(10, 25), costNanoUsd: 1 })
  rig.spend(key, { provider: 'azure-eu', model: 'gpt-5', usage: usage(1, 1) })
  rig.nowMs += 3 * 3_600_000
})
afterAll(async () => {
  await server.close()
  await rig.close()
})

describe('reconcile', () => {
  it('shows both sides and the drift by day and model, and says whether they agree', async () => {
    const said = await say('reconcile', file('openai.csv', OPENAI_USAGE), '--json')
    const told = JSON.parse(said.out)
    expect(told).toMatchObject({ format: 'openai-usage', provider: 'openai', agrees: true })
    expect(said.code).toBe(0)
    const line = (model: string) => told.data.find((entry: { model: string }) => entry.model === model)
    expect(line('gpt-5')).toMatchObject({
      day: '2026-11-20',
      theirs: { requests: 5, input_tokens: 5_212, output_tokens: 1_773 },
      ours: { requests: 2, input_tokens: 5_212, output_tokens: 1_773 },
      drift: { requests: -3, input_tokens: 0, output_tokens: 0 },
      drift_percent: 0,
    })
    expect(line('gpt-5-mini')).toMatchObject({
      day: '2026-11-21',
      drift: { output_tokens: 5 },
      drift_percent: 16.67,
    })
    expect(line('gpt-5-nano')).toMatchObject({ theirs: null })
  })

  it('compares money where the export has money', async () => {
    const openai = JSON.parse((await say('reconcile', file('cost.csv', OPENAI_COST), '--json')).out)
    const nano = openai.data.find((entry: { model: string }) => entry.model === 'gpt-5-nano')
    expect(nano).toMatchObject({ theirs: { cost_usd: 0.50383598 }, drift: { cost_usd: 0 }, drift_percent: 0 })
    const said = await say('reconcile', file('claude.csv', ANTHROPIC_COST), '--json')
    const haiku = JSON.parse(said.out).data.find((entry: { model: string }) => entry.model.includes('haiku'))
    expect(haiku).toMatchObject({ theirs: { cost_usd: 0.07 }, ours: { cost_usd: 0.035 }, drift_percent: -50 })
  })

  it('prints a table, and fails beyond the tolerance', async () => {
    const path = file('anthropic.csv', ANTHROPIC_USAGE)
    const said = await say('reconcile', path)
    expect(said.code).toBe(0)
    expect(said.out).toMatch(/DAY +MODEL +TOKENS IN THEIRS +OURS +TOKENS OUT THEIRS +OURS +DRIFT/)
    expect(said.out).toMatch(/2026-11-20 +claude-sonnet-4-5 .* 0\.00%\n/)
    expect((await say('reconcile', path, '--tolerance', '0.001')).code).toBe(1)
    expect((await say('reconcile', path, '--tolerance', 'much')).code).toBe(64)
  })

  it('names the providers that there are when the file’s is not one of them', async () => {
    const said = await say('reconcile', file('o.csv', OPENAI_USAGE), '--provider', 'azure')
    expect(said.code).toBe(1)
    expect(said.err).toMatch(/nothing of a provider called azure .*it has: .*azure-eu.*--provider/)
  })

  it('says what is wrong with a file', async () => {
    expect(await say('reconcile', '/nowhere/at/all.csv')).toMatchObject({ code: 64 })
    const said = await say('reconcile', file('letter.csv', 'dear aunt,\n'))
    expect(said).toMatchObject({ code: 1 })
    expect(said.err).toMatch(/letter\.csv: not an export that is known here/)
    expect((await say('reconcile', file('empty.csv', ANTHROPIC_COST.split('\n')[0] ?? ''))).err).toMatch(
      /no use in it/,
    )
  })
})

describe('doctor --ledger', () => {
  it('is content with a ledger that nobody touched, in words and as JSON', async () => {
    const said = await say('doctor', '--ledger')
    expect(said.code, said.out).toBe(0)
    expect(said.out).toMatch(
      /✓ rows = hourly sums: \d+ compared, 0 differ; not looked at: \S+-now, a gateway works with it\n/,
    )
    const told = JSON.parse((await say('doctor', '--ledger', '--json')).out)
    expect(told.ok).toBe(true)
    expect(told.checks).toHaveLength(8)
  })

  it('prints what differs, and fails', async () => {
    const database = new Database(join(rig.folder, 'switchgate.db'))
    database.prepare('update key_use set spent_nano_usd = spent_nano_usd + 3').run()
    database.close()
    const said = await say('doctor', '--ledger', '--since', '2026-11-21T00:00:00Z')
    expect(said.code).toBe(1)
    expect(said.out).toMatch(
      /✗ key totals = daily sums: 1 compared, 1 differ\n {4}key=\w+: costNanoUsd is \d+ nano-USD, should be \d+ nano-USD\n/,
    )
    expect((await say('doctor', '--since', '2026-11-21')).code).toBe(64)
    const lately = await say('doctor', '--ledger', '--since', 'lately')
    expect([lately.code, lately.err]).toEqual([64, expect.stringContaining('--since')])
  })
})
