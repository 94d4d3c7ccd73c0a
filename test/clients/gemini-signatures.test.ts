/** Signed thoughts on their way through the gateway: kept, packed, found again, and a reason to stay with who signed them. */
import type { MessageParam } from '@anthropic-ai/sdk/resources/messages'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Json } from '../../providers/provider.ts'
import { completion, sendJson, sse, until } from '../gateway/harness.ts'
import { answered, type GeminiRig, said, startGeminiRig } from './gemini-rig.ts'
import { ASK } from './messages-rig.ts'

let rig: GeminiRig
beforeAll(async () => {
  rig = await startGeminiRig()
})
afterAll(() => rig?.close())
beforeEach(() => rig.forget())

const TOOL = { name: 'now', description: 'Tells the time.', parameters: { type: 'object', properties: {} } }
const callPart = (id: string) => ({
  functionCall: { id, name: 'now', args: { zone: 'UTC' } },
  thoughtSignature: `CiQB${id}`,
})
/** The signature on the first call that Gemini was sent. */
const sentSignature = () => {
  const contents = (rig.gemini.seen.at(-1)?.json().contents ?? []) as { parts: Json[] }[]
  return contents.flatMap(({ parts }) => parts).find(part => part.functionCall)?.thoughtSignature
}

describe('a client of the chat wire that loses Gemini’s signatures', () => {
  const chat = (key: string, id: string, more: Json = {}, extra: Json = {}) =>
    rig.gateway.post(key, {
      model: 'flash',
      tools: [{ type: 'function', function: TOOL }],
      messages: [
        { role: 'user', content: 'Time?' },
        ...(id === ''
          ? []
          : [
              {
                role: 'assistant',
                content: null,
                tool_calls: [{ id, type: 'function', function: { name: 'now', arguments: '{}' }, ...extra }],
              },
              { role: 'tool', tool_call_id: id, content: '12:00' },
            ]),
      ],
      ...more,
    })

  test.each([
    ['whole', {}],
    ['streamed', { stream: true }],
  ])('gets them filled in, %s; another key does not', async (name, more) => {
    const [mine, other] = [await rig.gateway.key(), await rig.gateway.key()]
    rig.gemini.script = (response, seen) =>
      seen.url.includes('stream')
        ? void sse(response).end(said(callPart(name), { finishReason: 'STOP' }))
        : sendJson(response, 200, answered(callPart(name)))
    expect(await (await chat(mine, '', more)).text()).toContain(`CiQB${name}`)
    await chat(mine, name)
    expect(sentSignature()).toBe(`CiQB${name}`)
    await chat(other, name)
    expect(sentSignature()).toBe('skip_thought_signature_validator')
    // what a client did keep is what counts
    await chat(mine, name, {}, { extra_content: { google: { thought_signature: 'OWN=' } } })
    expect(sentSignature()).toBe('OWN=')
  })

  test('and so does a client of the Messages wire that hands back the bare call', async () => {
    const key = await rig.gateway.key()
    rig.gemini.script = response => sendJson(response, 200, answered(callPart('toolu_x')))
    const client = rig.client(key)
    const tools = [{ name: 'now', input_schema: { type: 'object' as const } }]
    const first = await client.messages.create({ ...ASK, model: 'flash', tools })
    const bare = first.content.filter(block => block.type === 'tool_use')
    expect(bare).toHaveLength(1)
    const messages: MessageParam[] = [
      ...ASK.messages,
      { role: 'assistant', content: bare },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: bare[0]?.id ?? '', content: '12' }] },
    ]
    await client.messages.create({ ...ASK, model: 'flash', tools, messages })
    expect(sentSignature()).toBe('CiQBtoolu_x')
  })
})

