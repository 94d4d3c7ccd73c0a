/** What a cell of the fidelity matrix is made of: a feature of a caller's wire, and how it is recognised on its way out. */
import type { Json } from '../../providers/provider.ts'
import type { Speech } from './targets.ts'

/** A request as the upstream saw it. */
export interface Sent {
  readonly speech: Speech
  readonly url: string
  readonly body: Json
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/** A part of the upstream's body (arrays whole, objects in part), or what must hold of it. */
export type Arrival = Json | ((sent: Sent) => boolean)

export interface Feature {
  /** As it stands in the table. */
  readonly name: string
  /** Members on top of the wire's smallest body. */
  readonly more: Json
  readonly headers?: Readonly<Record<string, string>>
  /** What it is called where it is reported or refused; a name covers the places below it. Default: the members. */
  readonly names?: readonly string[]
  /** How it looks in the wire that a target speaks. Absent = it has no place there. In the caller's own wire: as it was sent. */
  readonly arrives?: Readonly<Partial<Record<Speech, Arrival>>>
  /** Acted on by the gateway itself, and so sent to nobody: why. */
  readonly here?: string
}

export interface WireRow {
  /** Head of its table, and of its row in the README. */
  readonly title: string
  readonly path: (model: string) => string
  /** The wire that a target must speak to get it as it is. */
  readonly speech: Speech | undefined
  /** Not every kind of target offers it. */
  readonly some?: true
  /** The smallest request. */
  readonly smallest: (model: string) => Json
  readonly features: readonly Feature[]
}

/** What became of a feature. `silent` is a fault. */
export type Fate = 'exact' | 'reported' | 'refused' | 'here' | 'silent' | '–'
