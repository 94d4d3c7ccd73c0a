/** The README says what is true: its size, its commands, variables, files and packages are compared with the code. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { HOSTS } from '../providers/hosts.ts'
import { COMMANDS } from '../src/cli/run.ts'
import { readChat } from '../src/wire/openai.ts'
import { parseBody } from '../src/wire/body.ts'
import { parse, textOf, trackedFiles, visit } from './tidy/source.ts'
import { is } from './tidy/nodes.ts'

const at = (path: string) => new URL(`../${path}`, import.meta.url)
const readme = readFileSync(at('README.md'), 'utf8')
const security = readFileSync(at('SECURITY.md'), 'utf8')
const pack = JSON.parse(readFileSync(at('package.json'), 'utf8')) as {
  files: string[]
  scripts: Record<string, string>
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
}

/** Names of variables that the code reads off an `env`, so that none stays untold. */
function variablesRead(): Set<string> {
  const paths = trackedFiles().filter(path => /^src\/(runtime\/node|cli|config|egress)\/.*\.ts$/.test(path))
  const found = new Set<string>()
  for (const { tree } of parse(Object.fromEntries(paths.map(path => [path, textOf(path)]))))
    visit(tree, node => {
      if (
        is.propertyAccess(node) &&
        /(^|\.)env$/.test(node.expression.getText(tree)) &&
        is.identifier(node.name)
      )
        found.add(node.name.text)
      else if (is.bindingElement(node) && node.propertyName && is.identifier(node.propertyName))
        found.add(node.propertyName.text)
      else if (is.stringLike(node) && /^SWITCHGATE_[A-Z_]+$/.test(node.text)) found.add(node.text)
      return true
    })
  return found
}

describe('README', () => {
  test('stays one read: at most 250 lines', () => {
    expect(readme.split('\n').length - 1).toBeLessThanOrEqual(250)
  })

  test('names every package with its reason', () => {
    const named = Object.keys({ ...pack.dependencies, ...pack.devDependencies })
    expect(named.filter(name => !readme.includes(`\`${name}\``))).toEqual([])
  })

  test('names every variable that is read', () => {
    const read = variablesRead()
    // what the code asks for at least, so that this test cannot pass by seeing nothing
    for (const name of ['SWITCHGATE_DATA', 'LOG_LEVEL', 'TLS_CERT_FILE']) expect([...read]).toContain(name)
    // refused until they exist, and told under "Not there yet"
    for (const name of ['DATABASE_URL', 'SWITCHGATE_PROCESSES']) read.delete(name)
    const untold = [...read].filter(name => !readme.includes(`\`${name}\``))
    expect(untold.filter(name => /^[A-Z][A-Z_]+$/.test(name))).toEqual([])
  })

  test('every command it names exists, and every command is named', () => {
    for (const { name } of COMMANDS) {
      const [noun = '', verb] = name.split(' ')
      const row = readme
        .split('\n')
        .find(line => line.startsWith('| `') && line.includes(`switchgate ${noun}`))
      expect(row, name).toBeDefined()
      if (verb) expect(row, name).toMatch(new RegExp(`\`(switchgate ${noun} )?${verb}\``))
    }
    const known = new Set(['serve', ...COMMANDS.map(({ name }) => name.split(' ')[0])])
    const used = [...readme.matchAll(/`switchgate ([a-z-]+)/g)].map(([, noun]) => noun)
    expect(used.filter(noun => !known.has(noun))).toEqual([])
  })

  test('every npm script it names exists', () => {
    const used = [...readme.matchAll(/npm (?:run (?:-s )?)?([a-z:]+)/g)].map(([, name]) => name ?? '')
    expect(used.length).toBeGreaterThan(5)
    expect(
      used.filter(name => !['ci', 'start', 'test', ...Object.keys(pack.scripts)].includes(name)),
    ).toEqual([])
  })

  test('every folder and file of the map exists, and every folder of src is in it', () => {
    const map = readme.slice(readme.indexOf('| Where | What |'), readme.indexOf('## Working on it'))
    const cells = map.split('\n').flatMap(row => [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)])
    const paths = cells.map(([, path]) => path ?? '')
    const exists = (path: string) => existsSync(at(path)) || existsSync(at(`src/${path}`))
    expect(paths.length).toBeGreaterThan(20)
    expect(paths.filter(path => !exists(path))).toEqual([])
    const folders = readdirSync(at('src'), { withFileTypes: true }).filter(entry => entry.isDirectory())
    expect(folders.map(({ name }) => name).filter(name => !map.includes(`${name}/`))).toEqual([])
  })

  test('counts hosts as there are', () => {
    const more = Number(/variables of (\d+) more hosts/.exec(readme)?.[1])
    const withVariable = Object.entries(HOSTS).filter(([, row]) => row.env.length > 0)
    expect(withVariable.length).toBeGreaterThanOrEqual(more + 2)
  })

  test('its curl line has a body that the gateway takes', () => {
    const body = /-d '(\{"model":"demo\/echo".*?\})'/.exec(readme)?.[1] ?? ''
    const facts = readChat(parseBody(new TextEncoder().encode(body), body, { depthMax: 64 }))
    expect(facts.model).toBe('demo/echo')
  })
})

describe('The package', () => {
  const isPacked = (path: string) => pack.files.some(entry => path === entry || path.startsWith(`${entry}/`))

  test('has every page that the README and its pages name or link to', () => {
    const pages = new Set(['README.md'])
    const linked = new Set<string>()
    for (const page of pages) {
      const text = readFileSync(at(page), 'utf8')
      for (const [name] of text.matchAll(/\b[A-Z]+\.md\b/g)) pages.add(name)
      for (const [, link = ''] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) linked.add(link)
    }
    expect(pages.size).toBeGreaterThan(7)
    const named = [...pages, ...linked, 'LICENSE']
    expect(named.filter(path => !existsSync(at(path)))).toEqual([])
    expect(named.filter(path => !isPacked(path))).toEqual([])
  })

  test('has no entry without a file', () => {
    // made by the build, which may not have been run yet
    const entries = pack.files.filter(entry => entry !== 'dist')
    expect(entries.filter(entry => !existsSync(at(entry)))).toEqual([])
  })
})

describe('SECURITY', () => {
  test('says what is trusted, what is not protected, and where to report', () => {
    for (const heading of ['## Trust boundaries', '## Not protected against', '## Reporting'])
      expect(security).toContain(heading)
  })

  test('every file it points to exists', () => {
    const paths = [...security.matchAll(/`((?:src|providers|test)\/[^`]+)`/g)].map(([, path]) => path ?? '')
    expect(paths.length).toBeGreaterThan(5)
    expect(paths.filter(path => !existsSync(at(path)))).toEqual([])
  })
})
