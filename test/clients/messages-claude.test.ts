/** Anthropic's client through a real gateway to Claude: what is changed on the way, and what happens when it breaks. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Json } from '../../providers/provider.ts'
import { DONE, delta, finish, role, sendJson, sse, usageEvent } from '../gateway/harness.ts'
import { recordingFetch } from './callers.ts'
import { ASK, refusal, startRig, type MessagesRig } from './messages-rig.ts'

let rig: MessagesRig
beforeAll(async () => {
  rig = await startRig()
})
afterAll(() => rig?.close())
beforeEach(() => rig.forget())

const claudeEvent = (type: string, more: Json = {}) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`
const START = claudeEvent('message_start', {
  message: {
    id: 'msg_up',
    type: 'message',
    role: 'assistant',
    model: 'claude-sonnet-4-5',
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { input_tokens: 25, output_tokens: 1 },
  },
})
const OPEN = claudeEvent('content_block_start', { index: 0, content_block: { type: 'text', text: '' } })
const words = (text: string) =>
  claudeEvent('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })
const CLOSE = claudeEvent('content_block_stop', { index: 0 })
const END =
  claudeEvent('message_delta', {
    delta: { stop_reason: 'end_turn', stop_sequence: null },
    usage: { output_tokens: 7 },
  }) + claudeEvent('message_stop')

describe('Claude, natively', () => {
  const SONNET = { ...ASK, model: 'sonnet' }

  test('the request: betas and version go on, our fields do not, the limit only when it must', async () => {
    rig.claude.script = response => void sse(response).end(START + OPEN + words('Hi') + CLOSE + END)
    const body = `{ "model":"sonnet",\n "session_id": "s1", "max_tokens":64, "metadata":{"user_id":"u-7"}, "provider":{"only":["claude"]},"messages":[{"role":"user","content":"1.0 \\u00e9"}] ,"stream":true}`
    const answer = await rig.post(
      body,
      { 'anthropic-beta': 'a-1, b-2,a-1,bad beta', 'anthropic-version': '2023-06-01' },
      '?beta=true',
    )
    expect(await answer.text()).toBe(START + OPEN + words('Hi') + CLOSE + END)
    const [sent] = rig.claude.seen
    expect(sent?.url).toBe('/v1/messages?beta=true')
    expect(sent?.headers).toMatchObject({ 'anthropic-beta': 'a-1,b-2', 'anthropic-version': '2023-06-01' })
    expect(sent?.body).toBe(
      `{ "model":"claude-sonnet-4-5", "max_tokens":64, "metadata":{"user_id":"u-7"},"messages":[{"role":"user","content":"1.0 \\u00e9"}] ,"stream":true}`,
    )
    expect(await rig.lastRow()).toMatchObject({
      provider: 'claude',
      user: 'u-7',
      answerId: 'msg_up',
      finishReason: 'stop',
      usage: { inputTokens: 25, outputTokens: 7 },
    })
  })

  test('a key with a lower limit lowers it upstream and says so', async () => {
    rig.claude.script = response => void sse(response).end(START + OPEN + words('Hi') + CLOSE + END)
    const small = await rig.gateway.key({ maxOutputTokens: 20 })
    const { fetch: over, exchanges } = recordingFetch()
    await rig.client(small, over).messages.stream(SONNET).finalMessage()
    expect(rig.claude.seen[0]?.json().max_tokens).toBe(20)
    expect((await exchanges())[0]?.headers['x-switchgate-max-tokens']).toBe('20')
  })

  test('a budget that holds less than the limit lowers it', async () => {
    rig.claude.script = response => void sse(response).end(START + OPEN + words('Hi') + CLOSE + END)
    const poor = await rig.gateway.key({
      budgets: [{ window: 'day', limitNanoUsd: 3_000_000, softNanoUsd: null }],
    })
    const { fetch: over, exchanges } = recordingFetch()
    await rig
      .client(poor, over)
      .messages.stream({ ...SONNET, max_tokens: 64_000 })
      .finalMessage()
    const limit = Number((await exchanges())[0]?.headers['x-switchgate-max-tokens'])
    expect(limit).toBeGreaterThan(256)
    expect(limit).toBeLessThan(1_500)
    expect(rig.claude.seen[0]?.json().max_tokens).toBe(limit)
  })

  test('thinking of another model is left out, Claude’s own stays', async () => {
    rig.claude.script = response => void sse(response).end(START + OPEN + words('Hi') + CLOSE + END)
    const own = `{"type":"thinking","thinking":"mine","signature":"EqQB"}`
    const text = `{"type":"text","text":"said"}`
    const foreign = `{"type":"thinking","thinking":"theirs","signature":""}`
    const packed = `{"type":"redacted_thinking","data":"switchgate.v1.e30="}`
    const history = (blocks: string) =>
      `{"model":"NAME","max_tokens":64,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[${blocks}]},{"role":"user","content":"b"}],"stream":true}`
    await (
      await rig.post(history([foreign, own, packed, text, foreign].join(' , ')).replace('NAME', 'sonnet'))
    ).text()
    expect(rig.claude.seen[0]?.body).toBe(history([own, text].join(',')).replace('NAME', 'claude-sonnet-4-5'))
  })

  test('an error before content goes to another target, of another wire', async () => {
    rig.claude.script = response =>
      void sse(response).end(
        START + claudeEvent('error', { error: { type: 'overloaded_error', message: 'Overloaded' } }),
      )
    rig.openai.script = response =>
      void sse(response).end(role + delta('From alpha.') + finish() + usageEvent + DONE)
    const ask = { ...ASK, model: 'shared', provider: { order: ['claude', 'alpha'] } }
    const { fetch: over, exchanges } = recordingFetch()
    const message = await rig
      .client(undefined, over)
      .messages.stream(ask as typeof ASK)
      .finalMessage()
    expect(message.content).toEqual([{ type: 'text', text: 'From alpha.' }])
    expect((await exchanges())[0]?.headers).toMatchObject({
      'x-switchgate-provider': 'alpha',
      'x-switchgate-attempts': '2',
    })
    expect((await exchanges())[0]?.body).not.toContain('msg_up')
  })

  test('a stream that breaks after content ends in event: error, and what came is billed', async () => {
    rig.claude.script = response => {
      sse(response).write(START + OPEN + words('Hello'))
      setTimeout(() => response.destroy(), 30)
    }
    const text = await (await rig.post({ ...SONNET, stream: true })).text()
    expect(text.startsWith(START + OPEN + words('Hello'))).toBe(true)
    expect(text).toMatch(/event: error\ndata: \{"type":"error"[^\n]*\n\n$/)
    const row = await rig.lastRow()
    expect(row).toMatchObject({ error: 'interrupted', certainty: 'estimated', usage: { inputTokens: 25 } })
  })

  test('an error event after content is told in our words', async () => {
    const leak = 'org-canary-51aa07 at 10.1.2.3'
    rig.claude.script = response =>
      void sse(response).end(
        START + OPEN + words('Hello') + claudeEvent('error', { error: { type: 'api_error', message: leak } }),
      )
    const text = await (await rig.post({ ...SONNET, stream: true })).text()
    expect(text).toContain('event: error')
    expect(text).not.toContain('org-canary')
  })

  test('a host that hangs up without message_stop gets it added', async () => {
    const half = END.slice(0, END.indexOf('event: message_stop'))
    rig.claude.script = response => void sse(response).end(START + OPEN + words('Hi') + CLOSE + half)
    expect(await (await rig.post({ ...SONNET, stream: true })).text()).toBe(
      START + OPEN + words('Hi') + CLOSE + END,
    )
  })

  test('usage.cost where it is asked for; nothing else changes', async () => {
    rig.claude.script = response => void sse(response).end(START + OPEN + words('Hi') + CLOSE + END)
    const text = await (await rig.post({ ...SONNET, stream: true, usage: { include: true } })).text()
    // 25 at 1 and 7 at 2 USD per million
    expect(text).toBe(
      (START + OPEN + words('Hi') + CLOSE + END).replace(
        '"usage":{"output_tokens":7}',
        '"usage":{"cost":0.000039,"output_tokens":7}',
      ),
    )
  })

  test('its refusals keep their status and name', async () => {
    rig.claude.script = response =>
      sendJson(response, 400, {
        type: 'error',
        error: { type: 'invalid_request_error', message: 'max_tokens: too many' },
      })
    const error = await refusal(rig.client().messages.create(SONNET))
    expect(error?.status).toBe(400)
    expect(error?.error?.error).toMatchObject({ type: 'invalid_request_error' })
    expect(error?.message).toContain('max_tokens: too many')
  })

  test('what has a price that nobody looked up is refused or left out', async () => {
    rig.claude.script = response =>
      sendJson(response, 200, {
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        model: 'claude-sonnet-4-5',
        content: [{ type: 'text', text: 'ok' }],
        stop_reason: 'end_turn',
        stop_sequence: null,
        usage: { input_tokens: 3, output_tokens: 1 },
      })
    const refused = await rig.post({ ...SONNET, fallbacks: [{ model: 'claude-opus-5' }] })
    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({ error: { param: 'fallbacks' } })
    const fast = await rig.post({ ...SONNET, speed: 'fast' })
    expect(fast.headers.get('x-switchgate-dropped')).toBe('speed')
    expect(rig.claude.seen).toHaveLength(1)
    expect(rig.claude.seen[0]?.body).not.toContain('speed')
  })
})
