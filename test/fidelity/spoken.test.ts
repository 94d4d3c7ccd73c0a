/** What a model says, told in every caller's wire: nothing that it said is changed, doubled or lost on the way back. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../../providers/provider.ts'
import { chunkFrame, eventFrame } from '../wire/frames.ts'
import {
  DONE,
  event,
  type ScriptedUpstream,
  sendJson,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'
import { configFor } from './targets.ts'

type Wire = 'chat' | 'messages' | 'responses' | 'gemini'
const WIRES: readonly Wire[] = ['chat', 'messages', 'responses', 'gemini']

const schema = { type: 'object', properties: { id: { type: 'integer' } } }
const names = ['f', 'g']
const BODIES: Readonly<Record<Wire, Json>> = {
  chat: {
    messages: [{ role: 'user', content: 'Hi' }],
    tools: names.map(name => ({ type: 'function', function: { name, parameters: schema } })),
  },
  messages: {
    max_tokens: 5_000,
    messages: [{ role: 'user', content: 'Hi' }],
    tools: names.map(name => ({ name, input_schema: schema })),
  },
  responses: {
    input: 'Hi',
    tools: names.map(name => ({ type: 'function', name, parameters: schema })),
  },
  gemini: {
    contents: [{ role: 'user', parts: [{ text: 'Hi' }] }],
    tools: [{ functionDeclarations: names.map(name => ({ name, parametersJsonSchema: schema })) }],
  },
}

/** One more target: chat that is said in the Responses wire. */
const withCodex = (config: string): string =>
  config
    .replace(
      'hosts:\n',
      `hosts:\n  codex-host: { base_url: "http://127.0.0.1:${upstream.port}/codex/v1", auth: none, quirks: { speaks_responses: true, responses_only: ["*-codex"] } }\n`,
    )
    .replace(
      'providers:\n',
      'providers:\n  codex: { kind: codex-host, models: { codex: { upstream: my-codex, input_usd_per_mtok: 1, output_usd_per_mtok: 2 } } }\n',
    )

let upstream: ScriptedUpstream
let gateway: TestGateway
let key: string

beforeAll(async () => {
  upstream = await startUpstream(() => undefined)
  gateway = await startGateway({ config: withCodex(configFor(upstream.port)) })
  key = await gateway.key()
})
afterAll(async () => {
  await gateway?.close()
  await upstream?.close()
})

const pathOf = (wire: Wire, model: string, stream: boolean): string =>
  ({
    chat: '/v1/chat/completions',
    messages: '/v1/messages',
    responses: '/v1/responses',
    gemini: `/v1beta/models/${model}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
  })[wire]

/** An answer upstream: JSON text, events, or Amazon's frames. */
type Spoken = string | readonly Uint8Array[]

interface Heard {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** The answer to the smallest request of a wire, as it came. */
async function heard(
  wire: Wire,
  model: string,
  stream: boolean,
  spoken: Spoken,
  more: Json = {},
): Promise<Heard> {
  upstream.seen.length = 0
  upstream.script = response => {
    if (typeof spoken !== 'string')
      response
        .writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' })
        .end(Buffer.concat(spoken))
    else if (stream) sse(response).end(spoken)
    else sendJson(response, 200, spoken)
  }
  const own = wire === 'gemini' ? {} : { model, stream }
  const response = await fetch(`${gateway.url}${pathOf(wire, model, stream)}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...BODIES[wire], ...own, ...more }),
  })
  return { status: response.status, headers: response.headers, text: await response.text() }
}

/** The data of each event. */
const eventsOf = (text: string): string[] =>
  text
    .split(/\r?\n/)
    .filter(line => line.startsWith('data: ') && line !== 'data: [DONE]')
    .map(line => line.slice('data: '.length))

interface Call {
  readonly name: string
  /** As text, in wires of objects too. */
  readonly args: string
}

const list = (value: unknown): Json[] => (Array.isArray(value) ? (value as Json[]) : [])
const object = (value: unknown): Json => (value ?? {}) as Json

