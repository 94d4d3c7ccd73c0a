/** An update of the catalogue: what is refused and where, which prices are believed, what is kept, what is printed. */
import { describe, expect, test } from 'vitest'
import type { CatalogFile, Row } from '../../providers/catalog/import.ts'
import { textOf } from '../../providers/catalog/import.ts'
import { loadCatalog, SHIPPED } from '../../providers/catalog/loader.ts'
import { parseCatalog } from '../../providers/catalog/schema.ts'
import { planUpdate } from '../../providers/catalog/update.ts'
import { type CatalogPlace, createKeeper, sha256Of } from '../../src/catalog/keeper.ts'

/** A small catalogue: three hosts of the same weights, and one model of its own. */
const SMALL: CatalogFile = {
  date: '2026-11-01',
  sources: [
    { name: 'old list', date: '2026-11-01' },
    { name: 'new list', date: '2026-11-10' },
  ],
  marks: {},
  columns: [],
  offers: {
    one: [['llama', '', 200_000, 600_000, 50_000, null, 1000, 100, 't', 0]],
    two: [['meta/llama', 'llama', 240_000, 700_000, null, null, 1000, 100, 't', 0]],
    three: [['llama-x', 'llama', 300_000, 900_000, null, null, 1000, 100, 't', 0]],
    own: [
      [
        'big',
        '',
        1_000_000,
        5_000_000,
        100_000,
        1_250_000,
        0,
        0,
        'tr',
        0,
        { tiers: [[200_000, 2_000_000, 9_000_000, 200_000, null]] },
      ],
    ],
  },
}

type Edit = (offers: Record<string, Row[]>) => void

function edited(edit: Edit, more: Partial<CatalogFile> = {}): CatalogFile {
  const copy = structuredClone(SMALL) as unknown as { offers: Record<string, Row[]> }
  edit(copy.offers)
  return { ...SMALL, date: '2026-11-10', ...copy, ...more }
}

const row = (offers: Record<string, Row[]>, provider: string): Row => {
  const found = offers[provider]?.[0]
  if (found === undefined) throw new Error(`no row at ${provider}`)
  return found
}

/** One price column of one row set, with a newer source. */
const priced = (provider: string, column: 2 | 3 | 4 | 5, pico: number) =>
  edited(offers => {
    const one = row(offers, provider)
    one[column] = pico
    one[9] = 1
  })

const pricesIn = (file: CatalogFile) =>
  Object.fromEntries(
    Object.entries(file.offers).map(([provider, rows]) => [provider, rows.map(r => [r[2], r[3]])]),
  )

describe('prices that move', () => {
  test.each([
    ['a cut to a half', priced('one', 2, 100_000)],
    ['to exactly four times itself and less than four times its peers', priced('one', 2, 800_000)],
    ['a cached read within four times', priced('one', 4, 20_000)],
    ['a model that only one provider sells', priced('own', 3, 12_000_000)],
  ])('%s: taken over', (_, next) => {
    const { refused, repriced, file } = planUpdate(SMALL, next)
    expect(refused).toEqual([])
    expect(repriced).toHaveLength(1)
    expect(file.offers).toEqual(next.offers)
  })

  test.each([
    ['more than four times dearer than before', 'one', priced('one', 2, 820_000), /4\.1× against its own/],
    ['more than four times cheaper than before', 'own', priced('own', 3, 1_240_000), /4× against its own/],
    ['free', 'one', priced('one', 2, 0), /from or to nothing against its own/],
    ['cached reads that are nearly free', 'one', priced('one', 4, 1_000), /50× against its own/],
    ['cache writes at ten times', 'own', priced('own', 5, 12_500_000), /10× against its own/],
    [
      'the tier for long prompts alone',
      'own',
      edited(offers => {
        row(offers, 'own')[9] = 1
        row(offers, 'own')[10] = { tiers: [[200_000, 2_000_000, 90_000_000, 200_000, null]] }
      }),
      /10× against its own/,
    ],
    [
      'a dropped tier that was dear',
      'own',
      edited(offers => {
        const one = row(offers, 'own')
        one[9] = 1
        one[2] = 400_000
        one[10] = {}
      }),
      /5× against its own/,
    ],
    [
      'within four times of itself, but not of its peers',
      'three',
      priced('three', 2, 1_100_000),
      /5× off the median of 2 other providers/,
    ],
    [
      'another price under the same day',
      'one',
      edited(offers => {
        row(offers, 'one')[2] = 210_000
      }),
      /day of its source did not/,
    ],
  ])('%s: refused, the old price kept and doubted', (_, provider, next, reason) => {
    const { refused, repriced, file } = planUpdate(SMALL, next)
    expect(refused).toEqual([expect.objectContaining({ provider, reason: expect.stringMatching(reason) })])
    expect(repriced).toEqual([])
    expect(pricesIn(file)).toEqual(pricesIn(SMALL))
    const kept = row(file.offers as Record<string, Row[]>, provider)
    expect(kept[8]).toContain('X')
    // The kept price keeps its own name: source and day are those it was billed with.
    expect(file.sources[kept[9]]).toEqual({ name: 'old list', date: '2026-11-01' })
  })

  test('a far move that is meant is taken when it is named, and only then', () => {
    const next = priced('one', 2, 1_000_000)
    expect(planUpdate(SMALL, next, new Set(['two/meta/llama'])).refused).toHaveLength(1)
    const { refused, repriced } = planUpdate(SMALL, next, new Set(['one/llama']))
    expect(refused).toEqual([])
    expect(repriced).toEqual([
      expect.objectContaining({
        provider: 'one',
        before: expect.objectContaining({ input: 200_000 }),
        after: expect.objectContaining({ input: 1_000_000 }),
      }),
    ])
  })

  test('a new offer is held against its peers; without peers it is taken', () => {
    const added = (input: number, model: string): CatalogFile =>
      edited(offers => {
        offers.four = [['new', model, input, input * 3, null, null, 0, 0, '', 1]]
      })
    expect(planUpdate(SMALL, added(900_000, 'llama')).added).toHaveLength(1)
    const far = planUpdate(SMALL, added(9_000, 'llama'))
    expect(far.added).toEqual([])
    expect(far.refused).toEqual([
      expect.objectContaining({
        provider: 'four',
        before: undefined,
        reason: expect.stringMatching(/26\.7×/),
      }),
    ])
    expect(far.file.offers.four).toBeUndefined()
    expect(planUpdate(SMALL, added(9_000, 'other')).added).toHaveLength(1)
  })

  test('what goes, and what changes without its price, is told apart', () => {
    const next = edited(offers => {
      delete offers.two
      row(offers, 'one')[6] = 2_000
    })
    const { removed, otherwise, repriced } = planUpdate(SMALL, next)
    expect(removed.map(change => change.provider)).toEqual(['two'])
    expect([otherwise, repriced.length]).toEqual([1, 0])
  })
})

