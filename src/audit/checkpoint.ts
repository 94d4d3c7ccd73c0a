/** Checkpoints of the audit log: keyed lines in a file outside the database, so that a cut tail or a database that was put back is found. */
import { type AuditHmac, GENESIS, type Mark } from './entry.ts'

/** `v1 <number> <hash> <time> <keyed hash of these>`. */
const LINE = /^v1 (\d{1,15}) ([0-9a-f]{64}) (\S{1,40}) ([0-9a-f]{64})$/

const signed = (hmac: AuditHmac, facts: string): string =>
  hmac(JSON.stringify(['switchgate checkpoint 1', facts]))

/** One line without its end. `at` is ISO 8601. */
export function checkpointLine(hmac: AuditHmac, { seq, hash }: Mark, at: string): string {
  const facts = `v1 ${seq} ${hash} ${at}`
  return `${facts} ${signed(hmac, facts)}`
}

export interface Checkpoints {
  /** Hash by number of the row. */
  readonly marks: ReadonlyMap<number, string>
  /** The one with the highest number. */
  readonly newest: Mark
  /** Number in the first whole line that this gateway did not write; undefined = there is none. */
  readonly forged: number | undefined
}

/** Reads the file's text. */
export function parseCheckpoints(hmac: AuditHmac, text: string): Checkpoints {
  const marks = new Map<number, string>()
  let newest = GENESIS
  let forged: number | undefined
  const lines = text.split('\n')
  lines.pop()
  for (const line of lines) {
    const [, seq, hash, at, mac] = LINE.exec(line) ?? []
    // A crash leaves a part of a line, which says nothing.
    if (hash === undefined) continue
    const isOurs = signed(hmac, `v1 ${seq} ${hash} ${at}`) === mac
    const number = Number(seq)
    // Of two that differ for one row the first stands: the database was put back in between, and that must be found.
    if (isOurs && !marks.has(number)) marks.set(number, hash)
    if (!isOurs) forged ??= number
    if (isOurs && number >= newest.seq) newest = { seq: number, hash }
  }
  return { marks, newest, forged }
}