/** Long numbers as texts between marks: a test would not see what JSON.parse rounds. */
const marked = (_: string, value: unknown, place?: { source?: string }): unknown =>
  typeof value === 'number' && !Number.isSafeInteger(value) ? `#${place?.source}#` : value
const read = (text: string): Json =>
  JSON.parse(text, marked as (this: unknown, key: string, value: unknown) => unknown) as Json
const written = (value: unknown): string => JSON.stringify(value).replaceAll(/"#(-?\d+)#"/g, '$1')

/** The calls of an answer, whole or streamed, in the order in which the caller learns of them. */
function callsIn(wire: Wire, text: string, stream: boolean): Call[] {
  const events = (stream ? eventsOf(text) : [text]).map(read)
  switch (wire) {
    case 'chat': {
      const calls = new Map<number, { name: string; args: string }>()
      for (const { choices } of events)
        for (const choice of list(choices))
          for (const [i, call] of list(object(choice.delta ?? choice.message).tool_calls).entries()) {
            const at = typeof call.index === 'number' ? call.index : i
            const own = object(call.function)
            const known = calls.get(at) ?? { name: '', args: '' }
            calls.set(at, {
              name: known.name + String(own.name ?? ''),
              args: known.args + String(own.arguments ?? ''),
            })
          }
      return [...calls.values()].map(({ name, args }) => ({
        name,
        args: args.replaceAll(/"#(-?\d+)#"/g, '$1'),
      }))
    }
    case 'messages': {
      if (!stream)
        return list(events[0]?.content)
          .filter(({ type }) => type === 'tool_use')
          .map(({ name, input }) => ({ name: String(name), args: written(input) }))
      const blocks = new Map<unknown, { name: string; args: string }>()
      for (const { type, index, content_block: block, delta } of events) {
        if (type === 'content_block_start' && object(block).type === 'tool_use')
          blocks.set(index, { name: String(object(block).name), args: '' })
        const known = blocks.get(index)
        if (type === 'content_block_delta' && known) known.args += String(object(delta).partial_json ?? '')
      }
      return [...blocks.values()]
    }
    case 'responses': {
      const items = stream
        ? events.filter(({ type }) => type === 'response.output_item.done').map(({ item }) => object(item))
        : list(events[0]?.output)
      return items
        .filter(({ type }) => type === 'function_call')
        .map(({ name, arguments: args }) => ({ name: String(name), args: String(args) }))
    }
    case 'gemini':
      return events
        .flatMap(({ candidates }) => list(candidates))
        .flatMap(({ content }) => list(object(content).parts))
        .flatMap(({ functionCall: call }) =>
          call ? [{ name: String(object(call).name), args: written(object(call).args) }] : [],
        )
  }
}

const named = (type: string, more: string) => `event: ${type}\ndata: {"type":"${type}",${more}}\n\n`
const usage = '"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}'

/** A call of `f`, in the wire of each kind of target, its arguments written as they are here. */
const CALLING: Readonly<Record<string, (args: string) => { whole: Spoken; stream: Spoken }>> = {
  openrouter: args => ({
    whole: `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":${JSON.stringify(args)}}}]},"finish_reason":"tool_calls"}],${usage}}`,
    stream:
      `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":${JSON.stringify(args)}}}]},"finish_reason":null}]}\n\n` +
      `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}],${usage}}\n\n${DONE}`,
  }),
  claude45: args => claude(args),
  gemini3: args => {
    const answer = `{"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"So."},{"functionCall":{"name":"f","args":${args}}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":15},"responseId":"r"}`
    return { whole: answer, stream: `data: ${answer}\n\n` }
  },
  bedrockclaude: args => {
    const { whole, stream } = claude(args)
    return { whole, stream: eventsOf(stream as string).map(data => chunkFrame(JSON.parse(data))) }
  },
  nova: args => ({
    whole: `{"output":{"message":{"role":"assistant","content":[{"text":"So."},{"toolUse":{"toolUseId":"t1","name":"f","input":${args}}}]}},"stopReason":"tool_use","usage":{"inputTokens":10,"outputTokens":5,"totalTokens":15}}`,
    stream: [
      eventFrame('messageStart', { role: 'assistant' }),
      eventFrame('contentBlockStart', {
        contentBlockIndex: 0,
        start: { toolUse: { toolUseId: 't1', name: 'f' } },
      }),
      eventFrame('contentBlockDelta', { contentBlockIndex: 0, delta: { toolUse: { input: args } } }),
      eventFrame('contentBlockStop', { contentBlockIndex: 0 }),
      eventFrame('messageStop', { stopReason: 'tool_use' }),
      eventFrame('metadata', { usage: { inputTokens: 10, outputTokens: 5, totalTokens: 15 } }),
    ],
  }),
}

