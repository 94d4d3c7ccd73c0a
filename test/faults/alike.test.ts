/** Streams of events that are alike: what hides among them (an error, a finish, usage, a comment) is seen as if each were parsed. */
import { expect, test } from 'vitest'
import type { Json } from '../../providers/provider.ts'
import { Alike } from '../../src/relay/alike.ts'
import { joined } from '../../src/relay/edits.ts'
import { dataOf } from '../../src/relay/event.ts'
import { createPassthrough } from '../../src/relay/passthrough.ts'
import { newState, textLength } from '../../src/relay/reader.ts'
import { nodeBytes } from '../../src/runtime/node/bytes.ts'
import { portableBytes } from '../../src/wire/bytes.ts'
import { usageOfAnswer } from '../../src/wire/openai.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`
const delta = (said: object, more: object = {}, finish: string | null = null): string =>
  event({
    id: 'c1',
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta: said, logprobs: null, finish_reason: finish }],
    ...more,
  })
const USAGE = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 }

interface Seen {
  out: string
  finish: string | undefined
  output: number | undefined
  failed: boolean
  done: boolean
}

function read(
  text: string,
  cuts: readonly number[],
  bytes = nodeBytes,
  wantsUsage = true,
): Seen & { text: number } {
  const reader = createPassthrough({
    bytes,
    wantsUsage,
    costOf: undefined,
    eventBytesMax: 100_000,
    choices: 1,
    usageOf: chunk => usageOfAnswer(chunk as Json),
    scrub: line => line.replaceAll('sk-secret', '[secret]'),
  })
  const all = encoder.encode(text)
  let out = ''
  let from = 0
  for (const to of [...cuts, all.length]) {
    const shown = reader.push(all.slice(from, to))
    if (shown) out += decoder.decode(shown)
    from = to
  }
  const last = reader.end()
  if (last) out += decoder.decode(last)
  const { state } = reader
  return {
    out,
    finish: state.finishReason,
    output: state.usage?.outputTokens,
    failed: state.failure !== undefined,
    done: state.done,
    text: state.textBytes,
  }
}

