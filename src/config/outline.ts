/** The outline of the config file, made from its schema: known keys at a place, and the rows of the README's table. */
import { z } from 'zod'
import { ConfigFile } from './file.ts'

/** The part of JSON Schema that our schema uses. */
interface Outline {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly Outline[]
  readonly properties?: Readonly<Record<string, Outline>>
  readonly additionalProperties?: Outline | boolean
  readonly items?: Outline
  readonly minimum?: number
  readonly exclusiveMinimum?: number
  readonly maximum?: number
  /** One row for the whole map. */
  readonly folded?: boolean
}

const outline = z.toJSONSchema(ConfigFile, { io: 'input' }) as Outline

function outlineAt(path: readonly PropertyKey[]): Outline | undefined {
  let at: Outline | undefined = outline
  for (const step of path) {
    const rest: Outline | boolean | undefined = at?.additionalProperties
    at =
      typeof step === 'number'
        ? at?.items
        : (at?.properties?.[String(step)] ?? (typeof rest === 'object' ? rest : undefined))
  }
  return at
}

/** Keys that the file knows at a path; undefined where any key may stand (`providers`, `models`). */
export function knownKeysAt(path: readonly PropertyKey[]): readonly string[] | undefined {
  const at = outlineAt(path)
  return at?.properties && Object.keys(at.properties)
}

/** Does a map belong there? */
export function isMapAt(path: readonly PropertyKey[]): boolean {
  return outlineAt(path)?.type === 'object'
}

/** One row of the table: `default` is JSON, or '' when there is none. */
export interface ConfigRow {
  readonly path: string
  readonly type: string
  /** As in `1024 to 268435456`; '' = none. */
  readonly bounds: string
  readonly default: string
  readonly description: string
}

function typeOf(node: Outline): string {
  if (node.enum) return node.enum.map(value => JSON.stringify(value)).join(' or ')
  if (node.const !== undefined) return JSON.stringify(node.const)
  if (node.anyOf) return node.anyOf.map(typeOf).join(' or ')
  if (node.type === 'array') return `list of ${node.items?.properties ? 'maps' : typeOf(node.items ?? {})}`
  if (node.type === 'object') return 'map'
  return node.type ?? 'any'
}

/** What integers can be is no bound of the member's own. */
const own = (bound: number | undefined): boolean =>
  bound !== undefined && Math.abs(bound) < Number.MAX_SAFE_INTEGER

function boundsOf({ minimum, exclusiveMinimum, maximum }: Outline): string {
  const from = own(minimum) ? `${minimum}` : own(exclusiveMinimum) ? `above ${exclusiveMinimum}` : ''
  if (!own(maximum)) return from === '' || from.startsWith('above') ? from : `at least ${from}`
  return from === '' ? `at most ${maximum}` : `${from} to ${maximum}`
}

function* rowsOf(node: Outline, path: string): Generator<ConfigRow> {
  const inner = node.type === 'array' ? node.items : node.additionalProperties
  const nested = typeof inner === 'object' && inner.properties ? inner : undefined
  if (node.properties === undefined || node.folded)
    yield {
      path,
      type: typeOf(node),
      bounds: boundsOf(node),
      default:
        node.default === undefined || nested !== undefined || node.folded ? '' : JSON.stringify(node.default),
      description: node.description ?? '',
    }
  if (node.folded) return
  const children = node.properties ?? nested?.properties ?? {}
  const prefix = nested === undefined ? path : `${path}${node.type === 'array' ? '[]' : '.<name>'}`
  for (const [name, child] of Object.entries(children))
    yield* rowsOf(child, prefix === '' ? name : `${prefix}.${name}`)
}

/** Every member of the config file, in the file's order. */
export function describeConfig(): readonly ConfigRow[] {
  return [...rowsOf(outline, '')]
}

const cell = (text: string): string => text.replaceAll('|', '\\|')
const code = (text: string): string => (text === '' ? '' : `\`${cell(text)}\``)

/** Every member with its default, a row for what stands together: the README's table. */
export function configSummary(): string {
  const groups = Map.groupBy(describeConfig(), ({ path }) =>
    path.slice(0, Math.max(0, path.lastIndexOf('.'))),
  )
  const said = (row: ConfigRow) =>
    code(row.path.slice(row.path.lastIndexOf('.') + 1)) + (row.default === '' ? '' : ` ${cell(row.default)}`)
  return [
    '| Under | Members, with what holds when they are left out |',
    '|---|---|',
    ...[...groups].map(([parent, rows]) => `| ${code(parent)} | ${rows.map(said).join(', ')} |`),
  ].join('\n')
}

/** What each member means: the table of CONFIG.md. */
export function configTable(): string {
  return [
    '| Key | Type | Default | Meaning |',
    '|---|---|---|---|',
    ...describeConfig().map(
      row =>
        `| ${code(row.path)} | ${cell(row.bounds === '' ? row.type : `${row.type}, ${row.bounds}`)} | ${code(row.default)} | ${cell(row.description)} |`,
    ),
  ].join('\n')
}
