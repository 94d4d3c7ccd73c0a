/**
 * Replaces the master key of a folder again and again, until it is killed: `node rotate-child.ts <folder>`. With a step
 * named (`staged`, `rewrapped`, `replaced`), it kills itself there in its first rotation. Says the fingerprint after each.
 */
import { join } from 'node:path'
import { nodeClock } from '../../src/runtime/node/clock.ts'
import { nodeRandomBytes } from '../../src/runtime/node/digest.ts'
import { openDataFolder, readMasterKey } from '../../src/runtime/node/folder.ts'
import { rotateMasterKey } from '../../src/runtime/node/master-key.ts'
import { openSqlite } from '../../src/runtime/node/sqlite.ts'
import { expectedFingerprint } from '../../src/vault/keyring.ts'
import { createVault } from '../../src/vault/vault.ts'

const [path = '', lethal] = process.argv.slice(2)
const folder = openDataFolder(path, () => {})
const store = openSqlite(join(path, 'switchgate.db'))
const masterKey = readMasterKey({
  folder,
  env: {},
  expected: await expectedFingerprint(store),
  mayMake: false,
})
const vault = await createVault({
  store,
  masterKey: masterKey.key,
  clock: nodeClock,
  random: nodeRandomBytes,
  readRef: () => Promise.reject(new Error('none')),
  log: () => {},
})
process.stdout.write('ready\n')
for (;;) {
  const reached = (step: string) => {
    if (step === lethal) process.kill(process.pid, 'SIGKILL')
  }
  const { to } = await rotateMasterKey({ vault, store, masterKey, given: undefined, reached })
  process.stdout.write(`${to}\n`)
}
