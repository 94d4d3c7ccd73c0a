/** The data folder with real files and real processes: its modes, its lock, its master key. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type DataFolder, FolderInUse, openDataFolder, readMasterKey } from '../../src/runtime/node/folder.ts'
import { createReadRef } from '../../src/runtime/node/refs.ts'
import { bytes, temporary } from '../keys/parts.ts'

const script = fileURLToPath(new URL('./hold-folder.ts', import.meta.url))
const children: ChildProcess[] = []
let root: ReturnType<typeof temporary>
let held: DataFolder[] = []
beforeEach(() => {
  root = temporary()
})
afterEach(async () => {
  for (const child of children.splice(0))
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  for (const folder of held) folder.release()
  held = []
  root.clean()
})

const openFolder = (name = 'data'): DataFolder => {
  const folder = openDataFolder(join(root.path, name), () => {})
  held.push(folder)
  return folder
}
const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8)

/** First line of another process that opens the folder. */
async function elsewhere(path: string): Promise<{ child: ChildProcess; says: string }> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, path], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.stderr.pipe(process.stderr)
  children.push(child)
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return { child, says: line.toString().trim() }
}

test('the folder is made private, with its parents', () => {
  const folder = openFolder('a/b/data')
  expect(mode(folder.path)).toBe('700')
  for (const name of ['lock', 'lock-journal', 'lock.pid']) expect(mode(folder.file(name)), name).toBe('600')
  folder.release()
  // as an earlier version made it
  chmodSync(folder.file('lock'), 0o644)
  expect(mode(openFolder('a/b/data').file('lock'))).toBe('600')
})

test('a folder that others can read is made private', () => {
  const path = join(root.path, 'data')
  mkdirSync(path, { mode: 0o755 })
  chmodSync(path, 0o755)
  openFolder()
  expect(mode(path)).toBe('700')
})

test('a file in its place is refused by name', () => {
  writeFileSync(join(root.path, 'data'), '')
  expect(() => openFolder()).toThrow(/data/)
})

describe('the lock', () => {
  test('a second gateway is refused, naming the process, and let in once the first ends', async () => {
    const path = join(root.path, 'data')
    const first = await elsewhere(path)
    expect(first.says).toBe('held')
    const second = await elsewhere(path)
    expect(second.says).toBe(
      `FolderInUse: ${path} is in use by process ${first.child.pid}. One gateway at a time: stop that one, or set SWITCHGATE_DATA to another folder.`,
    )
    expect(() => openFolder()).toThrow(FolderInUse)
    // kill -9 leaves the files behind; the lock goes with the process.
    first.child.kill('SIGKILL')
    await once(first.child, 'exit')
    expect(existsSync(join(path, 'lock.pid'))).toBe(true)
    openFolder()
    expect((await elsewhere(path)).says).toContain(`in use by process ${process.pid}`)
  })

  test('of ten that start at once exactly one gets it', async () => {
    const path = join(root.path, 'data')
    const all = await Promise.all(Array.from({ length: 10 }, () => elsewhere(path)))
    expect(all.filter(each => each.says === 'held')).toHaveLength(1)
    expect(all.filter(each => each.says.startsWith('FolderInUse'))).toHaveLength(9)
  })

  test('release gives it free in the same process', () => {
    const folder = openFolder()
    expect(() => openFolder()).toThrow(FolderInUse)
    folder.release()
    folder.release()
    openFolder()
  })
})

test('writeNew: private, and never over something', () => {
  const folder = openFolder()
  const path = folder.writeNew('first-start.txt', 'hello')
  expect([mode(path), readFileSync(path, 'utf8')]).toEqual(['600', 'hello'])
  expect(() => folder.writeNew('first-start.txt', 'other')).toThrow(/EEXIST/)
  expect(readFileSync(path, 'utf8')).toBe('hello')
})