function claude(args: string): { whole: Spoken; stream: Spoken } {
  const counts = '"usage":{"input_tokens":10,"output_tokens":5}'
  return {
    whole: `{"id":"msg_1","type":"message","role":"assistant","model":"c","content":[{"type":"text","text":"So."},{"type":"tool_use","id":"t1","name":"f","input":${args}}],"stop_reason":"tool_use","stop_sequence":null,${counts}}`,
    stream:
      named(
        'message_start',
        `"message":{"id":"msg_1","type":"message","role":"assistant","model":"c","content":[],"stop_reason":null,${counts}}`,
      ) +
      named(
        'content_block_start',
        '"index":0,"content_block":{"type":"tool_use","id":"t1","name":"f","input":{}}',
      ) +
      named(
        'content_block_delta',
        `"index":0,"delta":{"type":"input_json_delta","partial_json":${JSON.stringify(args)}}`,
      ) +
      named('content_block_stop', '"index":0') +
      named('message_delta', `"delta":{"stop_reason":"tool_use","stop_sequence":null},${counts}`) +
      named('message_stop', '"x":0'),
  }
}

describe('arguments keep their digits', () => {
  const ARGS = '{"id":1234567890123456789,"at":[-98765432109876543210],"s":"a\\u003cb"}'
  for (const [target, calling] of Object.entries(CALLING))
    for (const stream of [false, true])
      test(`${target}, ${stream ? 'streamed' : 'whole'}`, async () => {
        const spoken = calling(ARGS)
        for (const wire of WIRES) {
          const { status, text } = await heard(wire, target, stream, stream ? spoken.stream : spoken.whole)
          expect(status, `${wire} ${text}`).toBe(200)
          const [call, ...others] = callsIn(wire, text, stream)
          expect(others, wire).toEqual([])
          expect(call?.name, wire).toBe('f')
          expect(call?.args, wire).toContain('1234567890123456789')
          expect(call?.args, wire).toContain('-98765432109876543210')
          expect(JSON.parse(call?.args ?? ''), wire).toEqual(JSON.parse(ARGS))
        }
      })

  test('an answer that is laid out on many lines has its arguments on one', async () => {
    const args = '{\n  "id": 1234567890123456789,\n  "s": "two  \\n lines",\n  "2": 0,\n  "1": 0\n}'
    const { whole } = CALLING.gemini3?.(args) ?? {}
    const { text } = await heard('chat', 'gemini3', false, whole ?? '')
    const message = object(list((JSON.parse(text) as Json).choices)[0]?.message)
    expect(object(list(message.tool_calls)[0]?.function).arguments).toBe(
      '{"id":1234567890123456789,"s":"two  \\n lines","2":0,"1":0}',
    )
  })
})

