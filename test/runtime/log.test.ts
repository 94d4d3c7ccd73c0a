/** The log's lines on Node: what they hold, and that no text in them goes out unscrubbed. */
import { expect, test } from 'vitest'
import { createRedactor } from '../../src/redact.ts'
import { createLog } from '../../src/runtime/node/log.ts'

function rig(format: 'json' | 'pretty') {
  const redactor = createRedactor()
  redactor.remember('a-secret-of-ours"')
  let out = ''
  const log = createLog({
    level: 'info',
    format,
    scrub: text => redactor.scrub(text),
    write: text => {
      out += text
    },
    backlog: () => 0,
  })
  const lines = () => {
    log.flush()
    return out.trim().split('\n')
  }
  return { log, lines }
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
