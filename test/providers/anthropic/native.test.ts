/** The Messages codec and the reader around it: bytes pass whole, cut anywhere; what is said of them is right. */
import { describe, expect, test } from 'vitest'
import { native } from '../../../providers/anthropic/native.ts'
import { createNative } from '../../../src/relay/native.ts'
import { portableBytes } from '../../../src/wire/bytes.ts'

const event = (type: string, more: object = {}, end = '\n') =>
  `event: ${type}${end}data: ${JSON.stringify({ type, ...more })}${end}${end}`
const start = (end?: string) =>
  event(
    'message_start',
    { message: { id: 'msg_1', content: [], usage: { input_tokens: 9, output_tokens: 1 } } },
    end,
  )
const block = (content_block: object, end?: string) =>
  event('content_block_start', { index: 0, content_block }, end)
const delta = (more: object, end?: string) => event('content_block_delta', { index: 0, delta: more }, end)
const text = (words: string, end?: string) => delta({ type: 'text_delta', text: words }, end)
const stop = (end?: string) => event('content_block_stop', { index: 0 }, end)
const last = (end?: string) =>
  event(
    'message_delta',
    { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 4, input_tokens: null } },
    end,
  )
const END = event('message_stop')

const options = { bytes: portableBytes, wantsUsage: true, costOf: undefined, eventBytesMax: 10_000 }
const reader = (more: Partial<Parameters<typeof createNative>[1]> = {}) =>
  createNative(native.tap(), { ...options, ...more })
const shown = (bytes: Uint8Array | undefined) => (bytes ? portableBytes.text(bytes) : '')

function pieces(all: string, size: number): Uint8Array[] {
  const bytes = portableBytes.of(all)
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  )
}

