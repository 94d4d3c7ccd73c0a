/**
 * The sixteen scenarios as a test: a quick form in every run, the published timing with `npm run test:failover`, which prints
 * the tables too.
 */
import { describe, expect, test } from 'vitest'
import { BESIDE, type Guarantee, type Judged, runScenarios, SCENARIOS, tableOf } from './scenarios.ts'

const full = process.env.SWITCHGATE_FAILOVER === 'full'
/** A stream whose first content has gone out can only end honestly. */
const BROKEN_LATE = ['S08', 'S09', 'S14']

const RUNS: readonly (readonly [string, Guarantee, boolean, readonly string[]])[] = [
  ['defaults, whole answers', 'fast', false, []],
  ['defaults, streamed', 'fast', true, BROKEN_LATE],
  ['stream_guarantee: settled, streamed', 'settled', true, []],
  ['stream_guarantee: complete, streamed', 'complete', true, []],
]

describe.concurrent('sixteen ways to fail', () => {
  test.each(RUNS)(
    '%s',
    async (title, guarantee, stream, safe) => {
      const judged = await runScenarios({ quick: !full, guarantee, stream })
      if (full) process.stderr.write(`\n${title}\n\n${tableOf(judged)}\n`)
      expect(judged).toHaveLength(SCENARIOS.length + BESIDE.length)
      const of = (verdict: Judged['verdict']) =>
        judged.filter(one => one.verdict === verdict).map(one => one.id)
      const shown = judged.filter(one => one.verdict !== 'pass' && !safe.includes(one.id))
      expect(shown).toEqual([])
      expect(of('safe')).toEqual(safe)
      expect(of('fail')).toEqual([])
    },
    200_000,
  )
})
