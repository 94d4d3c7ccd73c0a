/** What offers of the catalogue take beyond what its sources say, and what they still do not. */
import { expect, test } from 'vitest'
import { loadCatalog } from '../../../providers/catalog/loader.ts'
import { withTaken } from '../../../providers/catalog/taken.ts'
import { startGateway } from '../../gateway/harness.ts'

const offer = (provider: string, upstream: string) =>
  loadCatalog()
    .byProvider.get(provider)
    ?.find(each => each.upstream === upstream)

test.each([
  ['openai', 'gpt-5-mini', 'pdf'],
  ['openai', 'gpt-4.1-nano', 'pdf'],
  ['openai', 'gpt-5-nano', 'json_schema'],
  ['openai', 'gpt-3.5-turbo', 'tools'],
  ['azure', 'gpt-4o', 'json_schema'],
  ['vertex', 'claude-sonnet-4-5@20250929', 'json_schema'],
  ['bedrock', 'amazon.nova-lite-v1:0', 'json_schema'],
  ['gemini', 'gemini-pro-latest', 'pdf'],
  ['mistral', 'mistral-large-2512', 'json_schema'],
  ['cohere', 'command-a-03-2025', 'json_schema'],
  ['perplexity', 'sonar', 'json_schema'],
  ['openrouter', 'openai/gpt-5.1-codex-mini', 'pdf'],
] as const)('%s %s takes %s', (provider, upstream, capability) => {
  expect(offer(provider, upstream)?.supports).toContain(capability)
})

test.each([
  ['openai', 'gpt-4', 'json_schema'],
  // what Amazon and Microsoft do not list for them yet
  ['bedrock', 'global.anthropic.claude-opus-5', 'json_schema'],
  ['azure', 'claude-opus-4-8', 'json_schema'],
  ['openai', 'gpt-3.5-turbo', 'json_schema'],
  ['openai', 'o3-mini', 'pdf'],
  ['groq', 'llama-3.1-8b-instant', 'json_schema'],
  ['mistral', 'mistral-large-2411', 'images'],
] as const)('%s %s does not take %s', (provider, upstream, capability) => {
  expect(offer(provider, upstream)?.supports.has(capability)).toBe(false)
})

test('embeddings and completions take nothing more', () => {
  expect(withTaken('openrouter', 'openai/text-embedding-3-small', 'E')).toBe('E')
  expect(withTaken('openai', 'gpt-3.5-turbo-instruct', '')).toBe('')
})

test('a model at an unlisted host takes what the same weights take anywhere', async () => {
  const gateway = await startGateway({
    config: `providers:
  mine: { kind: openai, base_url: "http://127.0.0.1:9/v1", models: { deepseek-v4-flash: {} } }
egress: { allow: ["127.0.0.1:9"] }
`,
  })
  try {
    const answer = await fetch(`${gateway.url}/v1/models/deepseek-v4-flash`, {
      headers: { authorization: `Bearer ${await gateway.key()}` },
    })
    const { supported_parameters: parameters } = (await answer.json()) as { supported_parameters: string[] }
    expect(parameters).toEqual(expect.arrayContaining(['tools', 'response_format']))
  } finally {
    await gateway.close()
  }
})
