/**
 * Recorded requests, sent through a gateway in their own wire to a target that speaks it: the bytes that arrive are the recorded
 * ones, but for what the contract lists (section 2): model name, extension fields, `stream_options.include_usage`, and what the
 * row of a host renames or takes out, which is told in `x-switchgate-dropped`.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HOSTS } from '../../providers/hosts.ts'
import type { Json } from '../../providers/provider.ts'
import { EXTENSIONS } from '../contract/provider.ts'
import {
  type ScriptedUpstream,
  sendJson,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'
import { type AnswerWire, type Case, HOME, readCorpus } from './corpus.ts'

/** Wires that callers speak, and the path that they ask at. */
const PATHS: Readonly<Partial<Record<AnswerWire, string>>> = {
  chat: '/v1/chat/completions',
  responses: '/v1/responses',
  anthropic: '/v1/messages',
  gemini: '/v1beta',
  embeddings: '/v1/embeddings',
  completions: '/v1/completions',
  rerank: '/v1/rerank',
}

interface Recorded {
  readonly one: Case
  readonly body: Json
  /** As the provider knows it. */
  readonly model: string
  readonly site: string
}

const kindOf = ({ wire, provider }: Case): string => {
  if (wire === 'anthropic' || wire === 'gemini') return wire
  if (wire === 'responses') return 'speaker'
  if (wire === 'chat' && Object.hasOwn(HOSTS, provider)) return provider
  return wire === 'rerank' ? 'cohere' : 'openai'
}

/** Each body once in each wire and at each host. */
function recordedRequests(): Recorded[] {
  const seen = new Set<string>()
  return readCorpus(HOME).cases.flatMap(one => {
    const body = one.asked?.body
    if (PATHS[one.wire] === undefined || typeof body !== 'object' || body === null) return []
    const { model = /\/models\/([^/:]+)/.exec(one.asked?.path ?? '')?.[1] } = body as { model?: string }
    if (model === undefined) return []
    const site = `${one.provider}-${one.wire}`
    const key = `${site} ${model} ${JSON.stringify(body)}`
    if (seen.has(key)) return []
    seen.add(key)
    return [{ one, body: body as Json, model, site }]
  })
}

const requests = recordedRequests()
const STREAMS = /streamGenerateContent/

test.runIf(requests.length === 0)('no recordings are here', () => {
  process.stdout.write(`replay: skipped, no recorded requests at ${HOME}\n`)
})

/** Refused by name, each for a reason of the contract's. */
const REFUSED: readonly (readonly [RegExp, string])[] = [
  [/^(?:conversation|previous_response_id|context_management): is not offered/, 'nothing is stored here'],
  [/^truncation: must be "disabled"/, 'nothing is cut out of a prompt here'],
  [/^moderation: is not offered/, 'another model of which nobody was asked'],
  [/file_id: is the id of a file at OpenAI/, 'the host of this test is not OpenAI'],
  [
    /not in provider\.(?:only|order)/,
    'a wish for providers behind OpenRouter; here it names configured ones',
  ],
]

/** Rows whose templates fail on `content: null` are sent '', which says the same. */
const withoutNull = (messages: unknown): unknown =>
  (messages as Json[]).map(message => (message.content === null ? { ...message, content: '' } : message))

/** Thoughts that were shown under two names go back under the host's own. */
const withOneName = (messages: unknown): unknown =>
  (messages as Json[]).map(({ reasoning_content: twin, ...message }) =>
    twin === undefined || message.reasoning !== undefined ? message : { ...message, reasoning: twin },
  )

