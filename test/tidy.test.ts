/** The rules of the house that a machine can check. Each one is first shown a snippet that it must catch. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: snippets of code
import { beforeAll, describe, expect, test } from 'vitest'
import { arrows, orphans } from './tidy/arrows.ts'
import { forbiddenWords, leftovers, lockfile, versionRanges } from './tidy/repository.ts'
import {
  fileLength,
  firstLine,
  functionLength,
  names,
  noConsole,
  oneWayOut,
  providerName,
  type Ratchets,
  runtimeOnly,
  sql,
} from './tidy/rules.ts'
import {
  type Finding,
  parse,
  printed,
  productSources,
  type Rule,
  type Source,
  textOf,
  trackedFiles,
} from './tidy/source.ts'

/** Files over 300 lines. Data may be long; anything else is a debt that may only shrink. */
const LONG_FILES: Ratchets = {
  'providers/hosts.ts': { lines: 1_000, why: 'data: one row for each host' },
}

const CLOSURES = 'a factory of short closures over shared state'

/** Functions over 70 lines, as `path#name`. */
const LONG_FUNCTIONS: Ratchets = {
  'src/audit/log.ts#createAuditLog': { lines: 140, why: CLOSURES },
  'src/dashboard/requests.tsx#requestsPage': { lines: 86, why: 'markup of one page' },
  'src/ledger/budgets.ts#createBudgets': { lines: 115, why: CLOSURES },
  'src/ledger/fold.ts#createFolder': { lines: 131, why: CLOSURES },
  'src/ledger/ledger.ts#createLedger': { lines: 162, why: CLOSURES },
  'src/ledger/rates.ts#createRates': { lines: 80, why: CLOSURES },
  'src/ledger/slices.ts#createSlices': { lines: 171, why: CLOSURES },
  'src/metrics/rows.ts#createRows': { lines: 101, why: CLOSURES },
  'src/runtime/node/journal.ts#openJournal': { lines: 150, why: CLOSURES },
  'src/runtime/node/segments.ts#openSegments': { lines: 90, why: CLOSURES },
  'src/runtime/node/open.ts#wire': { lines: 126, why: 'wiring: each part made once, in order' },
  'src/wire/sse.ts#createSseSplitter': { lines: 76, why: 'one loop over bytes, unrolled for speed' },
}

/** Programmes that are run by hand, not parts of the product. */
const RUN_BY_HAND = new Set(['providers/catalog/import.ts'])

/** What starts: nobody imports these. */
const ENTRIES = new Set([
  'src/cli/main.ts',
  'src/runtime/worker/index.ts',
  // the store's second implementation: the contract suite runs on it, and so do tests that need no disk
  'src/store/memory.ts',
  ...RUN_BY_HAND,
])

interface Case {
  readonly name: string
  readonly rule: Rule
  /** Path → text that breaks the rule. */
  readonly broken: Readonly<Record<string, string>>
  /** Path → text that does not. */
  readonly sound?: Readonly<Record<string, string>>
}

const lines = (n: number) => Array.from({ length: n }, (_, i) => `  step(${i})`).join('\n')

