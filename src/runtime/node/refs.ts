/** Reads secrets that live outside the vault: a variable of the environment, a file. */
import { constants } from 'node:fs'
import { open, realpath } from 'node:fs/promises'
import { isAbsolute, relative } from 'node:path'
import type { ReadRef } from '../../vault/ref.ts'

export interface RefOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Never read from: the data folder with the master key and the database. */
  readonly privateFolder: string
}

const FILE_BYTES_MAX = 65_536

const isWithin = (folder: string, path: string): boolean => {
  const way = relative(folder, path)
  return way === '' || (!way.startsWith('..') && !isAbsolute(way))
}

async function readSecretFile(path: string, privateFolder: string): Promise<string> {
  const fail = (why: string): Error => new Error(`file://${path} ${why}`)
  // Resolved first: a link into the data folder is the data folder.
  const real = await realpath(path).catch(() => {
    throw fail('does not exist or may not be read: put the secret there, readable by the gateway’s user')
  })
  const fence = await realpath(privateFolder).catch(() => privateFolder)
  if (isWithin(fence, real)) throw fail('lies in the data folder, which holds no provider secrets')
  // Non-blocking: a named pipe would hold a thread until somebody writes to it.
  const file = await open(real, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch(() => {
    throw fail('may not be read: let the gateway’s user read it')
  })
  try {
    const stat = await file.stat()
    if (!stat.isFile()) throw fail('is not a plain file')
    const buffer = new Uint8Array(FILE_BYTES_MAX + 1)
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
    if (bytesRead > FILE_BYTES_MAX) throw fail(`is larger than ${FILE_BYTES_MAX} bytes`)
    return new TextDecoder().decode(buffer.subarray(0, bytesRead)).replace(/[\r\n]+$/, '')
  } finally {
    await file.close()
  }
}

/** A reader of `env://` and `file://` references. Rejects with an error that names the reference, never the content. */
export function createReadRef({ env, privateFolder }: RefOptions): ReadRef {
  return async ref => {
    if (ref.scheme === 'file') return readSecretFile(ref.path, privateFolder)
    if (ref.scheme === 'cloud') return ref.text
    const value = env[ref.name]
    if (value === undefined || value === '')
      throw new Error(
        `env://${ref.name} is not set: set ${ref.name} in the environment of the gateway and start it again`,
      )
    return value
  }
}
