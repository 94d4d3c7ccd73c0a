/** Requests that are read by the frame of an earlier one are what they are when they are parsed; what is no JSON stays none. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { nodeBytes } from '../../src/runtime/node/bytes.ts'
import { type Body, parseBody } from '../../src/wire/body.ts'
import { FamiliarRequests, familiarTo } from '../../src/wire/familiar-request.ts'
import { Learning } from '../../src/wire/learning.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)
const parsed = (text: string): Body => parseBody(bytesOf(text), text, { depthMax: 64 })
const textOf = (bytes: Uint8Array) => nodeBytes.text(bytes)

/** Knows requests that are built as these are. */
function knowing(...texts: readonly string[]): FamiliarRequests {
  const familiar = new FamiliarRequests()
  for (const text of texts) if (!familiar.read(bytesOf(text), textOf)) familiar.learn(parsed(text))
  return familiar
}

const ask = (...words: readonly string[]) => ({
  model: 'm',
  messages: words.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content, name: 'a' })),
  temperature: 0.7,
  stream: true,
  stream_options: { include_usage: true },
  stop: null,
})
const HEAD = ask('Be brief.', 'How\nare "you"?')

const words = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 30 }),
  fc.constantFrom('', '\\', '"', '\u001f', 'é', '\u2028', '\u007f', '"content":"', 'x'.repeat(200)),
)
/** As JSON.stringify writes it, or with every character escaped. */
const escaped = (text: string): string =>
  [...text].map(one => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')

test('what is built as an earlier request was is read as it is parsed: value, bytes and places', () => {
  fc.assert(
    fc.property(
      words,
      words,
      fc.boolean(),
      fc.constantFrom(undefined, 1, '\t'),
      (one, two, isEscaped, room) => {
        const familiar = knowing(JSON.stringify(HEAD, undefined, room))
        const text = JSON.stringify(ask(one, isEscaped ? 'MARK' : two), undefined, room)
        const sent = isEscaped ? text.replace('MARK', () => escaped(two.replace(/[^\0-\uffff]/gu, ''))) : text
        const bytes = bytesOf(sent)
        const known = familiar.read(bytes, textOf)
        expect(known).toBeDefined()
        expect(known?.bytes).toBe(bytes)
        const whole = parsed(sent)
        expect(known?.json).toEqual(whole.json)
        expect(JSON.stringify(known?.json)).toBe(JSON.stringify(whole.json))
        expect(known?.members).toEqual(whole.members)
      },
    ),
  )
})

test('members before and behind the messages lie where their bytes are', () => {
  const text = (words: string) =>
    `{"a":1, "messages" : [ {"content":"${words}","role":"user"} ] ,"z":[9],"b":{"c":2}}`
  const plain = (words: string) => text(words).replace('"z":[9],', '')
  const familiar = knowing(plain('Hi'))
  for (const said of ['', 'Hi', 'é'.repeat(40), '\\n']) {
    const known = familiar.read(bytesOf(plain(said)), textOf)
    expect(known?.members).toEqual(parsed(plain(said)).members)
  }
  // a list beside the messages would be shared
  expect(knowing(text('Hi')).read(bytesOf(text('Hi')), textOf)).toBeUndefined()
})

test('what differs in more than its words is parsed', () => {
  const familiar = knowing(JSON.stringify(HEAD))
  const others = [
    { ...HEAD, model: 'n' },
    { ...HEAD, temperature: 0.8 },
    { ...HEAD, stream_options: { include_usage: false } },
    { ...HEAD, more: 1 },
    ask('one'),
    ask('one', 'two', 'three'),
    { ...HEAD, messages: HEAD.messages.toReversed() },
    { ...HEAD, messages: [HEAD.messages[0], { ...HEAD.messages[1], content: null }] },
    {
      ...HEAD,
      messages: [HEAD.messages[0], { ...HEAD.messages[1], content: [{ type: 'text', text: 'Hi' }] }],
    },
  ]
  for (const other of others) expect(familiar.read(bytesOf(JSON.stringify(other)), textOf)).toBeUndefined()
  expect(familiar.read(bytesOf(JSON.stringify(HEAD)), textOf)).toBeDefined()
})

test('what is no JSON is left to the parser', () => {
  const text = JSON.stringify(ask('WORDS', 'Hi'))
  const familiar = knowing(text)
  const broken = ['a\nb', 'a\tb', 'a\\xb', 'a\\u12', 'a\\u123g', 'a\\', 'a"b', 'a","role":"system']
  for (const said of broken)
    expect(familiar.read(bytesOf(text.replace('WORDS', () => said)), textOf), said).toBeUndefined()
  for (let cut = 0; cut < text.length; cut++)
    expect(familiar.read(bytesOf(text.slice(0, cut)), textOf)).toBeUndefined()
  for (const more of [' ', '}', ',', '{}'])
    expect(familiar.read(bytesOf(text + more), textOf)).toBeUndefined()
})

test('every single byte that is changed is noticed, or read as it is parsed', () => {
  const text = JSON.stringify(ask('Hi', 'you'))
  const familiar = knowing(text)
  const bytes = bytesOf(text)
  for (let at = 0; at < bytes.length; at++)
    for (const other of [0x20, 0x22, 0x5c, 0x7b, 0x2c, 0x31, 0x61, 0x00]) {
      const changed = bytes.slice()
      changed[at] = other
      const known = familiar.read(changed, textOf)
      if (known) expect(known.json).toEqual(JSON.parse(textOf(changed)))
    }
})

test('a name that is given twice in a message is not learned', () => {
  const text = '{"messages":[{"role":"user","content":"a","content":"b"}],"model":"m"}'
  expect(knowing(text).read(bytesOf(text), textOf)).toBeUndefined()
})

test('nothing of a request is shared with the next one', () => {
  const text = JSON.stringify(HEAD)
  const familiar = knowing(text)
  const first = familiar.read(bytesOf(text), textOf)
  const second = familiar.read(bytesOf(text), textOf)
  const [one, two] = [first?.json, second?.json] as [typeof HEAD, typeof HEAD]
  expect(one).toEqual(two)
  expect(one).not.toBe(two)
  expect(one.messages).not.toBe(two.messages)
  expect(one.messages[0]).not.toBe(two.messages[0])
  expect(one.stream_options).not.toBe(two.stream_options)
  const learned = knowing()
  const body = parsed(text)
  learned.learn(body)
  expect(body.json).toEqual(HEAD)
})

test('large requests, and those with much beside their words, are not kept', () => {
  const long = JSON.stringify(ask('x'.repeat(5_000)))
  expect(knowing(long).read(bytesOf(long), textOf)).toBeUndefined()
  const wide = JSON.stringify({ ...HEAD, user: 'u'.repeat(1_100) })
  expect(knowing(wide).read(bytesOf(wide), textOf)).toBeUndefined()
})

test('callers whose requests are never alike are learned from less and less often', () => {
  const never = new Learning()
  const due: number[] = []
  for (let i = 1; i <= 300; i++) {
    never.saw(false)
    if (never.isDue()) due.push(i)
  }
  expect(due).toEqual([1, 5, 21, 85, 149, 213, 277])
  never.saw(true)
  const again: number[] = []
  for (let i = 1; i <= 72; i++) {
    never.saw(false)
    if (never.isDue()) again.push(i)
  }
  // patience as it was until the frame that was met is given up for another
  expect(again).toEqual([64, 68])
})

test('each caller has its own', () => {
  const [one, two] = [{}, {}]
  expect(familiarTo(one)).toBe(familiarTo(one))
  expect(familiarTo(one)).not.toBe(familiarTo(two))
})
