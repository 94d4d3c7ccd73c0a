/** The life of platform keys: made, changed, rotated, suspended, revoked. Memory answers the request path; the store remembers. */
import type { Clock, KeyRing, Log } from '../deps.ts'
import { GatewayError } from '../errors.ts'
import { usdFromNano } from '../price.ts'
import type { Op, Store } from '../store/store.ts'
import type { Environment, Key, Project } from '../terms.ts'
import { type KeyDraft, merge, OPEN, type Policy } from './draft.ts'
import { mint } from './format.ts'
import { type Hmac, KeyMemory } from './memory.ts'
import { topUpNote } from './once.ts'
import { refuseStrange, toppedUp } from './projects.ts'
import { createTurns } from './turns.ts'

export type { KeyDraft } from './draft.ts'

/** A fresh key with its text, which exists nowhere else and is shown once. */
export interface MintedKey {
  readonly key: Key
  readonly text: string
}

export interface KeyBook extends KeyRing {
  /** Always from memory, so never a promise here. Whatever the key's status and expiry: `authenticate` judges those. */
  find(credential: string): Key | undefined
  allowsOrigin(origin: string): boolean
  create(draft: KeyDraft): Promise<MintedKey>
  /** Merges; null clears. Project, budgets and limits are the lineage's: all its keys get them in the same commit. Undefined = no such key. */
  patch(id: string, changes: KeyDraft): Promise<Key | undefined>
  /** The `total` budget without a scope grows by this, nano-USD, in one step; under the same `once` only one time (409 for another amount). Throws `invalid_request` when there is none. */
  topUp(id: string, nanoUsd: number, once?: string): Promise<Key | undefined>
  /** Ends every key of a project that is closed. In force in memory before the promise resolves. */
  revokeProject(project: string): Promise<void>
  /** A successor in the same lineage; the old key ends after the grace. */
  rotate(id: string, graceSeconds: number): Promise<(MintedKey & { readonly replaced: Key }) | undefined>
  /** In force in memory before the promise resolves. Revocation is final: anything else on a revoked key is a conflict (GatewayError `invalid_request`, code `conflict`, status 409). */
  setStatus(id: string, status: Key['status']): Promise<Key | undefined>
  get(id: string): Key | undefined
  list(): readonly Key[]
  /** All keys of a lineage. */
  lineage(lineage: string): readonly Key[]
  /** Called after any change, with the key's new state. */
  onChange(listener: (key: Key) => void): void
}

export interface KeyBookOptions {
  readonly store: Pick<Store, 'keys' | 'commit' | 'setting'>
  /** Versions of the pepper that exist; new keys use the highest. */
  readonly peppers: readonly number[]
  readonly hmac: Hmac
  readonly clock: Clock
  /** Environment of new keys that name none. */
  readonly env: Environment
  readonly randomBytes: (count: number) => Uint8Array
  readonly log: Log
  /** Projects that keys may belong to; absent = none. */
  readonly project?: (id: string) => Project | undefined
}

const conflict = (message: string): GatewayError =>
  new GatewayError('invalid_request', message, { code: 'conflict', status: 409 })

class Book implements KeyBook {
  readonly #options: KeyBookOptions
  readonly #memory: KeyMemory
  readonly #pepperVersion: number
  readonly #listeners: ((key: Key) => void)[] = []
  readonly #inTurn = createTurns()

  constructor(options: KeyBookOptions, keys: readonly Key[]) {
    this.#options = options
    this.#pepperVersion = Math.max(...options.peppers)
    this.#memory = new KeyMemory(options.hmac, options.peppers)
    for (const key of keys) this.#memory.put(key)
  }

  find(credential: string): Key | undefined {
    return this.#memory.find(credential)
  }

  allowsOrigin(origin: string): boolean {
    return this.#memory.allowsOrigin(origin)
  }

  get(id: string): Key | undefined {
    return this.#memory.get(id)
  }

  list(): readonly Key[] {
    return this.#memory.all()
  }

  lineage(lineage: string): readonly Key[] {
    return this.#memory.all().filter(key => key.lineage === lineage)
  }

  onChange(listener: (key: Key) => void): void {
    this.#listeners.push(listener)
  }

