/** Coding agents' way to work: tool loops of twenty turns with thinking, cache marks and betas, on each wire and to each kind of target. */
import OpenAI from 'openai'
import type { MessageParam } from '@anthropic-ai/sdk/resources/messages'
import type { ResponseInputItem } from 'openai/resources/responses/responses'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Json } from '../../providers/provider.ts'
import { DONE, event, type ScriptedUpstream, sse } from '../gateway/harness.ts'
import { callChunk, chunkOf, type MessagesRig, startRig } from './messages-rig.ts'

const TURNS = 20
const BETAS = ['claude-code-20250219', 'interleaved-thinking-2025-05-14']

let rig: MessagesRig
let openai: OpenAI
beforeAll(async () => {
  rig = await startRig()
  const key = await rig.gateway.key()
  openai = new OpenAI({ apiKey: key, baseURL: `${rig.gateway.url}/v1`, maxRetries: 0 })
})
afterAll(() => rig?.close())
beforeEach(() => rig.forget())

/** Arguments that a careless translation would change: spaces, a float, a big number, escapes. */
const argsOf = (n: number) =>
  `{ "path": "src/${n}.ts", "line": ${n}.0, "id": 12345678901234567890, "s": "\\u00e9\\"" }`

const named = (type: string, more: Json) => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`
const usage = { input_tokens: 1000, output_tokens: 1 }

/** A turn of Claude's: signed thought, then a call; the last one only speaks. */
function claudeTurn(n: number): string {
  const start = named('message_start', {
    message: { id: `msg_${n}`, type: 'message', role: 'assistant', model: 'c', content: [], usage },
  })
  const end = (reason: string) =>
    named('message_delta', {
      delta: { stop_reason: reason, stop_sequence: null },
      usage: { output_tokens: 9 },
    }) + named('message_stop', {})
  const block = (index: number, opened: Json, ...deltas: Json[]) =>
    named('content_block_start', { index, content_block: opened }) +
    deltas.map(delta => named('content_block_delta', { index, delta })).join('') +
    named('content_block_stop', { index })
  if (n === TURNS)
    return (
      start + block(0, { type: 'text', text: '' }, { type: 'text_delta', text: 'Done.' }) + end('end_turn')
    )
  return (
    start +
    block(
      0,
      { type: 'thinking', thinking: '', signature: '' },
      { type: 'thinking_delta', thinking: `Thought ${n}.` },
      { type: 'signature_delta', signature: `EqQBsig${n}` },
    ) +
    block(
      1,
      { type: 'tool_use', id: `toolu_${n}`, name: 'edit', input: {} },
      { type: 'input_json_delta', partial_json: argsOf(n).slice(0, 9) },
      { type: 'input_json_delta', partial_json: argsOf(n).slice(9) },
    ) +
    end('tool_use')
  )
}

function hostTurn(n: number): string {
  const counted = event({
    id: 'c',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [],
    usage: { prompt_tokens: 1000, completion_tokens: 9, total_tokens: 1009 },
  })
  if (n === TURNS)
    return chunkOf({ role: 'assistant', content: 'Done.' }) + chunkOf({}, 'stop') + counted + DONE
  return (
    chunkOf({ role: 'assistant', reasoning_content: `Thought ${n}.` }) +
    callChunk(0, `call_${n}`, 'edit', argsOf(n).slice(0, 9)) +
    callChunk(0, undefined, undefined, argsOf(n).slice(9)) +
    chunkOf({}, 'tool_calls') +
    counted +
    DONE
  )
}

function geminiTurn(n: number): string {
  const parts =
    n === TURNS
      ? [{ text: 'Done.' }]
      : [
          { text: `Thought ${n}.`, thought: true },
          {
            functionCall: { id: `fc_${n}`, name: 'edit', args: { path: `src/${n}.ts` } },
            thoughtSignature: btoa(`signature ${n}`),
          },
        ]
  return event({
    candidates: [{ index: 0, content: { role: 'model', parts }, finishReason: 'STOP' }],
    usageMetadata: { promptTokenCount: 1000, candidatesTokenCount: 9, totalTokenCount: 1009 },
    responseId: `r${n}`,
  })
}

/** The n-th request gets the n-th turn. */
function play(upstream: ScriptedUpstream, turn: (n: number) => string): void {
  upstream.script = (response, _, n) => void sse(response).end(turn(n))
}

const EDIT = { type: 'object' as const, properties: { path: { type: 'string' } }, required: ['path'] }

/** As Claude Code asks: the last two turns carry a cache mark. */
async function loopOfMessages(model: string) {
  const sent: string[] = []
  const urls: string[] = []
  const recorded: typeof fetch = (input, init) => {
    sent.push(String(init?.body))
    urls.push(String(input).slice(rig.gateway.url.length))
    return fetch(input, init)
  }
  const client = rig.client(undefined, recorded)
  const messages: MessageParam[] = [{ role: 'user', content: 'Change the files.' }]
  let answers = 0
  for (;;) {
    const stream = client.beta.messages.stream({
      model,
      max_tokens: 8_000,
      betas: BETAS,
      system: [{ type: 'text', text: 'You edit files.', cache_control: { type: 'ephemeral', ttl: '1h' } }],
      thinking: { type: 'enabled', budget_tokens: 4_000 },
      tools: [
        { name: 'edit', description: 'Edits.', input_schema: EDIT, cache_control: { type: 'ephemeral' } },
      ],
      messages: messages as Parameters<typeof client.beta.messages.stream>[0]['messages'],
      metadata: { user_id: 'user_1' },
    })
    const answer = await stream.finalMessage()
    answers++
    if (answer.stop_reason !== 'tool_use') return { sent, urls, answers }
    messages.push({ role: 'assistant', content: answer.content as MessageParam['content'] })
    const results = answer.content.flatMap(block =>
      block.type === 'tool_use'
        ? [{ type: 'tool_result' as const, tool_use_id: block.id, content: `edited ${answers}` }]
        : [],
    )
    messages.push({ role: 'user', content: results })
  }
}

describe('an agent on /v1/messages', () => {
  test('to Claude: every request arrives as it was written, with its betas', async () => {
    play(rig.claude, claudeTurn)
    const { sent, urls, answers } = await loopOfMessages('sonnet')
    expect(answers).toBe(TURNS)
    expect(rig.claude.seen.map(({ body }) => body)).toEqual(
      sent.map(body => body.replace('"model":"sonnet"', '"model":"claude-sonnet-4-5"')),
    )
    expect(rig.claude.seen.map(({ url }) => url)).toEqual(urls)
    for (const { headers } of rig.claude.seen)
      expect(String(headers['anthropic-beta']).split(',')).toEqual(expect.arrayContaining(BETAS))
    expect(sent.at(-1)).toContain('EqQBsig1"')
    expect(sent.at(-1)).toContain(`EqQBsig${TURNS - 1}"`)
  })

  test('to a host of OpenAI’s wire: calls and results stay together, nothing of Claude’s goes along', async () => {
    play(rig.openai, hostTurn)
    const { answers } = await loopOfMessages('house')
    expect(answers).toBe(TURNS)
    const last = rig.openai.seen.at(-1)
    const messages = last?.json().messages as Json[]
    expect(messages.filter(({ role }) => role === 'assistant')).toHaveLength(TURNS - 1)
    for (let n = 1; n < TURNS; n++) {
      const [asked, told] = messages.slice(2 * n, 2 * n + 2)
      expect(asked?.tool_calls).toMatchObject([{ id: `call_${n}`, function: { name: 'edit' } }])
      expect(told).toEqual({ role: 'tool', tool_call_id: `call_${n}`, content: `edited ${n}` })
    }
    expect(last?.headers['anthropic-beta']).toBeUndefined()
    expect(last?.body).not.toContain('cache_control')
    expect(last?.body).not.toContain('reasoning_content')
  })

  test('to a host that wants its thoughts back: it has them', async () => {
    play(rig.openai, hostTurn)
    await loopOfMessages('deep')
    const messages = rig.openai.seen.at(-1)?.json().messages as Json[]
    const thoughts = messages.flatMap(({ reasoning_content: thought }) => thought ?? [])
    expect(thoughts).toEqual(Array.from({ length: TURNS - 1 }, (_, i) => `Thought ${i + 1}.`))
  })

  test('to Gemini: the signature of every call comes back to it', async () => {
    play(rig.gemini, geminiTurn)
    const { answers } = await loopOfMessages('flash')
    expect(answers).toBe(TURNS)
    const contents = rig.gemini.seen.at(-1)?.json().contents as { parts: Json[] }[]
    const signatures = contents
      .flatMap(({ parts }) => parts)
      .flatMap(({ functionCall, thoughtSignature }) => (functionCall ? [thoughtSignature] : []))
    expect(signatures).toEqual(Array.from({ length: TURNS - 1 }, (_, i) => btoa(`signature ${i + 1}`)))
  })
})

