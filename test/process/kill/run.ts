/** `npm run test:kill [rounds]`: fifty rounds of kill -9 with a hundred requests in flight, as a table. Needs the build in dist/. */
import { playRounds, POINTS } from './rounds.ts'
import { faultsOf, header, lineOf, summaryOf } from './table.ts'

const count = Number(process.argv[2] ?? 50)
const points = Array.from({ length: count }, (_, n) => POINTS[n % POINTS.length] ?? 'any instant')
process.stdout.write(`${header}\n`)
const rounds = await playRounds(points, (round, n) => process.stdout.write(`${lineOf(round, n)}\n`))
process.stdout.write(`\n${summaryOf(rounds)}\n`)
const faults = rounds.flatMap((round, n) => faultsOf(round).map(fault => `round ${n + 1}: ${fault}`))
for (const fault of faults) process.stdout.write(`${fault}\n`)
process.exitCode = faults.length === 0 ? 0 : 1
