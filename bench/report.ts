/** The benchmark's report: a table for people, an object for programs. Pure. */
import { type Bar, bars, median, ratio, type Ratio, type Row, SPREAD_MAX, spread } from './figures.ts'
import type { Results } from './measure.ts'
import type { TargetName } from './targets.ts'

/** Where and how it was measured. */
export interface Setting {
  readonly node: string
  readonly cpu: string
  readonly cores: number
  readonly isPinned: boolean
  readonly hasCpuFigures: boolean
  readonly size: string
  readonly missing: readonly string[]
}

/** Every side that others are compared with. */
const SIDES = ['raw', 'portkey'] as const satisfies readonly TargetName[]

function figure(value: number): string {
  const size = Math.abs(value)
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : 2
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

const percent = (share: number) => `±${Math.round(share * 100)}%`

function shown(found: Ratio | undefined): string {
  if (found === undefined) return '–'
  return `${found.value.toFixed(2)}${found.isSteady ? ' ' : '?'}`
}

function table(row: Row): string[] {
  const lines = [`${row.title} (${row.unit})`]
  let isUnsteady = false
  for (const [name, rounds] of row.rounds) {
    const ratios = SIDES.map(side => ratio(row, name, side))
    isUnsteady ||= ratios.some(each => each?.isSteady === false)
    const cells = [
      `  ${name.padEnd(11)}`,
      figure(median(rounds)).padStart(10),
      (rounds.length > 1 ? percent(spread(rounds)) : '').padStart(7),
      ...ratios.map((each, i) => `${shown(each).padStart(9)} × ${SIDES[i]}`),
    ]
    lines.push(cells.join(' '))
  }
  if (isUnsteady)
    lines.push(`  ? rounds of one side spread more than ${percent(SPREAD_MAX)}: a hint, no finding`)
  return lines
}

function verdict(bar: Bar): string {
  if (bar.ratio === undefined || bar.isPassed === undefined) return `  not measured  ${bar.title}`
  const { value, rounds, min, max, isSteady, spread: wide } = bar.ratio
  const doubt = isSteady ? '' : `; unsteady, rounds spread ${percent(wide)}`
  return `  ${bar.isPassed ? 'PASS' : 'FAIL'}  ${bar.title}: ${value.toFixed(2)} (${rounds} rounds, ${min.toFixed(2)} to ${max.toFixed(2)}${doubt})`
}

/** True when every byte and every row was right and no bar was missed. */
export function isGood(results: Results): boolean {
  return results.faults.length === 0 && bars(results.rows).every(bar => bar.isPassed !== false)
}

export function reportText(results: Results, setting: Setting): string {
  const sent = Object.entries(results.sent).map(([name, count]) => `${name} ${count.toLocaleString('en')}`)
  return [
    `Switchgate benchmark (${setting.size}), Node ${setting.node}, ${setting.cores} × ${setting.cpu}`,
    setting.isPinned
      ? 'Each target on one core, mock upstream and load generator on another. Medians of interleaved rounds.'
      : 'Not pinned to cores (taskset is missing): targets compete with the load. Medians of interleaved rounds.',
    ...(setting.hasCpuFigures ? [] : ['CPU time and memory need Linux’ /proc: not measured here.']),
    ...setting.missing.map(reason => `Missing: ${reason}.`),
    '',
    ...results.rows.filter(row => row.rounds.size > 0).flatMap(row => [...table(row), '']),
    `Requests sent: ${sent.join(', ')}`,
    ...results.notes.map(note => `Note: ${note}`),
    results.faults.length === 0
      ? 'PASS  every answer equal to the upstream’s, no failed request, ledger rows and tokens equal to what was served'
      : ['FAIL  correctness', ...results.faults.map(fault => `  ${fault}`)].join('\n'),
    'Bars',
    ...bars(results.rows).map(verdict),
    '',
  ].join('\n')
}

export function reportJson(results: Results, setting: Setting): object {
  const figures = results.rows.map(row => ({
    id: row.id,
    title: row.title,
    unit: row.unit,
    targets: Object.fromEntries(
      [...row.rounds].map(([name, rounds]) => [
        name,
        {
          median: median(rounds),
          spread: rounds.length > 1 ? spread(rounds) : null,
          rounds,
          ...Object.fromEntries(SIDES.map(side => [`to_${side}`, ratio(row, name, side) ?? null])),
        },
      ]),
    ),
  }))
  const { faults, notes, sent } = results
  return {
    setting,
    figures,
    sent,
    correctness: { passed: faults.length === 0, faults, notes },
    bars: bars(results.rows),
  }
}