describe('schemas keep their digits', () => {
  const LONG = 9223372036854775000n + 807n
  const parameters = `{"type":"object","properties":{"id":{"type":"integer","maximum":${LONG},"enum":[-${LONG}]}}}`
  const TEXTS: Readonly<Record<Wire, (model: string) => string>> = {
    chat: model =>
      `{"model":"${model}","messages":[{"role":"user","content":"Hi"}],"tools":[{"type":"function","function":{"name":"f","parameters":${parameters}}}]}`,
    messages: model =>
      `{"model":"${model}","max_tokens":99,"messages":[{"role":"user","content":"Hi"}],"tools":[{"name":"f","input_schema":${parameters}}]}`,
    responses: model =>
      `{"model":"${model}","input":"Hi","tools":[{"type":"function","name":"f","parameters":${parameters}}]}`,
    gemini: () =>
      `{"contents":[{"role":"user","parts":[{"text":"Hi"}]}],"generationConfig":{"seed":7},"tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":${parameters}}]}]}`,
  }
  for (const wire of WIRES)
    test(wire, async () => {
      for (const model of ['openrouter', 'deepseek', 'claude45', 'claude5', 'gemini3', 'nova', 'cohere']) {
        upstream.seen.length = 0
        upstream.script = response => sendJson(response, 400, { error: { message: 'no' } })
        const response = await fetch(`${gateway.url}${pathOf(wire, model, false)}`, {
          method: 'POST',
          headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
          body: TEXTS[wire](model),
        })
        expect(response.status, `${model} ${await response.text()}`).toBe(400)
        expect(upstream.seen[0]?.body, model).toContain(`"maximum":${LONG}`)
        expect(upstream.seen[0]?.body, model).toContain(`"enum":[-${LONG}]`)
      }
    })
})

const chunk = (delta: Json, finish: string | null = null): string =>
  event({
    id: 'c',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [{ index: 0, delta, finish_reason: finish }],
  })
const called = (index: number | undefined, id: string, name: string, args: unknown): Json => ({
  ...(index === undefined ? {} : { index }),
  id,
  type: 'function',
  function: { name, arguments: args },
})
const BOTH = [
  { name: 'f', args: '{"x":1}' },
  { name: 'g', args: '{"y":2}' },
]

describe('calls that are all counted as 0 stay apart', () => {
  const STREAMS: Readonly<Record<string, string>> = {
    'one after the other':
      chunk({ role: 'assistant', tool_calls: [called(0, 'a', 'f', '{"x":1}')] }) +
      chunk({ tool_calls: [called(0, 'b', 'g', '{"y":2}')] }),
    'both at once': chunk({
      role: 'assistant',
      tool_calls: [called(0, 'a', 'f', '{"x":1}'), called(0, 'b', 'g', '{"y":2}')],
    }),
    'in pieces':
      chunk({ role: 'assistant', tool_calls: [called(0, 'a', 'f', '{"x"')] }) +
      chunk({ tool_calls: [{ index: 0, function: { arguments: ':1}' } }] }) +
      chunk({ tool_calls: [called(0, 'b', 'g', '')] }) +
      chunk({ tool_calls: [{ index: 0, id: 'b', function: { arguments: '{"y":2}' } }] }),
  }
  for (const [how, begun] of Object.entries(STREAMS))
    test(how, async () => {
      for (const model of ['openai', 'openrouter', 'azure'])
        for (const wire of ['messages', 'gemini'] as const) {
          const { text } = await heard(wire, model, true, begun + chunk({}, 'tool_calls') + DONE)
          expect(callsIn(wire, text, true), `${model} ${wire}`).toEqual(BOTH)
        }
    })
})

test('arguments that are an object are arguments, whole and streamed', async () => {
  const text = '{"x":1234567890123456789,"deep":{"y":[1]}}'
  const own = `{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":${text}}}`
  const frame = (holder: string, finish: string) =>
    `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"${holder}":{"role":"assistant","tool_calls":[${own}]},"finish_reason":${finish}}],${usage}}`
  for (const model of ['openrouter', 'azure', 'deepseek'])
    for (const wire of ['messages', 'responses', 'gemini'] as const)
      for (const stream of [false, true]) {
        const spoken = stream
          ? `data: ${frame('delta', 'null')}\n\n${chunk({}, 'tool_calls')}${DONE}`
          : frame('message', '"tool_calls"')
        const { text: told } = await heard(wire, model, stream, spoken)
        expect(callsIn(wire, told, stream), `${model} ${wire} ${stream}`).toEqual([{ name: 'f', args: text }])
      }
})