describe('Google’s client with Claude behind', () => {
  const message = (...content: Json[]) => ({
    id: 'msg_up',
    type: 'message',
    role: 'assistant',
    model: 'claude-sonnet-4-5',
    content,
    stop_reason: content.some(block => block.type === 'tool_use') ? 'tool_use' : 'end_turn',
    stop_sequence: null,
    usage: { input_tokens: 25, output_tokens: 9 },
  })
  const events = (...content: Json[]) => {
    const event = (type: string, more: Json) =>
      `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`
    const blocks = content.map((block, index) => {
      const { thinking, signature, input, ...rest } = block
      const empty = {
        ...rest,
        ...(thinking === undefined ? {} : { thinking: '' }),
        ...(input ? { input: {} } : {}),
      }
      const delta = (its: Json) => event('content_block_delta', { index, delta: its })
      return [
        event('content_block_start', { index, content_block: empty }),
        thinking ? delta({ type: 'thinking_delta', thinking }) : '',
        signature ? delta({ type: 'signature_delta', signature }) : '',
        input ? delta({ type: 'input_json_delta', partial_json: JSON.stringify(input) }) : '',
        event('content_block_stop', { index }),
      ].join('')
    })
    const whole = message(...content)
    return [
      event('message_start', { message: { ...whole, content: [], stop_reason: null } }),
      ...blocks,
      event('message_delta', { delta: { stop_reason: whole.stop_reason }, usage: { output_tokens: 9 } }),
      event('message_stop', {}),
    ].join('')
  }
  const CALL = { type: 'tool_use', id: 'toolu_1', name: 'now', input: { zone: 'UTC' } }
  const declared = { functionDeclarations: [{ name: 'now', parametersJsonSchema: { type: 'object' } }] }
  const turn = (seen: Json[] | undefined) => seen?.find(each => each.role === 'assistant')?.content

  test.each([
    ['shown', true, 'Let me think.'],
    ['hidden', false, 'Let me think.'],
    ['without text', true, ''],
    ['without text, hidden', false, ''],
  ])(
    'thoughts that were %s come back signed, in chats of both kinds',
    async (_, includeThoughts, thinking) => {
      const thought = { type: 'thinking', thinking, signature: 'EqQBCkYIChgC' }
      rig.claude.script = (response, seen) =>
        seen.json().stream === true
          ? void sse(response).end(events(thought, CALL))
          : sendJson(response, 200, message(thought, CALL))
      for (const streams of [false, true]) {
        rig.forget()
        const chat = rig.google().chats.create({
          model: 'sonnet',
          config: {
            maxOutputTokens: 8_000,
            tools: [declared],
            thinkingConfig: { includeThoughts, thinkingBudget: 2_000 },
          },
        })
        const send = async (content: Parameters<typeof chat.sendMessage>[0]['message']) => {
          const parts: unknown[] = []
          if (streams)
            for await (const chunk of await chat.sendMessageStream({ message: content }))
              parts.push(...(chunk.candidates?.[0]?.content?.parts ?? []))
          else
            parts.push(
              ...((await chat.sendMessage({ message: content })).candidates?.[0]?.content?.parts ?? []),
            )
          return parts as Json[]
        }
        const parts = await send('Time?')
        expect(parts.filter(part => part.thought).map(part => part.text)).toEqual(
          includeThoughts && thinking !== '' ? [thinking] : [],
        )
        await send([{ functionResponse: { id: 'toolu_1', name: 'now', response: { output: '12' } } }])
        expect(turn(rig.claude.seen[1]?.json().messages as Json[])).toEqual([thought, CALL])
        expect(rig.claude.seen[1]?.json().thinking).toEqual({ type: 'enabled', budget_tokens: 2_000 })
      }
    },
  )

  test('the conversation goes on at Gemini: the call is sent with the documented stand-in', async () => {
    rig.claude.script = response =>
      sendJson(response, 200, message({ type: 'thinking', thinking: 'Hm.', signature: 'EqQB' }, CALL))
    rig.gemini.script = response => sendJson(response, 200, answered({ text: 'Noon.' }))
    const user = { role: 'user', parts: [{ text: 'Time?' }] }
    const tools = [declared]
    const first = await rig
      .google()
      .models.generateContent({ model: 'sonnet', contents: [user], config: { tools } })
    const result = { functionResponse: { id: 'toolu_1', name: 'now', response: { output: '12' } } }
    const contents = [user, first.candidates?.[0]?.content ?? {}, { role: 'user', parts: [result] }]
    const second = await rig.google().models.generateContent({ model: 'flash', contents, config: { tools } })
    expect(second.text).toBe('Noon.')
    expect(sentSignature()).toBe('skip_thought_signature_validator')
  })
})

describe('a conversation with signed thoughts stays where they can be read', () => {
  const shared = (signed: boolean) => ({
    model: 'shared',
    max_tokens: 100,
    messages: [
      { role: 'user', content: 'Hi' },
      {
        role: 'assistant',
        content: 'Hello.',
        ...(signed && {
          reasoning_details: [
            { type: 'reasoning.text', text: 'Hm.', signature: 'EqQB', format: 'anthropic-claude-v1' },
          ],
        }),
      },
      { role: 'user', content: 'And now?' },
    ],
  })

  test('at Claude, though another host sells the model at the same price', async () => {
    const key = await rig.gateway.key()
    // all of them are under way at once: equals share what is more than a few
    const waiting: (() => void)[] = []
    const later = (answer: () => void) => {
      if (waiting.push(answer) % 12 === 0) for (const each of waiting) each()
    }
    rig.openai.script = response => later(() => sendJson(response, 200, completion()))
    rig.claude.script = response =>
      later(() =>
        sendJson(response, 200, {
          id: 'msg_up',
          type: 'message',
          role: 'assistant',
          model: 'claude-sonnet-4-5',
          content: [{ type: 'text', text: 'Hi' }],
          stop_reason: 'end_turn',
          usage: { input_tokens: 1, output_tokens: 1 },
        }),
      )
    const providers = async (signed: boolean) => {
      waiting.length = 0
      const posts: ReturnType<typeof rig.gateway.post>[] = []
      for (let n = 1; n <= 12; n++) {
        posts.push(rig.gateway.post(key, shared(signed)))
        await until(() => waiting.length === n)
      }
      const answers = await Promise.all(posts)
      return [...new Set(answers.map(answer => answer.headers.get('x-switchgate-provider')))].sort()
    }
    expect(await providers(true)).toEqual(['claude'])
    expect(await providers(false)).toEqual(['alpha', 'claude'])
  })

  test('and elsewhere only when it must, which is said', async () => {
    const key = await rig.gateway.key()
    rig.openai.script = response => sendJson(response, 200, completion())
    rig.claude.script = response =>
      sendJson(response, 529, { type: 'error', error: { type: 'overloaded_error' } })
    const post = (path: string, body: Json) =>
      fetch(`${rig.gateway.url}${path}`, {
        method: 'POST',
        headers: { 'x-api-key': key, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    const answer = await post('/v1/messages', {
      model: 'shared',
      max_tokens: 100,
      messages: [
        { role: 'user', content: 'Hi' },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: '', signature: 'EqQB' },
            { type: 'text', text: 'Hello.' },
          ],
        },
        { role: 'user', content: 'And now?' },
      ],
    })
    expect(answer.headers.get('x-switchgate-provider')).toBe('alpha')
    expect(answer.headers.get('x-switchgate-dropped')).toBe('thinking')
  })
})
