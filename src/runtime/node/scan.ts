/** Walks a folder, or a repository's history, for keys that stand where they should not. Reads only; never follows a link. Used by `switchgate scan`. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { findLeaks, type Leak, LITERALS } from '../../keys/leaks.ts'

export interface Finding {
  /** From the folder that was named. */
  readonly path: string
  readonly line: number
  /** Of the history; undefined = in a file as it is. */
  readonly commit: string | undefined
  readonly kind: string
  /** Public id of a key of ours. */
  readonly id: string | undefined
  /** First 6 hex digits of its SHA-256, as `credential list` shows them. */
  readonly fingerprint: string
}

export interface Scanned {
  readonly findings: Finding[]
  files: number
  bytes: number
  /** Files that are no text, and those that could not be read. */
  binary: number
  unreadable: number
}

/** What nobody writes by hand: other people's packages, and what version control keeps for itself. */
const PASSED_OVER = new Set(['node_modules', '.git', '.hg', '.svn', '.jj', '__pycache__', '.venv'])
const CHUNK = 1 << 20
/** Longer than any secret that is looked for. */
const OVERLAP = 1_024
const BINARY_LOOK = 8_192

const NEEDLES = LITERALS.map(literal => Buffer.from(literal))

const fingerprintOf = (secret: string): string =>
  createHash('sha256').update(secret, 'utf8').digest('hex').slice(0, 6)

/** A path may hold a secret as well as a file. */
function pathText(path: string): string {
  let text = path
  for (const { secret } of findLeaks(path)) text = text.replaceAll(secret, `[${fingerprintOf(secret)}]`)
  return text
}

const findingOf = (leak: Leak, path: string, line: number, commit?: string): Finding => ({
  path: pathText(path),
  line,
  commit,
  kind: leak.kind,
  id: leak.id,
  fingerprint: fingerprintOf(leak.secret),
})

function linesIn(buffer: Buffer, from: number, to: number): number {
  let count = 0
  for (let at = buffer.indexOf(10, from); at >= 0 && at < to; at = buffer.indexOf(10, at + 1)) count++
  return count
}

/** Looks at one piece; secrets are ASCII, so one byte a character is enough and keeps offsets. */
function lookAt(
  piece: Buffer,
  firstLine: number,
  until: number,
  found: (leak: Leak, line: number) => void,
): void {
  if (!NEEDLES.some(needle => piece.includes(needle))) return
  let [at, line] = [0, firstLine]
  for (const leak of findLeaks(piece.toString('latin1'))) {
    // what begins in the overlap is found whole in the next piece
    if (leak.at >= until) return
    line += linesIn(piece, at, leak.at)
    at = leak.at
    found(leak, line)
  }
}

function readInto(file: number, buffer: Buffer, from: number): number {
  let end = from
  while (end < buffer.length) {
    const read = readSync(file, buffer, end, buffer.length - end, null)
    if (read === 0) break
    end += read
  }
  return end
}

function scanFile(path: string, shown: string, buffer: Buffer, scanned: Scanned): void {
  const file = openSync(path, 'r')
  try {
    let [kept, line] = [0, 1]
    for (let first = true; ; first = false) {
      const end = readInto(file, buffer, kept)
      if (first && buffer.subarray(0, Math.min(end, BINARY_LOOK)).includes(0)) {
        scanned.binary++
        return
      }
      scanned.bytes += end - kept
      const isLast = end < buffer.length
      const until = isLast ? end : end - OVERLAP
      lookAt(buffer.subarray(0, end), line, until, (leak, at) =>
        scanned.findings.push(findingOf(leak, shown, at)),
      )
      if (isLast) break
      line += linesIn(buffer, 0, until)
      buffer.copyWithin(0, until, end)
      kept = end - until
    }
    scanned.files++
  } finally {
    closeSync(file)
  }
}

