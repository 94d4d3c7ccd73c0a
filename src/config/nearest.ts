/** Near names for messages: what somebody probably meant. Used by the config loader and by the model names. */

/** Levenshtein distance of two short texts, or `most` + 1 as soon as it must be more than `most`. */
export function distance(one: string, other: string, most: number): number {
  if (Math.abs(one.length - other.length) > most) return most + 1
  let previous = Array.from({ length: other.length + 1 }, (_, i) => i)
  for (let i = 1; i <= one.length; i++) {
    const current = [i]
    let least = i
    for (let j = 1; j <= other.length; j++) {
      const cost = Math.min(
        (previous[j] ?? 0) + 1,
        (current[j - 1] ?? 0) + 1,
        (previous[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1),
      )
      current.push(cost)
      if (cost < least) least = cost
    }
    if (least > most) return most + 1
    previous = current
  }
  return previous[other.length] ?? 0
}

/** Up to `count` known names within three edits (two below 8 characters, one below 4), nearest first. Case does not count. */
export function nearest(name: string, known: Iterable<string>, count = 3): readonly string[] {
  if (name.length > 256) return []
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

/** `, did you mean "x"?`, or '' when nothing is near. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const [near] = nearest(name, known, 1)
  return near === undefined ? '' : `, did you mean "${near}"?`
}