/** What a caller reads as the answer's text. */
function textIn(wire: Wire, text: string, stream: boolean): string {
  const events = (stream ? eventsOf(text) : [text]).map(read)
  switch (wire) {
    case 'chat':
      return events
        .flatMap(({ choices }) => list(choices))
        .map(({ delta, message }) => object(delta ?? message).content ?? '')
        .join('')
    case 'messages':
      return stream
        ? events.map(({ delta }) => object(delta).text ?? '').join('')
        : list(events[0]?.content)
            .map(block => block.text ?? '')
            .join('')
    case 'responses': {
      const items = stream
        ? events.flatMap(({ response }) => list(object(response).output))
        : list(events[0]?.output)
      return items
        .flatMap(({ content }) => list(content))
        .map(part => part.text ?? '')
        .join('')
    }
    case 'gemini':
      return events
        .flatMap(({ candidates }) => list(candidates))
        .flatMap(({ content }) => list(object(content).parts))
        .map(part => part.text ?? '')
        .join('')
  }
}

test('an answer in the Responses wire is told once, wherever its last event counts the item', async () => {
  const item = (id: string, text: string) => ({
    type: 'message',
    id,
    status: 'completed',
    role: 'assistant',
    content: [{ type: 'output_text', text, annotations: [] }],
  })
  const call = { type: 'function_call', id: 'fc_1', call_id: 'call_1', name: 'f', arguments: '{"x":1}' }
  const late = item('msg_2', ' And more.')
  const response = {
    id: 'resp_1',
    status: 'completed',
    output: [item('msg_1', 'Once.'), call, late],
    usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15 },
  }
  const at = { output_index: 1, item_id: 'msg_1' }
  const stream = [
    ['response.created', { response: { ...response, status: 'in_progress', output: [], usage: null } }],
    ['response.output_item.added', { output_index: 0, item: { type: 'reasoning', id: 'rs_1', summary: [] } }],
    ['response.output_item.done', { output_index: 0, item: { type: 'reasoning', id: 'rs_1', summary: [] } }],
    ['response.output_item.added', { output_index: 1, item: { ...item('msg_1', ''), content: [] } }],
    ['response.output_text.delta', { ...at, content_index: 0, delta: 'Once.' }],
    ['response.output_item.done', { output_index: 1, item: item('msg_1', 'Once.') }],
    ['response.output_item.added', { output_index: 2, item: { ...call, arguments: '' } }],
    ['response.function_call_arguments.delta', { output_index: 2, item_id: 'fc_1', delta: '{"x":1}' }],
    ['response.output_item.done', { output_index: 2, item: call }],
    ['response.completed', { response }],
  ]
    .map(([type, more]) => `event: ${type}\ndata: ${JSON.stringify({ type, ...(more as object) })}\n\n`)
    .join('')
  for (const wire of ['chat', 'messages', 'gemini'] as const) {
    const { text } = await heard(wire, 'codex', true, stream)
    expect(textIn(wire, text, true), wire).toBe('Once. And more.')
    expect(callsIn(wire, text, true), wire).toEqual([{ name: 'f', args: '{"x":1}' }])
  }
})

describe('a call without arguments has an empty object', () => {
  const without = (own: string) => `{"index":0,"id":"a","type":"function","function":{"name":"f"${own}}}`
  for (const [how, own] of [
    ['left out', ''],
    ['empty', ',"arguments":""'],
  ] as const)
    test(how, async () => {
      const frame = (holder: string, finish: string) =>
        `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"${holder}":{"role":"assistant","tool_calls":[${without(own)}]},"finish_reason":${finish}}],${usage}}`
      for (const model of ['openrouter', 'azure', 'deepseek'])
        for (const wire of ['messages', 'responses', 'gemini'] as const)
          for (const stream of [false, true]) {
            const spoken = stream
              ? `data: ${frame('delta', 'null')}\n\n${chunk({}, 'tool_calls')}${DONE}`
              : frame('message', '"tool_calls"')
            const { text } = await heard(wire, model, stream, spoken)
            const args = wire === 'messages' && stream ? '' : '{}'
            expect(callsIn(wire, text, stream), `${model} ${wire} ${stream}`).toEqual([{ name: 'f', args }])
            const pieces = eventsOf(text)
              .map(read)
              .filter(({ type }) => type === 'response.function_call_arguments.delta')
            if (wire === 'responses' && stream) expect(pieces.map(({ delta }) => delta)).toEqual(['{}'])
          }
    })
})

