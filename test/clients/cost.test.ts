/** `usage.cost` as a client sees it: in the usage that belongs to the answer, whatever else a host calls `usage`. */
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  CHAT,
  completion,
  configFor,
  DONE,
  delta,
  event,
  type ScriptedUpstream,
  sendJson,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'

const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }
/** As Groq ends a stream: the same usage twice, its own place first. */
const groqEnd = {
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'house-model',
  choices: [{ index: 0, delta: {}, finish_reason: 'stop' }],
  x_groq: { id: 'req_1', usage },
  usage,
}

let upstream: ScriptedUpstream
let gateway: TestGateway
let client: OpenAI

beforeAll(async () => {
  upstream = await startUpstream(() => {})
  gateway = await startGateway({ config: configFor({ alpha: upstream.port }) })
  client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: await gateway.key() })
})
afterAll(async () => {
  await gateway?.close()
  await upstream?.close()
})

const ask = CHAT as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming

describe('usage.cost', () => {
  it('stands in the usage of a stream, not in a namesake that comes first', async () => {
    upstream.script = response =>
      void sse(response).end(`${delta('a "usage":{} in text')}${event(groqEnd)}${DONE}`)
    let last: unknown
    const stream = await client.chat.completions.create({
      ...ask,
      stream: true,
      stream_options: { include_usage: true },
    })
    for await (const chunk of stream) last = chunk
    expect(last).toEqual({ ...groqEnd, usage: { cost: 0.00002, ...usage } })
  })

  it('stands in the usage of a whole answer that was asked for it', async () => {
    const answer = { x_groq: { id: 'req_1', usage }, ...completion('{"usage":{}}', usage) }
    upstream.script = response => sendJson(response, 200, answer)
    const told = await client.chat.completions.create({ ...ask, usage: { include: true } } as typeof ask)
    expect(told).toEqual({ ...answer, usage: { cost: 0.00002, ...usage } })
  })

  it('leaves an answer without usage of its own as it came', async () => {
    const answer = { x_groq: { id: 'req_1', usage }, ...completion('Hello.', null) }
    upstream.script = response => sendJson(response, 200, answer)
    const told = await client.chat.completions.create({ ...ask, usage: { include: true } } as typeof ask)
    expect(told).toEqual(answer)
  })
})
