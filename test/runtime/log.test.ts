/** The log's lines on Node: what they hold, and that no text in them goes out unscrubbed. */
import { Writable } from 'node:stream'
import { expect, test, vi } from 'vitest'
import { createRedactor } from '../../src/redact.ts'
import { createLog, createOutput } from '../../src/runtime/node/log.ts'
import type { AccessFields } from '../../src/telemetry.ts'

function rig(format: 'json' | 'pretty') {
  const redactor = createRedactor()
  redactor.remember('a-secret-of-ours"')
  let out = ''
  const log = createLog({
    level: 'info',
    format,
    scrub: text => redactor.scrub(text),
    secrets: () => redactor.count,
    write: text => {
      out += text
    },
    backlog: () => 0,
  })
  const lines = () => {
    log.flush()
    return out.trim().split('\n')
  }
  return { log, lines, redactor }
}

const FIELDS = {
  'gen_ai.request.model': 'm"\n',
  note: 'Bearer abcdefghijkl and sk-abcdefghijkl and a-secret-of-ours" and sgate_live_ABCDEFGHIJ_rest',
  url: 'https://me:password@host/x?key=abcdef&y=1',
  count: 12,
  part: 0.5,
  odd: Number.NaN,
  yes: true,
  nothing: null,
  left_out: undefined,
}

test('a line is one JSON object with every field, and secrets are struck out of each', () => {
  const { log, lines } = rig('json')
  log('info', 'something', FIELDS)
  log('debug', 'too quiet', FIELDS)
  log('warn', 'bare')
  const [first = '', second = '', ...more] = lines()
  expect(more).toEqual([])
  const { time, ...said } = JSON.parse(first) as Record<string, unknown>
  expect(new Date(String(time)).toISOString()).toBe(time)
  expect(said).toEqual({
    level: 'info',
    event: 'something',
    'gen_ai.request.model': 'm"\n',
    note: 'Bearer [secret] and [secret] and [secret] and sgate_live_ABCDEFGHIJ_[secret]',
    url: 'https://me:[secret]@host/x?key=[secret]&y=1',
    count: 12,
    part: 0.5,
    odd: null,
    yes: true,
    nothing: null,
  })
  expect(JSON.parse(second)).toMatchObject({ level: 'warn', event: 'bare' })
})

test('the form for people is scrubbed as well', () => {
  const { log, lines } = rig('pretty')
  log('info', 'something', FIELDS)
  const text = lines().join('\n')
  expect(text).toContain('count=12')
  for (const secret of ['abcdefghijkl', 'a-secret-of-ours', 'password', 'key=abcdef'])
    expect(text).not.toContain(secret)
})

/** Numbers below `most`, always the same ones (Lehmer, 1951). */
function dice() {
  let state = 7
  return (most: number): number => {
    state = (state * 48_271) % 2_147_483_647
    return state % most
  }
}

const TEXTS = ['', 'ok', 'openai', 'a "quoted" \n name', '\u2028é😀', 'x'.repeat(300), 'y'.repeat(5_000)]
const SECRETS = ['sk-abcdefghijkl', 'Bearer abcdefghijkl', 'https://me:password@host', 'a-secret-of-ours"']
const NUMBERS = [0, 1, 12, 200, 1_234_567, 0.5, -1, 1e21, Number.NaN, Number.POSITIVE_INFINITY]

function madeUp(roll: (most: number) => number): AccessFields {
  const one = <T>(list: readonly T[]): T => list[roll(list.length)] as T
  const text = () => (roll(4) === 0 ? one(SECRETS) : roll(3) === 0 ? `name ${roll(2_000)}` : one(TEXTS))
  const maybe = <T>(value: T): T | undefined => (roll(4) === 0 ? undefined : value)
  return {
    id: `req_0mfz1a2b3${roll(1e6)}`,
    trace_id: maybe(text()),
    method: text(),
    path: text(),
    status: one(NUMBERS),
    error: maybe(text()),
    key: maybe(text()),
    'gen_ai.operation.name': text(),
    'gen_ai.provider.name': maybe(text()),
    'gen_ai.response.model': maybe(text()),
    'gen_ai.usage.input_tokens': maybe(one(NUMBERS)),
    'gen_ai.usage.output_tokens': maybe(one(NUMBERS)),
    cost_usd: maybe('0.0000125'),
    certainty: maybe('exact'),
    attempts: maybe(roll(9)),
    ttft_ms: maybe(one(NUMBERS)),
    total_ms: one(NUMBERS),
    peer: text(),
  }
}