test('what Cohere plans aloud before its calls is text on every wire', async () => {
  const own = '{"id":"a","type":"function","function":{"name":"f","arguments":"{\\"x\\":1}"}}'
  const billed = '"usage":{"tokens":{"input_tokens":10,"output_tokens":5}}'
  const whole = `{"id":"c","finish_reason":"TOOL_CALL","message":{"role":"assistant","tool_plan":"I will look.","tool_calls":[${own}]},${billed}}`
  const stream =
    named('message-start', '"id":"c","delta":{"message":{"role":"assistant"}}') +
    named('tool-plan-delta', '"delta":{"message":{"tool_plan":"I will"}}') +
    named('tool-plan-delta', '"delta":{"message":{"tool_plan":" look."}}') +
    named('tool-call-start', `"index":0,"delta":{"message":{"tool_calls":${own}}}`) +
    named('tool-call-end', '"index":0') +
    named('message-end', `"delta":{"finish_reason":"TOOL_CALL",${billed}}`)
  for (const wire of ['messages', 'responses', 'gemini'] as const)
    for (const streamed of [false, true]) {
      const { text } = await heard(wire, 'cohere', streamed, streamed ? stream : whole)
      expect(textIn(wire, text, streamed), `${wire} ${streamed}`).toBe('I will look.')
      expect(callsIn(wire, text, streamed)).toEqual([{ name: 'f', args: '{"x":1}' }])
      expect(text.indexOf('I will')).toBeLessThan(text.lastIndexOf('"name":"f"'))
    }
})

const gemini = (...parts: Json[]): string =>
  JSON.stringify({
    candidates: [{ index: 0, content: { role: 'model', parts }, finishReason: 'STOP' }],
    usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 15 },
    responseId: 'r',
  })

