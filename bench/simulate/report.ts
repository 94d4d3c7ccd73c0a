/** The simulator's report: a table for Markdown, a picture, an object for programs. Pure. */
import type { Bar } from './bars.ts'
import type { Comparison, Figures } from './compare.ts'
import { ORACLES } from './oracle.ts'
import { OURS } from './ours.ts'

export interface Results {
  readonly comparison: Comparison
  readonly bars: readonly Bar[]
}

const number = (value: number, digits = 0) =>
  value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
const seedsShown = (seeds: readonly number[]) => `${seeds[0]}–${seeds.at(-1)}`

const row = (figures: Figures): string => {
  const { name, what, requests, failures, faultShare, attemptsPerRequest, costRatio, p50Ms, p95Ms } = figures
  const isOurs = OURS.some(policy => policy.name === name)
  const cells = [
    isOurs ? `**${name}**` : name,
    what,
    number((failures / requests) * 100_000),
    `${number(faultShare * 100, 2)}%`,
    number(attemptsPerRequest, 3),
    number(costRatio, 3),
    number(p50Ms),
    number(p95Ms),
  ]
  return `| ${cells.join(' | ')} |`
}

export function markdown({ comparison, bars }: Results): string {
  const { seeds, requests, figures } = comparison
  return [
    `Days ${seedsShown(seeds)}, ${number(requests)} requests under each policy. Cost: of a served request, over the cheapest healthy choice, mean of the days.`,
    'First token: from the request’s arrival, failed attempts included; a failed request counts as never; means of the days’ percentiles.',
    '',
    '| Policy | | Failed requests in 100,000 | Failed attempts | Attempts for a request | Cost × | p50 ms | p95 ms |',
    '|---|---|---:|---:|---:|---:|---:|---:|',
    ...[...figures.values()].map(row),
    '',
    '| Bar | Found | |',
    '|---|---|---|',
    ...bars.map(
      ({ title, found, isPassed }) => `| ${title} | ${found} | ${isPassed ? 'passed' : '**missed**'} |`,
    ),
    '',
  ].join('\n')
}

export function text(results: Results): string {
  const { seeds, requests, figures } = results.comparison
  const lines = [...figures.values()].map(each =>
    [
      each.name.padEnd(16),
      `${number((each.failures / each.requests) * 100_000).padStart(6)} failed in 100,000`,
      `${number(each.faultShare * 100, 2).padStart(6)}% of attempts`,
      `cost × ${number(each.costRatio, 3)}`,
      `p50 ${number(each.p50Ms).padStart(6)} ms`,
      `p95 ${number(each.p95Ms).padStart(6)} ms`,
    ].join('  '),
  )
  const verdicts = results.bars.map(
    ({ title, found, isPassed }) => `${isPassed ? 'PASS' : 'FAIL'}  ${title}: ${found}`,
  )
  return [`Days ${seedsShown(seeds)}, ${number(requests)} requests`, ...lines, '', ...verdicts, ''].join('\n')
}

export function json({ comparison, bars }: Results): object {
  const { seeds, requests, figures } = comparison
  return { seeds, requests, policies: [...figures.values()], bars }
}

const WIDTH = 860
const HEIGHT = 520
const FRAME = { left: 70, right: 170, top: 40, bottom: 60 } as const

/** A logarithmic axis: value → pixels, and round values to mark. */
function axis(values: readonly number[], from: number, to: number) {
  const low = Math.min(...values) * 0.92
  const high = Math.max(...values) * 1.08
  const at = (value: number) => from + ((to - from) * Math.log(value / low)) / Math.log(high / low)
  const steps = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8]
  const marks = [0.1, 1, 10, 100, 1_000, 10_000]
    .flatMap(power => steps.map(step => step * power))
    .filter(mark => mark >= low && mark <= high)
  return { at, marks }
}

function dot(figures: Figures, x: number, y: number): string {
  const { name, costRatio, p95Ms, failures, requests } = figures
  const isOurs = OURS.some(policy => policy.name === name)
  const isOracle = ORACLES.some(policy => policy.name === name)
  const fill = isOurs ? '#0b6e4f' : isOracle ? '#9aa0a6' : '#c2571a'
  // area by failures
  const radius = Math.max(4, Math.sqrt((failures / requests) * 100_000) / 2)
  const told = `${name}: cost ${costRatio.toFixed(3)}, p95 ${p95Ms.toFixed(0)} ms, ${failures} failed`
  return [
    `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${radius.toFixed(1)}" fill="${fill}" fill-opacity="0.75"><title>${told}</title></circle>`,
    `<text x="${(x + radius + 4).toFixed(1)}" y="${(y + 4).toFixed(1)}"${isOurs ? ' font-weight="bold"' : ''}>${name}</text>`,
  ].join('\n')
}

/** Cost against the slow first token, lower left is better; the dot's area shows failed requests. */
export function picture({ comparison }: Results): string {
  const all = [...comparison.figures.values()].filter(({ p95Ms }) => Number.isFinite(p95Ms))
  const x = axis(
    all.map(({ costRatio }) => costRatio),
    FRAME.left,
    WIDTH - FRAME.right,
  )
  const y = axis(
    all.map(({ p95Ms }) => p95Ms),
    HEIGHT - FRAME.bottom,
    FRAME.top,
  )
  const floor = HEIGHT - FRAME.bottom
  const grid = [
    ...x.marks.map(mark => {
      const px = x.at(mark).toFixed(1)
      return `<path d="M${px} ${FRAME.top}V${floor}" stroke="#ddd"/><text x="${px}" y="${floor + 18}" text-anchor="middle" fill="#555">${mark.toFixed(1)} ×</text>`
    }),
    ...y.marks.map(mark => {
      const py = y.at(mark).toFixed(1)
      return `<path d="M${FRAME.left} ${py}H${WIDTH - FRAME.right}" stroke="#ddd"/><text x="${FRAME.left - 8}" y="${py}" dy="4" text-anchor="end" fill="#555">${number(mark)}</text>`
    }),
  ]
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="13" role="img">`,
    '<title>Routing policies: cost against the 95th percentile of the first token</title>',
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    ...grid,
    `<text x="${FRAME.left}" y="${FRAME.top - 16}" fill="#222">First token, p95 (ms); area of a dot: failed requests; lower left is better</text>`,
    `<text x="${(FRAME.left + WIDTH - FRAME.right) / 2}" y="${HEIGHT - 14}" text-anchor="middle" fill="#222">Cost of a served request over the cheapest healthy choice</text>`,
    ...all.map(each => dot(each, x.at(each.costRatio), y.at(each.p95Ms))),
    '</svg>',
    '',
  ].join('\n')
}
