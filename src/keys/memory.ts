/** Keys as the request path finds them: by the whole credential text, in memory, without a database. */
import type { Key } from '../terms.ts'
import { parse } from './format.ts'
import { isOriginIn } from './origins.ts'

/** Keyed hash of a credential with one version of the pepper, hex. */
export type Hmac = (pepperVersion: number, text: string) => string

/** How many credential texts are remembered, in two generations of half of this. */
const REMEMBERED_MAX = 10_000

/** Hot state: one per process. A text leads to an id and an id to the key's present state, so no stale key can be served. */
export class KeyMemory {
  readonly #byId = new Map<string, Key>()
  readonly #idByHash = new Map<string, string>()
  readonly #hmac: Hmac
  #peppers: readonly number[]
  // Two generations approximate LRU at the cost of one Map read per hit; only texts of real keys get in.
  #young = new Map<string, string>()
  #old = new Map<string, string>()
  /** Of all working keys, each once; undefined = to be gathered again. */
  #origins: ReadonlySet<string> | undefined
  #starred: readonly string[] | undefined

  constructor(hmac: Hmac, peppers: readonly number[]) {
    this.#hmac = hmac
    this.#peppers = [...peppers].sort((a, b) => b - a)
  }

  put(key: Key): void {
    if (key.originAllow != null || this.#byId.get(key.id)?.originAllow != null)
      this.#origins = this.#starred = undefined
    this.#byId.set(key.id, key)
    this.#idByHash.set(key.hash, key.id)
    if (!this.#peppers.includes(key.pepperVersion))
      this.#peppers = [...this.#peppers, key.pepperVersion].sort((a, b) => b - a)
  }

  get(id: string): Key | undefined {
    return this.#byId.get(id)
  }

  all(): Key[] {
    return [...this.#byId.values()]
  }

  allowsOrigin(origin: string): boolean {
    this.#origins ??= new Set(
      this.all().flatMap(key => (key.status === 'active' ? (key.originAllow ?? []) : [])),
    )
    this.#starred ??= [...this.#origins].filter(entry => entry.includes('*'))
    return this.#origins.has(origin) || isOriginIn(this.#starred, origin)
  }

  /** The key with exactly this text, whatever its status and expiry: `authenticate` judges those at each use. */
  find(credential: string): Key | undefined {
    const id = this.#young.get(credential) ?? this.#recall(credential)
    return id === undefined ? undefined : this.#byId.get(id)
  }

  #recall(credential: string): string | undefined {
    const id = this.#old.get(credential) ?? this.#look(credential)
    if (id === undefined) return undefined
    if (this.#young.size >= REMEMBERED_MAX / 2) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(credential, id)
    return id
  }

  #look(credential: string): string | undefined {
    const parsed = parse(credential)
    // An admin token never opens the data plane, and garbage never costs a hash.
    if (parsed === undefined || parsed.env === 'admin') return undefined
    for (const version of this.#peppers) {
      const id = this.#idByHash.get(this.#hmac(version, credential))
      if (id !== undefined) return id
    }
    return undefined
  }
}
