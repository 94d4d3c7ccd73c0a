/** Files that only this user may read, flushed to the disk: keys and what is shown once. */
import { closeSync, constants, fsyncSync, openSync, writeSync } from 'node:fs'

/** Windows knows no modes. */
export const hasModes = process.platform !== 'win32'

/** Mode 0600. Throws EEXIST when it is there. */
export function writeNew(path: string, text: string): void {
  const file = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** What was made, renamed or removed in a folder survives a power cut from here on. */
export function syncFolder(path: string): void {
  if (!hasModes) return
  const folder = openSync(path, constants.O_RDONLY)
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
