/** When to learn anew what the next answer or request of somebody will look like. Asked by wire/familiar.ts and wire/familiar-request.ts. */

/** So many strange ones in a row are learned from: few after a frame that was met, ever more after one that was not. */
const PATIENCE = 4
const PATIENCE_MAX = 64

export class Learning {
  private wasMet = false
  /** In a row. */
  private strangers = 0
  private patience = 1

  /** Told of each: was it known? */
  saw(isKnown: boolean): void {
    if (isKnown) {
      this.wasMet = true
      this.strangers = 0
    } else this.strangers++
  }

  /** True = the last one is to be learned from. */
  isDue(): boolean {
    if (this.strangers < this.patience) return false
    this.patience = this.wasMet ? PATIENCE : Math.min(this.patience * PATIENCE, PATIENCE_MAX)
    this.wasMet = false
    this.strangers = 0
    return true
  }
}