/** What is to arrive: made from the recorded body, and nothing else of the gateway's than the list of its extensions. */
function expected({ one, body, model }: Recorded): string {
  const { wire, provider } = one
  const row = wire === 'chat' ? HOSTS[provider]?.quirks : undefined
  const sent: Json = wire === 'gemini' ? { ...body } : { ...body, model }
  const effort = (body.reasoning as Json | undefined)?.effort
  // a member of OpenAI's own on the Responses wire
  for (const name of row?.keepsExtensions === true ? [] : EXTENSIONS)
    if (!(wire === 'responses' && name === 'reasoning')) delete sent[name]
  if (wire === 'chat' && sent.reasoning === undefined && typeof effort === 'string')
    sent.reasoning_effort = effort
  if (row?.refusesNullContent === true) sent.messages = withoutNull(sent.messages)
  if (row?.reasoningField === 'reasoning') sent.messages = withOneName(sent.messages)
  const isAsked = (body.stream_options as Json | undefined)?.include_usage === true
  if (
    body.stream === true &&
    (wire === 'chat' || wire === 'completions') &&
    !isAsked &&
    row?.streamOptions !== false
  )
    sent.stream_options = { ...(body.stream_options as Json | undefined), include_usage: true }
  return JSON.stringify(sent)
}

describe.skipIf(requests.length === 0)('recorded requests', () => {
  let upstream: ScriptedUpstream
  let gateway: TestGateway
  let key: string
  beforeAll(async () => {
    upstream = await startUpstream(response =>
      sendJson(response, 400, { error: { message: 'seen', type: 'invalid_request_error', code: 'seen' } }),
    )
    const sites = Map.groupBy(requests, ({ site }) => site)
    const rows = [...sites].map(([site, asked]) => {
      const [{ one } = { one: undefined }] = asked
      const models = [...new Set(asked.map(({ model }) => model))].map(
        model =>
          `${JSON.stringify(model)}: { upstream: ${JSON.stringify(model)}, input_usd_per_mtok: 1, output_usd_per_mtok: 1 }`,
      )
      const kind = one === undefined ? '' : kindOf(one)
      const address = kind === 'speaker' ? '' : `base_url: "http://127.0.0.1:${upstream.port}/v1", `
      return `  ${site}: { kind: ${kind}, ${address}models: { ${models.join(', ')} } }`
    })
    gateway = await startGateway({
      config: `providers:
${rows.join('\n')}
hosts:
  speaker: { base_url: "http://127.0.0.1:${upstream.port}/v1", auth: none, quirks: { speaks_responses: true } }
egress: { allow: ["127.0.0.1:${upstream.port}"] }
`,
    })
    key = await gateway.key()
  })
  afterAll(async () => {
    await gateway?.close()
    await upstream?.close()
  })

  const ask = ({ one, body, model, site }: Recorded): Promise<Response> => {
    const method = STREAMS.test(one.asked?.path ?? '') ? 'streamGenerateContent?alt=sse' : 'generateContent'
    const named = `${encodeURIComponent(model)}@${site}`
    const path = one.wire === 'gemini' ? `/v1beta/models/${named}:${method}` : PATHS[one.wire]
    return fetch(`${gateway.url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(one.wire === 'gemini' ? body : { ...body, model: `${model}@${site}` }),
    })
  }

  /** Names of the members that differ; '' = the same bytes. */
  function differs(got: string, want: string): string {
    if (got === want) return ''
    const [have, wanted] = [JSON.parse(got) as Json, JSON.parse(want) as Json]
    const names = [...new Set([...Object.keys(have), ...Object.keys(wanted)])].filter(
      name => JSON.stringify(have[name]) !== JSON.stringify(wanted[name]),
    )
    return names.length === 0 ? 'the order or the spaces' : names.join(', ')
  }

  test.each([...Map.groupBy(requests, ({ site }) => site)])('%s', async (_, asked) => {
    const faults: string[] = []
    for (const request of asked) {
      upstream.seen.length = 0
      const answer = await ask(request)
      const text = await answer.text()
      const [seen] = upstream.seen
      if (seen !== undefined) {
        const what = differs(seen.body, expected(request))
        if (what !== '') faults.push(`${request.one.id} ${what}`)
        if (answer.headers.get('x-switchgate-dropped') !== null)
          faults.push(`${request.one.id} dropped ${answer.headers.get('x-switchgate-dropped')}`)
        continue
      }
      const { error } = JSON.parse(text) as { error: { message: string } }
      if (!REFUSED.some(([said]) => said.test(error.message)))
        faults.push(`${request.one.id} ${error.message}`)
    }
    expect(faults).toEqual([])
  })
})