/** As Codex asks: nothing stored, thoughts sealed in the items, tools in a namespace. */
async function loopOfResponses(model: string): Promise<number> {
  const input: ResponseInputItem[] = [{ role: 'user', content: 'Change the files.' }]
  const edit = { type: 'function' as const, name: 'edit', strict: false, parameters: EDIT }
  for (let answers = 1; ; answers++) {
    const stream = openai.responses.stream({
      model,
      instructions: 'You edit files.',
      input,
      store: false,
      include: ['reasoning.encrypted_content'],
      reasoning: { effort: 'medium', summary: 'auto' },
      parallel_tool_calls: true,
      prompt_cache_key: 'thread',
      tools: [{ type: 'namespace', name: 'files', description: 'Files.', tools: [edit] }],
    })
    const answer = await stream.finalResponse()
    const calls = answer.output.filter(item => item.type === 'function_call')
    if (calls.length === 0) return answers
    input.push(...(answer.output as ResponseInputItem[]))
    for (const { call_id, name, namespace } of calls) {
      expect({ name, namespace }).toEqual({ name: 'edit', namespace: 'files' })
      input.push({ type: 'function_call_output', call_id, output: `edited ${answers}` })
    }
  }
}

/** The upstream knows the tool by its flat name. */
const inNamespace = (turn: (n: number) => string) => (n: number) =>
  turn(n).replaceAll('"name":"edit"', '"name":"files__edit"')