  create(draft: KeyDraft): Promise<MintedKey> {
    return this.#inTurn(async () => {
      const { name, env, ...policy } = draft
      this.#refuseStrange(draft)
      const minted = this.#mint(env ?? this.#options.env, merge(OPEN, policy), name)
      await this.#save(minted.key)
      this.#options.log('info', 'key_created', { key: minted.key.id, env: minted.key.env })
      return minted
    })
  }

  patch(id: string, changes: KeyDraft): Promise<Key | undefined> {
    return this.#inTurn(async () => {
      const key = this.#memory.get(id)
      if (key === undefined) return undefined
      if (key.status === 'revoked') throw conflict(`Key ${id} is revoked; a revoked key cannot be changed.`)
      if (changes.env !== undefined && changes.env !== key.env)
        throw conflict(`Key ${id} is for ${key.env}: its text says so. Create a key for ${changes.env}.`)
      this.#refuseStrange(changes)
      const changed = merge(key, changes)
      await this.#save(changed, ...this.#kinOf(changed, changes))
      this.#options.log('info', 'key_changed', { key: id, fields: Object.keys(changes).join(',') })
      return changed
    })
  }

  topUp(id: string, nanoUsd: number, once?: string): Promise<Key | undefined> {
    return this.#inTurn(async () => {
      const key = this.#memory.get(id)
      if (key === undefined) return undefined
      if (key.status === 'revoked') throw conflict(`Key ${id} is revoked; a revoked key cannot be topped up.`)
      const note = await topUpNote(this.#options.store, `key.${key.lineage}`, nanoUsd, once)
      if (note === 'done') return key
      const changed = { ...key, budgets: toppedUp(key.budgets, nanoUsd) }
      await this.#saveWith(note, 'key.top_up', changed, ...this.#kinOf(changed, { budgets: changed.budgets }))
      this.#options.log('info', 'key_topped_up', { key: id, usd: usdFromNano(nanoUsd) })
      return changed
    })
  }

  revokeProject(project: string): Promise<void> {
    return this.#inTurn(async () => {
      const keys = this.list().filter(key => key.project === project && key.status !== 'revoked')
      for (const key of keys) this.#adopt({ ...key, status: 'revoked' })
      await this.#options.store.commit(
        // those of an earlier close that the store did not take are asked for again
        this.list()
          .filter(key => key.project === project)
          .map(({ id }): Op => ({ op: 'set_key_status', id, status: 'revoked' })),
      )
      this.#options.log('info', 'project_keys_revoked', { project, keys: keys.length })
    })
  }

  #refuseStrange({ project }: KeyDraft): void {
    if (project !== undefined) refuseStrange(project, id => this.#options.project?.(id))
  }

  rotate(id: string, graceSeconds: number): Promise<(MintedKey & { readonly replaced: Key }) | undefined> {
    return this.#inTurn(async () => {
      const old = this.#memory.get(id)
      if (old === undefined) return undefined
      const nowMs = this.#options.clock.now()
      const isExpired = old.expiresAtMs !== null && old.expiresAtMs <= nowMs
      if (old.status !== 'active' || isExpired)
        throw conflict(
          `Key ${id} is ${old.status === 'active' ? 'expired' : old.status}; only a working key can be rotated.`,
        )
      const heir = this.#heirOf(old)
      if (heir.id !== id && heir.status !== 'revoked')
        throw conflict(
          `Key ${id} was rotated before and ends with its grace: rotate its successor ${heir.id}.`,
        )
      // what was cut short with its own heir is not the end that a new one has
      const { expiresAtMs } = heir
      const minted = this.#mint(old.env, { ...old, expiresAtMs }, old.name, old.lineage)
      const endsAtMs = nowMs + graceSeconds * 1000
      const replaced = { ...old, expiresAtMs: Math.min(old.expiresAtMs ?? endsAtMs, endsAtMs) }
      // One commit: there is never a successor without an end for its predecessor.
      await this.#saveWith([], 'key.rotate', minted.key, replaced)
      this.#options.log('info', 'key_rotated', {
        key: id,
        successor: minted.key.id,
        ends_at_ms: replaced.expiresAtMs,
      })
      return { ...minted, replaced }
    })
  }

  setStatus(id: string, status: Key['status']): Promise<Key | undefined> {
    return this.#inTurn(async () => {
      const key = this.#memory.get(id)
      if (key === undefined) return undefined
      if (key.status === 'revoked' && status !== 'revoked')
        throw conflict(`Key ${id} is revoked, and revocation is final. Create a new key.`)
      if (status === 'active' && key.expiresAtMs !== null && key.expiresAtMs <= this.#options.clock.now())
        throw conflict(`Key ${id} has expired: give it a later expires_at first.`)
      if (status === 'active' && key.status === 'active') return key
      const changed: Key = { ...key, status }
      // Taking rights away holds in memory even if the store fails (asking again saves it); giving them back waits for the store.
      if (status !== 'active') this.#adopt(changed)
      await this.#options.store.commit([{ op: 'set_key_status', id, status }])
      if (status === 'active') this.#adopt(changed)
      this.#options.log('info', 'key_status', { key: id, status })
      return changed
    })
  }

  /** The newest key of the lineage: the key itself where it was not rotated. */
  #heirOf(key: Key): Key {
    return this.lineage(key.lineage).reduce((a, b) => (b.createdAtMs > a.createdAtMs ? b : a), key)
  }

  /** The other keys of the lineage as they are after a change of what they share; none when it touches only the key's own. */
  #kinOf(changed: Key, { project, budgets, limits }: KeyDraft): readonly Key[] {
    if (project === undefined && budgets === undefined && limits === undefined) return []
    return this.lineage(changed.lineage)
      .filter(key => key.id !== changed.id)
      .map(key => ({
        ...key,
        project: changed.project,
        budgets: changed.budgets,
        limits: changed.limits,
      }))
  }

  #mint(env: Environment, policy: Policy, name: string | undefined, lineage?: string): MintedKey {
    const { clock, hmac, randomBytes } = this.#options
    let fresh = mint(env, randomBytes)
    while (this.#memory.get(fresh.id) !== undefined) fresh = mint(env, randomBytes)
    const { id, text } = fresh
    const key: Key = {
      ...policy,
      id,
      lineage: lineage ?? id,
      hash: hmac(this.#pepperVersion, text),
      pepperVersion: this.#pepperVersion,
      name: name ?? `key-${id.slice(0, 4)}`,
      env,
      status: 'active',
      createdAtMs: clock.now(),
    }
    return { key, text }
  }

  #save(...keys: Key[]): Promise<void> {
    return this.#saveWith([], undefined, ...keys)
  }

  /** `as` = what the audit log calls it. */
  async #saveWith(ops: readonly Op[], as: string | undefined, ...keys: Key[]): Promise<void> {
    await this.#options.store.commit([...ops, ...keys.map((key): Op => ({ op: 'put_key', key }))], as)
    for (const key of keys) this.#adopt(key)
  }

  #adopt(key: Key): void {
    this.#memory.put(key)
    for (const listener of this.#listeners) listener(key)
  }
}

/** Loads every key into memory and keeps memory and store in step. Rejects when the store cannot be read. */
export async function createKeyBook(options: KeyBookOptions): Promise<KeyBook> {
  return new Book(options, await options.store.keys())
}