/** All files under a folder, or the one that is named. Throws when there is neither. */
export function scanFolder(root: string): Scanned {
  const scanned: Scanned = { findings: [], files: 0, bytes: 0, binary: 0, unreadable: 0 }
  const buffer = Buffer.allocUnsafe(CHUNK)
  const attempt = (path: string) => {
    try {
      scanFile(path, relative(root, path) || path, buffer, scanned)
    } catch {
      scanned.unreadable++
    }
  }
  if (statSync(root).isFile()) {
    attempt(root)
    return scanned
  }
  const folders = [root]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    let entries: ReturnType<typeof readEntries>
    try {
      entries = readEntries(folder)
    } catch {
      scanned.unreadable++
      continue
    }
    const below: string[] = []
    for (const entry of entries) {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) {
        if (!PASSED_OVER.has(entry.name)) below.push(path)
      } else if (entry.isFile()) attempt(path)
    }
    folders.push(...below.reverse())
  }
  return scanned
}

const readEntries = (folder: string) =>
  readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))

/** Nothing of the repository's own configuration may run a program here. */
const GIT = [
  '--no-pager',
  '-c',
  'core.fsmonitor=false',
  '-c',
  'core.hooksPath=/dev/null',
  '-c',
  'diff.external=',
  '-c',
  'log.showSignature=false',
]
const LOG = [
  'log',
  '--all',
  '-p',
  '-U0',
  '--no-color',
  '--no-ext-diff',
  '--no-textconv',
  '--no-renames',
  '--full-history',
  '-m',
  '--format=\u0001%H',
  '--',
  '.',
]

/** Lines that were added, with their places. */
function createHistory(found: (leak: Leak, path: string, line: number, commit: string) => void) {
  let [commit, path, line] = ['', '', 0]
  // within a hunk so many lines are still to come: a line of a file may look like a header
  let [left, gone] = [0, 0]
  return (text: string): void => {
    if (gone > 0 && text.startsWith('-')) gone--
    else if (left > 0 && text.startsWith('+')) {
      left--
      for (const leak of findLeaks(text.slice(1))) found(leak, path, line, commit)
      line++
    } else if (text.startsWith('\u0001')) commit = text.slice(1, 13)
    else if (text.startsWith('+++ '))
      path = text
        .slice(4)
        .replace(/^"?b\//, '')
        .replace(/["\t]$/, '')
    else {
      const hunk = /^@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/.exec(text)
      if (hunk === null) return
      gone = Number(hunk[1] ?? 1)
      line = Number(hunk[2])
      left = Number(hunk[3] ?? 1)
    }
  }
}

/** What was ever added to the repository, each secret at the oldest place where it still has one. Rejects when there is no repository, or no git. */
export function scanHistory(root: string): Promise<Finding[]> {
  const findings = new Map<string, Finding>()
  const look = createHistory((leak, path, line, commit) => {
    const finding = findingOf(leak, path, line, commit)
    // the log goes back in time: the last one seen is the first one made
    findings.set(`${finding.fingerprint} ${path}`, finding)
  })
  return new Promise((resolve, reject) => {
    const env = { ...process.env, GIT_OPTIONAL_LOCKS: '0', GIT_TERMINAL_PROMPT: '0' }
    const git = spawn('git', ['-C', root, ...GIT, ...LOG], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let [rest, said] = ['', '']
    git.stdout.setEncoding('latin1')
    git.stdout.on('data', (part: string) => {
      if (!part.includes('\n')) {
        rest += part
        return
      }
      const lines = (rest + part).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) look(line)
    })
    git.stderr.setEncoding('utf8')
    git.stderr.on('data', (part: string) => {
      said = (said + part).slice(0, 500)
    })
    git.on('error', error => reject(new Error(`git cannot be run: ${error.message}`)))
    git.on('close', code => {
      look(rest)
      if (code === 0) resolve([...findings.values()])
      else reject(new Error(`the history of ${root} cannot be read: ${said.trim().split('\n')[0] ?? ''}`))
    })
  })
}
