/**
 * All recordings through a gateway, judged by the Vercel AI SDK's provider packages: what a package reads in the recorded bytes
 * it must read from the gateway too, whichever wire it asks in. Each recording is asked for in two wires that take turns;
 * `npm run replay [folder]` asks in all of them, and takes other recordings.
 */
import { beforeAll, describe, expect, test } from 'vitest'
import { failed, HOME, readCorpus } from './corpus.ts'
import { replay, type Verdict } from './replay.ts'
import { reportedNanoUsd } from './stated.ts'
import { table, wantings } from './table.ts'

const corpus = readCorpus(HOME)
const ALL = process.env.SWITCHGATE_REPLAY === 'all'

test.runIf(corpus.cases.length === 0)('no recordings are here', () => {
  process.stdout.write(`replay: skipped, no recordings (*.jsonl) at ${HOME} (set SWITCHGATE_FIXTURES)\n`)
})

describe.skipIf(corpus.cases.length === 0)('recordings through a gateway', () => {
  let verdicts: readonly Verdict[] = []
  beforeAll(async () => {
    verdicts = await replay(corpus, ALL)
  }, 1_200_000)

  test('every caller is told what the provider answered', () => {
    process.stdout.write(`${table(corpus, verdicts)}\n`)
    expect(wantings(verdicts)).toEqual([])
  })

  test('where a provider states its own cost, our bill differs by 0 nano-USD', () => {
    const stated = verdicts.filter(({ one }) => !failed(one) && reportedNanoUsd(one) !== undefined)
    process.stdout.write(`${stated.length} askings with a cost of the provider's own\n`)
    expect(stated.filter(({ differences }) => differences.some(each => each.startsWith('bill')))).toEqual([])
    if (process.env.SWITCHGATE_FIXTURES === undefined) expect(stated.length).toBeGreaterThan(50)
  })
})
