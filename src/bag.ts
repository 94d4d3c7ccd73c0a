/** A collection of what comes and goes with every request: open holds, watched exchanges. In order of nothing. */

/** Where an item stands in its bag; -1 = in none. Written by the bag alone. */
export interface Placed {
  place: number
}

/**
 * An array whose gaps are filled by its last item. Not a Set: the hash table that a growing or shrinking Set leaves behind
 * refers to its successor, so that one that has reached V8's old space keeps every later table, and all that was in them,
 * from the young collector. With Sets here 10 KB a request were copied twice and collected late (measured by --trace-gc).
 */
export class Bag<T extends Placed> {
  readonly items: T[] = []

  get size(): number {
    return this.items.length
  }

  has(item: T): boolean {
    // asked first: an array's element -1 is looked for as a name, slowly
    return item.place >= 0 && this.items[item.place] === item
  }

  add(item: T): void {
    if (this.has(item)) return
    item.place = this.items.length
    this.items.push(item)
  }

  /** False = it was not there. */
  remove(item: T): boolean {
    if (!this.has(item)) return false
    const last = this.items.pop() as T
    if (last !== item) {
      this.items[item.place] = last
      last.place = item.place
    }
    item.place = -1
    return true
  }
}
