/** One entry of the audit log and the chain that it hangs in. Pure; the key comes from the vault's keyring. */
import type { AuditRow } from '../store/store.ts'

/** HMAC-SHA-256 with the audit key, hex. Throws GatewayError('sealed') once the vault is sealed. */
export type AuditHmac = (text: string) => string

/** `admin` = the admin token, `dashboard` = its session, `local` = the command line on this machine, `gateway` = the program itself, `caller` = who presented a platform key, `stranger` = who presented none that is known. */
export type Actor = 'admin' | 'dashboard' | 'local' | 'gateway' | 'caller' | 'stranger'

export type Detail = Readonly<Record<string, unknown>>

/** What happened, before it has a place in the chain. */
export interface Entry {
  readonly atMs: number
  readonly actor: Actor
  readonly address: string | null
  readonly action: string
  readonly target: string | null
  readonly detail: Detail
}

/** A place in the log and what stood there. */
export interface Mark {
  readonly seq: number
  readonly hash: string
}

/** What the first row follows. */
export const GENESIS: Mark = { seq: 0, hash: '0'.repeat(64) }

/** JSON with names in order, so that the same facts are the same text (RFC 8785 for what occurs here: no lone surrogates are made, numbers are written as JavaScript does). */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value))
    return `[${value.map(each => canonicalJson(each === undefined ? null : each)).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null)
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`)
  return `{${members.join(',')}}`
}

type Hashed = Omit<AuditRow, 'seq' | 'hash'>

/**
 * The keyed hash of a row: over the hash before it and all that the row says. Its number is left out: the chain alone
 * says which row follows which, so that a row is genuine wherever somebody moves it, and `verify` can tell a moved row
 * from a forged one. `switchgate audit 1` keeps it apart from all else that this key may hash.
 */
export function hashOf(hmac: AuditHmac, row: Hashed): string {
  const { prev, atMs, actor, address, action, target, detail } = row
  return hmac(JSON.stringify(['switchgate audit 1', prev, atMs, actor, address, action, target, detail]))
}

/** Rows for these entries, in order, after `head`. */
export function chained(hmac: AuditHmac, head: Mark, entries: readonly Entry[]): AuditRow[] {
  let { seq, hash } = head
  return entries.map(({ atMs, actor, address, action, target, detail }) => {
    const row = { prev: hash, atMs, actor, address, action, target, detail: canonicalJson(detail) }
    seq++
    hash = hashOf(hmac, row)
    return { ...row, seq, hash }
  })
}
