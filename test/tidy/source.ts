/** What the tidy rules look at: the repository's files and, for code, the compiler's own syntax trees. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Node, SourceFile } from 'typescript/unstable/ast'
import { API } from 'typescript/unstable/sync'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** One breach, printed as `path:line: message`. */
export interface Finding {
  readonly path: string
  readonly line: number
  readonly message: string
}

export const printed = ({ path, line, message }: Finding): string => `${path}:${line}: ${message}`

/** A file of code; `path` is relative to the repository's root. */
export interface Source {
  readonly path: string
  readonly text: string
  readonly tree: SourceFile
}

/** A rule that looks at one file at a time. */
export type Rule = (source: Source) => readonly Finding[]

const IS_CODE = /\.(ts|tsx)$/

/** Parses texts without resolving anything: the compiler reads them from memory. */
export function parse(files: Readonly<Record<string, string>>): Source[] {
  const root = '/tidy/'
  const names = Object.keys(files).filter(path => IS_CODE.test(path))
  const config = JSON.stringify({
    compilerOptions: { noLib: true, noResolve: true, noCheck: true, types: [], jsx: 'preserve' },
    files: names,
  })
  const texts = new Map<string, string>([[`${root}tsconfig.json`, config]])
  for (const name of names) texts.set(root + name, files[name] ?? '')
  const api = new API({
    cwd: root,
    fs: {
      readFile: path => texts.get(path) ?? null,
      fileExists: path => texts.has(path),
      directoryExists: path =>
        root.startsWith(`${path}/`) || names.some(n => `${root}${n}`.startsWith(`${path}/`)),
      getAccessibleEntries: () => ({ files: [], directories: [] }),
      realpath: path => path,
    },
  })
  try {
    const project = api.updateSnapshot({ openProjects: [`${root}tsconfig.json`] }).getProjects()[0]
    return names.map(path => {
      const tree = project?.program.getSourceFile(root + path)
      if (tree === undefined) throw new Error(`the compiler did not read ${path}`)
      return { path, text: files[path] ?? '', tree }
    })
  } finally {
    api.close()
  }
}

/** Every node below, parents first; the callback returns false to stay out of a subtree. */
export function visit(node: Node, see: (node: Node) => boolean | undefined): void {
  node.forEachChild(child => {
    if (see(child) !== false) visit(child, see)
    return undefined
  })
}

/** 1-based line of a node's first character (comments before it do not count). */
export function lineOf({ tree }: Source, node: Node): number {
  return tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1
}

export function lastLineOf({ tree }: Source, node: Node): number {
  return tree.getLineAndCharacterOfPosition(node.end).line + 1
}

/** Files that git knows or would add. */
export function trackedFiles(): string[] {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '-z']
  const names = execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 << 20 }).split('\0')
  return names.filter(name => name !== '' && existsSync(ROOT + name))
}

export const textOf = (path: string): string => readFileSync(ROOT + path, 'utf8')

/** All of `src` and `providers`, parsed. */
export function productSources(tracked: readonly string[]): Source[] {
  const paths = tracked.filter(path => /^(src|providers)\//.test(path) && IS_CODE.test(path))
  return parse(Object.fromEntries(paths.map(path => [path, textOf(path)])))
}
