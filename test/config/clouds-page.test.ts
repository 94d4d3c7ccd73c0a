/** The page about clouds shows a file that loads, and names only variables that kinds really read. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { loadCatalog } from '../../providers/catalog/loader.ts'
import { KINDS } from '../../providers/index.ts'
import { loadConfig } from '../../src/config/load.ts'

const page = readFileSync(new URL('../../CLOUDS.md', import.meta.url), 'utf8')

test('each example is a config file without a fault', () => {
  const examples = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => text)
  expect(examples.length).toBeGreaterThan(0)
  for (const text of examples) {
    const env = { AZURE_OPENAI_API_KEY: 'x', AWS_BEARER_TOKEN_BEDROCK: 'x' }
    const loaded = loadConfig(text, { kinds: KINDS, catalog: loadCatalog(), env })
    expect(loaded.ok ? [] : loaded.faults).toEqual([])
  }
})

test('each variable it names is one of a kind', () => {
  const read = new Set<string>()
  for (const { host } of KINDS.values()) {
    const options = Object.values(host.options ?? {})
    for (const list of [host.env, host.ambient?.env ?? [], ...options.map(row => row.env)])
      for (const name of list) read.add(name)
  }
  const named = page.match(/`(?:AZURE|GOOGLE|VERTEX|AWS)_[A-Z_]+`/g)?.map(name => name.slice(1, -1)) ?? []
  expect(named.length).toBeGreaterThan(5)
  expect(named.filter(name => !read.has(name))).toEqual([])
})
