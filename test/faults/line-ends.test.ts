/** Lines of an upstream's stream that end in a bare CR, which the specification of server-sent events allows: read as any others. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { native } from '../../providers/anthropic/native.ts'
import type { Json, Repair } from '../../providers/provider.ts'
import { createNative } from '../../src/relay/native.ts'
import { createPassthrough } from '../../src/relay/passthrough.ts'
import type { StreamReader } from '../../src/relay/reader.ts'
import { createRepaired } from '../../src/relay/repaired.ts'
import { createSampled } from '../../src/relay/sample.ts'
import { nodeBytes } from '../../src/runtime/node/bytes.ts'
import { gatherEvents, type Written } from '../../src/tokenizer/answer.ts'
import { portableBytes } from '../../src/wire/bytes.ts'
import { usageOfAnswer } from '../../src/wire/openai.ts'
import {
  block,
  chunk,
  claudeEnd,
  claudeEvents,
  claudeStart,
  DONE,
  type Rig,
  startRig,
  streams,
  USAGE,
  usageChunk,
} from './rig.ts'

const CHAT = [
  ': keep-alive\n\n',
  chunk({ role: 'assistant', content: '' }),
  chunk({ content: 'Grüße 👋\n' }),
  chunk({ content: 'and more' }),
  ': keep-alive\n\n',
  chunk({}, 'stop'),
  usageChunk(USAGE),
  DONE,
]
const CLAUDE = claudeEvents(
  claudeStart(),
  { type: 'ping' },
  ...block(
    0,
    { type: 'text', text: '' },
    { type: 'text_delta', text: 'Grüße 👋\n' },
    { type: 'text_delta', text: 'you' },
  ),
  ...claudeEnd(),
)

/** All line ends, at their places in the bytes of the stream: text has none of them as they are. */
const inCr = (events: readonly string[]) => events.map(event => event.replaceAll('\n', '\r'))

const options = { bytes: nodeBytes, wantsUsage: true, costOf: undefined, eventBytesMax: 10_000 }
const plain = (bytes = nodeBytes) =>
  createPassthrough({ ...options, bytes, choices: 1, usageOf: usage => usageOfAnswer(usage) })
/** Finds nothing to mend. */
const idle: Repair = { chunk: () => undefined, end: () => [], whole: () => false }

const READERS: readonly (readonly [string, () => StreamReader, readonly string[]])[] = [
  ['chat as it is', () => plain(), CHAT],
  ['chat as it is, in workers', () => plain(portableBytes), CHAT],
  ['chat that is sampled', () => createSampled(plain()), CHAT],
  ['chat that is mended', () => createRepaired(plain(), idle, options), CHAT],
  ['messages as they are', () => createNative(native.tap(), options), CLAUDE],
]

/** What a reader gives back and knows at last. */
function readAll(reader: StreamReader, pieces: readonly Uint8Array[]): Json {
  const out = pieces.map(piece => reader.push(piece))
  out.push(reader.end())
  const text = out.map(bytes => (bytes ? nodeBytes.text(bytes) : '')).join('')
  const { state } = reader
  // an upper bound of text with its escapes: which events are parsed for it depends on where the bytes were cut
  return { text, state: { ...state, textBytes: state.textBytes > 0 } }
}

function pieces(all: string, size: number): Uint8Array[] {
  const bytes = nodeBytes.of(all)
  const count = Math.ceil(bytes.length / size)
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
}

