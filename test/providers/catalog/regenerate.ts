/** Rewrites providers/catalog/offers.json from a file of collected facts: `node test/providers/catalog/regenerate.ts facts.json`. */
import { readFileSync, writeFileSync } from 'node:fs'
import { importFacts, textOf } from '../../../providers/catalog/import.ts'

const [facts] = process.argv.slice(2)
if (facts === undefined) {
  process.stderr.write('usage: node test/providers/catalog/regenerate.ts facts.json\n')
  process.exit(64)
}
const text = textOf(importFacts(JSON.parse(readFileSync(facts, 'utf8'))))
writeFileSync(new URL('../../../providers/catalog/offers.json', import.meta.url), text)
process.stdout.write(`${text.length} bytes\n`)
