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
/** Chat in every wire; what has a route of its own; and what is compared with our own reading. */
const SUITES = ['judge', 'plain', 'embeddings', 'metered', 'count', 'lists'].map(
  name => `test/replay/${name}.test.ts`,
)
const vitest = await startVitest('test', SUITES, { watch: false, reporters: ['dot'] })
await vitest.close()