describe('an agent on /v1/responses', () => {
  test('to Claude: thoughts come back signed, arguments to the letter', async () => {
    play(rig.claude, inNamespace(claudeTurn))
    expect(await loopOfResponses('sonnet')).toBe(TURNS)
    const last = rig.claude.seen.at(-1)
    for (let n = 1; n < TURNS; n++) {
      expect(last?.body).toContain(`"thinking":"Thought ${n}.","signature":"EqQBsig${n}"`)
      expect(last?.body).toContain(`"name":"files__edit","input":${argsOf(n)}`)
      expect(last?.body).toContain(`"tool_use_id":"toolu_${n}","content":"edited ${n}"`)
    }
  })

  test('to hosts of chat: arguments to the letter; thoughts only where they are wanted', async () => {
    for (const [model, wanted] of [
      ['house', false],
      ['deep', true],
    ] as const) {
      rig.forget()
      play(rig.openai, inNamespace(hostTurn))
      expect(await loopOfResponses(model)).toBe(TURNS)
      const messages = rig.openai.seen.at(-1)?.json().messages as Json[]
      const calls = messages.flatMap(message => (message.tool_calls as Json[] | undefined) ?? [])
      expect(calls).toEqual(
        Array.from({ length: TURNS - 1 }, (_, i) => ({
          id: `call_${i + 1}`,
          type: 'function',
          function: { name: 'files__edit', arguments: argsOf(i + 1) },
        })),
      )
      expect(messages.filter(message => message.reasoning_content !== undefined)).toHaveLength(
        wanted ? TURNS - 1 : 0,
      )
    }
  })

  test('to Gemini: the signature of every call comes back to it', async () => {
    play(rig.gemini, inNamespace(geminiTurn))
    expect(await loopOfResponses('flash')).toBe(TURNS)
    const body = rig.gemini.seen.at(-1)?.body ?? ''
    for (let n = 1; n < TURNS; n++)
      expect(body).toContain(`"thoughtSignature":${JSON.stringify(btoa(`signature ${n}`))}`)
  })
})

/** As agents on chat do: the assistant's message goes back as the SDK's helper put it together. */
async function loopOfChat(model: string): Promise<number> {
  const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Change the files.' }]
  for (let answers = 1; ; answers++) {
    const stream = await openai.chat.completions.create({
      model,
      messages,
      stream: true,
      tools: [{ type: 'function', function: { name: 'edit', parameters: EDIT } }],
      reasoning_effort: 'medium',
      max_completion_tokens: 30_000,
    })
    const message: Json = { role: 'assistant', content: '' }
    const details: unknown[] = []
    const calls: { id: string; type: 'function'; function: { name: string; arguments: string } }[] = []
    for await (const chunk of stream) {
      const delta = (chunk.choices[0]?.delta ?? {}) as OpenAI.ChatCompletionChunk.Choice.Delta & Json
      message.content = `${String(message.content)}${delta.content ?? ''}`
      if (Array.isArray(delta.reasoning_details)) details.push(...delta.reasoning_details)
      for (const piece of delta.tool_calls ?? []) {
        const { index, id, function: its, ...more } = piece
        calls[index] ??= { id: '', type: 'function', function: { name: '', arguments: '' } }
        const call = calls[index]
        Object.assign(call, { ...more, ...(id && { id }) })
        if (its?.name) call.function.name = its.name
        call.function.arguments += its?.arguments ?? ''
      }
    }
    if (calls.length === 0) return answers
    messages.push({
      ...message,
      tool_calls: calls,
      ...(details.length > 0 && { reasoning_details: details }),
    } as unknown as OpenAI.ChatCompletionMessageParam)
    for (const call of calls)
      messages.push({ role: 'tool', tool_call_id: call.id, content: `edited ${answers}` })
  }
}

describe('an agent on /v1/chat/completions', () => {
  test('to Claude: streamed pieces of thought become signed blocks again', async () => {
    play(rig.claude, claudeTurn)
    expect(await loopOfChat('sonnet')).toBe(TURNS)
    const body = rig.claude.seen.at(-1)?.body ?? ''
    for (let n = 1; n < TURNS; n++) {
      expect(body).toContain(`"thinking":"Thought ${n}.","signature":"EqQBsig${n}"`)
      expect(body).toContain(`"input":${argsOf(n)}`)
    }
  })

  test('to Gemini: the signature of every call comes back to it', async () => {
    play(rig.gemini, geminiTurn)
    expect(await loopOfChat('flash')).toBe(TURNS)
    const body = rig.gemini.seen.at(-1)?.body ?? ''
    for (let n = 1; n < TURNS; n++)
      expect(body).toContain(`"thoughtSignature":${JSON.stringify(btoa(`signature ${n}`))}`)
  })
})
