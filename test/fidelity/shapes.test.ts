/** Translated answers, whole and streamed, held to the published shapes of each caller's wire: every wire in, every wire out. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ZodType } from 'zod'
import type { Json } from '../../providers/provider.ts'
import {
  type ScriptedUpstream,
  sendJson,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'
import { RICH, richStream } from './answers.ts'
import * as shapes from './shapes.ts'
import { configFor, speechOf } from './targets.ts'

const TARGETS = ['openrouter', 'deepseek', 'claude45', 'gemini3', 'cohere'] as const

interface WireShape {
  readonly path: (model: string, stream: boolean) => string
  readonly body: Json
  readonly whole: ZodType
  readonly event: ZodType
  /** Marks of the end, which are no events of their own. */
  readonly native: string
}

const tool = { name: 'weather', description: 'Tells it.' }
const schema = { type: 'object', properties: { city: { type: 'string' } } }

const WIRES: Readonly<Record<string, WireShape>> = {
  chat: {
    path: () => '/v1/chat/completions',
    body: {
      messages: [{ role: 'user', content: 'Hi' }],
      tools: [{ type: 'function', function: { ...tool, parameters: schema } }],
      stream_options: { include_usage: true },
    },
    whole: shapes.chatCompletion,
    event: shapes.chatChunk,
    native: 'chat',
  },
  messages: {
    path: () => '/v1/messages',
    body: {
      max_tokens: 5_000,
      messages: [{ role: 'user', content: 'Hi' }],
      tools: [{ ...tool, input_schema: schema }],
    },
    whole: shapes.message,
    event: shapes.messageEvent,
    native: 'messages',
  },
  responses: {
    path: () => '/v1/responses',
    body: { input: 'Hi', tools: [{ type: 'function', ...tool, parameters: schema, strict: false }] },
    whole: shapes.response,
    event: shapes.responseEvent,
    native: 'responses',
  },
  gemini: {
    path: (model, stream) =>
      `/v1beta/models/${model}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
    body: {
      contents: [{ role: 'user', parts: [{ text: 'Hi' }] }],
      // thoughts are shown to those who ask
      generationConfig: { thinkingConfig: { includeThoughts: true } },
      tools: [{ functionDeclarations: [{ ...tool, parametersJsonSchema: schema }] }],
    },
    whole: shapes.generated,
    event: shapes.generated,
    native: 'gemini',
  },
}

let upstream: ScriptedUpstream
let gateway: TestGateway
let key: string
beforeAll(async () => {
  upstream = await startUpstream((response, seen) => {
    const speech = speechOf(seen.url)
    const streams = seen.url.includes('stream') || /"stream": ?true/.test(seen.body)
    if (streams) sse(response).end(richStream(speech))
    else sendJson(response, 200, RICH[speech])
  })
  gateway = await startGateway({ config: configFor(upstream.port) })
  key = await gateway.key()
})
afterAll(async () => {
  await gateway?.close()
  await upstream?.close()
})

async function ask({ path, body }: WireShape, model: string, stream: boolean): Promise<string> {
  const isGoogle = path(model, stream).startsWith('/v1beta')
  const { stream_options, ...rest } = body
  const asked = isGoogle
    ? rest
    : { ...rest, model, stream, ...(stream && stream_options ? { stream_options } : {}) }
  const answer = await fetch(`${gateway.url}${path(model, stream)}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(asked),
  })
  const text = await answer.text()
  expect(answer.status, text).toBe(200)
  return text
}

const faultsOf = (shape: ZodType, value: unknown): string[] => {
  const { error } = shape.safeParse(value)
  const places = (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`)
  return places.length > 0 ? [...places, JSON.stringify(value).slice(0, 400)] : []
}

/** What answers say in each wire: a thought, a sentence, a call. */
const SAID = ['Let me see.', 'One moment.', 'weather', 'Bern']

describe.each(Object.keys(WIRES))('%s', name => {
  const wire = WIRES[name] as WireShape
  // bytes that pass untouched are their sender's; the shapes hold what is written here
  const targets = TARGETS.filter(target => {
    const own = { chat: ['openrouter', 'deepseek'], messages: ['claude45'], gemini: ['gemini3'] }
    return !((own as Record<string, string[]>)[wire.native] ?? []).includes(target)
  })

  test.each(targets)('a whole answer of %s', async target => {
    const text = await ask(wire, target, false)
    expect(faultsOf(wire.whole, JSON.parse(text))).toEqual([])
    for (const said of SAID) expect(text).toContain(said)
  })

  test.each(targets)('a stream of %s', async target => {
    const text = await ask(wire, target, true)
    const events = text.split(/\r?\n\r?\n/).filter(one => one.trim() !== '' && !one.startsWith(':'))
    const faults: string[] = []
    let last = -1
    for (const one of events) {
      const lines = one.split(/\r?\n/)
      const data = lines.find(line => line.startsWith('data: '))?.slice(6) ?? ''
      if (data === '[DONE]' && name === 'chat') continue
      const json = JSON.parse(data) as Json
      faults.push(...faultsOf(wire.event, json))
      const named = lines.find(line => line.startsWith('event: '))?.slice(7)
      if (name === 'messages' || name === 'responses') expect(named).toBe(json.type)
      if (name === 'responses') expect(json.sequence_number).toBe(++last)
    }
    expect(faults).toEqual([])
    expect(events.length).toBeGreaterThan(2)
    for (const said of SAID) expect(text.replaceAll('\\"', '"')).toContain(said)
  })
})
