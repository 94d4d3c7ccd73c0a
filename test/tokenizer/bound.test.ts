/** The tighter bound against what providers counted, family by family, and what a short budget buys with it. Real upstream, real sockets. */
import fc from 'fast-check'
import { afterEach, describe, expect, it, test } from 'vitest'
import { tightInputTokens } from '../../src/count.ts'
import type { Log } from '../../src/deps.ts'
import { boundInputTokens } from '../../src/estimate.ts'
import { createTokens } from '../../src/runtime/node/tokens.ts'
import type { Offer } from '../../src/terms.ts'
import { familyOf } from '../../src/tokenizer/families.ts'
import { noOutline, type Outline, outline } from '../../src/tokenizer/outline.ts'
import { parseBody } from '../../src/wire/body.ts'
import { type ChatFacts, readChat } from '../../src/wire/openai.ts'
import {
  completion,
  DONE,
  delta,
  event,
  finish,
  role,
  type ScriptedUpstream,
  sendJson,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'
import { HOME, presentTexts, type RecordedPrompt, recordedPrompts } from './recordings.ts'

const silent: Log = () => undefined
const tokens = createTokens(silent)
let pauses = 0
const pause = async () => void pauses++
const tight = (facts: ChatFacts, model: string) =>
  tightInputTokens(facts, { model, upstream: model } as Offer, { tokens, pause })

const middle = (sorted: readonly number[]): number => sorted[sorted.length >> 1] ?? Number.NaN

interface Row {
  readonly one: RecordedPrompt
  readonly bytes: number
  readonly bound: number | undefined
}

it.skipIf(presentTexts)(`recordings: none at ${HOME} (set SWITCHGATE_FIXTURES)`, () => {})

describe.skipIf(!presentTexts)('recorded prompts', () => {
  async function rows(): Promise<Row[]> {
    const found: Row[] = []
    for (const one of recordedPrompts()) {
      const bytes = boundInputTokens(one.facts, one.model)
      found.push({ one, bytes, bound: await tight(one.facts, one.model) })
    }
    return found
  }

  test('never below what was billed; the median at most 1.5', async () => {
    const all = await rows()
    expect(all.length).toBeGreaterThan(900)
    const low = all.filter(({ one, bytes, bound }) => Math.min(bytes, bound ?? bytes) < one.real)
    expect(low.map(({ one, bound }) => [one.id, one.model, one.real, bound])).toEqual([])

    const lines = ['family | recordings | bytes: median, lowest | tokens: median, lowest']
    // media are counted by rules that no tokenizer changes
    const texts = all.filter(({ one }) => one.facts.media.length === 0)
    const families = Map.groupBy(texts, ({ one }) => familyOf(one.model)?.name ?? 'others')
    for (const [name, found] of families) {
      const of = (pick: (row: Row) => number | undefined) =>
        found.flatMap(row => (pick(row) ?? 0) / row.one.real || []).sort((a, b) => a - b)
      const [old, own] = [of(({ bytes }) => bytes), of(({ bound }) => bound)]
      const shown = (ratios: readonly number[]) =>
        `${middle(ratios).toFixed(2)}, ${(ratios[0] ?? 0).toFixed(2)}`
      lines.push(
        `${name} | ${found.length} | ${shown(old)} | ${own.length}: ${own.length ? shown(own) : '–'}`,
      )
      if (own.length > 0) expect(middle(own), name).toBeLessThan(middle(old) / 2)
      if (own.length > 0) expect(middle(own), name).toBeLessThanOrEqual(1.5)
    }
    process.stdout.write(`${lines.join('\n')}\n`)
  })

  test('plain text in a vocabulary that is the model\u2019s own: within 40 % for short prompts, 2 % for long ones', async () => {
    const plain = (await rows()).filter(
      ({ one: { model, facts } }) =>
        /^(?:GPT-4o|GPT-5)/.test(familyOf(model)?.name ?? '') &&
        facts.toolCount === 0 &&
        facts.media.length === 0 &&
        facts.needs.size === 0 &&
        !JSON.stringify(facts.asked ?? '').includes('encrypted_content'),
    )
    expect(plain.length).toBeGreaterThan(60)
    const ratios = plain.map(({ one, bound }) => (bound ?? 0) / one.real).sort((a, b) => a - b)
    expect(middle(ratios)).toBeLessThan(1.4)
    const long = plain.filter(({ one }) => one.real > 1_000)
    expect(long.length).toBeGreaterThan(4)
    for (const { one, bound } of long) expect((bound ?? 0) / one.real, one.id).toBeLessThan(1.02)
  })
})

const read = (request: object): ChatFacts => {
  const text = JSON.stringify(request)
  return readChat(parseBody(new TextEncoder().encode(text), text, { depthMax: 64 }))
}
const asked = (content: unknown, more: object = {}) =>
  read({ model: 'm', messages: [{ role: 'user', content }], ...more })

describe('what is not known keeps the byte for a token', () => {
  const bytes = (facts: ChatFacts) => boundInputTokens(facts, 'gpt-4o')
  test('a family that nobody measured, and a part that nobody knows', async () => {
    expect(await tight(asked('Hello there.'), 'house-model')).toBeUndefined()
    expect(await tight(asked('Hello there.'), 'gpt-4o')).toBeLessThan(20)
    expect(await tight(asked([{ type: 'odd', words: 'x' }]), 'gpt-4o')).toBeUndefined()
    expect(await tight(asked([{ type: 'text', text: 'x', odd: 'y' }]), 'gpt-4o')).toBeUndefined()
    const schema = { type: 'object', properties: { a: { $ref: '#/a' } } }
    const tools = [{ type: 'function', function: { name: 'f', parameters: schema } }]
    expect(await tight(asked('x', { tools }), 'gpt-4o')).toBeUndefined()
  })

  test('pictures and searches count as ever, and no bound is above the bytes', async () => {
    const image = { type: 'image_url', image_url: { url: 'https://example.com/a.png' } }
    expect(await tight(asked([image]), 'gpt-4o')).toBeGreaterThan(16_384)
    expect(await tight(asked([image]), 'gpt-4o-mini')).toBeGreaterThan(48_169)
    expect(await tight(asked('x', { tools: [{ type: 'web_search' }] }), 'gpt-5')).toBeGreaterThan(115_886)
    const odd = asked('\u{10ffff}\u{e0001}'.repeat(500))
    expect(await tight(odd, 'gpt-4o')).toBeLessThanOrEqual(bytes(odd))
  })

  test('without a tokenizer there is no tighter bound', async () => {
    const offer = { model: 'gpt-4o', upstream: 'gpt-4o' } as Offer
    expect(await tightInputTokens(asked('x'), offer, { pause })).toBeUndefined()
    expect(await tightInputTokens(asked('x'), offer, { pause, tokens: () => undefined })).toBeUndefined()
  })

  test('a long prompt is counted in turns, to the same number; one of megabytes is not counted', async () => {
    const words = 'It was the best of times, it was the worst of times, it was the age of wisdom. '
    const one = (await tight(asked(words), 'gpt-4o')) ?? 0
    pauses = 0
    const many = (await tight(asked(words.repeat(4_000)), 'gpt-4o')) ?? 0
    expect(pauses).toBeGreaterThan(8)
    // frame and slack stand once; the last space of all begins no word
    const each = (tokens()?.count(words.repeat(11)) ?? 0) - (tokens()?.count(words.repeat(10)) ?? 0)
    expect(Math.abs(many - (one + 3_999 * each))).toBeLessThan(20)
    expect(await tight(asked('a'.repeat(2_200_000)), 'gpt-4o')).toBeUndefined()
    expect(await tight(asked('😀'.repeat(100_000)), 'gpt-4o')).toBeGreaterThan(99_999)
  })
})

describe('schemas, read word by word', () => {
  const schemaOf = (value: object): Outline => {
    const found = noOutline()
    outline(value, found)
    return found
  }

  test('names and words are told, the frame is counted', () => {
    const parameters = {
      type: 'object',
      properties: { city: { type: 'string', description: 'Where' }, type: { enum: ['a', 'string'] } },
      required: ['city', 'gone'],
      additionalProperties: false,
    }
    const tool = { type: 'function', function: { name: 'look', strict: true, parameters } }
    const found = schemaOf([tool])
    expect(found.texts).toEqual(['look', 'city', 'Where', 'type', 'a', 'gone'])
    expect(found.again).toEqual(['city'])
    // the tool, the function, the object, two properties; two values, one name that is required and not there
    expect(found.nodes).toBe(5 + 1.5)
  })

  test('whatever a caller writes, each of its words is in it or is one of the frame\u2019s', () => {
    const word = fc.oneof(
      fc.string({ minLength: 1 }),
      fc.constantFrom('type', 'properties', 'required', 'object', 'string', 'enum', 'name', 'description'),
    )
    const schema = fc.letrec(tie => ({
      any: fc.oneof(
        { maxDepth: 5 },
        word,
        fc.integer(),
        fc.boolean(),
        fc.array(tie('any'), { maxLength: 4 }),
        fc.dictionary(word, tie('any'), { maxKeys: 4 }),
      ),
    })).any
    const strings = (value: unknown): string[] =>
      typeof value === 'object' && value !== null
        ? Object.entries(value).flatMap(([name, one]) => [
            ...(Array.isArray(value) ? [] : [name]),
            ...strings(one),
          ])
        : typeof value === 'boolean'
          ? []
          : [String(value)]
    const frame = /^(?:type|properties|required|object|string|enum|name|description|true|false)$/
    fc.assert(
      fc.property(fc.dictionary(word, schema), value => {
        const { texts, again } = schemaOf(value)
        const said = [...texts, ...again].sort()
        const own = strings(value).filter(text => !frame.test(text))
        expect(said.filter(text => !frame.test(text))).toEqual(own.sort())
      }),
    )
  })

  test('a schema as deep as a body may be costs at least its text', () => {
    let deep: object = { description: 'end' }
    for (let i = 0; i < 90; i++) deep = { items: deep }
    const found = schemaOf(deep)
    expect(found.texts.join()).toContain('end')
    expect(found.nodes).toBeGreaterThan(90)
  })
})

/** What mistral-common 1.13.1 makes of this request, from version 3 of its templates to 13: 249 to 284 tokens; to the second message 206 to 208, without tools 35 to 37. */
describe('what a vocabulary from elsewhere is read with', () => {
  const leg = {
    type: 'object',
    properties: { date: { type: 'string', format: 'date' }, flexible: { type: 'boolean' } },
    required: ['date'],
  }
  const parameters = {
    type: 'object',
    properties: {
      from: { type: 'string', description: 'City or IATA code' },
      to: { type: 'string' },
      cabin: { type: 'string', enum: ['economy', 'business', 'first'] },
      legs: { type: 'array', items: leg },
    },
    required: ['from', 'to'],
    additionalProperties: false,
  }
  const description = 'Flights between two cities, cheapest first'
  const tools = [{ type: 'function', function: { name: 'find_flights', description, parameters } }]
  const call = { name: 'find_flights', arguments: '{"from": "ZRH", "to": "HND"}' }
  const messages = [
    { role: 'system', content: 'You are a travel agent. Answer in one sentence.' },
    { role: 'user', content: 'Is there a flight from Z\u00fcrich to \u6771\u4eac on 2026-11-22?' },
    { role: 'assistant', content: '', tool_calls: [{ id: 'abcdef123', type: 'function', function: call }] },
    { role: 'tool', tool_call_id: 'abcdef123', content: '[{"flight":"LX160","price":912.5}]' },
  ]

  test.each([
    [messages, tools, 284],
    [messages.slice(0, 2), tools, 208],
    [messages.slice(0, 2), undefined, 37],
  ])('Mistral: not below its templates, and half above at most %#', async (said, own, most) => {
    const bound =
      (await tight(read({ model: 'm', messages: said, tools: own }), 'mistral-medium-latest')) ?? 0
    expect(bound).toBeGreaterThanOrEqual(most)
    // settings that models which can think have before it: 12 tokens
    expect(bound - 12).toBeLessThanOrEqual(most * 1.5)
  })

  test('Gemini reads objects within properties twice; what lies deeper nobody has measured', async () => {
    const tool = (properties: object) =>
      asked('x', {
        tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties } } }],
      })
    const flat =
      (await tight(
        tool({ when: leg.properties.date, flexible: leg.properties.flexible }),
        'gemini-2.5-pro',
      )) ?? 0
    const once = (await tight(tool({ when: leg }), 'gemini-2.5-pro')) ?? 0
    expect(once).toBeGreaterThan(flat + 2 * 10)
    const deep = { type: 'object', properties: { when: leg } }
    expect(await tight(tool({ plan: deep }), 'gemini-2.5-pro')).toBeUndefined()
    expect(await tight(tool({ plan: deep }), 'mistral-medium-latest')).toBeGreaterThan(0)
  })

  test.each([
    ['mistral-medium-latest', 'Mistral'],
    ['mistral-large-2512', 'Mistral'],
    ['mistral-small-2506', 'Mistral'],
    ['mistralai/ministral-8b-latest', 'Mistral'],
    ['devstral-medium-2507', 'Mistral'],
    ['mistral.mistral-large-3-675b-instruct', 'Mistral'],
    ['google/gemma-3-27b-it', 'Gemma'],
    ['mistral-large-2411', 'Mistral, before Tekken'],
    ['mistral-small-2409', 'Mistral, before Tekken'],
    ['mistral-small', 'Mistral, before Tekken'],
    ['open-mistral-7b', 'Mistral, before Tekken'],
    ['pixtral-large-latest', 'Mistral, before Tekken'],
    ['codestral-latest', 'Mistral, before Tekken'],
    ['mistral-embed', 'Mistral, before Tekken'],
  ])('%s is %s', (id, name) => {
    expect(familyOf(id)?.name).toBe(name)
  })
})

