/** Tidy rules about who may import whom, and about files that nobody imports. */
import type { Node } from './nodes.ts'
import { importedFrom, isTypeOnly } from './rules.ts'
import { type Finding, lineOf, type Rule, type Source, visit } from './source.ts'

/** Layers, the lowest first; a file may import its own layer and those below it. The first prefix that fits counts. */
const LAYERS: readonly (readonly [prefix: string, layer: number])[] = [
  ['src/runtime/', 6],
  ['src/cli/', 6],
  ['src/app.ts', 5],
  ['src/http/', 4],
  ['src/admin/', 4],
  ['src/dashboard/', 4],
  ['src/gateway.ts', 3],
  ['src/authenticate.ts', 2],
  ['src/admit.ts', 2],
  ['src/estimate.ts', 2],
  ['src/hosted.ts', 2],
  ['src/count.ts', 2],
  // names and sites are knowledge that the config file is checked against, not a step of a request
  ['src/route/names.ts', 1],
  ['src/route/alias-at.ts', 1],
  ['src/route/sellers.ts', 1],
  ['src/route/sites.ts', 1],
  ['src/route/offers.ts', 1],
  ['src/route/', 2],
  ['src/attempt/', 2],
  ['src/relay/', 2],
  ['src/meter.ts', 2],
  ['src/plausible.ts', 2],
  ['src/record.ts', 2],
  ['src/telemetry.ts', 2],
  ['src/metrics/', 2],
  ['src/keys/', 1],
  ['src/vault/', 1],
  ['src/audit/', 1],
  ['src/ledger/', 1],
  ['src/store/', 1],
  ['src/config/', 1],
  ['src/catalog/', 1],
  ['src/egress/', 1],
  ['src/authorize/', 1],
  ['providers/', 0.5],
  ['drizzle/', 0],
  ['src/terms.ts', 0],
  ['src/usage.ts', 0],
  ['src/errors.ts', 0],
  ['src/ids.ts', 0],
  ['src/bag.ts', 0],
  ['src/price.ts', 0],
  ['src/deps.ts', 0],
  ['src/redact.ts', 0],
  ['src/tokenizer/', 0],
  ['src/wire/', 0],
]

const layerOf = (path: string) => LAYERS.find(([prefix]) => path.startsWith(prefix))?.[1]

/** Pairs that their layers alone would allow. */
const NEVER: readonly (readonly [from: RegExp, to: RegExp, why: string])[] = [
  [/^src\/http\//, /^src\/(admin|dashboard)\//, 'the data plane knows nothing of the admin plane'],
  [/^src\/admin\//, /^src\/dashboard\//, 'the dashboard stands on the admin plane, not the other way'],
  [/^(?!src\/(store|runtime)\/)/, /^drizzle\//, 'tables are known to src/store only'],
]

/** A path relative to the root for `./…` and `../…`; undefined for a package. */
export function resolved(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined
  const parts = from.split('/').slice(0, -1)
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '.') parts.push(part)
  }
  return parts.join('/')
}

interface Import {
  readonly node: Node
  readonly specifier: string
  readonly target: string | undefined
  readonly typeOnly: boolean
}

function importsOf(source: Source): Import[] {
  const found: Import[] = []
  visit(source.tree, node => {
    const specifier = importedFrom(node)
    if (specifier !== undefined)
      found.push({ node, specifier, target: resolved(source.path, specifier), typeOnly: isTypeOnly(node) })
    return true
  })
  return found
}

function whyNotProvider(path: string, { specifier, target, typeOnly }: Import): string | undefined {
  if (target === undefined)
    return specifier === 'zod' || (typeOnly && !/^(hono|drizzle)/.test(specifier))
      ? undefined
      : `a provider may import no package but zod: ${specifier}`
  if (target.startsWith('src/'))
    return /^src\/(wire\/|errors\.ts|terms\.ts|price\.ts)/.test(target)
      ? undefined
      : `a provider may not import ${target}`
  const folder = /^providers\/([^/]+)\//
  const [own, theirs] = [folder.exec(path)?.[1], folder.exec(target)?.[1]]
  return theirs !== undefined && theirs !== own ? `a provider may not import another: ${target}` : undefined
}

/** Type-only imports leave nothing behind and are free, except for providers. */
export const arrows: Rule = source => {
  const isProvider =
    source.path.startsWith('providers/') && !/^providers\/(index\.ts|catalog\/)/.test(source.path)
  const found: Finding[] = []
  const layer = layerOf(source.path)
  if (layer === undefined)
    found.push({ path: source.path, line: 1, message: 'stands in no layer: add it to test/tidy/arrows.ts' })
  for (const entry of importsOf(source)) {
    const why = isProvider ? whyNotProvider(source.path, entry) : undefined
    const message = why ?? (entry.typeOnly ? undefined : whyNot(source.path, layer, entry.target))
    if (message !== undefined) found.push({ path: source.path, line: lineOf(source, entry.node), message })
  }
  return found
}

function whyNot(path: string, layer: number | undefined, target: string | undefined): string | undefined {
  if (target === undefined || layer === undefined) return undefined
  const never = NEVER.find(([from, to]) => from.test(path) && to.test(target))
  if (never !== undefined) return `may not import ${target}: ${never[2]}`
  const theirs = layerOf(target)
  return theirs !== undefined && theirs > layer ? `may not import ${target}, which is above it` : undefined
}

/** Files that nothing imports and that nobody starts. */
export function orphans(sources: readonly Source[], entries: ReadonlySet<string>): Finding[] {
  const wanted = new Set(entries)
  for (const source of sources)
    for (const { target } of importsOf(source)) if (target !== undefined) wanted.add(target)
  return sources
    .filter(({ path }) => !wanted.has(path))
    .map(({ path }) => ({ path, line: 1, message: 'nobody imports this file' }))
}