describe('what a wire has no place for is said', () => {
  const PIXEL = 'iVBORw0KGgo='
  const both = (spoken: string): readonly (readonly [boolean, string])[] => [
    [false, spoken],
    [true, `data: ${spoken}\n\n`],
  ]

  test('code that Gemini ran, and what came of it', async () => {
    const spoken = gemini(
      { text: 'I compute.' },
      { executableCode: { language: 'PYTHON', code: 'print(6 * 7)' } },
      { codeExecutionResult: { outcome: 'OUTCOME_OK', output: '42\n' } },
      { text: 'So 42.' },
    )
    for (const wire of ['chat', 'messages', 'responses'] as const)
      for (const [stream, told] of both(spoken)) {
        const { text } = await heard(wire, 'gemini25', stream, told)
        expect(textIn(wire, text, stream), `${wire} ${stream}`).toBe(
          'I compute.\n```python\nprint(6 * 7)\n```\n\n```\n42\n```\nSo 42.',
        )
      }
  })

  test('pictures', async () => {
    const spoken = gemini({ text: 'Look:' }, { inlineData: { mimeType: 'image/png', data: PIXEL } })
    for (const [stream, told] of both(spoken)) {
      const { text: kept } = await heard('chat', 'gemini25', stream, told)
      expect(kept).toContain(`data:image/png;base64,${PIXEL}`)
      for (const wire of ['messages', 'responses'] as const) {
        const { text } = await heard(wire, 'gemini25', stream, told)
        expect(textIn(wire, text, stream), wire).toMatch(
          /^Look:\[The model made a picture \(image\/png\): .*chat\/completions/,
        )
        expect(text).not.toContain(PIXEL)
      }
    }
  })

  test('sounds: what was spoken, and once that there was a sound', async () => {
    const audio = { id: 'audio_1', data: 'UklGRg==', transcript: 'Hello' }
    const whole = JSON.stringify({
      id: 'c',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [{ index: 0, message: { role: 'assistant', content: null, audio }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
    })
    const pieces =
      chunk({ role: 'assistant', audio: { id: 'audio_1', transcript: 'Hel' } }) +
      chunk({ audio: { id: 'audio_1', data: 'UklG' } }) +
      chunk({ audio: { id: 'audio_1', data: 'Rg==' } }) +
      chunk({ audio: { id: 'audio_1', transcript: 'lo' } }) +
      chunk({}, 'stop') +
      DONE
    for (const wire of ['messages', 'responses'] as const)
      for (const [stream, told] of [
        [false, whole],
        [true, pieces],
      ] as const) {
        const { text } = await heard(wire, 'openrouter', stream, told)
        const said = textIn(wire, text, stream)
        const note = /\[The model made a sound: [^\]]*\]/g
        expect(said.replace(note, ''), `${wire} ${stream}`).toBe('Hello')
        expect(said.match(note)).toHaveLength(1)
      }
  })
})

describe('names of tools that the target does not take come back as they were', () => {
  const LONG = `mcp__${'a'.repeat(80)}__read`
  const NAMES = [LONG, `${LONG}_2`]
  const TAKEN = /^[a-zA-Z0-9_-]{1,64}$/
  const parameters = { type: 'object', properties: {} }
  /** A conversation that has called the first tool and may call both. */
  const asked: Readonly<Record<'messages' | 'gemini', (names: readonly string[]) => Json>> = {
    messages: names => ({
      max_tokens: 99,
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: names[0], input: {} }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't1', content: 'Done.' }] },
      ],
      tools: names.map(name => ({ name, input_schema: parameters })),
      tool_choice: { type: 'tool', name: names[0] },
    }),
    gemini: names => ({
      contents: [
        { role: 'user', parts: [{ text: 'Hi' }] },
        { role: 'model', parts: [{ functionCall: { name: names[0], args: {} } }] },
        { role: 'user', parts: [{ functionResponse: { name: names[0], response: { output: 'Done.' } } }] },
      ],
      tools: [{ functionDeclarations: names.map(name => ({ name })) }],
    }),
  }

  /** Every name of a tool in a request upstream. */
  function namesSent(body: string): string[] {
    const found: string[] = []
    JSON.parse(body, (_, value: unknown) => {
      const { name } = object(value)
      if (typeof name === 'string') found.push(name)
      return value
    })
    return found
  }

  const cases = [
    ['messages', NAMES, ['openrouter', 'azure', 'deepseek', 'nova', 'cohere']],
    ['gemini', ['mcp.server:f', 'mcp_server_f'], ['openrouter', 'azure', 'claude45', 'nova', 'cohere']],
  ] as const
  for (const [wire, names, models] of cases)
    for (const model of models)
      test(`${wire} → ${model}`, async () => {
        for (const stream of model === 'nova' || model === 'cohere' ? [false] : [false, true]) {
          const calling = CALLING[model] ?? CALLING.openrouter
          const { whole, stream: events } = calling?.('{}') ?? {}
          upstream.seen.length = 0
          upstream.script = (response, seen) => {
            // the model calls the last tool of the request, by the name that it was told
            const last = namesSent(seen.body).at(-1) ?? ''
            const cohere = `{"id":"c","finish_reason":"TOOL_CALL","message":{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]}}`
            const text = String(model === 'cohere' ? cohere : stream ? events : whole).replace(
              '"name":"f"',
              `"name":"${last}"`,
            )
            if (stream) sse(response).end(text)
            else sendJson(response, 200, text)
          }
          const own = wire === 'gemini' ? {} : { model, stream }
          const response = await fetch(`${gateway.url}${pathOf(wire, model, stream)}`, {
            method: 'POST',
            headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
            body: JSON.stringify({ ...asked[wire](names), ...own }),
          })
          const text = await response.text()
          expect(response.status, text).toBe(200)
          const sent = namesSent(upstream.seen[0]?.body ?? '')
          expect(sent.length).toBeGreaterThanOrEqual(2)
          for (const name of sent) expect(name).toMatch(TAKEN)
          // Cohere is shown the one that was chosen alone
          expect(new Set(sent).size).toBe(model === 'cohere' && wire === 'messages' ? 1 : 2)
          const [call, ...others] = callsIn(wire, text, stream)
          expect(others).toEqual([])
          expect(names).toContain(call?.name)
        }
      })
})

