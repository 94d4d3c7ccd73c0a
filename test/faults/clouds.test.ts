/** What peers get wrong at Bedrock and Vertex: F12, F13, F25, F26. */
import { createHash, createHmac } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportPKCS8, generateKeyPair } from 'jose'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  type ScriptedUpstream,
  type Seen,
  sendJson,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'
import type { Json } from './rig.ts'

const ARN = 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6'
const AWS = { id: 'AKIAFAULTSFAULTS0000', secret: 'faults-test-secret-key' }

let upstream: ScriptedUpstream
let gateway: TestGateway
let key: string
let tokens = 0

const claude = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4-5',
  content: [{ type: 'text', text: 'Done.' }],
  stop_reason: 'end_turn',
  usage: { input_tokens: 10, output_tokens: 2 },
}
const converse = {
  output: { message: { role: 'assistant', content: [{ text: 'Done.' }] } },
  stopReason: 'end_turn',
  usage: { inputTokens: 10, outputTokens: 2, totalTokens: 12 },
}
const gemini = {
  candidates: [{ content: { role: 'model', parts: [{ text: 'Done.' }] }, finishReason: 'STOP' }],
  usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 2, totalTokenCount: 12 },
}

beforeAll(async () => {
  upstream = await startUpstream(async (response, { url }) => {
    if (url === '/token') {
      tokens++
      // Long enough for all requests of a burst to come while it is fetched.
      await new Promise(resolve => setTimeout(resolve, 100))
      return sendJson(response, 200, { access_token: `ya29.token-${tokens}`, expires_in: 3599 })
    }
    if (url.endsWith('/converse')) return sendJson(response, 200, converse)
    sendJson(response, 200, url.includes(':generateContent') ? gemini : claude)
  })
  gateway = await startGateway({
    config: 'egress: { allow: [] }',
    env: { AWS_ACCESS_KEY_ID: AWS.id, AWS_SECRET_ACCESS_KEY: AWS.secret },
  })
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  const robot = join(gateway.folder, 'robot.json')
  const account = {
    type: 'service_account',
    client_email: 'robot@p.iam.gserviceaccount.com',
    private_key: await exportPKCS8(privateKey),
    private_key_id: 'k',
    token_uri: `http://127.0.0.1:${upstream.port}/token`,
  }
  writeFileSync(robot, JSON.stringify(account, null, 2))
  const price = 'input_usd_per_mtok: 1, output_usd_per_mtok: 2'
  writeFileSync(
    join(gateway.folder, 'switchgate.yaml'),
    `providers:
  aws:
    kind: bedrock
    base_url: http://127.0.0.1:${upstream.port}
    options: { region: us-east-1 }
    credentials: [{ name: main, secret: "aws://default" }]
    models:
      nova: { upstream: "amazon.nova-pro-v1:0", ${price} }
      llama: { upstream: "us.meta.llama3-3-70b-instruct-v1:0", ${price} }
      sonnet: { upstream: "us.anthropic.claude-sonnet-4-5-20250929-v1:0", ${price} }
      profile: { upstream: "${ARN}", ${price} }
  vertex:
    base_url: http://127.0.0.1:${upstream.port}/v1
    options: { project: my-project, location: europe-west4 }
    credentials: [{ name: robot, secret: "file://${robot}" }]
    models:
      flash: { upstream: gemini-2.5-flash, ${price} }
      opus: { upstream: claude-opus-4-5@20251101, ${price} }
egress: { allow: ["127.0.0.1:${upstream.port}"] }
retries: { attempts: 1 }
discover_env: false
`,
  )
  await gateway.gateway.supply.reload()
  key = await gateway.key()
})
afterAll(async () => {
  await gateway?.close()
  await upstream?.close()
})
beforeEach(() => {
  upstream.seen.length = 0
})

/** What went out for a body that was answered well. */
async function sent(path: string, body: Json): Promise<Seen> {
  const response = await fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  expect(response.status, await response.text()).toBe(200)
  const seen = upstream.seen.filter(({ url }) => url !== '/token').at(-1)
  if (seen === undefined) throw new Error('nothing was sent')
  return seen
}
const chat = (body: Json) =>
  sent('/v1/chat/completions', { messages: [{ role: 'user', content: 'Hi.' }], ...body })
const messages = (body: Json) => sent('/v1/messages', { max_tokens: 50, ...body })

