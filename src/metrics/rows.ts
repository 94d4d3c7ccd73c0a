/** Attempts as they are written into the ledger, off the request's way but on its thread: slots are kept, so that a row costs well below a microsecond. */
import type { AttemptRow, Usage } from '../terms.ts'
import { type Breakdown, brokenDown, genAiFamilies, ledgerFamilies } from './families.ts'
import { type Counter, type Family, OTHER } from './registry.ts'
import { LEFT } from './requests.ts'

export interface RowCounts {
  count(row: AttemptRow): void
  /** A batch of rows was written within so many ms. */
  wrote(tookMs: number): void
  readonly families: readonly Family[]
}

const MS = 1_000
const NONE = -1
/** Names come from the config and from providers' answers; more than this are not remembered, only counted. */
const SHOPS_MAX = 5_000

/** Slots of one way that attempts end. */
interface Ending {
  readonly attempts: number
  readonly operations: number
  /** -1 = no failure, or not yet followed by another attempt. */
  failovers: number
}

/** Slots of one model at one provider for one operation; -1 = nothing was counted there yet. */
interface Shop {
  readonly model: string
  readonly endings: Map<string, Ending>
  readonly costs: Map<string, number>
  readonly answers: Int32Array
  readonly tokens: Int32Array
  input: number
  output: number
  first: number
}

const DIRECTIONS = ['input', 'cached_input', 'output', 'reasoning'] as const

const amountOf = (usage: Usage, at: number): number =>
  at === 0
    ? usage.inputTokens
    : at === 1
      ? usage.cacheReadInputTokens
      : at === 2
        ? usage.outputTokens
        : usage.reasoningOutputTokens

const newShop = (model: string): Shop => ({
  model,
  endings: new Map(),
  costs: new Map(),
  answers: new Int32Array(10).fill(NONE),
  tokens: new Int32Array(DIRECTIONS.length).fill(NONE),
  input: NONE,
  output: NONE,
  first: NONE,
})

/** By key or project. */
function createBreakdown(name: Breakdown) {
  const part = brokenDown(name)
  interface Slots {
    readonly requests: number
    readonly cost: number
    readonly input: number
    readonly output: number
  }
  const known = new Map<string, Slots>()
  function slotsOf(value: string): Slots {
    const made = {
      requests: part.requests.slot(value),
      cost: part.cost.slot(value),
      input: part.tokens.slot(value, 'input'),
      output: part.tokens.slot(value, 'output'),
    }
    if (known.size < SHOPS_MAX) known.set(value, made)
    return made
  }
  return {
    families: Object.values(part),
    count(value: string, row: AttemptRow): void {
      const slots = known.get(value) ?? slotsOf(value)
      if (row.last) part.requests.add(slots.requests)
      part.cost.add(slots.cost, row.costNanoUsd ?? 0)
      part.tokens.add(slots.input, row.usage?.inputTokens ?? 0)
      part.tokens.add(slots.output, row.usage?.outputTokens ?? 0)
    },
  }
}

/** By provider, model and operation: one text of the three would have to be made for every row. */
function createShops() {
  const shops = new Map<string, Map<string, Map<string, Shop>>>()
  let count = 0
  function made({ provider, operation }: AttemptRow, model: string): Shop {
    const shop = newShop(model)
    if (count >= SHOPS_MAX) return shop
    count++
    const models = shops.get(provider) ?? new Map<string, Map<string, Shop>>()
    const operations = models.get(model) ?? new Map<string, Shop>()
    shops.set(provider, models.set(model, operations.set(operation, shop)))
    return shop
  }
  return {
    of: (row: AttemptRow, model: string): Shop =>
      shops.get(row.provider)?.get(model)?.get(row.operation) ?? made(row, model),
  }
}

/** The slot under this name, made at its first use. */
function kept(slots: Map<string, number>, name: string, make: () => number): number {
  const known = slots.get(name)
  if (known !== undefined) return known
  const made = make()
  slots.set(name, made)
  return made
}

