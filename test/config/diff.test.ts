/** What differs between two config files: paths in the file's words, defaults the same written or not, no secrets. */
import { describe, expect, test } from 'vitest'
import { KINDS } from '../../providers/index.ts'
import { loadCatalog } from '../../providers/catalog/loader.ts'
import { diffSettings } from '../../src/config/diff.ts'
import { loadConfig } from '../../src/config/load.ts'

const world = { kinds: KINDS, catalog: loadCatalog(), env: { A: 'sk-a', B: 'sk-b', C: 'sk-c' } }
function fileOf(text: string) {
  const loaded = loadConfig(text, world)
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.faults))
  return loaded.file
}
const diff = (from: string, to: string) => diffSettings(fileOf(from), fileOf(to))

const HOUSE = `providers:
  house:
    kind: openai
    base_url: https://house.example/v1
    credentials: [{ name: main, secret: env://A }, { name: spare, secret: env://B }]
    models: { m: { input_usd_per_mtok: 1.0, output_usd_per_mtok: 2.0 } }
`

describe('diffSettings', () => {
  test('what is written out and what is left out are the same, whatever the order', () => {
    expect(diff('', 'retries: { attempts: 3 }\nlimits: {}\ndiscover_env: true\n')).toEqual([])
    const turned = HOUSE.replace(
      '[{ name: main, secret: env://A }, { name: spare, secret: env://B }]',
      '[{ name: spare, secret: env://B, weight: 1 }, { secret: env://A, name: main }]',
    )
    expect(diff(HOUSE, turned)).toEqual([])
  })

  test('each change by its place, maps that come or go as one', () => {
    const to = HOUSE.replace('input_usd_per_mtok: 1.0', 'input_usd_per_mtok: 1.5')
      .replace('env://B }', 'env://C }')
      .concat('aliases: { fast: { models: [m] } }\nretries: { attempts: 2 }\ntimeouts: { connect_ms: 900 }\n')
    expect(diff(HOUSE, to)).toEqual([
      { path: 'aliases.fast', kind: 'added' },
      { path: 'providers.house.credentials.spare.secret', kind: 'changed', from: 'env://B', to: 'env://C' },
      { path: 'providers.house.models.m.input_usd_per_mtok', kind: 'changed', from: 1, to: 1.5 },
      { path: 'retries.attempts', kind: 'changed', from: 3, to: 2 },
      { path: 'timeouts.connect_ms', kind: 'changed', from: 5000, to: 900, needsRestart: true },
    ])
    expect(diff(to, HOUSE).map(({ path, kind }) => [path, kind])[0]).toEqual(['aliases.fast', 'removed'])
    expect(diff('', HOUSE)).toEqual([{ path: 'providers.house', kind: 'added' }])
    expect(diff('', 'retention: { requests_days: 30 }')).toEqual([
      { path: 'retention.requests_days', kind: 'added', to: 30 },
    ])
  })

  test('says that a header or an alert’s address changed, never to what', () => {
    const from = `${HOUSE}    headers: { x-team: header-canary-1 }\nalerts: { webhook: 'https://chat.example/canary-1' }\n`
    const changes = diff(from, from.replaceAll('canary-1', 'canary-2'))
    expect(changes).toEqual([
      { path: 'alerts.webhook', kind: 'changed' },
      { path: 'providers.house.headers.x-team', kind: 'changed' },
    ])
    expect(JSON.stringify(diff(HOUSE, from))).not.toContain('canary')
    const address = (name: string) => ({
      providers: { a: { base_url: `https://user:${name}@h.example/v1` } },
    })
    expect(diffSettings(address('canary-1'), address('canary-2'))).toEqual([
      {
        path: 'providers.a.base_url',
        kind: 'changed',
        from: 'https://…@h.example/v1',
        to: 'https://…@h.example/v1',
      },
    ])
  })
})
