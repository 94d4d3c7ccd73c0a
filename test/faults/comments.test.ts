/** Comments in an upstream's stream: signs of life pass as they are, and what a broken proxy echoes in them is no way out for a credential. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { native } from '../../providers/anthropic/native.ts'
import type { Repair } from '../../providers/provider.ts'
import { createRedactor } from '../../src/redact.ts'
import { createNative } from '../../src/relay/native.ts'
import { createPassthrough } from '../../src/relay/passthrough.ts'
import type { StreamReader } from '../../src/relay/reader.ts'
import { createRepaired } from '../../src/relay/repaired.ts'
import { nodeBytes } from '../../src/runtime/node/bytes.ts'
import { usageOfAnswer } from '../../src/wire/openai.ts'
import {
  CHAT,
  type ScriptedUpstream,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'
import { block, chunk, claudeEnd, claudeEvents, claudeStart, DONE, streams } from './rig.ts'

/** Looks like no provider's keys: it is struck out because it was opened here. */
const SECRET = 'canary/credential+of-this-house'

const ALIVE = [': OPENROUTER PROCESSING\n\n', ':\n\n', ': ping 17\n\n', ':{}\n\n', `: ${'é'.repeat(9)}\n\n`]
/** Text of the model that only looks like a comment, also where JavaScript sees a line end. */
const SAID = `: Bearer abcdefghijkl${'\u2028'}: Bearer abcdefghijkl`

const chatEvents = (comments: readonly string[]) => [
  ...comments,
  chunk({ role: 'assistant', content: '' }),
  ...comments,
  chunk({ content: SAID }),
  ...comments,
  chunk({ content: 'more' }),
  chunk({}, 'stop'),
]
const claude = (comments: readonly string[]) => {
  const [start = '', ...rest] = claudeEvents(
    claudeStart(),
    ...block(0, { type: 'text', text: '' }, { type: 'text_delta', text: SAID }),
    ...claudeEnd(),
  )
  return [...comments, start, ...comments, ...rest.slice(0, 2), ...comments, ...rest.slice(2, -1)]
}

const redactor = createRedactor()
redactor.remember(SECRET)
const options = {
  bytes: nodeBytes,
  wantsUsage: true,
  costOf: undefined,
  eventBytesMax: 100_000,
  scrub: (text: string) => redactor.scrub(text),
}
const plain = () => createPassthrough({ ...options, choices: 1, usageOf: usage => usageOfAnswer(usage) })
const idle: Repair = { chunk: () => undefined, end: () => [], whole: () => false }

const READERS: readonly (readonly [
  string,
  () => StreamReader,
  (comments: readonly string[]) => readonly string[],
])[] = [
  ['chat as it is', plain, chatEvents],
  ['chat that is mended', () => createRepaired(plain(), idle, options), chatEvents],
  ['messages as they are', () => createNative(native.tap(), options), claude],
]

function passed(reader: StreamReader, text: string, size = text.length): string {
  const bytes = nodeBytes.of(text)
  const out: string[] = []
  for (let at = 0; at < bytes.length; at += size)
    out.push(nodeBytes.text(reader.push(bytes.subarray(at, at + size)) ?? nodeBytes.of('')))
  out.push(nodeBytes.text(reader.end() ?? nodeBytes.of('')))
  expect(reader.state).toMatchObject({ content: true, finishReason: 'stop', failure: undefined })
  return out.join('')
}

describe.each(READERS)('%s', (_, open, events) => {
  test.each(['\n', '\r\n', '\r'])(
    'signs of life pass byte for byte, and so does what the model says (%j)',
    end => {
      const all = events(ALIVE).join('').replaceAll('\n', end)
      const expected = end === '\r' ? all.replaceAll('\r', '\n') : all
      for (const size of [all.length * 2, 7, 1]) expect(passed(open(), all, size)).toBe(expected)
    },
  )

  const ECHOES = [
    [`: authorization: Bearer ${SECRET}\n\n`, ': authorization: Bearer [secret]\n\n'],
    [`:${SECRET}\n\n`, ':[secret]\n\n'],
    [`: {"key":"${SECRET}"}\n\n`, ': {"key":"[secret]"}\n\n'],
    [': x-api-key sk-ant-abcdefghijkl\n\n', ': x-api-key [secret]\n\n'],
    [`: one\n:${SECRET}\n: three\n\n`, ': one\n:[secret]\n: three\n\n'],
  ] as const

  test.each(['\n', '\r\n', '\r'])('no credential passes in one (%j)', end => {
    for (const [echo, shown] of ECHOES) {
      const all = events([echo, ': alive\n\n']).join('').replaceAll('\n', end)
      const expected = events([shown, ': alive\n\n'])
        .join('')
        .replaceAll('\n', end === '\r' ? '\n' : end)
      for (const size of [all.length * 2, 7, 1]) expect(passed(open(), all, size), echo).toBe(expected)
    }
  })

  test.each(['\n', '\r\n', '\r'])('nor in a line of an event that says something else (%j)', end => {
    const lines = (list: readonly string[], comment: string) => [
      list.map(event => `${comment}\n${event}`),
      list.map(event => `${event.trimEnd()}\n${comment}\n\n`),
      list.map(event => event.replace('data: {', `data: {\n${comment}\ndata: `)),
    ]
    const given = lines(events([]), `: {"is":"${SECRET}"}`)
    const shown = lines(events([]), ': {"is":"[secret]"}')
    given.forEach((list, i) => {
      const all = list.join('').replaceAll('\n', end)
      const expected = shown[i]?.join('').replaceAll('\n', end === '\r' ? '\n' : end)
      for (const size of [all.length * 2, 7, 1]) expect(passed(open(), all, size)).toBe(expected)
    })
  })
})

