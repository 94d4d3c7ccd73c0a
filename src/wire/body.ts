/** A JSON request body: its bytes, its parsed value, and where its top-level members lie, so that edits are splices. */

/** Offsets into the body's bytes. `start` is the opening quote of the key, `valueEnd` is exclusive. */
export interface Member {
  readonly key: string
  readonly start: number
  readonly valueStart: number
  readonly valueEnd: number
}

export interface Body {
  readonly bytes: Uint8Array
  readonly json: Readonly<Record<string, unknown>>
  readonly members: readonly Member[]
}
