/** Tool calls in pieces as hosts really number and name them: the same calls in each wire that has to put them together. */
import { describe, expect, test } from 'vitest'
import { createGeminiWriter } from '../../src/wire/gemini/stream.ts'
import type { RenderContext, StreamWriter } from '../../src/wire/inbound.ts'
import { createMessageWriter } from '../../src/wire/messages/stream.ts'
import { ResponseWriter } from '../../src/wire/responses/writer.ts'

type Json = Record<string, unknown>
type Made = readonly (readonly [name: string, given: unknown])[]

function contextOf(): RenderContext {
  let n = 0
  return {
    model: 'm',
    created: 1_700_000_000,
    newId: prefix => `${prefix}${++n}`,
    request: {},
    likelyInputTokens: 1,
  }
}

const chunkOf = (delta: Json, finish: string | null = null): Json => ({
  id: 'c',
  choices: [{ index: 0, delta, finish_reason: finish }],
})

/** The events' data of a stream whose deltas hold these entries. */
function sent(writer: StreamWriter, deltas: readonly (readonly Json[])[]): Json[] {
  const chunks = [...deltas.map(entries => chunkOf({ tool_calls: entries })), chunkOf({}, 'tool_calls')]
  const text = chunks.map(chunk => writer.chunk(chunk, undefined)).join('') + writer.end()
  return [...text.matchAll(/^data: (.*?)\r?$/gm)].map(([, data = '']) => JSON.parse(data) as Json)
}

function inResponses(events: readonly Json[]): Made {
  const last = events.at(-1) as { response: { output: { name: string; arguments: string }[] } }
  return last.response.output.map(item => [item.name, JSON.parse(item.arguments)])
}

function inMessages(events: readonly Json[]): Made {
  const blocks: { name: string; json: string }[] = []
  for (const { type, content_block: block, delta } of events) {
    if (type === 'content_block_start') blocks.push({ name: (block as { name: string }).name, json: '' })
    const last = blocks.at(-1)
    if (type === 'content_block_delta' && last) last.json += (delta as { partial_json: string }).partial_json
  }
  return blocks.map(({ name, json }) => [name, JSON.parse(json)])
}

function inGemini(events: readonly Json[]): Made {
  type Event = { candidates: { content: { parts: { functionCall?: { name: string; args: unknown } }[] } }[] }
  return (events as unknown as Event[])
    .flatMap(({ candidates: [first] }) => first?.content.parts ?? [])
    .flatMap(({ functionCall: call }) => (call ? [[call.name, call.args] as const] : []))
}

const WIRES = [
  ['responses', () => new ResponseWriter(contextOf()), inResponses],
  ['messages', () => createMessageWriter(contextOf()), inMessages],
  ['gemini', () => createGeminiWriter(contextOf()), inGemini],
] as const

const call = (name: string, given: string, more: Json = {}): Json => ({
  ...more,
  type: 'function',
  function: { name, arguments: given },
})
const rest = (given: string, more: Json = {}): Json => ({ ...more, function: { arguments: given } })

const TWO: Made = [
  ['f', { a: 1 }],
  ['g', { b: 1 }],
]
const CASES: readonly (readonly [string, readonly (readonly Json[])[], Made])[] = [
  ['no index, no id, in one delta', [[call('f', '{"a":1}'), call('g', '{"b":1}')]], TWO],
  ['no index, no id, one after the other', [[call('f', '{"a":1}')], [call('g', '{"b":1}')]], TWO],
  [
    'no index, no id, arguments in pieces',
    [[call('f', '{"a"')], [rest(':1}')], [call('g', '')], [rest('{"b"')], [rest(':1}')]],
    TWO,
  ],
  [
    'no index, no id, both in pieces at once',
    [
      [call('f', ''), call('g', '')],
      [rest('{"a"'), rest('{"b"')],
      [rest(':1}'), rest(':1}')],
    ],
    TWO,
  ],
  [
    'no index, no id, the same function twice',
    [[call('f', '{"a":1}'), call('f', '{"a":2}')]],
    [
      ['f', { a: 1 }],
      ['f', { a: 2 }],
    ],
  ],
  [
    'no index, ids, in one delta',
    [[call('f', '{"a":1}', { id: 't1' }), call('g', '{"b":1}', { id: 't2' })]],
    TWO,
  ],
  [
    'no index, ids on every piece, in turns',
    [
      [call('f', '', { id: 't1' }), call('g', '', { id: 't2' })],
      [rest('{"a":1}', { id: 't1' }), rest('{"b":1}', { id: 't2' })],
    ],
    TWO,
  ],
  [
    'no index, the name repeated without its id',
    [[call('f', '{"a"', { id: 't1' })], [call('f', ':1}', { id: '' })], [call('g', '{"b":1}', { id: 't2' })]],
    TWO,
  ],
  ['every index 0, no id', [[call('f', '{"a":1}', { index: 0 })], [call('g', '{"b":1}', { index: 0 })]], TWO],
  [
    'every index 0, ids on every piece',
    [
      [call('f', '{"a"', { index: 0, id: 't1' })],
      [call('g', '{"b"', { index: 0, id: 't2' })],
      [rest(':1}', { index: 0, id: 't1' })],
      [rest(':1}', { index: 0, id: 't2' })],
    ],
    TWO,
  ],
  [
    'one id for two calls, told apart by their index',
    [[call('f', '{"a":1}', { index: 0, id: 't' })], [call('g', '{"b":1}', { index: 1, id: 't' })]],
    TWO,
  ],
  [
    'the name on every piece',
    [
      [call('f', '', { index: 0, id: 't1' })],
      [call('f', '{"a":1}', { index: 0 })],
      [call('g', '{"b":1}', { index: 1 })],
    ],
    TWO,
  ],
  [
    'the first call has no index, its pieces have',
    [[call('f', '{"a"'), call('g', '{"b"')], [rest(':1}', { index: 1 })], [rest(':1}', { index: 0 })]],
    TWO,
  ],
  ['calls that are never named are none', [[rest('{}', { index: 0 }), rest('{}', { index: 1 })]], []],
]

describe.each(WIRES)('%s', (_, open, made) => {
  test.each(CASES)('%s', (_name, deltas, expected) => {
    expect(made(sent(open(), deltas))).toEqual(expected)
  })
})
