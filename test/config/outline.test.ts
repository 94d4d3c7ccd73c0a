/** The config table: every member described, defaults as the loader fills them in, and README and CONFIG.md in step with it. */
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { configSummary, configTable, describeConfig } from '../../src/config/outline.ts'

const FILES = [
  ['README.md', configSummary],
  ['CONFIG.md', configTable],
] as const
const MARKED = /(<!-- config -->\n)([\s\S]*?)(\n<!-- \/config -->)/

describe('the outline of the config file', () => {
  const rows = describeConfig()

  test('every member has a description and a type', () => {
    expect(rows.length).toBeGreaterThan(40)
    for (const row of rows) {
      expect(row.description.length, row.path).toBeGreaterThan(5)
      expect(row.type, row.path).not.toBe('any')
    }
  })

  test.each([
    ['timeouts.first_token_ms', 'integer', '12000'],
    ['limits.body_bytes', 'integer', '10485760'],
    ['retries.attempts', 'integer', '3'],
    ['discover_env', 'boolean', 'true'],
    [
      'routing.strategy',
      '"balanced" or "price" or "latency" or "throughput" or "weighted" or "priority"',
      '"balanced"',
    ],
    ['budgets.refusal_status', '429 or 402', '429'],
    ['providers.<name>.credentials[].secret', 'string', ''],
    ['providers.<name>.models.<name>.input_usd_per_mtok', 'number', ''],
    ['egress.allow', 'list of string', '[]'],
  ])('%s', (path, type, value) => {
    expect(rows.find(row => row.path === path)).toMatchObject({ path, type, default: value })
  })

  test.each([
    ['hedge.share', '0 to 0.5'],
    ['limits.body_bytes', /^1024 to /],
    ['limits.default_max_output_tokens', /^256 to /],
    ['providers.<name>.credentials[].weight', 'above 0 to 1000'],
    ['discover_env', ''],
  ] satisfies [string, string | RegExp][])('%s is bounded as the loader has it', (path, bounds) => {
    const row = rows.find(row => row.path.endsWith(path))
    if (typeof bounds === 'string') expect(row?.bounds).toBe(bounds)
    else expect(row?.bounds).toMatch(bounds)
  })

  test.each(FILES)('the table of %s is this one (SWITCHGATE_WRITE_README=1 rewrites it)', (name, table) => {
    const file = new URL(`../../${name}`, import.meta.url)
    const text = readFileSync(file, 'utf8')
    const found = MARKED.exec(text)
    if (found === null) throw new Error(`${name} has no <!-- config --> … <!-- /config --> markers`)
    if (process.env.SWITCHGATE_WRITE_README === '1')
      writeFileSync(
        file,
        text.replace(MARKED, (_, open, __, close) => `${open}${table()}${close}`),
      )
    else expect(found[2]).toBe(table())
  })
})
