/** A translated stream holds nothing back: each delta is with the client before the upstream writes the next. Causal, so no clock decides. */
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sse } from '../gateway/harness.ts'
import {
  block,
  chunk,
  claudeEnd,
  claudeEvents,
  claudeStart,
  DONE,
  type Json,
  type Rig,
  startRig,
  TOOLS,
  USAGE,
  usageChunk,
} from './rig.ts'

let rig: Rig
beforeAll(async () => {
  rig = await startRig()
})
afterAll(() => rig?.close())

/** Escaped they look the same in each wire: no quotes, no backslashes. */
const PIECES = ['[11', ',22', ',33', ',44]'] as const

interface Script {
  readonly before: readonly string[]
  /** One event for each piece. */
  readonly deltas: readonly string[]
  readonly after: readonly string[]
}

const [opened, ...rest] = block(
  0,
  { type: 'tool_use', id: 'toolu_1', name: 'add', input: {} },
  ...PIECES.map(partial_json => ({ type: 'input_json_delta', partial_json })),
)
const CLAUDE: Script = {
  before: claudeEvents(claudeStart(), opened as Json),
  deltas: claudeEvents(...rest.slice(0, PIECES.length)),
  after: claudeEvents(...rest.slice(PIECES.length), ...claudeEnd('tool_use')),
}
const CHAT: Script = {
  before: [
    chunk({
      role: 'assistant',
      tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: 'add', arguments: '' } }],
    }),
  ],
  deltas: PIECES.map(text => chunk({ tool_calls: [{ index: 0, function: { arguments: text } }] })),
  after: [chunk({}, 'tool_calls'), usageChunk(USAGE), DONE],
}
const claudeTools = [{ name: 'add', input_schema: { type: 'object' } }]
const responsesTools = [{ type: 'function', name: 'add', parameters: { type: 'object' } }]

const askChat = (provider: string) => rig.chat(provider, { stream: true, tools: TOOLS })
const askMessages = (provider: string) => rig.messages(provider, { stream: true, tools: claudeTools })
const askResponses = (provider: string) =>
  rig.post('/v1/responses', { model: `m@${provider}`, input: 'Hi.', stream: true, tools: responsesTools })

test.each([
  ['Anthropic upstream, chat caller', CLAUDE, () => askChat('claude'), '"arguments":"'],
  ['chat upstream, Messages caller', CHAT, () => askMessages('groq'), '"partial_json":"'],
  ['chat upstream, Responses caller', CHAT, () => askResponses('groq'), '"delta":"'],
  ['Anthropic upstream, Responses caller', CLAUDE, () => askResponses('claude'), '"delta":"'],
] as const)(
  'a tool-argument delta leaves within a millisecond of arriving: before the next one comes (%s)',
  async (_, script, ask, member) => {
    const gates = script.deltas.map(() => Promise.withResolvers<void>())
    const end = Promise.withResolvers<void>()
    let written = 0
    rig.plays(async response => {
      sse(response).write(script.before.join(''))
      for (const [i, event] of script.deltas.entries()) {
        await gates[i]?.promise
        written++
        response.write(event)
      }
      await end.promise
      response.end(script.after.join(''))
    })
    // The upstream goes on only when the client says so; a delta that is held back never comes, and this ends the waiting.
    const late = pause(60_000, undefined, { ref: false })
    gates[0]?.resolve()
    const answer = await Promise.race([ask(), late])
    if (answer === undefined) throw new Error('delta 1 was held back: the client has no answer')
    expect(answer.status).toBe(200)
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
    const decoder = new TextDecoder()
    let text = ''
    for (const [i, piece] of PIECES.entries()) {
      gates[i]?.resolve()
      while (!text.includes(`${member}${piece}"`)) {
        const next = await Promise.race([reader.read(), late])
        if (next === undefined || next.done)
          throw new Error(`delta ${i + 1} was held back: the client has\n${text}`)
        text += decoder.decode(next.value, { stream: true })
      }
      expect(written, 'the upstream has written no more than what the client has').toBe(i + 1)
    }
    end.resolve()
    for (let read = await reader.read(); !read.done; read = await reader.read())
      text += decoder.decode(read.value, { stream: true })
    for (const piece of PIECES) expect(text.split(`${member}${piece}"`)).toHaveLength(2)
  },
)