describe('a file', () => {
  const text = (file: unknown) => JSON.stringify(file)
  const withRow = (...cells: unknown[]) => text({ ...SMALL, offers: { one: [cells] } })
  const good: unknown[] = ['m', '', 1, 1, null, null, 0, 0, '', 0]
  const at = (index: number, value: unknown) => withRow(...good.with(index, value))

  test.each([
    ['not JSON', '{"date":', ''],
    ['a list', '[]', ''],
    ['no date', text({ ...SMALL, date: 'today' }), 'date'],
    ['an unknown member', text({ ...SMALL, extra: 1 }), ''],
    ['a negative price', at(2, -1), 'offers.one[0].input'],
    ['a fraction of a pico', at(3, 0.5), 'offers.one[0].output'],
    ['dollars per token', at(3, 15_000_000_000), 'offers.one[0].output'],
    ['a price of null', at(2, null), 'offers.one[0].input'],
    ['a read dearer than input', at(4, 2), 'offers.one[0].cache_read'],
    ['a mark that is none', at(8, 'Z'), 'offers.one[0].marks'],
    ['a source that is not there', at(9, 7), 'offers.one[0].source'],
    ['an id with a line feed', at(0, 'a\nb'), 'offers.one[0].upstream'],
    ['free of charge', withRow('m', '', 0, 0, null, null, 0, 0, '', 0), 'offers.one[0].input'],
    [
      'tiers that do not ascend',
      withRow(...good, {
        tiers: [
          [5, 1, 1, null, null],
          [5, 1, 1, null, null],
        ],
      }),
      'offers.one[0].more.tiers',
    ],
    ['a provider of no name', text({ ...SMALL, offers: { '../x': [] } }), 'offers.../x'],
    ['the same offer twice', text({ ...SMALL, offers: { one: [good, good] } }), 'offers.one[1].upstream'],
  ])('that has %s is refused with the place', (_, file, path) => {
    const parsed = parseCatalog(file)
    expect(parsed).toMatchObject({ ok: false })
    if (!parsed.ok) {
      expect(parsed.faults[0]?.path).toBe(path)
      expect(parsed.faults[0]?.reason.length).toBeGreaterThan(5)
    }
  })

  test('that ships is accepted, and changes nothing', () => {
    const parsed = parseCatalog(textOf(SHIPPED))
    expect(parsed.ok).toBe(true)
    if (!parsed.ok) return
    const { added, removed, repriced, refused, otherwise, file } = planUpdate(SHIPPED, parsed.file)
    expect([added, removed, repriced, refused, otherwise]).toEqual([[], [], [], [], 0])
    expect(textOf(file)).toBe(textOf(SHIPPED))
  })

  test('with thousands of faults names twenty', () => {
    const offers = { one: Array.from({ length: 5_000 }, () => ['']) }
    const parsed = parseCatalog(text({ ...SMALL, offers }))
    expect(parsed.ok ? 0 : parsed.faults.length).toBe(20)
  })
})

/** A data folder in memory. */
function memory(text?: string) {
  const state = { text, writes: 0 }
  const place: CatalogPlace = {
    read: () => state.text,
    write(next) {
      state.text = next
      state.writes++
    },
    remove() {
      state.text = undefined
    },
  }
  return { state, place }
}

