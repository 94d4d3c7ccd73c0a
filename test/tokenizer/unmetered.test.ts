/** What is not metered is counted: answers without usage, streams that break, counts that a caller asks for. Real gateway, scripted upstream. */
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest'
import { countedUsage, sampled } from '../../src/count.ts'
import type { ExchangeResult } from '../../src/relay/contract.ts'
import { createPassthrough } from '../../src/relay/passthrough.ts'
import { createSampled } from '../../src/relay/sample.ts'
import { nodeBytes } from '../../src/runtime/node/bytes.ts'
import { createTokens } from '../../src/runtime/node/tokens.ts'
import type { Offer } from '../../src/terms.ts'
import { gatherEvents, gatherWhole, type Written } from '../../src/tokenizer/answer.ts'
import { type ChatFacts, usageOfAnswer } from '../../src/wire/openai.ts'
import {
  completion,
  DONE,
  delta,
  event,
  finish,
  role,
  type ScriptedUpstream,
  type Script,
  sendJson,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
  until,
} from '../gateway/harness.ts'
import { HOME, presentTexts } from './recordings.ts'

const tokens = createTokens(() => undefined)
const count = (text: string): number => tokens()?.count(text) ?? Number.NaN

const PROMPT = 'Tell me, in a few plain words, why the sky is blue at noon and red in the evening.'
const ANSWER =
  'Sunlight is scattered by the molecules of the air, and blue light much more than red. At noon the way through the air is short, so the scattered blue is what we see; in the evening it is long, and mostly red is left over. '

