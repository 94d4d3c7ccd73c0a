/** `npm run replay [folder]`: every recording of a folder (*.jsonl) through a gateway, in every wire; prints what passed, ends with 1 if anything did not. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { startVitest } from 'vitest/node'

const folder = process.argv[2] ?? process.env.SWITCHGATE_FIXTURES
if (folder !== undefined && !existsSync(folder)) {
  process.stderr.write(`${folder}: there is no such folder\n`)
  process.exit(1)
}
process.env.SWITCHGATE_REPLAY = 'all'
if (folder !== undefined) process.env.SWITCHGATE_FIXTURES = resolve(folder)
const vitest = await startVitest('test', ['test/replay/judge.test.ts'], { watch: false, reporters: ['dot'] })
await vitest.close()
