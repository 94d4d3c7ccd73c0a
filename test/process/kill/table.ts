/** What must hold after each round of kill -9, and how a round is printed. */
import { usdFromNano } from '../../../src/price.ts'
import type { Round } from './rounds.ts'

/** What is wrong with a round; empty = served ≤ ledger ≤ served + open holds, and no acknowledged settlement lost. */
export function faultsOf(round: Round): string[] {
  const { servedNanoUsd, ledgerNanoUsd, unknownNanoUsd, lost } = round
  const faults: string[] = []
  if (lost.length > 0)
    faults.push(`${lost.length} answered requests are not in the ledger as they were: ${lost[0]}`)
  if (ledgerNanoUsd < servedNanoUsd) faults.push(`served ${servedNanoUsd} > ledger ${ledgerNanoUsd}`)
  if (ledgerNanoUsd > servedNanoUsd + unknownNanoUsd)
    faults.push(`ledger ${ledgerNanoUsd} > served ${servedNanoUsd} + open holds ${unknownNanoUsd}`)
  return faults
}

const COLUMNS = [
  'round',
  'killed',
  'in flight',
  'answered',
  'served $',
  'ledger $',
  'of it held $',
  'open holds',
  'restart ms',
  '',
]
const WIDTHS = [5, 13, 9, 8, 11, 11, 12, 10, 10, 5]
const line = (cells: readonly string[]) => cells.map((cell, i) => cell.padStart(WIDTHS[i] ?? 0)).join('  ')

export const header = line(COLUMNS)

export function lineOf(round: Round, n: number): string {
  return line([
    String(n),
    round.point,
    String(round.inFlight),
    String(round.answered),
    usdFromNano(round.servedNanoUsd),
    usdFromNano(round.ledgerNanoUsd),
    usdFromNano(round.unknownNanoUsd),
    String(round.openHolds),
    round.restartMs.toFixed(0),
    faultsOf(round).length === 0 ? 'ok' : 'FAULT',
  ])
}

export function summaryOf(rounds: readonly Round[]): string {
  const sum = (pick: (round: Round) => number) => rounds.reduce((total, round) => total + pick(round), 0)
  const restarts = rounds.map(round => round.restartMs).sort((a, b) => a - b)
  const worst = restarts.at(-1) ?? 0
  return [
    `${rounds.length} rounds, ${sum(round => round.answered)} answers acknowledged, ${sum(round => round.lost.length)} lost`,
    `served $${usdFromNano(sum(round => round.servedNanoUsd))} ≤ ledger $${usdFromNano(sum(round => round.ledgerNanoUsd))} ≤ served + open holds $${usdFromNano(sum(round => round.servedNanoUsd + round.unknownNanoUsd))}`,
    `restart to ready: median ${(restarts[Math.floor(restarts.length / 2)] ?? 0).toFixed(0)} ms, worst ${worst.toFixed(0)} ms`,
  ].join('\n')
}
