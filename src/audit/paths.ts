/** Which members of a configuration differ, by name alone: values may be somebody's business. */

const PATHS_MAX = 100

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Paths such as `routing.strategy` of what is another value, new or gone; at most 100, and then how many more. */
export function changedPaths(before: unknown, after: unknown): string[] {
  const found: string[] = []
  const walk = (a: unknown, b: unknown, path: string): void => {
    if (isTable(a) && isTable(b)) {
      for (const name of new Set([...Object.keys(a), ...Object.keys(b)]))
        walk(a[name], b[name], path === '' ? name : `${path}.${name}`)
    } else if (JSON.stringify(a) !== JSON.stringify(b)) found.push(path)
  }
  walk(before, after, '')
  const more = found.length - PATHS_MAX
  return more > 0 ? [...found.slice(0, PATHS_MAX), `and ${more} more`] : found
}
