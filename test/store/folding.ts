/** A program that folds batches into the database named on its command line until it is killed, and prints each batch that is done. */
import { openSqlite } from '../../src/runtime/node/sqlite.ts'
import { attemptRow, T0 } from './rows.ts'

const [path = '', round = ''] = process.argv.slice(2)
const store = openSqlite(path)
for (let batch = 0; ; batch++) {
  const rows = Array.from({ length: 16 }, (_, n) =>
    attemptRow({
      requestId: `req_${round}_${String(batch).padStart(6, '0')}_${n}`,
      keyId: `key00000000${n % 3}`,
      createdAtMs: T0 + batch,
      costNanoUsd: 1 + n,
    }),
  )
  await store.fold(rows, row => [{ window: 'total', bucketStartMs: 0 * row.attempt }])
  process.stdout.write(`${batch}\n`)
  // Gives the pipe a turn, so that what was printed was also sent.
  await new Promise(resolve => setImmediate(resolve))
}
