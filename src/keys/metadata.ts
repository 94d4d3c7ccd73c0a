/** Free texts by name on keys and projects, and how a change of them is merged. */

type Texts = Readonly<Record<string, string>>

/** Name by name onto what is there; null takes a name away, and null for the whole takes all. */
export function mergeMetadata(
  onto: Texts,
  draft: Readonly<Record<string, string | null>> | null | undefined,
): Texts {
  if (draft === undefined) return onto
  const merged = new Map(draft === null ? [] : Object.entries(onto))
  for (const [name, text] of Object.entries(draft ?? {})) {
    if (text === null) merged.delete(name)
    else merged.set(name, text)
  }
  return Object.fromEntries(merged)
}
