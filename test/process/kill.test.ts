/** kill -9 of a whole gateway at each named point, once: the quick form of `npm run test:kill`. Needs the build in dist/. */
import { expect, it } from 'vitest'
import { playRounds, POINTS } from './kill/rounds.ts'
import { faultsOf, lineOf } from './kill/table.ts'

it('killed at every named point with a hundred requests in flight: nothing acknowledged is lost', {
  timeout: 600_000,
}, async () => {
  const lines: string[] = []
  const rounds = await playRounds(POINTS, (round, n) => lines.push(lineOf(round, n)))
  expect(rounds.map(round => round.point)).toEqual([...POINTS])
  for (const round of rounds) {
    expect({ faults: faultsOf(round), lines }).toMatchObject({ faults: [] })
    expect(round.restartMs).toBeLessThan(20_000)
    expect(round.inFlight).toBe(100)
  }
  const sum = (pick: (round: (typeof rounds)[number]) => number) =>
    rounds.reduce((all, one) => all + pick(one), 0)
  // a test in which nothing was under way, or nothing answered, would prove nothing
  expect(sum(round => round.openHolds)).toBeGreaterThan(50)
  expect(sum(round => round.answered)).toBeGreaterThan(100)
})