export function createRows(input: {
  /** Is this a model that is for sale by this name? Any other name may be a caller's text. */
  readonly isSold: (model: string) => boolean
  readonly by: () => readonly Breakdown[]
}): RowCounts {
  const { isSold, by } = input
  const gen = genAiFamilies()
  const ledger = ledgerFamilies()
  const parts = { key: createBreakdown('key'), project: createBreakdown('project') }
  const overrun = ledger.overrun.slot()
  const fold = ledger.folds.slot()
  const shops = createShops()

  const shopOf = (row: AttemptRow): Shop => shops.of(row, isSold(row.model) ? row.model : OTHER)

  function endingOf(shop: Shop, { provider, operation, error }: AttemptRow): Ending {
    const outcome = error ?? 'ok'
    const known = shop.endings.get(outcome)
    if (known !== undefined) return known
    const made = {
      attempts: ledger.attempts.slot(provider, shop.model, outcome),
      operations: gen.operations.slot(operation, provider, shop.model, error ?? ''),
      failovers: NONE,
    }
    shop.endings.set(outcome, made)
    return made
  }

  function countEnd(row: AttemptRow, shop: Shop): void {
    const { provider, error } = row
    const ending = endingOf(shop, row)
    ledger.attempts.add(ending.attempts)
    gen.operations.observe(ending.operations, row.totalMs / MS)
    if (row.last) {
      const digit = Math.floor((row.status === 0 ? LEFT : row.status) / 100)
      if (shop.answers[digit] === NONE)
        shop.answers[digit] = ledger.answers.slot(provider, shop.model, `${digit}xx`)
      ledger.answers.add(shop.answers[digit] ?? 0)
    } else if (error !== null && error !== 'cancelled') {
      // who lost a race was cancelled: nobody failed
      if (ending.failovers === NONE) ending.failovers = ledger.failovers.slot(provider, error)
      ledger.failovers.add(ending.failovers)
    }
    if (!row.stream || error !== null || row.ttftMs === null) return
    if (shop.first === NONE) shop.first = gen.firstToken.slot(row.operation, provider, shop.model)
    gen.firstToken.observe(shop.first, row.ttftMs / MS)
  }

  function countMoney(row: AttemptRow, { model, costs }: Shop): void {
    const { provider, costNanoUsd: cost, certainty } = row
    const into = (counter: Counter, name: string, by: number, ...more: string[]) =>
      counter.add(
        kept(costs, name, () => counter.slot(provider, model, ...more)),
        by,
      )
    if (cost === null) into(ledger.unpriced, 'unpriced', 1)
    else into(ledger.cost, certainty, cost, certainty)
    if (row.overrunNanoUsd > 0) ledger.overrun.add(overrun, row.overrunNanoUsd)
  }

  function countUsage({ provider, operation }: AttemptRow, usage: Usage, shop: Shop): void {
    const { model, tokens } = shop
    for (let at = 0; at < DIRECTIONS.length; at++) {
      const amount = amountOf(usage, at)
      if (amount === 0) continue
      if (tokens[at] === NONE) tokens[at] = ledger.tokens.slot(provider, model, DIRECTIONS[at] ?? '')
      ledger.tokens.add(tokens[at] ?? 0, amount)
    }
    if (shop.input === NONE) {
      shop.input = gen.usage.slot(operation, provider, model, 'input')
      shop.output = gen.usage.slot(operation, provider, model, 'output')
    }
    gen.usage.observe(shop.input, usage.inputTokens)
    gen.usage.observe(shop.output, usage.outputTokens)
  }

  return {
    families: [
      ...Object.values(gen),
      ...Object.values(ledger),
      ...parts.key.families,
      ...parts.project.families,
    ],
    wrote: tookMs => ledger.folds.observe(fold, tookMs / MS),
    count(row) {
      const shop = shopOf(row)
      countEnd(row, shop)
      countMoney(row, shop)
      if (row.usage !== null) countUsage(row, row.usage, shop)
      for (const name of by()) parts[name].count((name === 'key' ? row.keyId : row.project) ?? '', row)
    },
  }
}
