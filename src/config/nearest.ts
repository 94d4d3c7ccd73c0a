/** Near names for messages: what somebody probably meant. Used by the config loader and by the model names. */

/** Two rows of the table, reused: a miss compares with two thousand names. */
const LENGTH_MAX = 256
let previous = new Uint16Array(LENGTH_MAX + 1)
let current = new Uint16Array(LENGTH_MAX + 1)

/** Levenshtein distance of two texts of at most 256 characters, or `most` + 1 as soon as it must be more than `most`. */
export function distance(one: string, other: string, most: number): number {
  const { length } = other
  if (Math.abs(one.length - length) > most || Math.max(one.length, length) > LENGTH_MAX) return most + 1
  for (let j = 0; j <= length; j++) previous[j] = j
  for (let i = 1; i <= one.length; i++) {
    const letter = one.charCodeAt(i - 1)
    let least = i
    current[0] = i
    for (let j = 1; j <= length; j++) {
      const swapped = (previous[j - 1] as number) + (letter === other.charCodeAt(j - 1) ? 0 : 1)
      const cost = Math.min((previous[j] as number) + 1, (current[j - 1] as number) + 1, swapped)
      current[j] = cost
      if (cost < least) least = cost
    }
    if (least > most) return most + 1
    const done = previous
    previous = current
    current = done
  }
  return Math.min(previous[length] as number, most + 1)
}

/** Up to `count` known names within three edits (two below 8 characters, one below 4), nearest first. Case does not count. */
export function nearest(name: string, known: Iterable<string>, count = 3): readonly string[] {
  if (name.length > LENGTH_MAX) return []
  const wanted = name.toLowerCase()
  const most = name.length < 4 ? 1 : name.length < 8 ? 2 : 3
  const found: { name: string; edits: number }[] = []
  for (const candidate of known) {
    const edits = distance(wanted, candidate.toLowerCase(), most)
    if (edits <= most) found.push({ name: candidate, edits })
  }
  return found
    .sort((a, b) => a.edits - b.edits)
    .slice(0, count)
    .map(match => match.name)
}

/** Shorter names are the beginning of too many. */
const STEM_MIN = 3

/** Known names that this one begins with, or that begin with it, up to a mark between two parts: `gpt-5` for `gpt-5-2025-08-07`, `house-model` for `house`. The closest in length first. */
export function kinOf(name: string, known: Iterable<string>, count = 3): readonly string[] {
  const wanted = name.toLowerCase()
  const found: { name: string; apart: number }[] = []
  for (const candidate of known) {
    const [short, long] = [wanted, candidate.toLowerCase()].sort((a, b) => a.length - b.length) as [
      string,
      string,
    ]
    if (short.length < STEM_MIN || long.length > LENGTH_MAX || !long.startsWith(short)) continue
    if (/^[-._:@/]/.test(long.slice(short.length)))
      found.push({ name: candidate, apart: long.length - short.length })
  }
  return found
    .sort((a, b) => a.apart - b.apart)
    .slice(0, count)
    .map(match => match.name)
}

/** `, did you mean "x"?`, or '' when nothing is near. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const [near] = nearest(name, known, 1)
  return near === undefined ? '' : `, did you mean "${near}"?`
}