describe('the master key', () => {
  const read = (folder: DataFolder, env: Record<string, string> = {}, more = {}) =>
    readMasterKey({ folder, env, expected: undefined, mayMake: true, ...more })

  test('is made on the first start, 0600, and read on the next', () => {
    const folder = openFolder()
    const first = read(folder)
    expect(first).toMatchObject({ source: 'folder', made: true, path: folder.file('master.key') })
    expect(mode(folder.file('master.key'))).toBe('600')
    expect(first.key.reveal()).toHaveLength(32)
    const second = read(folder)
    expect(second.made).toBe(false)
    expect(second.key.reveal()).toEqual(first.key.reveal())
  })

  test('is never made when the database already has a keyring, nor with Postgres', () => {
    const folder = openFolder()
    expect(() => read(folder, {}, { expected: '41c0ffee' })).toThrow(
      /expects master key 41c0ffee.*put it back/,
    )
    expect(() => read(folder, {}, { mayMake: false })).toThrow(/must be set with Postgres/)
    expect(readdirSync(folder.path)).not.toContain('master.key')
  })

  test('comes from the file, then the variable, then the folder', () => {
    const folder = openFolder()
    read(folder)
    const [inFile, inEnv] = [bytes(32), bytes(32)]
    const path = join(root.path, 'key')
    writeFileSync(path, `${Buffer.from(inFile).toString('base64')}\n`, { mode: 0o600 })
    const env = {
      SWITCHGATE_MASTER_KEY_FILE: path,
      SWITCHGATE_MASTER_KEY: Buffer.from(inEnv).toString('base64'),
    }
    expect(read(folder, env)).toMatchObject({ source: 'file', path, made: false })
    expect(read(folder, env).key.reveal()).toEqual(inFile)
    const { SWITCHGATE_MASTER_KEY } = env
    expect(read(folder, { SWITCHGATE_MASTER_KEY })).toMatchObject({ source: 'environment', path: undefined })
    expect(read(folder, { SWITCHGATE_MASTER_KEY }).key.reveal()).toEqual(inEnv)
  })

  test('a file that others can read is refused with the cure', () => {
    const folder = openFolder()
    read(folder)
    for (const open of [0o640, 0o604, 0o644, 0o666]) {
      chmodSync(folder.file('master.key'), open)
      expect(() => read(folder)).toThrow(`chmod 600 ${folder.file('master.key')}`)
    }
    chmodSync(folder.file('master.key'), 0o400)
    expect(read(folder).made).toBe(false)
  })

  test('a missing, empty, wrong or odd file is refused, and what is in it is not repeated', async () => {
    const folder = openFolder()
    const path = join(root.path, 'key')
    const env = { SWITCHGATE_MASTER_KEY_FILE: path }
    expect(() => read(folder, env)).toThrow(/SWITCHGATE_MASTER_KEY_FILE: .*does not exist/)
    for (const text of [
      '',
      'CANARY-not-a-key',
      Buffer.from(bytes(16)).toString('base64'),
      'A'.repeat(10_000),
    ]) {
      writeFileSync(path, text, { mode: 0o600 })
      expect(() => read(folder, env)).toThrow(path)
      expect(() => read(folder, env)).not.toThrow(/CANARY/)
    }
    const pipe = join(root.path, 'pipe')
    await once(spawn('mkfifo', ['-m', '600', pipe]), 'exit')
    // A named pipe would hang a plain read for ever.
    expect(() => read(folder, { SWITCHGATE_MASTER_KEY_FILE: pipe })).toThrow(/is not a key file/)
    expect(() => read(folder, { SWITCHGATE_MASTER_KEY_FILE: root.path })).toThrow(
      /is not a key file|does not exist/,
    )
  })
})

describe('references', () => {
  test('a file is read without its line end, a variable as it is', async () => {
    const folder = openFolder()
    const readRef = createReadRef({ env: { A: 'x', EMPTY: '' }, privateFolder: folder.path })
    const path = join(root.path, 'secret')
    writeFileSync(path, 'sk-abc\r\n\n')
    expect(await readRef({ scheme: 'file', path })).toBe('sk-abc')
    expect(await readRef({ scheme: 'env', name: 'A' })).toBe('x')
    for (const name of ['EMPTY', 'GONE', 'constructor'].slice(0, 2))
      await expect(readRef({ scheme: 'env', name })).rejects.toThrow(`env://${name} is not set`)
  })

  test('the data folder is out of reach, by whatever path', async () => {
    const folder = openFolder()
    readMasterKey({ folder, env: {}, expected: undefined, mayMake: true })
    const readRef = createReadRef({ env: {}, privateFolder: folder.path })
    const link = join(root.path, 'link')
    const dirLink = join(root.path, 'dirlink')
    symlinkSync(folder.file('master.key'), link)
    symlinkSync(folder.path, dirLink)
    for (const path of [
      folder.file('master.key'),
      link,
      join(dirLink, 'master.key'),
      `${root.path}/x/../data/master.key`.replace('/x/..', ''),
      `${folder.path}//./master.key`,
    ])
      await expect(readRef({ scheme: 'file', path }), path).rejects.toThrow(/data folder/)
    // A neighbour whose name merely starts the same is no part of it.
    mkdirSync(`${folder.path}-other`)
    writeFileSync(`${folder.path}-other/key`, 'fine')
    expect(await readRef({ scheme: 'file', path: `${folder.path}-other/key` })).toBe('fine')
  })

  test('devices, pipes, folders, big and missing files are refused', async () => {
    const folder = openFolder()
    const readRef = createReadRef({ env: {}, privateFolder: folder.path })
    const big = join(root.path, 'big')
    writeFileSync(big, 'a'.repeat(65_537))
    const pipe = join(root.path, 'pipe')
    await once(spawn('mkfifo', [pipe]), 'exit')
    for (const path of [big, pipe, root.path, '/dev/zero', join(root.path, 'gone')])
      await expect(readRef({ scheme: 'file', path }), path).rejects.toThrow(path)
    writeFileSync(big, 'a'.repeat(65_536))
    expect(await readRef({ scheme: 'file', path: big })).toHaveLength(65_536)
  })
})