test('the access line written by hand is the line that any other event has', () => {
  const { log, lines, redactor } = rig('json')
  const roll = dice()
  for (let i = 0; i < 1_000; i++) {
    // a name that has passed before may turn out to be a secret
    if (i % 200 === 199) redactor.remember(`name ${roll(2_000)}`)
    const fields = madeUp(roll)
    log.request?.(fields)
    log('info', 'request', fields)
  }
  const said = lines().map(line => line.replace(/^\{"time":"[^"]*"/, ''))
  expect(said).toHaveLength(2_000)
  for (let i = 0; i < said.length; i += 2) expect(said[i]).toBe(said[i + 1])
  expect(said.join('')).not.toMatch(/abcdefghijkl|password|a-secret-of-ours/)
})

test('a name that is kept is struck out once it is known to be a secret', () => {
  const { log, lines, redactor } = rig('json')
  const fields = { ...madeUp(dice()), 'gen_ai.response.model': 'hunter2-hunter2' }
  log.request?.(fields)
  redactor.remember('hunter2-hunter2')
  log.request?.(fields)
  const [before, after] = lines().map(
    line => (JSON.parse(line) as Record<string, unknown>)['gen_ai.response.model'],
  )
  expect(before).toBe('hunter2-hunter2')
  expect(after).toBe('[secret]')
})

test('lines that were dropped are counted in the next one, the access line too', () => {
  let backlog = 9 << 20
  let out = ''
  const log = createLog({
    level: 'info',
    format: 'json',
    scrub: text => text,
    secrets: () => 0,
    write: text => {
      out += text
    },
    backlog: () => backlog,
  })
  const fields = madeUp(dice())
  log.request?.(fields)
  log.request?.(fields)
  backlog = 0
  log.request?.(fields)
  log.request?.(fields)
  log.flush()
  const told = out
    .trim()
    .split('\n')
    .map(line => (JSON.parse(line) as Record<string, unknown>).dropped_lines)
  expect(told).toEqual([2, undefined])
})

test('a line has the time to the millisecond, whatever the second', () => {
  vi.useFakeTimers()
  try {
    const { log, lines } = rig('json')
    const times = [0, 5, 5, 42, 999, 1_000, 1_001, 59_999, 60_000, 86_400_000, 3, 1_000].map(
      ms => Date.UTC(2026, 1, 28, 23, 59, 59) + ms,
    )
    for (const time of times) {
      vi.setSystemTime(time)
      log('info', 'tick')
    }
    const told = lines().map(line => (JSON.parse(line) as Record<string, unknown>).time)
    expect(told).toEqual(times.map(time => new Date(time).toISOString()))
  } finally {
    vi.useRealTimers()
  }
})

test('lines wait for a moment, and no longer when many come or something went wrong', async () => {
  vi.useFakeTimers()
  try {
    const written: string[] = []
    const log = createLog({
      level: 'info',
      format: 'json',
      scrub: text => text,
      secrets: () => 0,
      write: text => written.push(text),
      backlog: () => 0,
    })
    const count = () => written.join('').split('\n').length - 1
    log('info', 'first')
    await vi.advanceTimersByTimeAsync(39)
    expect(count()).toBe(0)
    log('info', 'second')
    await vi.advanceTimersByTimeAsync(1)
    expect(written.length).toBe(1)
    expect(count()).toBe(2)
    log('error', 'third')
    await vi.advanceTimersByTimeAsync(0)
    expect(count()).toBe(3)
    const long = 'x'.repeat(1_000)
    for (let i = 0; i < 100; i++) {
      log('info', 'many', { long })
      await vi.advanceTimersByTimeAsync(0)
    }
    expect(count()).toBeGreaterThan(80)
    expect(written.length).toBeLessThan(12)
    await vi.advanceTimersByTimeAsync(40)
    expect(count()).toBe(103)
    expect(vi.getTimerCount()).toBe(0)
  } finally {
    vi.useRealTimers()
  }
})

test('what an output has not taken yet stays what it was, and texts of any length and letter arrive whole', async () => {
  const texts: string[] = []
  for (let i = 0; i < 200; i++)
    texts.push(
      `${i} ${['plain', 'größer', '漢字', '\u{1f600}', '\ud800 alone'][i % 5]} `.repeat((i * 37) % 400),
    )
  texts.push('ü'.repeat(30_000), 'a'.repeat(200_000), 'b')
  for (const isSlow of [false, true]) {
    const parts: Buffer[] = []
    const stream = new Writable({
      decodeStrings: true,
      write(part: Buffer, _, done) {
        if (isSlow)
          setImmediate(() => {
            parts.push(Buffer.from(part))
            done()
          })
        else {
          parts.push(Buffer.from(part))
          done()
        }
      },
    })
    const write = createOutput(stream)
    for (const text of texts) write(text)
    await new Promise<void>(resolve => stream.end(resolve))
    expect(Buffer.concat(parts).equals(Buffer.from(texts.join('')))).toBe(true)
  }
})
