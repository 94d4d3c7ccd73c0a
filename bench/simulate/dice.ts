/** Seeded dice of the simulator: streams for drawing worlds, and hashed dice that fall alike for every policy. Pure. */

/** Mulberry32 (public domain, Tommy Ettinger): 32 bits of state are enough for worlds and tie-breaks. Values in [0, 1). */
export function createDice(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

const mixed = (h: number, value: number) => {
  const k = Math.imul(value, 0xcc9e2d51)
  const rotated = (k << 15) | (k >>> 17)
  const x = h ^ Math.imul(rotated, 0x1b873593)
  return (Math.imul((x << 13) | (x >>> 19), 5) + 0xe6546b64) | 0
}

/** One die for a place in a world, whoever asks and however often: MurmurHash3's mixing (public domain, Austin Appleby). */
export function hashedDie(
  seed: number,
  request: number,
  target: number,
  attempt: number,
  slot: number,
): number {
  let h = mixed(mixed(mixed(mixed(seed | 0, request), target), attempt), slot)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return ((h ^ (h >>> 16)) >>> 0) / 4_294_967_296
}

/** A standard normal value from two dice (Box and Muller). */
export const normal = (a: number, b: number): number =>
  Math.sqrt(-2 * Math.log(1 - a)) * Math.cos(2 * Math.PI * b)

/** How often something with this mean happens, from a stream of dice (Knuth). */
export function poisson(mean: number, die: () => number): number {
  const limit = Math.exp(-mean)
  let product = die()
  let count = 0
  while (product > limit) {
    product *= die()
    count++
  }
  return count
}
