/** OPERATIONS.md names every metric that there is, and none that there is not. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { createHealth } from '../../src/route/health.ts'
import { stateFamilies } from '../../src/metrics/states.ts'
import { createTraffic } from '../../src/metrics/traffic.ts'
import { createVitals } from '../../src/runtime/node/vitals.ts'
import { testMarket } from '../admin/rig.ts'

const document = readFileSync(new URL('../../OPERATIONS.md', import.meta.url), 'utf8')
const NAME = /\b(?:switchgate|gen_ai|process|nodejs)_[a-z0-9_]+/g

const market = testMarket()
const families = [
  ...createTraffic({ isSold: () => true, by: () => [] }).families,
  ...stateFamilies({
    market: () => market,
    health: createHealth(),
    now: () => 0,
    requestsInFlight: () => 0,
    ledger: {
      openHolds: () => 0,
      pending: () => 0,
      failure: () => undefined,
      usageOf: () => [],
      usageOfProject: () => [],
    },
    journalBytes: () => 0,
    projects: () => [],
    keys: () => [],
    sealed: () => false,
    vitals: createVitals(),
    build: { version: '0', runtime: 'test' },
  }),
]

test('the table has every family, with its labels', () => {
  const rows = document.split('\n').filter(line => line.startsWith('| `'))
  for (const { name, kind, labels } of families) {
    const shown = `\`${name}${kind === 'counter' ? '_total' : ''}\``
    const row = rows.find(line => line.includes(shown))
    expect(row, shown).toBeDefined()
    if (row?.includes('…') !== true)
      for (const label of labels.filter(
        one => one !== 'direction' || (!name.includes('key') && !name.includes('project')),
      ))
        expect(row, shown).toContain(`\`${label}\``)
  }
})

test('what the table and the alerts speak of exists', () => {
  const known = new Set(
    families.flatMap(({ name, kind }) =>
      kind === 'histogram' ? [name, `${name}_bucket`] : [kind === 'counter' ? `${name}_total` : name],
    ),
  )
  const labels = new Set(families.flatMap(family => family.labels))
  for (const name of document.match(NAME) ?? []) if (!labels.has(name)) expect(known, name).toContain(name)
})

test('every family says what it is, and ends with its unit', () => {
  for (const { name, help, unit } of families) {
    expect(help, name).toMatch(/\.$/)
    if (unit !== undefined) expect(name.endsWith(`_${unit}`), name).toBe(true)
  }
})
