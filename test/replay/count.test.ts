/** Recorded counts of prompts against what the gateway says of the same prompts: an estimate, within the margin that it states. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../../providers/provider.ts'
import { startGateway, type TestGateway } from '../gateway/harness.ts'
import { type Case, HOME, jsonOf, readCorpus } from './corpus.ts'

const counts = readCorpus(HOME).cases.filter(one => one.wire === 'count')

test.runIf(counts.length === 0)('no recordings are here', () => {
  process.stdout.write(`replay: skipped, no recorded counts at ${HOME}\n`)
})

/** Converse's prompts in the words of the Messages wire: the text and tools that were recorded need no more. */
function fromConverse(body: Json): Json {
  const { converse } = body.input as { converse: { messages: Json[]; toolConfig?: { tools: Json[] } } }
  const tools = (converse.toolConfig?.tools ?? []).map(({ toolSpec }) => {
    const { name, description, inputSchema } = toolSpec as Json & { inputSchema: Json }
    return { name, description, input_schema: inputSchema.json }
  })
  const text = (content: unknown) => (content as { text: string }[]).map(part => ({ type: 'text', ...part }))
  return {
    messages: converse.messages.map(({ role, content }) => ({ role, content: text(content) })),
    ...(tools.length > 0 && { tools }),
  }
}

/** The model that was asked, and the recorded body as a caller of ours would send it. */
function askedOf({ asked, provider }: Case): { path: string; model: string; body: Json } {
  const body = (asked?.body ?? {}) as Json
  if (provider === 'anthropic') return { path: 'messages/count_tokens', model: String(body.model), body }
  const model = decodeURIComponent(/\/models?\/([^:/]+)/.exec(asked?.path ?? '')?.[1] ?? '')
  if (provider !== 'bedrock') return { path: 'countTokens', model, body }
  return { path: 'messages/count_tokens', model, body: fromConverse(body) }
}

const trueCount = ({ body }: Case): number => {
  const { input_tokens, inputTokens, totalTokens } = jsonOf(body)
  return Number(input_tokens ?? inputTokens ?? totalTokens)
}

describe.skipIf(counts.length === 0)('counts of prompts', () => {
  let gateway: TestGateway
  let key: string
  beforeAll(async () => {
    const models = [...new Set(counts.map(one => askedOf(one).model))]
    gateway = await startGateway({
      config: `providers:
  counted:
    kind: openai
    base_url: "http://127.0.0.1:9/v1"
    models: { ${models.map(model => `"${model}": { input_usd_per_mtok: 1, output_usd_per_mtok: 1 }`).join(', ')} }
egress: { allow: ["127.0.0.1:9"] }
`,
    })
    key = await gateway.key()
  })
  afterAll(() => gateway?.close())

  const ask = async (one: Case): Promise<Json> => {
    const { path, model, body } = askedOf(one)
    const url =
      path === 'countTokens'
        ? `${gateway.url}/v1beta/models/${encodeURIComponent(model)}:countTokens`
        : `${gateway.url}/v1/${path}`
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      body: JSON.stringify(path === 'countTokens' ? body : { ...body, model }),
    })
    return (await answer.json()) as Json
  }

  test.each(counts)('$provider $id', async one => {
    const said = await ask(one)
    const tokens = Number(said.input_tokens ?? said.totalTokens)
    expect(said.estimated).toBe(true)
    const off = Math.abs(tokens - trueCount(one)) / trueCount(one)
    // no margin is given for tools that the provider runs
    if (said.margin === undefined) expect(JSON.stringify(one.asked?.body)).toMatch(/"type":"\w+_\d{8}"/)
    else expect(off, `${tokens} for ${trueCount(one)}`).toBeLessThanOrEqual(Number(said.margin))
  })
})
