/** What a commit changes, as entries of the audit log: before and after of each changed field, and no secret. */
import { usdFromNano } from '../price.ts'
import type { Correction, Op, Store, StoredCredential } from '../store/store.ts'
import type { Key, Project } from '../terms.ts'
import { isoTime } from '../wire/plain.ts'
import type { Detail } from './entry.ts'

/** An entry without who and when. */
export interface Change {
  readonly action: string
  readonly target: string | null
  readonly detail: Detail
}

/** What is read to know the state before. */
export type Before = Pick<Store, 'keyById' | 'projects' | 'credentials' | 'setting'>

/** Longer values are named by their length: a row stays a row. */
const CHARS_MAX = 2_000

/** Fields that identify, or that nobody may read. */
const KEY_OMITTED = new Set(['id', 'hash', 'pepperVersion', 'createdAtMs'])
const PROJECT_OMITTED = new Set(['id', 'createdAtMs'])
const CREDENTIAL_SHOWN = ['provider', 'name', 'weight', 'ref', 'fingerprint', 'status'] as const

/** `maxOutputTokens` → `max_output_tokens`, `expiresAtMs` → `expires_at`, `limitNanoUsd` → `limit_usd`. */
function wireName(name: string): string {
  return name
    .replace(/NanoUsd$/, 'Usd')
    .replace(/(At|until)Ms$/, '$1')
    .replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}

function wireValue(name: string, value: unknown): unknown {
  if (typeof value === 'number' && name.endsWith('NanoUsd')) return usdFromNano(value)
  if (typeof value === 'number' && /(At|until)Ms$/.test(name)) return isoTime(value)
  // Their names are the operator's own.
  if (name === 'metadata') return value
  if (Array.isArray(value)) return value.map(each => wireValue('', each))
  if (typeof value !== 'object' || value === null) return value
  const ownNames = name === 'perModel'
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== null && member !== undefined)
      .map(([member, inner]) => [ownNames ? member : wireName(member), wireValue(member, inner)]),
  )
}

function shown(name: string, value: unknown): unknown {
  const wire = wireValue(name, value ?? null)
  const { length } = JSON.stringify(wire)
  return length > CHARS_MAX ? `(${length} characters)` : wire
}

const isEmpty = (value: unknown): boolean =>
  value === null ||
  value === undefined ||
  (typeof value === 'object' && Object.values(value).every(member => member === null || member === undefined))

const same = (a: unknown, b: unknown): boolean =>
  JSON.stringify(shownOrder(a ?? null)) === JSON.stringify(shownOrder(b ?? null))

/** Objects with their names in order: a store may give them back in another one. */
function shownOrder(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(shownOrder)
  return Object.entries(value)
    .filter(([, member]) => member !== undefined && member !== null)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => [name, shownOrder(member)])
}

type Fields = Readonly<Record<string, unknown>>

/** Fields that differ, before and after; undefined = none. Something new has no before. */
function differences(before: Fields | undefined, after: Fields): Detail | undefined {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after)])]
  const changed = names.filter(name =>
    before === undefined ? !isEmpty(after[name]) : !same(before[name], after[name]),
  )
  if (before !== undefined && changed.length === 0) return undefined
  const side = (from: Fields) =>
    Object.fromEntries(changed.map(name => [wireName(name), shown(name, from[name])]))
  return before === undefined ? { after: side(after) } : { before: side(before), after: side(after) }
}

const without = (fields: object, omitted: ReadonlySet<string>): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([name]) => !omitted.has(name)))

/** A key's lineage says something only once it has a predecessor. */
const keyFields = (key: Key): Fields => {
  const fields = without(key, KEY_OMITTED)
  return key.lineage === key.id ? { ...fields, lineage: null } : fields
}

const credentialFields = (credential: StoredCredential): Fields => ({
  ...Object.fromEntries(CREDENTIAL_SHOWN.map(name => [name, credential[name]])),
  // a first secret alone is what every credential begins with
  version: credential.version === 1 ? null : credential.version,
  others: credential.others.map(({ version, stage, fingerprint }) => ({ version, stage, fingerprint })),
})

/** What became of its secrets; undefined = nothing. */
function secretsChange(before: StoredCredential, after: StoredCredential): string | undefined {
  const had = new Set(before.others.map(({ sealed }) => sealed))
  if (after.sealed !== null && had.has(after.sealed)) return 'credential.promote'
  if (after.sealed !== before.sealed || after.others.some(({ sealed }) => !had.has(sealed)))
    return 'credential.rotate'
  return after.others.length < before.others.length ? 'credential.retire' : undefined
}

/** `as` names a change that the fields alone do not, of the same kind of thing: `key.top_up` for `key.change`. */
function changeOf(
  kind: string,
  id: string,
  before: Fields | undefined,
  after: Fields,
  as: string | undefined,
): Change[] {
  const detail = differences(before, after)
  const named = as?.startsWith(`${kind}.`) && before !== undefined ? as : undefined
  if (detail === undefined && named === undefined) return []
  const action = before === undefined ? `${kind}.create` : (named ?? `${kind}.change`)
  return [{ action, target: `${kind}:${id}`, detail: detail ?? {} }]
}