test('a call that the model itself got wrong is told with its reason, whole and streamed', async () => {
  const spoken = JSON.stringify({
    candidates: [
      {
        index: 0,
        finishReason: 'MALFORMED_FUNCTION_CALL',
        finishMessage: 'Malformed function call: print(f(',
      },
    ],
    usageMetadata: { promptTokenCount: 10, totalTokenCount: 10 },
  })
  for (const wire of ['chat', 'messages', 'responses'] as const)
    for (const stream of [false, true]) {
      const told = stream ? `data: ${spoken}\n\n` : spoken
      const { status, text } = await heard(wire, 'gemini25', stream, told)
      expect(status).toBe(502)
      expect(text).toContain(
        'gemini25: the model ended without an answer (MALFORMED_FUNCTION_CALL): Malformed function call: print(f(',
      )
    }
})

describe('a conversation that comes back to Claude with the thinking of another model', () => {
  const calling = { type: 'tool_use', id: 't1', name: 'f', input: {} }
  const answered = { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't1', content: 'Done.' }] }
  const foreign = { type: 'thinking', thinking: 'Hm.', signature: '' }
  const own = { type: 'thinking', thinking: 'Hm.', signature: 'EqQB' }
  const budget = { type: 'enabled', budget_tokens: 2_000 }
  const asked = (thinking: Json, blocks: readonly Json[], ...after: Json[]): Json => ({
    thinking,
    messages: [{ role: 'user', content: 'Hi' }, { role: 'assistant', content: blocks }, ...after],
  })
  const bye = { role: 'user', content: 'Bye' }
  const cases: readonly (readonly [string, Json, string, Json | undefined])[] = [
    [
      'a budget is left out in a turn of tools',
      asked(budget, [foreign, calling], answered),
      'thinking',
      undefined,
    ],
    [
      'a turn that is over does not matter',
      asked(budget, [foreign, { type: 'text', text: 'So.' }], bye),
      'thinking',
      budget,
    ],
    [
      'adaptive thinking stays',
      asked({ type: 'adaptive' }, [foreign, calling], answered),
      'thinking',
      { type: 'adaptive' },
    ],
    ['Claude’s own stays', asked(budget, [own, calling], answered), '', budget],
    ['beside Claude’s own', asked(budget, [own, foreign, calling], answered), 'thinking', budget],
    ['what lacks it anyway is the caller’s own affair', asked(budget, [calling], answered), '', budget],
  ]
  for (const [what, more, dropped, thinking] of cases)
    test(what, async () => {
      const { whole } = CALLING.claude45?.('{}') ?? {}
      const { status, headers } = await heard('messages', 'claude45', false, whole ?? '', more)
      expect(status).toBe(200)
      expect(headers.get('x-switchgate-dropped') ?? '').toBe(dropped)
      const sent = upstream.seen[0]?.json() ?? {}
      expect(sent.thinking).toEqual(thinking)
      expect(JSON.stringify(sent)).not.toContain('"signature":""')
      const strict = { ...more, provider: { require_parameters: true } }
      const refused = await heard('messages', 'claude45', false, whole ?? '', strict)
      expect(refused.status).toBe(dropped === '' ? 200 : 400)
    })
})
