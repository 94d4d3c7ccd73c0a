/** Events that are JSON as nobody writes it, among alike and unlike neighbours, in one packet and in many: they say what they say. */
import { expect, test } from 'vitest'
import type { Json } from '../../providers/provider.ts'
import { createPassthrough } from '../../src/relay/passthrough.ts'
import { nodeBytes } from '../../src/runtime/node/bytes.ts'
import { portableBytes } from '../../src/wire/bytes.ts'
import { usageOfAnswer } from '../../src/wire/openai.ts'

const SECRET = 'sk-upstream-credential'
const said = (i: number, isAlike: boolean) =>
  `data: {"id":"c1","choices":[{"index":0,"delta":{"content":"word"},"finish_reason":null}]${isAlike ? '' : `,"p${i}":1`}}\n\n`
const STOP = 'data: {"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
const DONE = 'data: [DONE]\n\n'

type Form = 'whole' | 'each' | 'bytes'
const FORMS: readonly Form[] = ['whole', 'each', 'bytes']

function read(events: readonly string[], form: Form, wantsUsage: boolean, bytes = nodeBytes) {
  const reader = createPassthrough({
    bytes,
    wantsUsage,
    costOf: () => 5,
    eventBytesMax: 100_000,
    choices: 1,
    usageOf: chunk => usageOfAnswer(chunk as Json),
    scrub: text => text.replaceAll(SECRET, '[secret]'),
  })
  const whole = events.join('')
  const parts = form === 'whole' ? [whole] : form === 'each' ? events : [...whole]
  let out = ''
  for (const part of parts) {
    if (reader.state.failure || reader.state.done) break
    out += bytes.text(reader.push(bytes.of(part)) ?? new Uint8Array(0))
  }
  return { out, state: reader.state }
}

/** A stream with this event in its middle, in every form; `each` is told what came. */
function among(
  odd: readonly string[],
  end: readonly string[],
  wantsUsage: boolean,
  each: (seen: ReturnType<typeof read>, before: string, what: string) => void,
  newline = '\n',
): void {
  const lines = (events: readonly string[]) => events.map(event => event.replaceAll('\n', newline))
  for (const isAlike of [true, false])
    for (const form of FORMS)
      for (const bytes of [nodeBytes, portableBytes]) {
        const before = Array.from({ length: 14 }, (_, i) => said(i, isAlike))
        const after = Array.from({ length: 14 }, (_, i) => said(i + 50, isAlike))
        const seen = read(lines([...before, ...odd, ...after, ...end]), form, wantsUsage, bytes)
        each(seen, lines(before).join(''), `${isAlike ? 'alike' : 'unlike'}, ${form}`)
      }
}

test.each([
  `{"error":{"message":"${SECRET}"}}`,
  `{"error" : {"message" : "${SECRET}"}}`,
  `{"err\\u006fr":{"message":"${SECRET}"}}`,
  `{"id":"c1","choices":[],"error"\t:\t{"message":"${SECRET}"}}`,
  `{"type":"error","message":"${SECRET}"}`,
  `{"type" : "error","message":"${SECRET}"}`,
])('%s ends the answer, and nobody sees its words', json => {
  const ended = ({ out, state }: ReturnType<typeof read>, before: string, what: string) => {
    expect([state.failure?.kind, state.finishReason], what).toEqual(['interrupted', undefined])
    expect(out, what).toBe(before)
  }
  for (const newline of ['\n', '\r\n']) among([`data: ${json}\n\n`], [STOP, DONE], true, ended, newline)
})

test.each([
  '{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason" : "length"}]}',
  '{"id":"c1","choices":[{"index":0,"delta":{},"finish\\u005freason":"length"}]}',
  '{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":  "length"}]}',
])('%s is an end', json => {
  among([`data: ${json}\n\n`], [DONE], true, ({ state }, _, what) => {
    expect([state.finishReason, state.done, state.failure], what).toEqual(['length', true, undefined])
  })
})

test.each([
  '"usage" : {"prompt_tokens":200,"completion_tokens":77}',
  '"us\\u0061ge":{"prompt_tokens":200,"completion_tokens":77}',
  '"usage":  {"prompt_tokens":200,"completion_tokens":77}',
])('%s is counted', member => {
  among([`data: {"id":"c1","choices":[],${member}}\n\n`], [STOP, DONE], false, ({ out, state }, _, what) => {
    expect(state.usage, what).toMatchObject({ inputTokens: 200, outputTokens: 77 })
    expect(out, what).not.toContain('prompt_tokens')
  })
})

test('each of many usages is taken out, or has its cost, however they arrive', () => {
  const usage = 'data: {"id":"c1","choices":[],"usage":{"prompt_tokens":2,"completion_tokens":3}}\n\n'
  among([usage, usage], [usage, STOP, usage, DONE], false, ({ out }, _, what) => {
    expect(out, what).not.toContain('usage')
    expect(out.match(/word/g), what).toHaveLength(28)
  })
  among([usage, usage], [usage, STOP, usage, DONE], true, ({ out }, _, what) => {
    expect(out.match(/"cost"/g), what).toHaveLength(4)
  })
})

test('what stands behind an error or an early end in the same packet is no part of the answer', () => {
  const error = 'data: {"error":{"message":"no"}}\n\n'
  among([error], [STOP, DONE], true, ({ state }, _, what) => {
    expect([state.finishReason, state.contentEvents], what).toEqual([undefined, 14])
  })
  among([DONE], [STOP, DONE], true, ({ state }, _, what) => {
    expect([state.finishReason, state.contentEvents, state.done], what).toEqual([undefined, 14, true])
  })
})

test('escapes that somebody does write are text', () => {
  const french = said(0, true).replace('word', '\\u00e9t\\u00e9 \\u001b \\"error\\" : \\"usage\\"')
  among([french], [STOP, DONE], true, ({ out, state }, _, what) => {
    expect(state.failure, what).toBeUndefined()
    expect(out, what).toContain(french)
  })
})
