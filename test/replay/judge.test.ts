/**
 * All recordings through a gateway, judged by the Vercel AI SDK's provider packages: what a package reads in the recorded bytes
 * it must read from the gateway too, whichever wire it asks in. Each recording is asked for in two wires that take turns;
 * `npm run replay [folder]` asks in all of them, and takes other recordings.
 */
import { expect, test } from 'vitest'
import { HOME, readCorpus } from './corpus.ts'
import { replay } from './replay.ts'
import { table, wantings } from './table.ts'

const corpus = readCorpus(HOME)
const ALL = process.env.SWITCHGATE_REPLAY === 'all'

test.runIf(corpus.cases.length === 0)('no recordings are here', () => {
  process.stdout.write(`replay: skipped, no recordings (*.jsonl) at ${HOME} (set SWITCHGATE_FIXTURES)\n`)
})

test.skipIf(corpus.cases.length === 0)(
  'every caller is told what the provider answered',
  async () => {
    const verdicts = await replay(corpus, ALL)
    process.stdout.write(`${table(corpus, verdicts)}\n`)
    expect(wantings(verdicts)).toEqual([])
  },
  1_200_000,
)