const CASES: readonly Case[] = [
  {
    name: 'files stay under 300 lines',
    rule: fileLength(LONG_FILES),
    broken: { 'src/a.ts': 'x\n'.repeat(301), 'providers/hosts.ts': 'x\n'.repeat(1_001) },
    sound: { 'src/b.ts': 'x\n'.repeat(300), 'providers/hosts.ts': 'x\n'.repeat(1_000) },
  },
  {
    name: 'functions stay under 70 lines',
    rule: functionLength(LONG_FUNCTIONS),
    broken: {
      'src/a.ts': `function long() {\n${lines(69)}\n}`,
      'src/b.ts': `export const long = () => {\n${lines(69)}\n}`,
      'src/c.ts': `class C {\n  long() {\n${lines(69)}\n  }\n}`,
      'src/ledger/ledger.ts': `export function createLedger() {\n${lines(161)}\n}`,
    },
    sound: {
      'src/a.ts': `function short() {\n${lines(68)}\n}`,
      'src/ledger/ledger.ts': `export function createLedger() {\n${lines(160)}\n}`,
      'src/b.ts': `const text = \`{\n${lines(100)}\n\``,
    },
  },
  {
    name: 'what belongs to one runtime stays in src/runtime',
    rule: runtimeOnly(RUN_BY_HAND),
    broken: {
      'src/a.ts': "import { readFileSync } from 'node:fs'",
      'src/b.ts': "import type { Socket } from 'node:net'",
      'src/c.ts': 'const home = process.env.PATH',
      'src/d.ts': "const bytes: Uint8Array = Buffer.from('x')",
      'src/e.ts': "const { Pool } = await import('undici')",
      'providers/f.ts': "import { DurableObject } from 'cloudflare:workers'",
      'src/g.ts': "import Database from 'better-sqlite3'",
    },
    sound: {
      'src/runtime/node/a.ts': "import { readFileSync } from 'node:fs'",
      'src/cli/a.ts': 'const home = process.env.PATH',
      'src/b.ts': 'const x = deps.process + { process: 1 }.process',
    },
  },
  {
    name: 'everything has a name of its own',
    rule: names,
    broken: {
      'src/utils.ts': '',
      'src/wire/sse-helpers.ts': '',
      'src/a.ts': 'interface KeyManager {}',
      'src/b.ts': 'type BaseProvider = 1',
      'src/c.ts': 'export class SpendService {}',
    },
    sound: { 'src/database.ts': 'interface DatabaseFile {}' },
  },
  {
    name: 'nobody writes to the console',
    rule: noConsole,
    broken: { 'src/a.ts': "console.log('x')", 'src/runtime/node/b.ts': 'const { error } = console' },
    sound: { 'src/a.ts': 'deps.console' },
  },
  {
    name: 'the first line says what the file is',
    rule: firstLine,
    broken: {
      'src/a.ts': "import x from './x.ts'\n",
      'src/b.ts': '\n/** Late. */\n',
      'src/c.ts': '/** */\n',
    },
    sound: { 'src/a.ts': '/** A thing. */\n', 'src/b.ts': '/**\n * A longer thing.\n */\n' },
  },
  {
    name: 'send is the only way out',
    rule: oneWayOut,
    broken: {
      'src/a.ts': "await fetch('https://example.com')",
      'src/b.ts': 'const go = globalThis.fetch',
      'src/runtime/node/c.ts': "import { request } from 'undici'",
      'src/runtime/node/d.ts': "https.request('https://example.com')",
      'src/runtime/node/e.ts': "import { connect } from 'node:net'",
    },
    sound: {
      'src/runtime/node/send.ts': "import { Pool } from 'undici'",
      'src/a.ts': 'const ask = (fetch: typeof globalThis.fetch) => fetch(url)',
      'src/b.ts': 'app.fetch(request)',
      'src/runtime/node/c.ts': "import type { Socket } from 'node:net'",
    },
  },
  {
    name: 'nothing is pasted into SQL',
    rule: sql,
    broken: {
      'src/a.ts': 'db.exec(`SELECT * FROM keys WHERE id = ${id}`)',
      'src/b.ts': "db.exec('DELETE FROM keys WHERE id = ' + id)",
      'src/c.ts': 'sql.raw(text)',
      'src/d.ts': 'where += ` and model = ${model}`',
      'src/f.ts': 'db.exec(`SELECT id FROM keys ORDER BY ${column}`)',
      'src/e.ts': 'db.exec(`delete from keys where id = ${id}`)',
    },
    sound: {
      'src/a.ts': 'sql`SELECT * FROM keys WHERE id = ${id}`',
      'src/b.ts': "db.prepare('SELECT * FROM keys WHERE id = ?')",
      'src/c.ts': 'say(`Select a model from ${list}`)',
    },
  },
  {
    name: 'who a provider is decides nothing outside providers',
    rule: providerName,
    broken: {
      'src/a.ts': "if (provider.name === 'openai') go()",
      'src/b.ts': "'x' === target.provider.name",
    },
    sound: { 'providers/a.ts': "provider.name === 'openai'", 'src/a.ts': 'provider.name' },
  },
  {
    name: 'imports point downwards',
    rule: arrows,
    broken: {
      'src/wire/a.ts': "import { serve } from '../gateway.ts'",
      'src/store/a.ts': "import { attempt } from '../attempt/attempt.ts'",
      'src/route/a.ts': "import { keys } from '../admin/keys.ts'",
      'src/gateway.ts': "import { x } from './runtime/node/x.ts'",
      'src/http/a.ts': "export { x } from '../dashboard/x.ts'",
      'src/admin/a.ts': "await import('../dashboard/x.ts')",
      'src/keys/a.ts': "import { keys } from '../../drizzle/sqlite/schema.ts'",
      'src/novel/a.ts': '',
      'providers/a/index.ts': "import { b } from '../b/encode.ts'",
      'providers/a/wire.ts': "import type { Config } from '../../src/config/schema.ts'",
      'providers/a/encode.ts': "import { Hono } from 'hono'",
      'providers/a/decode.ts': "import OpenAI from 'openai'",
    },
    sound: {
      'src/wire/a.ts': "import type { Outcome } from '../gateway.ts'",
      'src/relay/a.ts': "import { x } from '../../providers/openai.ts'",
      'providers/a/index.ts': "import { b } from './encode.ts'\nimport { z } from 'zod'",
      'providers/a/wire.ts': "import { chat } from '../openai.ts'\nimport type OpenAI from 'openai'",
    },
  },
]

