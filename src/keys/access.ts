/** What a key may be bound to beside models and money: routes and hours. Types only; re-exported by terms.ts. */

/** What a key may be let call: families of routes (scopes.ts). */
export type Scope =
  | 'chat'
  | 'completions'
  | 'embeddings'
  | 'responses'
  | 'messages'
  | 'gemini'
  | 'images'
  | 'audio'
  | 'rerank'
  | 'moderations'
  | 'models'
  | 'spend'

export type Day = 'mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun'

/** `08:00` to `18:00` of these days; `to` may be `24:00`, and before `from` it is on the next day. No days = all. */
export interface HoursWindow {
  readonly days?: readonly Day[] | null
  readonly from: string
  readonly to: string
}

/** When a key may be used. `zone` is IANA's, absent = UTC; an empty `allow` = never. */
export interface Hours {
  readonly zone?: string
  readonly allow: readonly HoursWindow[]
}
