/** Where Azure puts a model: forms, addresses as people paste them, and what is said when something is missing. */
import { describe, expect, it } from 'vitest'
import { createAzure } from '../../../providers/azure.ts'
import { KINDS } from '../../../providers/index.ts'
import { anthropic } from '../../../providers/anthropic/index.ts'
import { openai } from '../../../providers/openai.ts'
import { overResponses } from '../../../providers/responses/index.ts'
import { requestOf } from '../../contract/provider.ts'

const place = createAzure({ openai, anthropic, overResponses })
const at = (options: Record<string, string>, model = 'gpt-4o', upstream = model, baseUrl?: string) =>
  place({ options, baseUrl, model, upstream })
const urlOf = (...input: Parameters<typeof at>): string => {
  const found = at(...input)
  return 'why' in found ? `why: ${found.why}` : found.baseUrl
}

describe('azure', () => {
  it.each([
    ['https://mine.openai.azure.com', 'https://mine.openai.azure.com/openai/v1'],
    ['https://mine.openai.azure.com/', 'https://mine.openai.azure.com/openai/v1'],
    ['https://mine.openai.azure.com/openai/v1/', 'https://mine.openai.azure.com/openai/v1'],
    ['https://mine.services.ai.azure.com/models', 'https://mine.services.ai.azure.com/openai/v1'],
    [
      'https://mine.cognitiveservices.azure.com/openai/deployments/x/chat/completions?api-version=2025-01-01-preview',
      'https://mine.cognitiveservices.azure.com/openai/v1',
    ],
    ['mine.openai.azure.us', 'https://mine.openai.azure.us/openai/v1'],
    ['https://gate.example.com/apim/team-a/openai', 'https://gate.example.com/apim/team-a/openai/v1'],
  ])('takes the endpoint %s', (endpoint, want) => {
    expect(urlOf({ endpoint })).toBe(want)
  })

  it('escapes what becomes a part of the path', () => {
    const classic = { account: 'mine', api_version: '2024-10-21' }
    expect(urlOf(classic, 'gpt-4o', '../../x?y')).toBe(
      'https://mine.openai.azure.com/openai/deployments/..%2F..%2Fx%3Fy',
    )
  })

  it.each([
    [{}, /"account" \(the name of the resource\) or "endpoint"/],
    [{ account: 'mine.openai.azure.com' }, /the name of the resource alone/],
    [{ account: 'mine', api_version: '2024' }, /"api_version" must be of the form/],
  ])('%j says what is wrong', (options, why) => {
    expect(urlOf(options as Record<string, string>)).toMatch(why)
  })

  it.each(['v1', 'preview', 'latest'])('api_version %s is the v1 form', version => {
    expect(urlOf({ account: 'mine', api_version: version })).toBe('https://mine.openai.azure.com/openai/v1')
  })

  it('Claude is in Foundry, under the same name', () => {
    const want = 'https://mine.services.ai.azure.com/anthropic/v1'
    expect(urlOf({ account: 'mine' }, 'claude-opus-5')).toBe(want)
    expect(urlOf({ account: 'mine' }, 'house', 'my-claude-opus-5')).toBe(want)
    expect(urlOf({ endpoint: 'https://gate.example.com' }, 'claude-opus-5')).toBe(
      'https://gate.example.com/anthropic/v1',
    )
  })

  it.each([
    ['gpt-5', true],
    ['gpt-4.1-mini', true],
    ['o4-mini', true],
    ['gpt-5-codex', true],
    ['gpt-oss-120b', false],
    ['gpt-4-turbo', false],
    ['deepseek-v4-pro', false],
  ])('%s speaks the Responses wire: %s', (model, speaks) => {
    const found = at({ account: 'mine' }, model)
    expect('provider' in found && found.provider.responses !== undefined).toBe(speaks)
    const classic = at({ account: 'mine', api_version: '2024-10-21' }, model)
    expect('provider' in classic && classic.provider.responses === undefined).toBe(true)
  })

  it('what a model wants goes by its own name, not by that of its deployment', () => {
    const found = at({ account: 'mine' }, 'gpt-5', 'prod-blue')
    if ('why' in found) throw new Error(found.why)
    const request = requestOf(found.provider, { model: 'gpt-5', messages: [], max_tokens: 9 })
    const offer = { ...request.offer, model: 'gpt-5', upstream: 'prod-blue' }
    const sent = found.provider.chat?.encode({ ...request, offer })
    expect(JSON.parse(new TextDecoder().decode(sent?.body))).toEqual({
      model: 'prod-blue',
      messages: [],
      max_completion_tokens: 9,
    })
  })

  it('is a built-in kind', () => {
    expect(KINDS.get('azure')?.host.auth).toBe('entra')
  })
})
