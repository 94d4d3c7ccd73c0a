/** Conditions of the config file: does a rule speak of this request? Pure; read by choice.ts. */
import type { Condition } from '../config/schema.ts'
import type { Key } from '../terms.ts'
import type { Wanted } from './plan.ts'

const DAY_MINUTES = 1_440

/** 22:00 to 06:00 goes over midnight; an end is not part of it. */
function isBetween(minute: number, [from, to]: readonly [number, number]): boolean {
  return from <= to ? minute >= from && minute < to : minute >= from || minute < to
}

/** Text of the key's metadata, else of the request's: what the key says, its caller cannot unsay. */
function metadataOf(name: string, wanted: Wanted, key: Key): string | undefined {
  if (Object.hasOwn(key.metadata ?? {}, name)) return key.metadata[name]
  const { metadata } = wanted.json ?? {}
  if (typeof metadata !== 'object' || metadata === null || !Object.hasOwn(metadata, name)) return undefined
  const value = (metadata as Record<string, unknown>)[name]
  return typeof value === 'string' ? value : undefined
}

/** Every member that is there must hold; of a list, one entry. Times are UTC. */
export function holds(when: Condition, wanted: Wanted, key: Key, nowMs: number): boolean {
  const { inputTokens: size, metadata, days, between } = when
  const is = (wish: boolean | undefined, fact: boolean) => wish === undefined || wish === fact
  if (when.keys && !when.keys.some(id => id === key.id || id === key.lineage)) return false
  if (when.tags && !when.tags.some(tag => key.tags.includes(tag) || wanted.tags?.includes(tag))) return false
  if (when.models && !when.models.includes(wanted.model)) return false
  if (size?.min !== undefined && wanted.likelyInputTokens < size.min) return false
  if (size?.max !== undefined && wanted.likelyInputTokens > size.max) return false
  if (!is(when.tools, wanted.needs.has('tools')) || !is(when.images, wanted.needs.has('images'))) return false
  if (!is(when.jsonSchema, wanted.needs.has('json_schema')) || !is(when.stream, wanted.stream === true))
    return false
  for (const [name, texts] of Object.entries(metadata ?? {})) {
    const text = metadataOf(name, wanted, key)
    if (text === undefined || !texts.includes(text)) return false
  }
  if (!days && !between) return true
  const now = new Date(nowMs)
  const minute = now.getUTCHours() * 60 + now.getUTCMinutes()
  // the night from Friday to Saturday belongs to Friday
  const begun =
    between && between[0] > between[1] && minute < between[1] ? nowMs - DAY_MINUTES * 60_000 : nowMs
  if (days && !days.includes(new Date(begun).getUTCDay())) return false
  return !between || isBetween(minute, between)
}
