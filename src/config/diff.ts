/** What differs between two config files as they were read: paths in the file's own words, and no value that may be a secret. Pure. */
import { formatPath } from './text.ts'

export interface SettingChange {
  /** As faults name it: `providers.house.models.m.input_usd_per_mtok`. */
  readonly path: string
  readonly kind: 'added' | 'removed' | 'changed'
  /** A scalar or a list; absent for maps, and where the value may be a secret. */
  readonly from?: unknown
  readonly to?: unknown
  /** True where a running gateway takes it up with its next start only. */
  readonly needsRestart?: true
}

type Path = readonly (string | number)[]

/** Header values and the addresses of chat services are secrets as often as not. */
const isHidden = (path: Path): boolean =>
  (path[0] === 'providers' && path[2] === 'headers' && path.length > 3) ||
  (path[0] === 'alerts' && path[1] === 'webhook')

/** Taken by the pools of connections when they are made. */
const isForStart = (path: Path): boolean => path[0] === 'timeouts' && path[1] === 'connect_ms'

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A list of things with names is compared by name: its order says nothing of what changed. */
function asMap(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (isMap(value)) return value
  if (!Array.isArray(value) || value.length === 0) return undefined
  const named = value.map(item => (isMap(item) && typeof item.name === 'string' ? item.name : undefined))
  if (named.some(name => name === undefined) || new Set(named).size < named.length) return undefined
  return Object.fromEntries(value.map((item, i) => [named[i], item]))
}

/** Without what may stand before the host of an address. */
const shown = (value: unknown): unknown =>
  typeof value === 'string' ? value.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, '$1…@') : value

function valuesOf(path: Path, from: unknown, to: unknown): Pick<SettingChange, 'from' | 'to'> {
  if (isHidden(path)) return {}
  return {
    ...(from !== undefined && !isMap(from) && { from: shown(from) }),
    ...(to !== undefined && !isMap(to) && { to: shown(to) }),
  }
}

/** Null and absent mean the same in this file. */
const isAbsent = (value: unknown): boolean => value === undefined || value === null

const isEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length === 0

function walk(path: Path, from: unknown, to: unknown, found: SettingChange[]): void {
  if (isAbsent(from) && isAbsent(to)) return
  const [before, after] = [asMap(from), asMap(to)]
  const both = (before ?? isEmptyList(from)) && (after ?? isEmptyList(to))
  if (both && (before ?? after)) {
    const names = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])
    for (const name of names) walk([...path, name], before?.[name], after?.[name], found)
    return
  }
  if (JSON.stringify(from) === JSON.stringify(to)) return
  const kind = isAbsent(from) ? 'added' : isAbsent(to) ? 'removed' : 'changed'
  found.push({
    path: formatPath(path),
    kind,
    ...valuesOf(path, from ?? undefined, to ?? undefined),
    ...(isForStart(path) && { needsRestart: true }),
  })
}

/** `from` and `to` as the schema gives them, defaults filled in: what is written out and what is left out are the same. */
export function diffSettings(from: object, to: object): SettingChange[] {
  const found: SettingChange[] = []
  walk([], from, to, found)
  return found.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
}
