/** Refusals, counted before they become rows of the audit log: who knocks a thousand times leaves one row in ten seconds. */
import { subscriberOf } from '../egress/address.ts'
import { isoTime } from '../wire/plain.ts'
import type { Actor } from './entry.ts'

/** A credential that opened nothing. */
export interface Refusal {
  /** `key.refused`, `admin_token.refused`. */
  readonly action: string
  /** `unknown`, `malformed`, `wrong_checksum`, `revoked`, `expired`, `suspended`, `ip_not_allowed`, `model_not_allowed`, … */
  readonly reason: string
  /** The key's public id, as far as one was named. */
  readonly keyId: string | undefined
  readonly address: string
}

/** One row's worth of them. */
export interface RefusalCount extends Omit<Refusal, 'address'> {
  readonly actor: Actor
  /** The first one's; null = of many. */
  readonly address: string | null
  readonly detail: {
    readonly reason: string
    readonly count: number
    readonly first_at: string
    readonly last_at: string
  }
}

/** Rows that one window may leave; what is beyond is counted together. */
const GROUPS_MAX = 32

/** These say that nobody knows who it was. */
const STRANGE = new Set(['unknown', 'malformed', 'wrong_checksum', 'admin_token'])

interface Group {
  readonly first: Refusal | undefined
  readonly firstMs: number
  lastMs: number
  count: number
}

export interface Refusals {
  /** True for the first since they were taken. */
  add(refusal: Refusal, nowMs: number): boolean
  any(): boolean
  /** All that were counted; from here on it counts anew. */
  take(): readonly RefusalCount[]
}

function countOf({ first, firstMs, lastMs, count }: Group): RefusalCount {
  const { action, reason, keyId, address } = first ?? {
    action: 'key.refused',
    reason: 'others',
    keyId: undefined,
    address: null,
  }
  const isStrange = first === undefined || STRANGE.has(reason) || action !== 'key.refused'
  const detail = { reason, count, first_at: isoTime(firstMs), last_at: isoTime(lastMs) }
  return { action, reason, keyId, address, actor: isStrange ? 'stranger' : 'caller', detail }
}

/** Counts by kind, key and address (IPv6: by /64). Memory is bounded. */
export function createRefusals(): Refusals {
  let groups = new Map<string, Group>()
  return {
    add(refusal, nowMs) {
      const isFirst = groups.size === 0
      const { action, reason, keyId, address } = refusal
      const own = JSON.stringify([action, reason, keyId, subscriberOf(address)])
      const name = groups.has(own) || groups.size < GROUPS_MAX ? own : ''
      const group = groups.get(name)
      if (group === undefined)
        groups.set(name, {
          first: name === own ? refusal : undefined,
          firstMs: nowMs,
          lastMs: nowMs,
          count: 1,
        })
      else {
        group.count++
        group.lastMs = nowMs
      }
      return isFirst
    },
    any: () => groups.size > 0,
    take() {
      const taken = [...groups.values()].map(countOf)
      groups = new Map()
      return taken
    },
  }
}