describe('through a gateway', () => {
  let upstream: ScriptedUpstream | undefined
  let gateway: TestGateway | undefined
  afterEach(async () => {
    await gateway?.close()
    await upstream?.close()
    gateway = undefined
    upstream = undefined
  })

  let release: () => void
  /** The upstream breaks off once the caller has heard the last of its words. */
  let heard: Promise<void>
  beforeEach(() => {
    heard = new Promise(resolve => {
      release = resolve
    })
  })
  async function hear(answer: Response, last: string): Promise<void> {
    const decoder = new TextDecoder()
    let text = ''
    for await (const part of answer.body ?? []) {
      text += decoder.decode(part, { stream: true })
      if (text.includes(last)) release()
    }
    expect(text).toContain(last)
  }

  async function start(script: Script, kind = 'openai', model = 'gpt-4o'): Promise<TestGateway> {
    upstream = await startUpstream(script)
    const config = `providers:
  alpha:
    kind: ${kind}
    base_url: http://127.0.0.1:${upstream.port}/v1
    models:
      ${model}: { input_usd_per_mtok: 1, output_usd_per_mtok: 2, context_tokens: 128000, max_output_tokens: 8192 }
egress: { allow: ["127.0.0.1:${upstream.port}"] }
`
    gateway = await startGateway({ config })
    return gateway
  }
  const body = { model: 'gpt-4o', messages: [{ role: 'user', content: PROMPT }] }
  const words = (text: string, each: number) =>
    (text.match(new RegExp(`(?:\\S+\\s*){1,${each}}`, 'g')) ?? []).map(delta)

  test('a whole answer without usage', async () => {
    const { post, key, rows } = await start(response => sendJson(response, 200, completion(ANSWER, null)))
    await (await post(await key(), body)).text()
    const [row] = await rows()
    expect(row?.certainty).toBe('estimated')
    // OpenAI: three tokens around the whole and four around a message
    expect(row?.usage?.inputTokens).toBe(count(PROMPT) + 7)
    expect(row?.usage?.outputTokens).toBe(count(ANSWER) + 4)
    expect(row?.costNanoUsd).toBe((count(PROMPT) + 7) * 1_000 + (count(ANSWER) + 4) * 2_000)
  })

  test('a stream that breaks: what came of it, six words an event', async () => {
    const { post, key, rows } = await start(async response => {
      sse(response).write(role)
      for (const one of words(`${ANSWER.repeat(3)}The end.`, 6)) response.write(one)
      await heard
      response.destroy()
    })
    await hear(await post(await key(), { ...body, stream: true }), 'The end.')
    await until(async () => (await rows()).length > 0, 15_000)
    const [row] = await rows()
    expect(row?.certainty).toBe('estimated')
    expect(row?.usage?.inputTokens).toBe(count(PROMPT) + 7)
    expect(row?.usage?.outputTokens).toBe(count(`${ANSWER.repeat(3)}The end.`) + 4)
  })

  test('of a long stream without usage the beginning is counted, and stands for the rest', async () => {
    const long = ANSWER.repeat(60)
    const { post, key, rows } = await start(response => {
      sse(response).write(role)
      for (const one of words(long, 6)) response.write(one)
      response.end(finish() + DONE)
    })
    await (await post(await key(), { ...body, stream: true })).text()
    const [row] = await rows()
    expect(row?.certainty).toBe('estimated')
    expect(row?.error).toBeNull()
    const share = (row?.usage?.outputTokens ?? 0) / count(long)
    expect(share).toBeGreaterThan(0.93)
    expect(share).toBeLessThan(1.1)
  })

  test('calls of tools are counted with their names and arguments', async () => {
    const call = (id: string | undefined, name: string | undefined, args: string) =>
      event({
        id: 'c',
        object: 'chat.completion.chunk',
        created: 1,
        model: 'm',
        choices: [
          {
            index: 0,
            delta: { tool_calls: [{ index: 0, id, function: { name, arguments: args } }] },
            finish_reason: null,
          },
        ],
      })
    const { post, key, rows } = await start(response => {
      sse(response).write(role + call('call_1', 'get_weather', ''))
      response.end(call(undefined, undefined, '{"city":"Reykjavik"}') + finish('tool_calls') + DONE)
    })
    const tools = [{ type: 'function', function: { name: 'get_weather', parameters: { type: 'object' } } }]
    await (await post(await key(), { ...body, tools, stream: true })).text()
    const [row] = await rows()
    const written = count('get_weather{"city":"Reykjavik"}')
    expect(row?.usage?.outputTokens).toBe(written + 12 + 4)
  })

  test('what the provider has stated wins: Anthropic tells the prompt at the start', async () => {
    const say = (type: string, more: object) =>
      `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`
    const message = {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'claude-sonnet-4-5',
      content: [],
    }
    const script: Script = async response => {
      sse(response).write(
        say('message_start', { message: { ...message, usage: { input_tokens: 77, output_tokens: 1 } } }),
      )
      response.write(say('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }))
      response.write(say('content_block_delta', { index: 0, delta: { type: 'text_delta', text: ANSWER } }))
      await heard
      response.destroy()
    }
    const { key, rows, url } = await start(script, 'anthropic', 'claude-sonnet-4-5')
    const asked = { ...body, model: 'claude-sonnet-4-5', max_tokens: 1_000, stream: true }
    const headers = {
      'x-api-key': await key(),
      'content-type': 'application/json',
      'anthropic-version': '2023-06-01',
    }
    const answer = await fetch(`${url}/v1/messages`, { method: 'POST', headers, body: JSON.stringify(asked) })
    await hear(answer, 'left over.')
    await until(async () => (await rows()).length > 0, 15_000)
    const [row] = await rows()
    expect(row?.certainty).toBe('estimated')
    expect(row?.usage?.inputTokens).toBe(77)
    // Claude's tokens are more than these: 1.25 of them, a little high rather than low
    expect(row?.usage?.outputTokens).toBe(Math.ceil(count(ANSWER) * 1.25) + 4)
  })

  test('a count that a caller asks for, and that it is an estimate', async () => {
    const { key, url } = await start(response => sendJson(response, 500, {}))
    const headers = { 'x-api-key': await key(), 'content-type': 'application/json' }
    const answer = await fetch(`${url}/v1/messages/count_tokens`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    })
    expect(answer.status).toBe(200)
    expect(await answer.json()).toEqual({ input_tokens: count(PROMPT) + 7, estimated: true, margin: 0.3 })
    expect(upstream?.seen).toHaveLength(0)
  })
})

it.skipIf(presentTexts)(`recordings: none at ${HOME} (set SWITCHGATE_FIXTURES)`, () => {})

describe.skipIf(!presentTexts)('recorded streams, their usage taken away', () => {
  interface Line {
    readonly id: string
    readonly protocol?: string
    readonly stream: boolean
    readonly request?: { readonly body?: { readonly model?: string } | null }
    readonly response: { readonly status: number; readonly body?: string }
  }
  const FILES = ['openai', 'azure', 'groq', 'ollama', 'deepseek', 'mistral', 'openrouter', 'snowflake']

  test('the count is nearer than bytes and events, half of them within 20 %', () => {
    const ratios: number[] = []
    const guesses: number[] = []
    for (const name of FILES)
      for (const line of readFileSync(`${HOME}/${name}.jsonl`, 'utf8').trim().split('\n')) {
        const { protocol, stream, request, response } = JSON.parse(line) as Line
        const { body = '' } = response
        if (protocol !== 'chat' || !stream || response.status !== 200) continue
        const usage = body
          .split(/\r?\n/)
          .flatMap(one => (/^data: ?\{/.test(one) ? [usageOfAnswer(JSON.parse(one.slice(5)))] : []))
          .findLast(one => one !== undefined)
        // what was thought unseen cannot be counted, and a few words say little
        if (!usage || usage.reasoningOutputTokens > 0 || usage.outputTokens < 20) continue
        const options = { bytes: nodeBytes, wantsUsage: true, costOf: undefined, eventBytesMax: 1e6 }
        const reader = createSampled(createPassthrough({ ...options, choices: 1, usageOf: () => undefined }))
        reader.push(nodeBytes.of(body))
        reader.end()
        const { textBytes, contentEvents } = reader.state
        const model = request?.body?.model ?? ''
        const result = { textBytes, whole: undefined } as ExchangeResult
        const facts = {
          json: {},
          media: [],
          needs: new Set(),
          toolCount: 0,
          prompts: ['x'],
        } as unknown as ChatFacts
        const offer = { model, upstream: model } as Offer
        const counted = countedUsage(facts, offer, result, reader.sample, { tokens, bytes: nodeBytes })
        ratios.push(Math.max(counted?.outputTokens ?? 0, contentEvents) / usage.outputTokens)
        guesses.push(Math.max(textBytes / 3, contentEvents) / usage.outputTokens)
      }
    expect(ratios.length).toBeGreaterThan(25)
    const off = (all: readonly number[]) =>
      all.map(ratio => Math.abs(Math.log(ratio))).sort((a, b) => a - b)[all.length >> 1] ?? Number.NaN
    const shown = (all: number[]) =>
      [0.1, 0.5, 0.9]
        .map(share => all.sort((a, b) => a - b)[Math.floor(all.length * share)]?.toFixed(2))
        .join(' / ')
    process.stdout.write(`counted ÷ real, p10/p50/p90: ${shown(ratios)}; by bytes: ${shown(guesses)}\n`)
    expect(off(ratios)).toBeLessThan(Math.log(1.2))
    expect(off(ratios)).toBeLessThan(off(guesses) / 2)
  })
})

describe('texts of answers, in every wire', () => {
  const whole = (answer: unknown): Written => {
    const written: Written = { texts: [], calls: 0 }
    gatherWhole(JSON.stringify(answer), written)
    return written
  }
  test('whole ones', () => {
    expect(
      whole({ choices: [{ message: { content: 'a', reasoning_content: 'b', reasoning: 'b' } }] }).texts,
    ).toEqual(['a', 'b'])
    expect(
      whole({
        choices: [
          {
            message: { reasoning: 'r', tool_calls: [{ id: 'x', function: { name: 'f', arguments: '{}' } }] },
          },
        ],
      }),
    ).toEqual({ texts: ['r', 'f', '{}'], calls: 1 })
    expect(
      whole({
        content: [
          { type: 'thinking', thinking: 't', signature: 'zzz' },
          { type: 'tool_use', id: 'i', name: 'f', input: { a: 1 } },
        ],
      }),
    ).toEqual({ texts: ['t', 'f', '{"a":1}'], calls: 1 })
    expect(
      whole({
        output: [
          { type: 'message', content: [{ type: 'output_text', text: 'a' }] },
          { type: 'function_call', name: 'f', arguments: '{}', call_id: 'c' },
        ],
      }),
    ).toEqual({ texts: ['a', 'f', '{}'], calls: 1 })
    expect(
      whole({
        candidates: [
          { content: { parts: [{ text: 'a' }, { functionCall: { name: 'f', args: { x: 1 } } }] } },
        ],
      }),
    ).toEqual({ texts: ['a', 'f', '{"x":1}'], calls: 1 })
    expect(whole('odd').texts).toEqual([])
    expect(whole(JSON.parse(`${'{"message":'.repeat(500)}1${'}'.repeat(500)}`)).texts).toEqual([])
  })

  test('events: deltas once, what repeats them not, what is cut off not', () => {
    const written: Written = { texts: [], calls: 0 }
    const say = (value: unknown) => `data: ${JSON.stringify(value)}\r\n\r\n`
    gatherEvents(
      [
        say({ type: 'response.output_text.delta', delta: 'a' }),
        say({ type: 'response.output_text.done', text: 'a' }),
        say({ type: 'response.completed', response: { output: [{ content: [{ text: 'a' }] }] } }),
        say({ type: 'content_block_delta', delta: { type: 'input_json_delta', partial_json: '{"b"' } }),
        ': waiting\n\n',
        say({ choices: [{ text: 'c' }] }),
        'data: [DONE]\n\ndata: {"choices":[{"text":"d',
      ].join(''),
      written,
    )
    expect(written).toEqual({ texts: ['a', '{"b"', 'c'], calls: 0 })
  })
})

test('a long text is counted by samples, and comes out as in full', () => {
  const tokenizer = tokens()
  if (!tokenizer) throw new Error('no tokenizer')
  const text = `${ANSWER}${PROMPT} 12,345.67 {"a": [1, 2, 3]}\n`.repeat(400)
  expect(text.length).toBeGreaterThan(100_000)
  expect(sampled(text, tokenizer) / tokenizer.count(text)).toBeCloseTo(1, 1)
  expect(sampled(ANSWER, tokenizer)).toBe(tokenizer.count(ANSWER))
})

test('a tokenizer whose data are missing is said once, and done without', () => {
  const lines: string[] = []
  const log = (level: string, name: string) => void lines.push(`${level} ${name}`)
  const broken = createTokens(log, ['./nowhere.br'])
  expect(broken()).toBeUndefined()
  expect(broken()).toBeUndefined()
  expect(lines).toEqual(['warn tokenizer.missing'])
  const whole = createTokens(log)
  expect(whole()?.count('Hello world')).toBe(2)
  expect(whole()).toBe(whole())
  expect(lines).toHaveLength(1)
})
