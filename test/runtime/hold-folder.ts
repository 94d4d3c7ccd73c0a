/** A process of its own that opens a data folder: says `held` and waits, or says why it may not. Used by folder.test.ts. */
import { openDataFolder } from '../../src/runtime/node/folder.ts'

try {
  openDataFolder(process.argv[2] ?? '', () => {})
  process.stdout.write('held\n')
  setInterval(() => {}, 1000)
} catch (error) {
  process.stdout.write(`${(error as Error).name}: ${(error as Error).message}\n`)
}