describe.each(READERS)('%s', (_, open, events) => {
  const all = events.join('')
  const inLf = readAll(open(), [nodeBytes.of(all)])

  test('says with bare CR what it says with LF, cut anywhere', () => {
    expect(inLf.text).toContain('Grüße')
    expect(inLf.state).toMatchObject({ done: true, finishReason: 'stop', failure: undefined })
    const cr = inCr(events).join('')
    const length = nodeBytes.of(cr).length
    for (let size = 1; size <= length; size += size < 60 ? 1 : 37)
      expect(readAll(open(), pieces(cr, size)), `pieces of ${size}`).toEqual(inLf)
  })

  test('cut in two at every byte', () => {
    const bytes = nodeBytes.of(inCr(events).join(''))
    for (let at = 1; at < bytes.length; at++)
      expect(readAll(open(), [bytes.subarray(0, at), bytes.subarray(at)]), `cut at ${at}`).toEqual(inLf)
  })

  test('a last event without its blank line is still an event', () => {
    const last = events.length - 1
    const cut = (list: readonly string[]) => list.slice(0, last).join('').slice(0, -1)
    const lf = readAll(open(), [nodeBytes.of(cut(events))])
    expect(readAll(open(), pieces(cut(inCr(events)), 9))).toEqual(lf)
  })

  test('CRLF passes as it came, cut between CR and LF too', () => {
    const crlf = nodeBytes.of(all.replaceAll('\n', '\r\n'))
    const expected = String(inLf.text).replaceAll('\n', '\r\n')
    for (let at = 1; at < crlf.length; at++) {
      const { text, state } = readAll(open(), [crlf.subarray(0, at), crlf.subarray(at)])
      expect(text, `cut at ${at}`).toBe(expected)
      expect(state).toMatchObject({ done: true, finishReason: 'stop', failure: undefined })
    }
  })

  test('comments with LF between events with CR are their own', () => {
    const mixed = inCr(events).flatMap(event => [event, ': ping\n\n'])
    const { text, state } = readAll(
      open(),
      mixed.map(event => nodeBytes.of(event)),
    )
    expect(String(text).replaceAll(': ping\n\n', '')).toBe(inLf.text)
    expect(state).toMatchObject({ done: true, finishReason: 'stop', failure: undefined })
  })

  test('an event that never ends is too large, whatever stands in it', () => {
    const endless = nodeBytes.of(`data: ${'x'.repeat(500)}\r`)
    const reader = open()
    for (let i = 0; i < 30 && !reader.state.failure; i++) reader.push(endless)
    expect(reader.state.failure).toMatchObject({ kind: 'oversized' })
  })
})

test('a sample of it is counted', () => {
  const written: Written = { texts: [], calls: [] } as unknown as Written
  const lf: Written = { texts: [], calls: [] } as unknown as Written
  gatherEvents(inCr(CHAT).join(''), written)
  gatherEvents(CHAT.join(''), lf)
  expect(JSON.stringify(lf)).toContain('and more')
  expect(written).toEqual(lf)
})

describe('through the gateway', () => {
  let rig: Rig
  beforeAll(async () => {
    rig = await startRig()
  })
  afterAll(() => rig?.close())

  const saidBy = async (answer: Response) => (await answer.text()).replaceAll(': waiting\n\n', '')

  test.each(['chat', 'deepseek', 'ollama', 'groq'])(
    'chat of %s reaches a chat caller, and is metered',
    async name => {
      const ask = { stream: true, stream_options: { include_usage: true } }
      rig.plays(streams(...CHAT))
      const expected = await saidBy(await rig.chat(name, ask))
      rig.plays(streams(...inCr(CHAT)))
      const answer = await rig.chat(name, ask)
      expect(answer.status).toBe(200)
      expect(await saidBy(answer)).toBe(expected)
      expect(expected).toContain('and more')
      expect((await rig.gateway.rows()).at(-1)).toMatchObject({ certainty: 'exact', finishReason: 'stop' })
    },
  )

  test('Claude’s own events reach a caller of that wire, and one of chat', async () => {
    rig.plays(streams(...inCr(CLAUDE)))
    expect(await (await rig.messages('claude', { stream: true })).text()).toBe(CLAUDE.join(''))
    expect(await (await rig.chat('claude', { stream: true })).text()).toContain('"content":"you"')
  })
})
