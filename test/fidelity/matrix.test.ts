/**
 * The fidelity contract, cell by cell: every feature of every caller's wire goes through a real gateway to every kind of
 * target, and what the upstream saw decides: exact, reported, refused, or kept here. Nothing may be lost in silence.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../../providers/provider.ts'
import { type ScriptedUpstream, startGateway, startUpstream, type TestGateway } from '../gateway/harness.ts'
import { chat } from './chat.ts'
import { CONVERSE } from './converse.ts'
import { gemini } from './gemini.ts'
import { messagesWire } from './messages.ts'
import { completions, embeddings } from './plain.ts'
import { responses } from './responses.ts'
import type { Arrival, Fate, Feature, Sent, WireRow } from './feature.ts'
import { type Cells, fidelityCount, fidelityPage } from './table.ts'
import { answer, configFor, speechOf, TARGETS, type TargetRow } from './targets.ts'

const WIRES: readonly WireRow[] = [chat, messagesWire, responses, gemini, completions, embeddings]

let upstream: ScriptedUpstream
let gateway: TestGateway
let key: string

beforeAll(async () => {
  upstream = await startUpstream((response, seen) => answer(response, seen.url, seen.body))
  gateway = await startGateway({ config: configFor(upstream.port) })
  key = await gateway.key()
})
afterAll(async () => {
  await gateway?.close()
  await upstream?.close()
})

interface Told {
  readonly status: number
  readonly dropped: readonly string[]
  /** What a refusal says: `param` and message. */
  readonly param: string
  readonly sent: Sent | undefined
}

/** Google's errors name the place in the metadata of their ErrorInfo. */
const placeIn = ({ details }: Json): unknown =>
  Array.isArray(details) ? (details[0] as { metadata?: { param?: unknown } }).metadata?.param : undefined

async function put(wire: WireRow, feature: Feature, target: TargetRow, more: Json = {}): Promise<Told> {
  upstream.seen.length = 0
  const body = { ...wire.smallest(target.name), ...feature.more, ...more }
  const response = await fetch(`${gateway.url}${wire.path(target.name)}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...feature.headers },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  const seen = upstream.seen[0]
  const refusal =
    response.ok || !text.startsWith('{') ? undefined : ((JSON.parse(text) as { error?: Json }).error ?? {})
  return {
    status: response.status,
    dropped: (response.headers.get('x-switchgate-dropped') ?? '').split(',').filter(name => name !== ''),
    param: refusal === undefined ? '' : String(refusal.param ?? placeIn(refusal) ?? refusal.message),
    sent: seen && { speech: speechOf(seen.url), url: seen.url, body: seen.json(), headers: seen.headers },
  }
}

function isWithin(part: unknown, whole: unknown): boolean {
  if (Array.isArray(part))
    return (
      Array.isArray(whole) && whole.length === part.length && part.every((one, i) => isWithin(one, whole[i]))
    )
  if (typeof part === 'object' && part !== null)
    return (
      typeof whole === 'object' &&
      whole !== null &&
      Object.entries(part).every(([name, value]) => isWithin(value, (whole as Json)[name]))
    )
  return Object.is(part, whole)
}

const arrived = (arrival: Arrival, sent: Sent): boolean =>
  typeof arrival === 'function' ? arrival(sent) : isWithin(arrival, sent.body)

const covers = (name: string, place: string): boolean =>
  place === name ||
  place.startsWith(`${name}.`) ||
  place.startsWith(`${name}[`) ||
  place.startsWith(`${name}:`)

function fateOf(wire: WireRow, feature: Feature, told: Told): Fate | string {
  const names = feature.names ?? Object.keys(feature.more)
  const named = (place: string) => names.some(name => covers(name, place))
  const { status, dropped, param, sent } = told
  if (status === 400 && param === 'model' && wire.some) return '–'
  if (status === 400) return named(param) ? 'refused' : `refused, but for ${param}`
  if (status !== 200 || sent === undefined) return `status ${status} ${param}`
  const strange = dropped.filter(name => !named(name))
  if (strange.length > 0) return `reported ${strange.join(', ')}`
  if (dropped.length > 0) return 'reported'
  // Cohere's wire took most of its words from chat
  const near = sent.speech === 'cohere' ? 'chat' : sent.speech
  const arrival =
    sent.speech === 'converse'
      ? CONVERSE[feature.name]
      : (feature.arrives?.[sent.speech] ?? feature.arrives?.[near])
  if (arrival !== undefined && arrived(arrival, sent)) return 'exact'
  if (near === wire.speech || feature.here !== undefined) {
    const same = Object.entries(feature.more).every(
      ([name, value]) => JSON.stringify(sent.body[name]) === JSON.stringify(value),
    )
    if (same) return 'exact'
  }
  const gone = Object.keys(feature.more).every(name => sent.body[name] === undefined)
  return feature.here !== undefined && gone ? 'here' : 'silent'
}

const FATES = new Map<string, Fate | string>()
const cell = (wire: WireRow, feature: Feature, target: TargetRow) =>
  `${wire.title} ${feature.name} ${target.name}`

for (const wire of WIRES)
  describe(wire.title, () => {
    for (const feature of wire.features)
      test(feature.name, async () => {
        const faults: string[] = []
        for (const target of TARGETS) {
          const told = await put(wire, feature, target)
          const fate = fateOf(wire, feature, told)
          FATES.set(cell(wire, feature, target), fate)
          if (!['exact', 'reported', 'refused', 'here', '–'].includes(fate))
            faults.push(`${target.name}: ${fate} ← ${JSON.stringify(told.sent?.body)}`)
          if (fate === 'reported') {
            const strictly = await put(wire, feature, target, { provider: { require_parameters: true } })
            if (strictly.status !== 400 || fateOf(wire, feature, strictly) !== 'refused')
              faults.push(`${target.name}: reported, but not refused with require_parameters`)
          }
        }
        expect(faults).toEqual([])
      })
  })

describe('what is published', () => {
  const page = new URL('../../FIDELITY.md', import.meta.url)
  const readme = new URL('../../README.md', import.meta.url)
  const MARKED = /(<!-- fidelity -->\n)([\s\S]*?)(\n<!-- \/fidelity -->)/
  const cells: Cells = (wire, feature, target) => FATES.get(cell(wire, feature, target)) as Fate
  const all = WIRES.flatMap(wire =>
    wire.features.flatMap(feature => TARGETS.map(target => cell(wire, feature, target))),
  )

  test('is what was seen (SWITCHGATE_WRITE_README=1 writes it)', ({ skip }) => {
    // a run of some cells alone has nothing to say about the page
    if (!all.every(name => FATES.has(name))) skip('not every cell was run')
    const text = readFileSync(readme, 'utf8')
    const found = MARKED.exec(text)
    if (found === null) throw new Error('README.md has no <!-- fidelity --> … <!-- /fidelity --> markers')
    const [table, count] = [fidelityPage(WIRES, cells), fidelityCount(WIRES, cells)]
    if (process.env.SWITCHGATE_WRITE_README === '1') {
      writeFileSync(page, table)
      writeFileSync(
        readme,
        text.replace(MARKED, (_, open, __, close) => `${open}${count}${close}`),
      )
      return
    }
    expect(existsSync(page) ? readFileSync(page, 'utf8') : '').toBe(table)
    expect(found[2]).toBe(count)
  })

  test('names each feature of a wire once', () => {
    for (const { features } of WIRES) {
      const names = features.map(({ name }) => name)
      expect(new Set(names).size).toBe(names.length)
    }
  })
})
