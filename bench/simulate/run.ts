/**
 * `npm run simulate`: days of traffic over targets that change, under Switchgate's strategies, peers' rules and oracles.
 * `--seeds a-b` chooses the days (default 1001-1020, which nothing was tuned on; 1-20 are for tuning), `--json` prints an
 * object, `--write` puts table and picture into ROUTING.md. Exit code 1 when a bar was missed. Progress goes to stderr.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { dayBars, drillBars } from './bars.ts'
import { compare } from './compare.ts'
import { json, markdown, picture, type Results, text } from './report.ts'

const PAGE = new URL('../../ROUTING.md', import.meta.url)
const PICTURE = new URL('./routing.svg', import.meta.url)
const [OPEN, CLOSE] = ['<!-- simulate -->', '<!-- /simulate -->']

function seedsOf(range: string): number[] {
  const [, from, to = from] = /^(\d+)(?:-(\d+))?$/.exec(range) ?? []
  const [first, last] = [Number(from), Number(to)]
  if (!(first >= 0 && last >= first && last - first < 1_000))
    throw new Error(`--seeds: "${range}" is no range like 1-20 (at most 1,000 days)`)
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

function write(results: Results): void {
  const page = readFileSync(PAGE, 'utf8')
  const [before, rest] = page.split(OPEN)
  const after = rest?.split(CLOSE)[1]
  if (before === undefined || after === undefined) throw new Error(`ROUTING.md has no ${OPEN} … ${CLOSE}`)
  writeFileSync(PAGE, `${before}${OPEN}\n${markdown(results)}${CLOSE}${after}`)
  writeFileSync(PICTURE, picture(results))
}

function main(): number {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '1001-1020' },
      json: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
    },
  })
  const seeds = seedsOf(values.seeds)
  const startedMs = performance.now()
  const say = (line: string) => {
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(0)
    process.stderr.write(`simulate ${seconds.padStart(4)} s  ${line}\n`)
  }
  const comparison = compare(seeds, undefined, seed => say(`day ${seed}`))
  say('drills')
  const bars = [...dayBars(comparison), ...drillBars(seeds.slice(0, DRILL_SEEDS))]
  const results: Results = { comparison, bars }
  if (values.write) write(results)
  process.stdout.write(values.json ? `${JSON.stringify(json(results), null, 2)}\n` : text(results))
  return bars.every(({ isPassed }) => isPassed) ? 0 : 1
}

/** Drills are short: some seeds show what there is to see. */
const DRILL_SEEDS = 5

process.exitCode = main()
