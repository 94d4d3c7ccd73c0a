/** The key ring on Workers: each credential is looked up in the database, so that a revoked key ends with the next request. */
import type { KeyRing } from '../../deps.ts'
import { parse } from '../../keys/format.ts'
import type { Hmac } from '../../keys/memory.ts'
import { isOriginIn } from '../../keys/origins.ts'
import type { Store } from '../../store/store.ts'
import { workerClock } from './clock.ts'

/** A preflight is cached by browsers anyway: so old may be what is known of allowed origins. */
const ORIGINS_MS = 10_000

/** No key is remembered between requests: another isolate may have changed it. Garbage costs neither hash nor read. */
export function createKeyRing(
  store: Pick<Store, 'keyByHash' | 'origins'>,
  hmac: Hmac,
  peppers: readonly number[],
): KeyRing {
  const newestFirst = peppers.toSorted((a, b) => b - a)
  let origins: readonly string[] = []
  let readAtMs = Number.NEGATIVE_INFINITY
  return {
    async allowsOrigin(origin) {
      const nowMs = workerClock.monotonic()
      if (nowMs - readAtMs >= ORIGINS_MS) {
        origins = await store.origins()
        readAtMs = nowMs
      }
      return isOriginIn(origins, origin)
    },
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