const call = (id: string, name: string) => ({
  id,
  type: 'function',
  function: { name, arguments: '{"a":1}' },
})
const CALLED = [
  { role: 'user', content: 'Add.' },
  { role: 'assistant', content: null, tool_calls: [call('c1', 'add'), call('c2', 'sub')] },
  { role: 'tool', tool_call_id: 'c1', content: '2' },
  { role: 'tool', tool_call_id: 'c2', content: '0' },
]
const CALLED_AT_CLAUDE = [
  { role: 'user', content: 'Add.' },
  { role: 'assistant', content: [{ type: 'tool_use', id: 'c1', name: 'add', input: { a: 1 } }] },
  { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c1', content: '2' }] },
]
const toolNames = ({ json }: Seen) => {
  const { tools = [] } = (json().toolConfig ?? {}) as { tools?: readonly { toolSpec: { name: string } }[] }
  return tools.map(({ toolSpec }) => toolSpec.name)
}

test('F12 a history with tool blocks brings a toolConfig, also where the request has no tools any more', async () => {
  const seen = await chat({ model: 'nova', messages: CALLED })
  expect(toolNames(seen)).toEqual(['add', 'sub'])
  expect(JSON.stringify(seen.json().messages)).toContain('"toolResult"')
  expect(toolNames(await chat({ model: 'nova', messages: CALLED, tools: [] }))).toEqual(['add', 'sub'])
  expect(toolNames(await messages({ model: 'nova', messages: CALLED_AT_CLAUDE }))).toEqual(['add'])

  const tools = [{ type: 'function', function: { name: 'add', parameters: { type: 'object' } } }]
  const never = await chat({ model: 'nova', messages: CALLED, tools, tool_choice: 'none' })
  expect(toolNames(never).length).toBeGreaterThan(0)
  expect(never.json().toolConfig).not.toHaveProperty('toolChoice')
  // And nothing is made up where nothing was called.
  expect((await chat({ model: 'nova' })).json()).not.toHaveProperty('toolConfig')
})

/** Signature Version 4 from its description, over what arrived: each escape of the path is escaped once more, as for all services but S3. */
function signatureOf({ method, url, headers, body }: Seen): string {
  const hmac = (secret: string | Buffer, text: string) => createHmac('sha256', secret).update(text).digest()
  const sha = (text: string) => createHash('sha256').update(text).digest('hex')
  const found = /Credential=[^/]+\/((\d{8})\/([\w-]+)\/([\w-]+)\/aws4_request), SignedHeaders=([\w;-]+)/.exec(
    headers.authorization ?? '',
  )
  if (found === null) throw new Error('it is not signed')
  const [, scope = '', day = '', region = '', service = '', names = ''] = found
  const path = url.split('/').map(encodeURIComponent).join('/')
  const lines = names.split(';').map(name => `${name}:${String(headers[name])}\n`)
  const canonical = [method, path, '', lines.join(''), names, sha(body)].join('\n')
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, sha(canonical)].join('\n')
  const signing = [day, region, service, 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${AWS.secret}`)
  return hmac(signing, text).toString('hex')
}

test('F13 an ARN is one segment of the path, escaped once on the wire and twice in the signature', async () => {
  for (const [model, id] of [
    [
      'profile',
      'arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fa1b2c3d4e5f6',
    ],
    ['nova', 'amazon.nova-pro-v1%3A0'],
  ] as const) {
    const seen = await chat({ model })
    expect(seen.url).toBe(`/model/${id}/converse`)
    expect(seen.headers.authorization).toContain(`Signature=${signatureOf(seen)}`)
    const unlike = { ...seen, url: seen.url.replaceAll('%3A', ':') }
    expect(seen.headers.authorization, 'the path is signed').not.toContain(signatureOf(unlike))
  }
})

test('F25 top_k is never a member of inferenceConfig: each model has its own place for it', async () => {
  const asked = { temperature: 0.5, top_p: 0.9, top_k: 20, max_tokens: 30 }
  const inferenceConfig = { temperature: 0.5, topP: 0.9, maxTokens: 30 }
  const nova = (await chat({ model: 'nova', ...asked })).json()
  expect(nova.inferenceConfig).toEqual(inferenceConfig)
  expect(nova.additionalModelRequestFields).toEqual({ inferenceConfig: { topK: 20 } })
  const llama = (await chat({ model: 'llama', ...asked })).json()
  expect(llama.inferenceConfig).toEqual(inferenceConfig)
  expect(llama.additionalModelRequestFields).toEqual({ top_k: 20 })
  const turns = [{ role: 'user', content: 'Hi.' }]
  const body = (await messages({ model: 'nova', messages: turns, top_k: 20 })).json()
  expect(body.inferenceConfig).toEqual({ maxTokens: 50 })
  expect(body.additionalModelRequestFields).toEqual({ inferenceConfig: { topK: 20 } })
  // Claude has a wire of its own there.
  expect((await messages({ model: 'sonnet', messages: turns, top_k: 20 })).json().top_k).toBe(20)
})

test('F26 a token of Vertex is fetched once: for a burst, for later requests, for every wire', async () => {
  const asked = () => upstream.seen.filter(({ url }) => url !== '/token')
  await Promise.all(Array.from({ length: 8 }, () => chat({ model: 'flash' })))
  for (const model of ['flash', 'opus', 'opus']) await chat({ model })
  await messages({ model: 'opus', messages: [{ role: 'user', content: 'Hi.' }] })
  expect(asked()).toHaveLength(12)
  expect(new Set(asked().map(({ headers }) => headers.authorization))).toEqual(
    new Set(['Bearer ya29.token-1']),
  )
  expect(tokens).toBe(1)
})