const STATUS_ACTIONS = { active: 'key.resume', suspended: 'key.suspend', revoked: 'key.revoke' } as const

async function ofKeyStatus(id: string, status: Key['status'], store: Before): Promise<Change[]> {
  const before = await store.keyById(id)
  // The store does not take a revocation back either.
  if (before === undefined || before.status === status || before.status === 'revoked') return []
  const detail = { before: { status: before.status }, after: { status } }
  return [{ action: STATUS_ACTIONS[status], target: `key:${id}`, detail }]
}

async function ofProject(project: Project, store: Before, as: string | undefined): Promise<Change[]> {
  const before = (await store.projects()).find(({ id }) => id === project.id)
  const closes = before !== undefined && before.status !== 'closed' && project.status === 'closed'
  const fields = before && without(before, PROJECT_OMITTED)
  return changeOf(
    'project',
    project.id,
    fields,
    without(project, PROJECT_OMITTED),
    closes ? 'project.close' : as,
  )
}

async function ofCredential(
  credential: StoredCredential,
  store: Before,
  as: string | undefined,
): Promise<Change[]> {
  const before = (await store.credentials()).find(({ id }) => id === credential.id)
  const name = as ?? (before && secretsChange(before, credential))
  const fields = before && credentialFields(before)
  return changeOf('credential', credential.id, fields, credentialFields(credential), name)
}

async function ofCredentialGone(id: string, store: Before): Promise<Change[]> {
  const before = (await store.credentials()).find(credential => credential.id === id)
  if (before === undefined) return []
  const { provider, name, fingerprint } = before
  return [
    {
      action: 'credential.delete',
      target: `credential:${id}`,
      detail: { before: { provider, name, fingerprint } },
    },
  ]
}

/** Only what an operator has a word in: the program's own notes are no changes. */
async function ofSetting(name: string, value: string, store: Before): Promise<Change[]> {
  const before = await store.setting(name)
  if (before === value) return []
  if (name === 'admin_token_hash') {
    const action = before === undefined ? 'admin_token.create' : 'admin_token.reset'
    return [{ action, target: 'admin_token', detail: {} }]
  }
  // The first one is part of making the database.
  if (name !== 'keyring' || before === undefined) return []
  const fingerprint = (text: string) => ({ fingerprint: text.slice(0, text.indexOf(':')) })
  return [
    {
      action: 'vault.rotate_master_key',
      target: 'vault',
      detail: { before: fingerprint(before), after: fingerprint(value) },
    },
  ]
}

const WATCHED_SETTINGS = new Set(['admin_token_hash', 'keyring'])

/** Could this op leave a row? Asked of every commit, the ledger's too: no reading here. */
export function isWatched(op: Op): boolean {
  switch (op.op) {
    case 'put_key':
    case 'set_key_status':
    case 'put_project':
    case 'put_credential':
    case 'delete_credential':
      return true
    case 'put_setting':
    case 'put_setting_once':
      return WATCHED_SETTINGS.has(op.name)
    default:
      return false
  }
}

async function ofOp(op: Op, store: Before, as: string | undefined): Promise<Change[]> {
  switch (op.op) {
    case 'put_key': {
      const before = await store.keyById(op.key.id)
      return changeOf('key', op.key.id, before && keyFields(before), keyFields(op.key), as)
    }
    case 'set_key_status':
      return ofKeyStatus(op.id, op.status, store)
    case 'put_project':
      return ofProject(op.project, store, as)
    case 'put_credential':
      return ofCredential(op.credential, store, as)
    case 'delete_credential':
      return ofCredentialGone(op.id, store)
    case 'put_setting':
      return ofSetting(op.name, op.value, store)
    case 'put_setting_once':
      return (await store.setting(op.name)) === undefined ? ofSetting(op.name, op.value, store) : []
    default:
      return []
  }
}

/** Entries for these writes, in their order. Reads the state before from the store. */
export async function changesOf(ops: readonly Op[], store: Before, as?: string): Promise<Change[]> {
  const changes: Change[] = []
  for (const op of ops) if (isWatched(op)) changes.push(...(await ofOp(op, store, as)))
  return changes
}

/** Entries for charges of a crash that an admin corrects, one a request. */
export function releasesOf(corrections: readonly Correction[]): Change[] {
  const byRequest = Map.groupBy(corrections, ({ from }) => from.requestId)
  const usd = (all: readonly (number | null)[]) =>
    usdFromNano(all.reduce<number>((sum, nano) => sum + (nano ?? 0), 0))
  return Array.from(byRequest, ([id, list]) => ({
    action: 'request.release',
    target: `request:${id}`,
    detail: {
      before: { cost_usd: usd(list.map(({ from }) => from.costNanoUsd)) },
      after: { cost_usd: usd(list.map(({ to }) => to.costNanoUsd)) },
      key: list[0]?.from.keyId,
    },
  }))
}
