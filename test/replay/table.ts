/** What a replay came to, for people: a row a provider and wire, what was not replayed, and why differences are right. */
import type { Corpus } from './corpus.ts'
import { IN_WIRES } from './judges.ts'
import type { Verdict } from './replay.ts'

const WIDTHS = [20, 12, 11, 12, 14, 14, 12, 11]
const row = (cells: readonly (string | number)[]): string =>
  cells
    .map((cell, i) => (i < 2 ? String(cell).padEnd(WIDTHS[i] ?? 0) : String(cell).padStart(WIDTHS[i] ?? 0)))
    .join('')

export function table(corpus: Corpus, verdicts: readonly Verdict[]): string {
  const groups = Map.groupBy(corpus.cases, one => `${one.provider} ${one.wire}`)
  const byGroup = Map.groupBy(verdicts, ({ one }) => `${one.provider} ${one.wire}`)
  const lines = [
    row(['provider', 'answers in', 'recordings', ...IN_WIRES.map(wire => `${wire} in`), 'explained']),
  ]
  for (const [name, cases] of [...groups].sort(([a], [b]) => a.localeCompare(b))) {
    const [provider = '', wire = ''] = name.split(' ')
    const mine = byGroup.get(name) ?? []
    const passes = IN_WIRES.map(inWire => {
      const asked = mine.filter(verdict => verdict.inWire === inWire)
      return asked.length === 0 ? '–' : `${asked.filter(passed).length}/${asked.length}`
    })
    lines.push(
      row([provider, wire, cases.length, ...passes, mine.filter(one => one.reasons.length > 0).length]),
    )
  }
  const asked = verdicts.length
  lines.push(`${verdicts.filter(passed).length} of ${asked} askings pass`)
  for (const [why, ids] of corpus.left) lines.push(`not replayed: ${ids.length} × ${why}`)
  const reasons = Map.groupBy(
    verdicts.flatMap(verdict => verdict.reasons),
    why => why,
  )
  for (const [why, found] of reasons) lines.push(`explained: ${found.length} × ${why}`)
  return lines.join('\n')
}

const passed = ({ differences }: Verdict): boolean => differences.length === 0

/** A line for every asking whose answer differs without a reason. */
export const wantings = (verdicts: readonly Verdict[]): string[] =>
  verdicts
    .filter(verdict => !passed(verdict))
    .map(
      ({ one, inWire, differences }) =>
        `${one.id} ${one.provider} ${one.wire} → ${inWire} ${one.scenario}: ${differences.join('; ')}`,
    )