describe('through the gateway', () => {
  let upstream: ScriptedUpstream
  let gateway: TestGateway
  let key: string
  beforeAll(async () => {
    upstream = await startUpstream(response => void response.writeHead(599).end())
    const rows = ['openai', 'deepseek', 'groq', 'anthropic', 'gemini'].map(
      kind => `  ${kind}:
    kind: ${kind}
    base_url: http://127.0.0.1:${upstream.port}/${kind}
    credentials: [{ name: main, secret: "env://KEY_OF_HOUSE" }]
    models: { m: { input_usd_per_mtok: 1, output_usd_per_mtok: 2, context_tokens: 200000, max_output_tokens: 64000 } }`,
    )
    gateway = await startGateway({
      config: `providers:\n${rows.join('\n')}\negress: { allow: ["127.0.0.1:${upstream.port}"] }\ndiscover_env: false\n`,
      env: { KEY_OF_HOUSE: SECRET },
    })
    key = await gateway.key()
  })
  afterAll(async () => {
    await gateway?.close()
    await upstream?.close()
  })

  /** The proxy tells what it was sent: the credential as it came. */
  const echoes = (
    events: (comments: readonly string[]) => readonly string[],
    more: readonly string[] = [],
  ) => {
    upstream.script = (response, { headers }) => {
      const sent = String(headers.authorization ?? headers['x-api-key'] ?? headers['x-goog-api-key'])
      expect(sent).toContain(SECRET)
      return streams(...events([`: forwarded ${sent}\n\n`, ': alive\n\n']), ...more)(response)
    }
  }

  test.each(['openai', 'deepseek', 'groq'])('of %s, in chat', async name => {
    echoes(chatEvents, [DONE])
    const answer = await gateway.post(key, { ...CHAT, model: `m@${name}`, stream: true })
    const text = await answer.text()
    expect(text).not.toContain(SECRET)
    expect(text).toContain(': forwarded Bearer [secret]\n\n: alive\n\n')
    expect(text).toContain('"more"')
    expect(text.endsWith(DONE)).toBe(true)
  })

  const ask = (path: string, body: object) =>
    fetch(`${gateway.url}${path}`, {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
      body: JSON.stringify(body),
    })

  test('of Anthropic, in its own wire and in chat', async () => {
    echoes(claude, claudeEvents({ type: 'message_stop' }))
    const messages = [{ role: 'user', content: 'Hi.' }]
    const body = { model: 'm@anthropic', max_tokens: 50, messages, stream: true }
    const text = await (await ask('/v1/messages', body)).text()
    expect(text).not.toContain(SECRET)
    expect(text).toContain(': forwarded [secret]\n\n: alive\n\n')
    expect(text).toContain('message_stop')
    const chat = await (await gateway.post(key, { ...CHAT, model: 'm@anthropic', stream: true })).text()
    expect(chat).not.toContain(SECRET)
    expect(chat).toContain('Bearer abcdefghijkl')
  })

  test('of Gemini, in its own wire', async () => {
    const said = (text: string, more: object = {}) =>
      `data: ${JSON.stringify({ candidates: [{ content: { role: 'model', parts: [{ text }] }, index: 0, ...more }] })}\n\n`
    echoes(comments => [...comments, said('one'), ...comments, said('two', { finishReason: 'STOP' })])
    const answer = await ask('/v1beta/models/m@gemini:streamGenerateContent?alt=sse', {
      contents: [{ role: 'user', parts: [{ text: 'Hi.' }] }],
    })
    const text = await answer.text()
    expect(text).not.toContain(SECRET)
    expect(text).toContain(': forwarded [secret]\n\n: alive\n\n')
    expect(text).toContain('"two"')
  })
})