const newer = (edit: Edit = () => undefined, date = '2026-12-01'): CatalogFile => {
  const copy = structuredClone(SHIPPED) as unknown as { offers: Record<string, Row[]> }
  edit(copy.offers)
  return { ...SHIPPED, date, sources: [...SHIPPED.sources, { name: 'later', date }], offers: copy.offers }
}
const later = SHIPPED.sources.length

const repriced = (offers: Record<string, Row[]>, provider: string, upstream: string, input: number) => {
  const found = offers[provider]?.find(entry => entry[0] === upstream)
  if (found === undefined) throw new Error(`no ${provider}/${upstream}`)
  found[2] = input
  if ((found[4] ?? 0) > input) found[4] = null
  found[9] = later
}

describe('the catalogue in use', () => {
  function keep(text?: string) {
    const logged: [string, string, unknown][] = []
    const { state, place } = memory(text)
    let changes = 0
    const keeper = createKeeper({
      place,
      log: (level, event, fields) => void logged.push([level, event, fields]),
      onChange: () => void changes++,
    })
    return { keeper, state, logged, changes: () => changes }
  }
  const priceOf = (keeper: ReturnType<typeof keep>['keeper'], provider: string, upstream: string) =>
    keeper
      .catalog()
      .byProvider.get(provider)
      ?.find(offer => offer.upstream === upstream)?.price

  test('is taken over at once, survives a start, and can be given back', async () => {
    const { keeper, state, changes } = keep()
    const before = priceOf(keeper, 'openai', 'gpt-5')
    const text = textOf(newer(offers => repriced(offers, 'openai', 'gpt-5', 1_500_000)))
    const dry = await keeper.update(text, { dryRun: true })
    expect([dry.applied, state.writes, changes()]).toEqual([false, 0, 0])
    const report = await keeper.update(text, { sha256: (await sha256Of(text)).toUpperCase() })
    expect(report).toMatchObject({ applied: true, from: SHIPPED.date, to: '2026-12-01', refused: [] })
    expect(changes()).toBe(1)
    expect(priceOf(keeper, 'openai', 'gpt-5')).toMatchObject({
      id: 'openai/gpt-5@2026-12-01',
      inputPico: 1_500_000,
    })
    const again = keep(state.text)
    expect(again.keeper.state()).toMatchObject({ origin: 'updated', ignored: undefined })
    expect(priceOf(again.keeper, 'openai', 'gpt-5')?.id).toBe('openai/gpt-5@2026-12-01')
    keeper.reset()
    expect(state.text).toBeUndefined()
    expect(priceOf(keeper, 'openai', 'gpt-5')).toEqual(before)
  })

  test.each([
    ['damaged', '{', /faulty: the file is not JSON/],
    [
      'older than this version',
      textOf({ ...SHIPPED, date: '2026-01-01' }),
      /older than the one of this version/,
    ],
  ])('is the built-in one when what the folder has is %s, and the log says so', (_, text, why) => {
    const { keeper, logged } = keep(text)
    expect(keeper.state()).toMatchObject({ origin: 'built-in', ignored: expect.stringMatching(why) })
    expect(logged).toEqual([['warn', 'catalog.update_ignored', { why: expect.stringMatching(why) }]])
    expect(keeper.catalog()).toBe(loadCatalog())
  })

  test.each([
    ['another checksum', textOf(newer()), { sha256: '0'.repeat(64) }, /SHA-256/],
    ['an older day', textOf(newer(undefined, '2026-10-01')), {}, /older than the catalogue in use/],
    [
      'a part of a catalogue',
      textOf({ ...newer(), offers: { openai: SHIPPED.offers.openai ?? [] } }),
      {},
      /whole/,
    ],
    [
      'a fault',
      textOf(newer(offers => repriced(offers, 'openai', 'gpt-5', -1))),
      {},
      /offers\.openai\[\d+\]\.input/,
    ],
  ])('stays as it is when the update has %s', async (_, text, options, message) => {
    const { keeper, state, changes } = keep()
    await expect(keeper.update(text, options)).rejects.toThrow(message)
    expect([state.writes, changes(), keeper.state().origin]).toEqual([0, 0, 'built-in'])
  })

  test('keeps a price that moved too far, marked doubtful, and says so in the log', async () => {
    const { keeper, logged } = keep()
    const before = priceOf(keeper, 'openai', 'gpt-5')
    const report = await keeper.update(textOf(newer(offers => repriced(offers, 'openai', 'gpt-5', 1_250))))
    expect(report.refused).toHaveLength(1)
    expect(priceOf(keeper, 'openai', 'gpt-5')).toEqual(before)
    expect(
      keeper
        .catalog()
        .byProvider.get('openai')
        ?.find(offer => offer.upstream === 'gpt-5')?.doubtful,
    ).toBe(true)
    expect(logged.some(([level, event]) => level === 'warn' && event === 'catalog.price_refused')).toBe(true)
  })
})
