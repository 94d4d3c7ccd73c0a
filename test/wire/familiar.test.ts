/** Answers that are read by the frame of an earlier one say what they say when they are parsed; what is no JSON stays none. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openai } from '../../providers/openai.ts'
import type { Provider } from '../../providers/provider.ts'
import { GatewayError } from '../../src/errors.ts'
import { readWhole } from '../../src/relay/whole.ts'
import { nodeBytes } from '../../src/runtime/node/bytes.ts'
import { Familiar } from '../../src/wire/familiar.ts'
import { usageOfAnswer } from '../../src/wire/openai.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)
const offer = () => ({ model: 'm', upstream: 'm', provider: 'p' }) as never

function readingOf(at: object) {
  const context = { offer: at, created: 1, newId: () => 'id', quirks: {}, request: {} } as never
  return {
    codec: openai.chat as NonNullable<Provider['chat']>,
    native: undefined,
    answerAs: undefined,
    provider: openai,
    providerName: 'mock',
    context,
    usageOf: (answer: Record<string, unknown>) => usageOfAnswer(answer),
    scrub: (text: string) => text,
    stream: false,
  }
}

const WHOLE = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1_700_000_000,
  model: 'm',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: 'Paris.\n"é" \\ ', refusal: null, annotations: [] },
      logprobs: null,
      finish_reason: 'stop',
    },
  ],
  usage: {
    prompt_tokens: 24,
    completion_tokens: 22,
    total_tokens: 46,
    queue_time: 0.25,
    prompt_tokens_details: { cached_tokens: 0 },
  },
  system_fingerprint: 'fp_1',
}

/** With the strings of the frame alone, as a familiar answer has them, and the numbers of `usage`. */
function bare(value: unknown, name = '', isUsage = false, depth = 0): unknown {
  if (Array.isArray(value)) return value.map(one => bare(one, '', isUsage, depth + 1))
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(
      Object.entries(value).map(([key, one]) => [key, bare(one, key, isUsage || key === 'usage', depth + 1)]),
    )
  if (typeof value === 'number') return isUsage ? value : 0
  if (typeof value !== 'string') return value
  const isKept = ['object', 'model', 'role', 'type', 'finish_reason', 'responseId'].includes(name)
  return isKept || (name === 'id' && depth === 1) ? value : ''
}

const leaf = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.constantFrom('', '\n', '\u001f', '\\', '"', 'é', '\ud800', '\u007f', 'x'.repeat(300)),
)
const number = fc.oneof(
  fc.nat(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, -1, 1e21, 1e-7, 2 ** 53, 123456789012345, 1234567890123456),
)

/** The same members with other leaves. */
const another = (value: unknown, name = ''): fc.Arbitrary<unknown> => {
  if (Array.isArray(value)) return fc.tuple(...value.map(one => another(one)))
  if (typeof value === 'object' && value !== null)
    return fc.record(Object.fromEntries(Object.entries(value).map(([key, one]) => [key, another(one, key)])))
  if (typeof value === 'number') return number
  if (typeof value !== 'string') return fc.constant(value)
  if (name === 'id') return fc.oneof(fc.uuid(), leaf)
  return ['object', 'model', 'role', 'type', 'finish_reason'].includes(name)
    ? fc.oneof({ weight: 9, arbitrary: fc.constant(value) }, leaf)
    : leaf
}

/** Made worse at one place, or not. */
const harm = fc.tuple(
  fc.constantFrom('', '', '', 'cut', 'insert', 'drop', 'replace', 'add'),
  fc.nat(),
  fc.constantFrom(
    '"',
    '\\',
    '\n',
    '{',
    '}',
    ']',
    ',',
    ':',
    '0',
    '01',
    '-',
    '.',
    'e',
    ' ',
    '\\u00',
    '\u0000',
    'é',
    'null',
    ',"a":1',
    ',"usage":{}',
  ),
)
function harmed(text: string, [kind, at, what]: [string, number, string]): string {
  const place = at % (text.length + 1)
  if (kind === 'cut') return text.slice(0, place)
  if (kind === 'insert') return text.slice(0, place) + what + text.slice(place)
  if (kind === 'drop') return text.slice(0, place) + text.slice(place + 1)
  if (kind === 'replace') return text.slice(0, place) + what + text.slice(place + what.length)
  return kind === 'add' ? text + what : text
}

