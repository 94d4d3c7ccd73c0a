/** A secret in memory that does not print: not in a log, an error, JSON or an inspector. */

/** Wraps key bytes. `drop` overwrites them; what was dropped cannot be revealed. */
export class Secret {
  #bytes: Uint8Array<ArrayBuffer> | undefined
  readonly #label: string

  constructor(bytes: Uint8Array, label: string) {
    this.#bytes = new Uint8Array(bytes)
    this.#label = label
  }

  /** The bytes themselves, not a copy; undefined after `drop`. */
  reveal(): Uint8Array<ArrayBuffer> | undefined {
    return this.#bytes
  }

  drop(): void {
    this.#bytes?.fill(0)
    this.#bytes = undefined
  }

  toString(): string {
    return `[secret ${this.#label}]`
  }

  toJSON(): string {
    return this.toString()
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }
}