describe('a stream', () => {
  const parts = (end?: string) =>
    start(end) +
    event('ping', {}, end) +
    block({ type: 'text', text: '' }, end) +
    text('Grüße 👋', end) +
    stop(end) +
    last(end)

  test.each([
    ['LF', '\n'],
    ['CRLF', '\r\n'],
  ])('%s, cut at every byte', (_, end) => {
    const all = parts(end) + event('message_stop', {}, end)
    for (let size = 1; size < 40; size++) {
      const r = reader()
      const out = pieces(all, size).map(piece => shown(r.push(piece)))
      expect(out.join('') + r.ending(false, undefined)).toBe(all)
      expect(r.state).toMatchObject({ content: true, done: true, finishReason: 'stop', answerId: 'msg_1' })
      expect(r.state.usage).toMatchObject({ inputTokens: 9, outputTokens: 4 })
    }
  })

  test('nothing goes out before content, and the terminator is kept back', () => {
    const r = reader()
    expect(
      r.push(portableBytes.of(start() + event('ping') + block({ type: 'text', text: '' }))),
    ).toBeUndefined()
    expect(r.push(portableBytes.of(text('')))).toBeUndefined()
    expect(r.state.content).toBe(false)
    expect(shown(r.push(portableBytes.of(text('a'))))).toContain('message_start')
    expect(r.push(portableBytes.of(END))).toBeUndefined()
    expect(r.state.done).toBe(true)
    expect(r.ending(false, undefined)).toBe(END)
  })

  test.each([
    ['a tool call', block({ type: 'tool_use', id: 't', name: 'n', input: {} })],
    ['redacted thinking', block({ type: 'redacted_thinking', data: 'x' })],
    ['a server tool', block({ type: 'server_tool_use', id: 's', name: 'n', input: {} })],
    [
      'a signature alone',
      block({ type: 'thinking', thinking: '' }) + delta({ type: 'signature_delta', signature: 'E' }),
    ],
    ['an answer of nothing', last()],
  ])('%s commits', (_, more) => {
    const r = reader()
    r.push(portableBytes.of(start() + more))
    expect(r.state.content).toBe(true)
  })

  test('the text is never counted too low', () => {
    const r = reader()
    const words = 'Zürich 東京 "quoted" \n'
    r.push(portableBytes.of(start() + block({ type: 'text', text: '' }) + text('a')))
    const before = r.state.textBytes
    for (let i = 0; i < 50; i++) r.push(portableBytes.of(text(words)))
    expect(r.state.textBytes - before).toBeGreaterThanOrEqual(50 * new TextEncoder().encode(words).length)
    expect(r.state.contentEvents).toBe(51)
  })

  test('an error: before content it names itself, after content the stream is broken', () => {
    const failure = event('error', { error: { type: 'rate_limit_error', message: 'secret-org' } })
    const early = reader()
    early.push(portableBytes.of(start() + failure))
    expect(early.state.failure).toEqual({
      kind: 'rate_limited',
      message: 'the provider reported rate_limit_error',
    })
    const late = reader()
    const out = shown(late.push(portableBytes.of(start() + block({ type: 'text', text: 'a' }) + failure)))
    expect(out).not.toContain('secret-org')
    expect(late.state.failure?.kind).toBe('interrupted')
  })

  test('what is no JSON is malformed, what is too large too', () => {
    const broken = reader()
    broken.push(portableBytes.of('event: message_start\ndata: {"type":\n\n'))
    expect(broken.state.failure?.kind).toBe('malformed')
    const large = reader({ eventBytesMax: 100 })
    large.push(portableBytes.of(`event: x\ndata: ${'a'.repeat(200)}`))
    expect(large.state.failure?.kind).toBe('oversized')
  })

  test('hosts that leave out what they like', () => {
    const r = reader()
    // no event names, usage only at the end, no stop reason, [DONE] after it which this wire does not have
    const bare = [
      { type: 'message_start', message: { usage: null } },
      { type: 'content_block_start', index: 0, content_block: { type: 'tool_use', name: 'n', input: {} } },
      { type: 'message_delta', delta: {}, usage: { input_tokens: 5, output_tokens: 2 } },
      { type: 'message_stop' },
    ]
    const all = bare.map(one => `data: ${JSON.stringify(one)}  \n\n`).join('')
    // what stands behind the terminator is no part of the answer, however the bytes are cut
    const out = shown(r.push(portableBytes.of(`${all}data: [DONE]\n\n`)))
    expect(out + r.ending(false, undefined)).toBe(all)
    expect(r.state).toMatchObject({
      done: true,
      finishReason: 'tool_calls',
      usage: { inputTokens: 5, outputTokens: 2 },
    })
  })

  test('cut by the budget it ends as at the limit, with every block closed', () => {
    const r = reader()
    r.push(portableBytes.of(start() + block({ type: 'text', text: '' }) + text('a')))
    const usage = {
      inputTokens: 9,
      cacheReadInputTokens: 0,
      cacheCreationInputTokens: 0,
      outputTokens: 3,
      reasoningOutputTokens: 0,
    }
    expect(r.ending(true, usage)).toBe(
      stop() +
        event('message_delta', {
          delta: { stop_reason: 'max_tokens', stop_sequence: null },
          usage: { output_tokens: 3, estimated: true },
        }) +
        END,
    )
  })
})

describe('a whole answer', () => {
  test('what it says', () => {
    const content = [{ type: 'text', text: 'é' }]
    const usage = { input_tokens: 5, cache_read_input_tokens: 2, output_tokens: 1 }
    expect(native.read({ id: 'msg_1', content, stop_reason: 'max_tokens', usage })).toEqual({
      usage: expect.objectContaining({ inputTokens: 7, cacheReadInputTokens: 2, outputTokens: 1 }),
      finishReason: 'length',
      answerId: 'msg_1',
      textBytes: new TextEncoder().encode(JSON.stringify(content)).length,
    })
  })

  test('what is no message', () => {
    expect(() => native.read({ type: 'error', error: { type: 'overloaded_error', message: 'x' } })).toThrow(
      expect.objectContaining({ kind: 'overloaded' }),
    )
    expect(() => native.read({ choices: [] })).toThrow(expect.objectContaining({ kind: 'malformed' }))
  })
})