test('what is read by a frame is what JSON.parse reads', () => {
  let hits = 0
  const cases = fc
    .oneof(fc.constant(WHOLE), fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 })))
    .chain(one =>
      fc.tuple(
        fc.constant(one),
        fc.array(fc.tuple(another(one), harm), { minLength: 1, maxLength: 6 }),
        fc.constantFrom(undefined, 1),
      ),
    )
  fc.assert(
    fc.property(cases, ([one, others, space]) => {
      const first = JSON.stringify(one, null, space)
      const familiar = new Familiar()
      expect(familiar.read(bytesOf(first), nodeBytes.text)).toBeUndefined()
      familiar.learn(bytesOf(first), JSON.parse(first))
      for (const [other, how] of others) {
        const text = harmed(JSON.stringify(other, null, space), how)
        const read = familiar.read(bytesOf(text), nodeBytes.text)
        if (read === undefined) continue
        hits++
        expect(bare(read)).toEqual(bare(JSON.parse(text)))
      }
    }),
    { numRuns: 1_500 },
  )
  expect(hits).toBeGreaterThan(200)
})

test('a whole answer is told the same whether its kind is known or not', () => {
  let known = 0
  const series = fc.array(fc.tuple(another(WHOLE), harm), { minLength: 2, maxLength: 8 })
  fc.assert(
    fc.property(series, answers => {
      const place = offer()
      readWhole(bytesOf(JSON.stringify(WHOLE)), readingOf(place), nodeBytes)
      for (const [answer, how] of answers) {
        const bytes = bytesOf(harmed(JSON.stringify(answer), how))
        const parsed = readWhole(bytes, readingOf(offer()), nodeBytes)
        const read = readWhole(bytes, readingOf(place), nodeBytes)
        if (parsed instanceof GatewayError)
          expect(read).toMatchObject({ kind: parsed.kind, message: parsed.message })
        else {
          expect(read).toEqual(parsed)
          known++
        }
      }
    }),
    { numRuns: 1_000 },
  )
  expect(known).toBeGreaterThan(500)
})

test('nothing of what was said is kept, and a frame that is met no more gives way', () => {
  const familiar = new Familiar()
  const meet = (answer: object) => {
    const text = JSON.stringify(answer)
    const read = familiar.read(bytesOf(text), nodeBytes.text)
    if (read === undefined) familiar.learn(bytesOf(text), JSON.parse(text))
    return read
  }
  const secret = { ...WHOLE, tool: { arguments: '{"secret":1}' }, citations: ['https://secret/'] }
  expect(meet(secret)).toBeUndefined()
  expect(JSON.stringify(meet(secret))).not.toMatch(/secret|Paris/)
  const other = { ...WHOLE, choices: [...WHOLE.choices, ...WHOLE.choices] }
  // one among many does not take the place of what is usual
  expect([other, secret, other, secret].map(one => meet(one) !== undefined)).toEqual([
    false,
    true,
    false,
    true,
  ])
  const met = Array.from({ length: 8 }, () => meet(other) !== undefined)
  expect(met.indexOf(true)).toBe(4)
  expect(met.at(-1)).toBe(true)
})

test('a host whose answers are never alike is learned from ever more seldom', () => {
  const familiar = new Familiar()
  let learned = 0
  for (let i = 0; i < 300; i++) {
    const answer: Record<string, unknown> = { [`name${i}`]: 'x' }
    const text = JSON.stringify(answer)
    expect(familiar.read(bytesOf(text), nodeBytes.text)).toBeUndefined()
    familiar.learn(bytesOf(text), answer)
    if (answer[`name${i}`] === '') learned++
  }
  expect(learned).toBe(1 + 3 + Math.floor((300 - 85) / 64))
})

test.each([
  ['a name given twice', '{"id":"a","usage":{"prompt_tokens":1,"prompt_tokens":2}}'],
  ['a name given to two kinds of values', '{"id":{"":1},"id":"x",":1},":2}'],
  ['an escaped name', '{"id":"a","\\u0075sage":{"prompt_tokens":1}}'],
  ['a name beyond ASCII', '{"id":"a","é":"b"}'],
  ['too deep', `{"a":${'['.repeat(20)}${']'.repeat(20)}}`],
  ['too many values', `{"a":[${'1,'.repeat(100)}1]}`],
  ['too large', JSON.stringify({ a: 'x'.repeat(20_000) })],
  ['a list', '[1]'],
])('%s: it is parsed each time', (_, text) => {
  const familiar = new Familiar()
  expect(familiar.read(bytesOf(text), nodeBytes.text)).toBeUndefined()
  familiar.learn(bytesOf(text), JSON.parse(text))
  expect(familiar.read(bytesOf(text), nodeBytes.text)).toBeUndefined()
})
