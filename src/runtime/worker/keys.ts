/** The key ring on Workers: each credential is looked up in the database, so that a revoked key ends with the next request. */
import type { KeyRing } from '../../deps.ts'
import { parse } from '../../keys/format.ts'
import type { Hmac } from '../../keys/memory.ts'
import type { Store } from '../../store/store.ts'

/** Nothing is remembered between requests: another isolate may have changed the key. Garbage costs neither hash nor read. */
export function createKeyRing(
  store: Pick<Store, 'keyByHash'>,
  hmac: Hmac,
  peppers: readonly number[],
): KeyRing {
  const newestFirst = peppers.toSorted((a, b) => b - a)
  return {
    async find(credential) {
      const parsed = parse(credential)
      if (parsed === undefined || parsed.env === 'admin') return undefined
      for (const version of newestFirst) {
        const key = await store.keyByHash(hmac(version, credential))
        if (key !== undefined) return key
      }
      return undefined
    },
  }
}
