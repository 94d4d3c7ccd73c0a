/** Tidy rules that look at one file of `src` or `providers` at a time. */
import { type CallExpression, is, type Node, SyntaxKind } from './nodes.ts'
import { type Finding, lastLineOf, lineOf, type Rule, type Source, visit } from './source.ts'

const FILE_LINES_MAX = 300
const FUNCTION_LINES_MAX = 70

/** A number above the limit, with the reason why it may stay. It may shrink, it may not grow. */
export interface Ratchet {
  readonly lines: number
  readonly why: string
}
export type Ratchets = Readonly<Record<string, Ratchet>>

const finding = (source: Source, node: Node, message: string): Finding => ({
  path: source.path,
  line: lineOf(source, node),
  message,
})

/** Every node of a file for which the test finds something to say. */
function eachNode(source: Source, say: (node: Node) => string | undefined): Finding[] {
  const found: Finding[] = []
  visit(source.tree, node => {
    const message = say(node)
    if (message !== undefined) found.push(finding(source, node, message))
    return true
  })
  return found
}

/** Logic stays short; a file of data is listed with the ratchets. */
export const fileLength =
  (ratchets: Ratchets): Rule =>
  ({ path, text }) => {
    const lines = text.split('\n').length - 1
    const most = ratchets[path]?.lines ?? FILE_LINES_MAX
    return lines > most ? [{ path, line: most + 1, message: `${lines} lines, at most ${most}` }] : []
  }

function nameOfFunction(node: Node): string {
  for (const at of [node, node.parent, node.parent?.parent]) {
    const name = at !== undefined && is.named(at) ? at.name : undefined
    if (name !== undefined && is.identifier(name)) return name.text
  }
  return 'anonymous'
}

/** A function's lines, from its head to its closing brace. Keys of the ratchets: `path#name`. */
export const functionLength =
  (ratchets: Ratchets): Rule =>
  source =>
    eachNode(source, node => {
      if (!is.functionWithBody(node)) return undefined
      const lines = lastLineOf(source, node) - lineOf(source, node) + 1
      const name = nameOfFunction(node)
      const most = ratchets[`${source.path}#${name}`]?.lines ?? FUNCTION_LINES_MAX
      return lines > most ? `${name} has ${lines} lines, at most ${most}` : undefined
    })

const isRuntime = (path: string) => path.startsWith('src/runtime/') || path.startsWith('src/cli/')
const NATIVE = /^(node:|cloudflare:)|^(undici|better-sqlite3|postgres|pg|ws|@hono\/node-server)(\/|$)/
const NATIVE_GLOBALS = new Set(['process', 'Buffer', 'require', '__dirname', '__filename', 'setImmediate'])

/** An identifier that names a value of the surroundings, not a member or a key. */
function isFree(node: Node): boolean {
  const parent = node.parent
  if (parent === undefined) return true
  if (is.propertyAccess(parent)) return parent.expression === node
  return !(is.named(parent) && parent.name === node)
}

/** Node, drivers and Workers stay behind `src/runtime/`. A programme that is run by hand is told by its path. */
export const runtimeOnly =
  (exempt: ReadonlySet<string> = new Set()): Rule =>
  source => {
    if (isRuntime(source.path) || exempt.has(source.path)) return []
    return eachNode(source, node => {
      const from = importedFrom(node)
      if (from !== undefined && NATIVE.test(from)) return `${from} may be imported in src/runtime/ only`
      if (is.identifier(node) && NATIVE_GLOBALS.has(node.text) && isFree(node))
        return `${node.text} may be used in src/runtime/ only`
      return undefined
    })
  }

/** What an `import … from`, `export … from` or `import()` names; undefined for every other node. */
export function importedFrom(node: Node): string | undefined {
  if (is.importDeclaration(node) || is.exportDeclaration(node)) {
    const from = node.moduleSpecifier
    return from !== undefined && is.stringLike(from) ? from.text : undefined
  }
  if (!is.call(node) || node.expression.kind !== SyntaxKind.ImportKeyword) return undefined
  const [from] = node.arguments
  return from !== undefined && is.stringLike(from) ? from.text : undefined
}

/** True when nothing is left of the import at run time. */
export function isTypeOnly(node: Node): boolean {
  if (is.exportDeclaration(node)) return node.isTypeOnly
  return is.importDeclaration(node) && node.importClause?.phaseModifier === SyntaxKind.TypeKeyword
}

const BANNED = ['util', 'utils', 'helper', 'helpers', 'common', 'misc', 'manager', 'service', 'base']
const wordsOf = (name: string) => name.split(/[-_.]|(?<=[a-z0-9])(?=[A-Z])/).map(word => word.toLowerCase())
const bannedIn = (name: string) => wordsOf(name).find(word => BANNED.includes(word))