function dice(seed: number) {
  let state = seed
  const below = (n: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
  return { below, one: <T>(of: readonly T[]): T => of[below(of.length)] as T }
}

const WORDS = [
  ' the',
  'a',
  ' "quoted"',
  '\\',
  '\\"',
  '"',
  '\n\n',
  'data: x',
  '"error":{"message":"x"}',
  '"usage":{',
  ' é',
  '😀',
  '[DONE]',
  '"finish_reason":"stop"',
  '}',
  ',"error":1',
  ' ',
  ': comment',
  'event: error',
  '\u0000',
  '\u2028',
  '',
]

/** A stream and what whoever parses each of its events sees. */
function madeUp(seed: number): { text: string; expected: Seen; said: number } {
  const { below, one } = dice(seed)
  const expected: Seen = { out: '', finish: undefined, output: undefined, failed: false, done: false }
  const kind = one(['content', 'reasoning_content', 'tool', 'both', 'details'])
  const wrap = (word: string): object => {
    if (kind === 'tool') return { tool_calls: [{ index: 0, function: { arguments: word } }] }
    if (kind === 'both') return { content: '', reasoning: word, refusal: null }
    if (kind === 'details') return { reasoning: word, reasoning_details: [{ type: 'text', text: word }] }
    return { [kind]: word }
  }
  let text = delta({ role: 'assistant', content: 'Hello' })
  expected.out = text
  let said = 5
  const add = (part: string, shown = part) => {
    text += part
    expected.out += shown
  }
  const spaced = below(4) === 0
  const written = (chunk: string) =>
    spaced ? chunk.replace('"delta":', '"delta": ').replace(`"${kind}":"`, `"${kind}": "`) : chunk
  const pad = below(3) === 0 ? one(['obfuscation', 'p']) : undefined
  // some hosts name each event anew, or once a second
  const renames = one([0, 0, 0, 1, 3])
  for (let n = below(40); n > 0; n--) {
    const word = one(WORDS)
    said += encoder.encode(word).length
    const padding = pad ? { [pad]: 'x'.repeat(below(9)) } : {}
    const renamed = renames > 0 && below(renames) === 0 ? { created: below(1_000_000) } : {}
    add(written(delta(wrap(word), { ...padding, ...renamed })))
    if (below(25) === 0) add(': keep-alive\n\n')
    if (below(40) === 0) add(': sk-secret\n\n', ': [secret]\n\n')
    if (below(60) === 0) {
      // cut short inside: it is taken out
      add('data: {"id":"c1","choices":[{"delta":{"content":"x\n\n', '')
    }
    if (below(120) === 0) {
      text += delta(wrap('x'), { error: { message: 'broken' } })
      expected.failed = true
      text += delta(wrap('never'))
      return { text, expected, said }
    }
    if (below(120) === 0) {
      text += `event: error\ndata: {"message":"broken"}\n\n${delta(wrap('never'))}`
      expected.failed = true
      return { text, expected, said }
    }
  }
  if (below(4) > 0) {
    expected.finish = one(['stop', 'length', 'tool_calls'])
    add(delta({}, {}, expected.finish))
  }
  if (below(4) > 0) {
    expected.output = USAGE.completion_tokens
    add(event({ id: 'c1', choices: [], usage: USAGE }))
  }
  if (below(4) > 0) {
    text += 'data: [DONE]\n\n'
    expected.done = true
    if (below(2) === 0) text += delta(wrap('behind the end'))
  }
  return { text, expected, said }
}

for (const [name, bytes] of [
  ['Node', nodeBytes],
  ['workers', portableBytes],
] as const)
  test(`made-up streams, in one read and in many, on ${name}`, () => {
    for (let seed = 1; seed <= 500; seed++) {
      const { text, expected, said } = madeUp(seed)
      const { below } = dice(seed + 7)
      const length = encoder.encode(text).length
      const some = Array.from({ length: below(30) }, () => below(length)).sort((a, b) => a - b)
      const ends = [...text.matchAll(/\n\n/g)].map(
        ({ index }) => encoder.encode(text.slice(0, index + 2)).length,
      )
      for (const cuts of [[], some, ends]) {
        const { text: counted, ...seen } = read(text, cuts, bytes)
        expect(seen, `${seed}: ${text}`).toEqual(expected)
        // an upper bound, and no wild one: escapes, and frames that a pad or a role makes wider
        expect(counted, `${seed}: ${text}`).toBeGreaterThanOrEqual(said - 5)
        expect(counted, `${seed}`).toBeLessThan(said * 8 + 2_000)
      }
    }
  })

test('usage that nobody asked for is taken out from behind what is alike', () => {
  const body = Array.from({ length: 9 }, (_, n) => delta({ content: ` ${n}` })).join('')
  const end = delta({}, {}, 'stop')
  const text = `${body}${end}${event({ id: 'c1', choices: [], usage: USAGE })}data: [DONE]\n\n`
  const seen = read(text, [], nodeBytes, false)
  expect(seen.out).toBe(body + end)
  expect(seen).toMatchObject({ finish: 'stop', output: 5, done: true })
})

test('when something else is being said, that is learned in its turn', () => {
  const kinds = ['reasoning_content', 'content', 'refusal']
  const text = kinds
    .flatMap(kind => Array.from({ length: 40 }, (_, n) => delta({ [kind]: ` word ${n} "` })))
    .join('')
  const ends = [...text.matchAll(/\n\n/g)].map(({ index }) => index + 2)
  for (const cuts of [[], ends]) expect(read(text, cuts).out).toBe(text)
})

const SAMPLE = encoder.encode(
  `data: {"id":"c1","choices":[{"delta":{"content":"Hel\\"lo","n":0},"finish_reason":null}],"p":"xx"}\n\n`,
)
/** Where what is said stands in it. */
const SAID = [...'Hel\\"lo'].length

test('an event with any other byte outside of what is said is another event', () => {
  const alike = new Alike()
  alike.learn(SAMPLE, 6)
  const through = (event: Uint8Array) => alike.through(event, 0, newState())
  expect(through(SAMPLE)).toBe(SAMPLE.length)
  const text = decoder.decode(SAMPLE)
  const [said, pad] = [text.indexOf('Hel'), text.indexOf('xx')]
  const isFree = (at: number) => (at >= said && at < said + SAID) || (at >= pad && at < pad + 2)
  for (let at = 0; at < SAMPLE.length; at++)
    for (const byte of [0, 10, 32, 34, 92, 48, 127, 128, 255]) {
      const other = SAMPLE.slice()
      other[at] = byte
      if (isFree(at) || byte === SAMPLE[at]) continue
      expect(through(other), `${byte} at ${at}`).toBe(0)
    }
  for (let length = 0; length < SAMPLE.length; length++) expect(through(SAMPLE.slice(0, length))).toBe(0)
})

test('what is said may be of any length, and is counted with its escapes; padding is not', () => {
  const alike = new Alike()
  alike.learn(SAMPLE, 6)
  const words = ['', 'a', '\\', '\\"', ' long '.repeat(99), '{"error":1}', 'é😀']
  const texts = words.map(word => JSON.stringify(word).slice(1, -1))
  const pads = words.map((_, n) => 'y'.repeat(n * 3))
  const events = texts.map((said, n) =>
    decoder
      .decode(SAMPLE)
      .replace('Hel\\"lo', () => said)
      .replace('xx', () => pads[n] as string),
  )
  // not at the beginning of a buffer, nor where a word begins
  const block = encoder.encode(`abc${events.join('')}data: {}\n\n`).subarray(3)
  const state = newState()
  expect(alike.through(block, 0, state)).toBe(encoder.encode(events.join('')).length)
  expect(state.contentEvents).toBe(words.length)
  // an empty one counts as one byte: it is a token all the same
  expect(state.textBytes).toBe(texts.reduce((sum, said) => sum + Math.max(1, encoder.encode(said).length), 0))
})

test('an event of no words that may differ is not learned', () => {
  const alike = new Alike()
  for (const json of [
    '{"id":"c1"}',
    '{"content":null}',
    '{"content":""}',
    '{"obfuscation":"xx"}',
    '{"x":"content"}',
  ])
    alike.learn(encoder.encode(`data: ${json}\n\n`), 3)
  expect(alike.through(encoder.encode('data: {"id":"c1"}\n\n'), 0, newState())).toBe(0)
})

test('neighbours in the block are joined where they stand, others are copied', () => {
  const memory = encoder.encode('0123456789')
  const block = memory.subarray(2, 8)
  for (const port of [nodeBytes, portableBytes]) {
    const whole = joined(block, [block.subarray(1, 3), block.subarray(3, 3), block.subarray(3, 6)], port)
    expect(decoder.decode(whole)).toBe('34567')
    expect([whole.buffer, whole.byteOffset]).toEqual([memory.buffer, block.byteOffset + 1])
    expect(joined(block, [], port)).toHaveLength(0)
    const apart: [string, Uint8Array[]][] = [
      ['2345x67', [block.subarray(0, 4), encoder.encode('x'), block.subarray(4)]],
      ['2367', [block.subarray(0, 2), block.subarray(4)]],
      ['6723', [block.subarray(4), block.subarray(0, 2)]],
      // the same memory, but not of the block
      ['01234567', [memory.subarray(0, 2), block]],
      ['23456789', [block, memory.subarray(8)]],
    ]
    for (const [expected, parts] of apart) {
      const copied = joined(block, parts, port)
      expect(decoder.decode(copied)).toBe(expected)
      expect(copied.buffer).not.toBe(memory.buffer)
    }
  }
})

test('an untouched burst goes on in the memory that it came in', () => {
  const reader = createPassthrough({
    bytes: nodeBytes,
    wantsUsage: false,
    costOf: undefined,
    eventBytesMax: 100_000,
    choices: 1,
    usageOf: chunk => usageOfAnswer(chunk as Json),
  })
  const shown =
    delta({ role: 'assistant', content: '' }) +
    Array.from({ length: 9 }, (_, n) => delta({ content: ` ${n}` })).join('') +
    delta({}, {}, 'stop')
  const block = encoder.encode(`${shown}${event({ id: 'c1', choices: [], usage: USAGE })}data: [DONE]\n\n`)
  const out = reader.push(block)
  expect(decoder.decode(out)).toBe(shown)
  expect(out?.buffer).toBe(block.buffer)
  expect(reader.state).toMatchObject({ done: true, finishReason: 'stop', usage: { outputTokens: 5 } })
})

test('a choice that is no object ends nothing and breaks nothing', () => {
  const reader = createPassthrough({
    bytes: nodeBytes,
    wantsUsage: true,
    costOf: undefined,
    eventBytesMax: 100_000,
    choices: 2,
    usageOf: chunk => usageOfAnswer(chunk as Json),
  })
  const end = (index: number) => ({ index, delta: {}, finish_reason: 'stop' })
  reader.push(encoder.encode(delta({ content: 'a' })))
  reader.push(encoder.encode(event({ id: 'c1', choices: [end(0), null] })))
  expect(reader.state).toMatchObject({ finishReason: 'stop', unfinished: 1 })
  reader.push(encoder.encode(event({ id: 'c1', choices: [null, end(1)] })))
  expect(reader.state.unfinished).toBe(0)
})

test('the text of a chunk is what its deltas say, reasoning under several names once', () => {
  const chunk = (...choices: unknown[]) => ({ choices })
  expect(textLength(chunk({ delta: { role: 'assistant', content: 'é', refusal: 'no' } }))).toBe(4)
  expect(textLength(chunk({ delta: { reasoning: 'abc', reasoning_content: 'abc', content: '' } }))).toBe(3)
  expect(textLength(chunk({ delta: { reasoning: 'abc', reasoning_content: '' } }))).toBe(3)
  expect(textLength(chunk({ delta: { tool_calls: [{ x: 1 }], audio: null } }, { text: 'ab' }, null))).toBe(11)
  const call = (said: Json) => chunk({ delta: { tool_calls: [{ index: 0, id: 'call_1', function: said }] } })
  expect(textLength(call({ arguments: '{"é"' }))).toBe(5)
  expect(textLength(call({ name: 'look', arguments: '' }))).toBe(36)
  const details = [{ type: 'reasoning.text', text: 'abc' }]
  expect(textLength(chunk({ delta: { reasoning: 'abc', reasoning_details: details } }))).toBe(3)
  expect(textLength(chunk({ delta: [] }, { delta: 'content' }, { delta: { content: {} } }))).toBe(2)
})

test('the data of an event is that of its lines, however they end', () => {
  /** Word for word what the specification says of lines. */
  const plainly = (event: string): string | undefined => {
    const lines = event.replace(/^\ufeff/, '').split(/\r\n|\n|\r/)
    const data = lines.filter(line => line.startsWith('data:')).map(line => line.slice(5).replace(/^ /, ''))
    return data.length === 0 ? undefined : data.join('\n').trimEnd()
  }
  const pieces = [
    'data:',
    'data: ',
    ' ',
    '{"a":1}',
    '\n',
    '\r\n',
    '\r',
    '\n\n',
    ': c',
    'event: x',
    '\ufeff',
    'x',
    '\u2028',
  ]
  for (let seed = 1; seed <= 4_000; seed++) {
    const { below, one } = dice(seed)
    const made = Array.from({ length: below(9) }, () => one(pieces)).join('')
    expect(dataOf(made), JSON.stringify(made)).toBe(plainly(made))
  }
})

test('an event longer than what is kept passes, and so do those behind it', () => {
  const long = delta({ content: 'x'.repeat(9_000) })
  const text = long + delta({ content: 'a' }).repeat(20) + long.repeat(2) + delta({}, {}, 'stop')
  expect(read(text, [])).toMatchObject({ out: text, finish: 'stop', text: 27_021 })
})

test('an event with words that ends, or states usage, is no example for others', () => {
  const words = (finish: string | null, more = {}) =>
    ['a', 'b', 'c', 'd'].map(content => delta({ content }, more, finish)).join('')
  // in the first event with words, and behind others
  for (const before of ['', words(null)]) {
    const text = before + words('stop')
    const ends = [...text.matchAll(/\n\n/g)].map(({ index }) => index + 2)
    for (const cuts of [[], ends]) expect(read(text, cuts)).toMatchObject({ out: text, finish: 'stop' })
    const stated = before + words(null, { usage: USAGE })
    for (const cuts of [[], ends]) expect(read(stated, cuts)).toMatchObject({ out: stated, output: 5 })
    const broken = before + words(null, { error: { message: 'x' } })
    expect(read(broken, [])).toMatchObject({ out: before, failed: true })
  }
})

test('what a bare CR cuts off is no part of the JSON before it', () => {
  const text = `${delta({ content: 'a' })}data: {"choices":[],\r"usage":{"prompt_tokens":7,"completion_tokens":9}}\n\n${delta({}, {}, 'stop')}`
  expect(read(text, [])).toMatchObject({ out: text, finish: 'stop', output: undefined })
})

test('usage that is told in several events has its cost in each, however they are cut', () => {
  const shown = (cuts: number) => {
    const reader = createPassthrough({
      bytes: nodeBytes,
      wantsUsage: true,
      costOf: usage => usage.outputTokens * 1_000_000,
      eventBytesMax: 100_000,
      choices: 1,
      usageOf: chunk => usageOfAnswer(chunk as Json),
    })
    const usage = (completion_tokens: number) => ({ usage: { prompt_tokens: 7, completion_tokens } })
    const text =
      delta({ content: 'a' }, usage(1)) +
      delta({ content: 'b' }, usage(1)) +
      delta({ content: 'c' }) +
      delta({ content: 'd' }, usage(2)) +
      delta({ content: 'e' }, usage(2)) +
      delta({}, usage(2), 'stop') +
      event({ id: 'c1', choices: [], ...usage(3) })
    const all = encoder.encode(text)
    let out = ''
    for (let from = 0; from < all.length; from += cuts)
      out += decoder.decode(reader.push(all.slice(from, from + cuts)))
    return out
  }
  const whole = shown(100_000)
  expect(whole.match(/"usage":\{"cost":0\.00\d/g)).toEqual(
    ['1', '1', '2', '2', '2', '3'].map(cost => `"usage":{"cost":0.00${cost}`),
  )
  for (const cuts of [1, 7, 120, 400]) expect(shown(cuts)).toBe(whole)
})