test('a prompt is counted once for all offers of its family, and again for a family that counts otherwise', async () => {
  const facts = asked('It was the best of times. '.repeat(20))
  let counted = 0
  const plain = tokens()
  if (!plain) throw new Error('no tokenizer')
  const watched = () => ({
    ...plain,
    count: (text: string) => {
      counted++
      return plain.count(text)
    },
    weigh: (text: string) => {
      counted++
      return plain.weigh(text)
    },
  })
  const bound = (model: string) =>
    tightInputTokens(facts, { model, upstream: model } as Offer, { tokens: watched, pause })
  const all = await Promise.all(['gpt-4o', 'gpt-4.1', 'gpt-5', 'gpt-4o'].map(bound))
  expect(counted).toBe(1)
  expect(new Set(all).size).toBe(1)
  await bound('claude-sonnet-4-5')
  expect(counted).toBe(2)
  await bound('claude-haiku-4-5')
  expect(counted).toBe(2)
})

describe('a budget that is nearly spent', () => {
  let upstream: ScriptedUpstream | undefined
  let gateway: TestGateway | undefined
  afterEach(async () => {
    await gateway?.close()
    await upstream?.close()
    gateway = undefined
    upstream = undefined
  })

  const PROMPT = 'The quick brown fox jumps over the lazy dog near the river. '.repeat(200)

  async function start(model: string): Promise<TestGateway> {
    upstream = await startUpstream(response =>
      sendJson(
        response,
        200,
        completion('Hi.', { prompt_tokens: 2_607, completion_tokens: 3, total_tokens: 2_610 }),
      ),
    )
    const config = `providers:
  alpha:
    kind: openai
    base_url: http://127.0.0.1:${upstream.port}/v1
    models:
      ${model}: { input_usd_per_mtok: 100, output_usd_per_mtok: 100, context_tokens: 128000, max_output_tokens: 8192 }
egress: { allow: ["127.0.0.1:${upstream.port}"] }
`
    gateway = await startGateway({ config })
    return gateway
  }
  const body = (model: string) => ({ model, messages: [{ role: 'user', content: PROMPT }], max_tokens: 300 })

  test('buys by tokens what it could not buy by bytes, and the hold covers the bill', async () => {
    const { key, post, rows } = await start('gpt-4o')
    // 12,000 bytes would be $1.2; 2,600 tokens and 300 of the answer are $0.29
    const poor = await key({ budgets: [{ window: 'total', limitNanoUsd: 300_000_000, softNanoUsd: null }] })
    expect((await post(poor, body('gpt-4o'))).status).toBe(200)
    const [row] = await rows()
    expect(row?.certainty).toBe('exact')
    expect(row?.heldNanoUsd).toBeLessThan(300_000_000)
    expect(row?.heldNanoUsd).toBeGreaterThanOrEqual(row?.costNanoUsd ?? Number.POSITIVE_INFINITY)
    expect(row?.overrunNanoUsd).toBe(0)

    const rich = await key({ budgets: [{ window: 'total', limitNanoUsd: 5_000_000_000, softNanoUsd: null }] })
    expect((await post(rich, body('gpt-4o'))).status).toBe(200)
    const held = (await rows()).at(-1)?.heldNanoUsd
    expect(held, 'nothing is counted where the money suffices').toBeGreaterThan(1_200_000_000)
  })

  test('a stream without a limit is not told to end where only the bytes of its prompt would have it end', async () => {
    const { key, post } = await start('gpt-4o')
    const usage = { prompt_tokens: 2_607, completion_tokens: 3, total_tokens: 2_610 }
    if (upstream)
      upstream.script = response => {
        sse(response).write(role + delta('Hi.'))
        response.end(finish() + event({ ...completion(), choices: [], usage }) + DONE)
      }
    const ask = { ...body('gpt-4o'), max_tokens: undefined, stream: true }
    const sent = async (limitNanoUsd: number) => {
      const answer = await post(
        await key({ budgets: [{ window: 'total', limitNanoUsd, softNanoUsd: null }] }),
        ask,
      )
      expect(answer.status).toBe(200)
      await answer.text()
      return upstream?.seen.at(-1)?.json().max_tokens
    }
    // $1.2 by bytes and $0.26 by tokens, beside all that the model can write: $0.82
    expect(await sent(1_600_000_000)).toBeUndefined()
    // less than that, but far more than the $0.2 that the bytes would leave
    expect(await sent(700_000_000)).toBeGreaterThan(4_000)
  })

  test('and is refused where tokens are too many as well, or the model is nobody\u2019s', async () => {
    const first = await start('gpt-4o')
    const poor = await first.key({
      budgets: [{ window: 'total', limitNanoUsd: 250_000_000, softNanoUsd: null }],
    })
    const refused = await first.post(poor, body('gpt-4o'))
    expect(refused.status).toBe(429)
    expect(await refused.text()).toContain('insufficient_quota')
    expect(upstream?.seen).toHaveLength(0)
    await first.close()
    await upstream?.close()

    const second = await start('house-model')
    const same = await second.key({
      budgets: [{ window: 'total', limitNanoUsd: 300_000_000, softNanoUsd: null }],
    })
    expect((await second.post(same, body('house-model'))).status).toBe(429)
  })
})