/** If it has no name it has no home: files, types, classes. */
export const names: Rule = source => {
  const file = source.path.slice(source.path.lastIndexOf('/') + 1)
  const word = bannedIn(file)
  const found: Finding[] = word ? [{ path: source.path, line: 1, message: `a file named "${word}"` }] : []
  return found.concat(
    eachNode(source, node => {
      if (!is.typeLike(node) || node.name === undefined) return undefined
      const banned = bannedIn(node.name.text)
      return banned && `a type named "${banned}": ${node.name.text}`
    }),
  )
}

/** On Workers the console is where the platform collects logs, and the log sink is its one user. */
const CONSOLE_SINK = 'src/runtime/worker/log.ts'

export const noConsole: Rule = source =>
  eachNode(source, node =>
    is.identifier(node) && node.text === 'console' && isFree(node) && source.path !== CONSOLE_SINK
      ? 'console: use deps.log'
      : undefined,
  )

/** The first line says what the file is and where in the pipeline. */
export const firstLine: Rule = ({ path, text }) => {
  const [first = '', second = ''] = text.split('\n', 2)
  const line = first === '/**' || first.startsWith('#!') ? second : first
  return /^( ?\*|\/\*\*?|\/\/) [^\s*]/.test(line)
    ? []
    : [{ path, line: 1, message: 'the first line is no comment' }]
}

/** Files in which bytes may leave: `send` and what it stands on, and the command line's way to its own gateway. */
const MAY_CALL_OUT = new Set([
  'src/runtime/node/connect.ts',
  'src/runtime/node/routes.ts',
  'src/runtime/node/send.ts',
  'src/runtime/node/send-fetch.ts',
  'src/runtime/worker/send.ts',
  'src/cli/client.ts',
])
const CALLS_OUT = new Set(['http.request', 'http.get', 'https.request', 'https.get'])

/** A `fetch` that was handed in is made of `send`; the global one is not. */
function isGlobalFetch(source: Source, call: CallExpression): boolean {
  if (!is.identifier(call.expression) || call.expression.text !== 'fetch') return false
  for (let at: Node | undefined = call; at !== undefined; at = at.parent) {
    if (!is.functionWithBody(at)) continue
    if (at.parameters.some(parameter => /\bfetch\b/.test(parameter.name.getText(source.tree)))) return false
  }
  return true
}

/** `send` is the only way out: it is where the egress guard stands. */
export const oneWayOut: Rule = source => {
  if (MAY_CALL_OUT.has(source.path)) return []
  return eachNode(source, node => {
    if (is.call(node) && (isGlobalFetch(source, node) || CALLS_OUT.has(node.expression.getText(source.tree))))
      return 'an upstream call outside deps.send'
    // as a value; `typeof globalThis.fetch` is a type
    if (is.propertyAccess(node) && node.getText(source.tree) === 'globalThis.fetch')
      return 'the global fetch as a value: hand in one that is made of deps.send'
    const from = isTypeOnly(node) ? undefined : importedFrom(node)
    if (from === 'undici' || from === 'node:net' || from === 'node:tls' || from === 'node:http2')
      return `${from} may be imported by send only`
    return undefined
  })
}

/** A whole statement, all in one case: not a sentence that begins with "Select". */
const STATEMENT =
  /^\s*(select\s[\s\S]*\sfrom\s|insert\s+(or\s+\w+\s+)?into\s|update\s+\S+\s+set\s|delete\s+from\s|create\s+(table|index)\s|alter\s+table\s|pragma\s)/
/** A condition that the next value completes. */
const CONDITION = /\b(where|and|or|set)\s+[\w.]+\s*(=|<|>|in|like)\s*['"(]*$/
const isSql = (text: string) => {
  const isUpper = /^\s*[A-Z]{4,}\b|\b(WHERE|AND|OR|SET)\b/.test(text)
  const plain = isUpper ? text.toLowerCase() : text
  return STATEMENT.test(plain) || CONDITION.test(plain)
}

/** SQL is text with parameters: nothing is pasted into it. */
export const sql: Rule = source =>
  eachNode(source, node => {
    if (is.propertyAccess(node) && node.getText(source.tree) === 'sql.raw') return 'sql.raw'
    if (is.template(node) && !is.taggedTemplate(node.parent) && isSql(node.head.text))
      return 'values are pasted into SQL: use parameters or the sql tag'
    if (is.binary(node) && node.operatorToken.kind === SyntaxKind.PlusToken) {
      const { left } = node
      if (is.stringLike(left) && isSql(left.text)) return 'concatenated SQL'
    }
    return undefined
  })

/** Who somebody is decides nothing outside `providers/`: what they are does. */
export const providerName: Rule = source => {
  if (source.path.startsWith('providers/')) return []
  return eachNode(source, node => {
    if (!is.binary(node) || node.operatorToken.kind !== SyntaxKind.EqualsEqualsEqualsToken) return undefined
    const sides = [node.left, node.right].map(side => side.getText(source.tree))
    return sides.some(text => /(^|\.)provider\.name$/.test(text)) ? 'provider.name ===' : undefined
  })
}
