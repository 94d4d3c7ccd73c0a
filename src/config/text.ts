/** YAML text → plain value, and the line of any path in it. Nothing of the file's values is ever put into a fault. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'

/** One thing wrong with the file. `path` is dotted, `line` counts from 1 and is absent when no place in the text stands for it. */
export interface Fault {
  readonly path: string
  readonly reason: string
  readonly line?: number
}

/** `path: reason (line n)`, as the contract prints it. */
export function formatFault({ path, reason, line }: Fault): string {
  return `${path === '' ? 'file' : path}: ${reason}${line === undefined ? '' : ` (line ${line})`}`
}

/** `['providers', 'a', 'credentials', 0]` → `providers.a.credentials[0]`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path
    .map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? String(step) : `.${String(step)}`))
    .join('')
}

export interface ParsedText {
  readonly value: unknown
  /** Line of the deepest part of the path that the text has. */
  lineOf(path: readonly PropertyKey[]): number | undefined
}

const TEXT_MAX = 1_048_576

/** Parses one YAML 1.2 document. Doubled keys, unknown tags, several documents and alias bombs are faults. */
export function parseText(text: string): ParsedText | readonly Fault[] {
  if (text.length > TEXT_MAX) return [{ path: '', reason: 'larger than 1 MiB' }]
  const lines = new LineCounter()
  let document: ReturnType<typeof parseDocument>
  try {
    // Pretty errors quote the offending line, which may hold a secret.
    document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true })
  } catch {
    return [{ path: '', reason: 'not YAML: nested too deeply' }]
  }
  // What follows the first few is mostly their echo.
  const faults = [...document.errors, ...document.warnings].slice(0, 10).map(error => ({
    path: '',
    reason:
      error.code === 'DUPLICATE_KEY'
        ? `the key ${keyAt(text, error.pos[0])} stands twice`
        : `not YAML: ${reasonOf(error.code)}`,
    line: lines.linePos(error.pos[0]).line,
  }))
  if (faults.length > 0) return faults

  const lineOf = (path: readonly PropertyKey[]): number | undefined => {
    let node: Node | null | undefined = document.contents
    let offset = node?.range?.[0]
    for (const step of path) {
      if (isAlias(node)) node = node.resolve(document)
      if (isMap(node)) {
        const pair = node.items.find(item => isScalar(item.key) && String(item.key.value) === String(step))
        if (pair === undefined) break
        offset = (pair.key as Node).range?.[0] ?? offset
        node = pair.value as Node | null
      } else if (isSeq(node) && typeof step === 'number') {
        node = node.items[step] as Node | undefined
        offset = node?.range?.[0] ?? offset
      } else break
    }
    return offset === undefined ? undefined : lines.linePos(offset).line
  }

  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 }) ?? {}
    if (typeof value !== 'object' || Array.isArray(value))
      return [{ path: '', reason: 'the file must be a map of settings, as in `providers: …`' }]
    return { value, lineOf }
  } catch {
    return [{ path: '', reason: 'not YAML: unresolved or too many aliases (&name, *name)' }]
  }
}

/** The key that starts here, quoted; keys are names, never secrets. */
function keyAt(text: string, offset: number): string {
  return JSON.stringify(/^["']?([^"':\s]{0,64})/.exec(text.slice(offset, offset + 80))?.[1] ?? '')
}

/** The library's codes as words; its messages may quote the text, its codes never do. */
function reasonOf(code: string): string {
  const known: Readonly<Record<string, string>> = {
    BAD_INDENT: 'wrong indentation',
    TAB_AS_INDENT: 'a tab is used for indentation, use spaces',
    MULTIPLE_DOCS: 'more than one document (---)',
    TAG_RESOLVE_FAILED: 'unknown tag (!name)',
    MISSING_CHAR: 'a quote, bracket, comma or colon is missing',
    BLOCK_AS_IMPLICIT_KEY: 'a nested map on the line of its key, or a value with ": " that needs quotes',
    MULTILINE_IMPLICIT_KEY: 'a key runs over several lines, or a colon is missing',
    BAD_ALIAS: 'alias without anchor',
  }
  return known[code] ?? code.toLowerCase().replaceAll('_', ' ')
}
