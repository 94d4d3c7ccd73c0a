/** Streams of events that are alike: what hides among them (an error, a finish, usage, a comment) is seen as if each were parsed. */
import { expect, test } from 'vitest'
import type { Json } from '../../providers/provider.ts'
import { createPassthrough } from '../../src/relay/passthrough.ts'
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
  const kind = one(['content', 'reasoning_content', 'tool'])
  const wrap = (word: string): object =>
    kind === 'tool' ? { tool_calls: [{ index: 0, function: { arguments: word } }] } : { [kind]: word }
  let text = delta({ role: 'assistant', content: 'Hello' })
  expected.out = text
  let said = 5
  const add = (part: string, shown = part) => {
    text += part
    expected.out += shown
  }
  const pads = below(5) === 0
  for (let n = below(40); n > 0; n--) {
    const word = one(WORDS)
    said += encoder.encode(word).length
    add(delta(wrap(word), pads ? { obfuscation: 'x'.repeat(below(9)) } : {}))
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