const findings = (sources: readonly Source[], rule: Rule): readonly Finding[] => sources.flatMap(rule)
const shown = (found: readonly Finding[]) => found.map(printed)

describe('tidy', () => {
  let tracked: string[] = []
  let sources: Source[] = []
  beforeAll(() => {
    tracked = trackedFiles()
    sources = productSources(tracked)
  })

  test('there is something to look at', () => {
    expect(sources.length).toBeGreaterThan(150)
    expect(sources.every(source => source.tree.statements.length > 0)).toBe(true)
  })

  for (const { name, rule, broken, sound } of CASES)
    describe(name, () => {
      test('catches each snippet that breaks it', () => {
        const caught = new Set(findings(parse(broken), rule).map(({ path }) => path))
        expect([...caught].sort()).toEqual(Object.keys(broken).sort())
      })
      if (sound)
        test('and none that does not', () => {
          expect(shown(findings(parse(sound), rule))).toEqual([])
        })
      test('the code keeps it', () => {
        expect(shown(findings(sources, rule))).toEqual([])
      })
    })

  test('a file that nobody imports is caught, and there is none', () => {
    const snippet = parse({ 'src/a.ts': "import './b.ts'", 'src/b.ts': '', 'src/c.ts': '' })
    expect(shown(orphans(snippet, new Set(['src/a.ts'])))).toEqual(['src/c.ts:1: nobody imports this file'])
    expect(shown(orphans(sources, ENTRIES))).toEqual([])
  })

  test('the ratchets name what exists and is still too long', () => {
    const long = new Set(
      [fileLength({}), functionLength({})].flatMap(rule =>
        findings(sources, rule).map(({ path, message }) =>
          / has \d+ lines/.test(message) ? `${path}#${message.split(' ')[0]}` : path,
        ),
      ),
    )
    const listed = [...Object.keys(LONG_FILES), ...Object.keys(LONG_FUNCTIONS)]
    expect(
      listed.filter(name => !long.has(name)),
      'no longer too long: take it off the list',
    ).toEqual([])
  })

  test('leftovers and words of one machine are caught, and there are none', () => {
    const left = ['TO', 'DO'].join('')
    expect(shown(leftovers('src/a.ts', `one\n// ${left}: two`))).toEqual([
      'src/a.ts:2: left over: do it or file it',
    ])
    for (const text of [
      `see /${'work'}/main/src`,
      `/tmp/${'tasks'}/x`,
      `https://registry.${'npm'}js.org/zod`,
      `"${'resolved'}": "https://example.com/zod.tgz",`,
      `/${'home'}/ann/x`,
    ])
      expect(forbiddenWords('a.md', text), text).toHaveLength(1)
    const found = tracked
      .filter(path => !path.startsWith('test/fixtures/') && !/\.(png|ico|woff2|br)$/.test(path))
      .flatMap(path => {
        const text = textOf(path)
        return [...leftovers(path, text), ...forbiddenWords(path, text)]
      })
    expect(shown(found)).toEqual([])
  })

  test('a version range is caught, and package.json has none', () => {
    const text = '{\n  "dependencies": {\n    "zod": "^4.0.0",\n    "hono": "4.0.0"\n  }\n}'
    expect(shown(versionRanges('package.json', text))).toEqual([
      'package.json:3: zod has the range ^4.0.0, not a version',
    ])
    expect(shown(versionRanges('package.json', textOf('package.json')))).toEqual([])
  })

  test('a lockfile that would not install elsewhere is caught, and ours does', () => {
    const text = JSON.stringify({
      packages: {
        'node_modules/a': { optionalDependencies: { 'a-linux': '1.0.0', 'a-darwin': '1.0.0' } },
        'node_modules/a-linux': {},
        'node_modules/b': {},
      },
    })
    expect(lockfile('l', text, ['b']).map(({ message }) => message)).toEqual([
      'a-darwin is left out, which node_modules/a may want elsewhere',
      'b would be compiled at install: add "gypfile": false to its entry',
    ])
    expect(shown(lockfile('package-lock.json', textOf('package-lock.json'), ['better-sqlite3']))).toEqual([])
  })

  test('runtime dependencies stay few', () => {
    const { dependencies } = JSON.parse(textOf('package.json')) as { dependencies: object }
    expect(Object.keys(dependencies).length).toBeLessThanOrEqual(12)
  })
})
