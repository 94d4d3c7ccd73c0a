/** Who comes first when a conversation holds signed thoughts. */
import { expect, test } from 'vitest'
import { anthropic } from '../../providers/anthropic/index.ts'
import { claudeOnBedrock } from '../../providers/bedrock/claude.ts'
import { converse } from '../../providers/bedrock/index.ts'
import { gemini } from '../../providers/gemini/index.ts'
import { openai } from '../../providers/openai.ts'
import type { Provider } from '../../providers/provider.ts'
import { overResponses } from '../../providers/responses/index.ts'
import { KINDS } from '../../providers/index.ts'
import { readersFirst } from '../../src/route/signed.ts'
import type { Candidate } from '../../src/route/field.ts'

const candidate = (name: string, provider: Provider, quirks = {}) =>
  ({ listing: { site: { name, provider, quirks }, offer: { upstream: 'm' } } }) as unknown as Candidate
const ALL = [
  candidate('openai', openai),
  candidate('claude', anthropic),
  candidate('google', gemini),
  candidate('router', openai, { keepsExtensions: true }),
]
const order = (candidates: readonly Candidate[], ...formats: string[]) =>
  readersFirst(
    candidates,
    () => new Set(formats),
    each => each.listing,
  ).map(each => each.listing.site.name)

test('those who can read most of it first, the others as they were', () => {
  expect(order(ALL)).toEqual(['openai', 'claude', 'google', 'router'])
  expect(order(ALL, 'anthropic-claude-v1')).toEqual(['claude', 'router', 'openai', 'google'])
  expect(order(ALL, 'google-gemini-v1')).toEqual(['google', 'router', 'openai', 'claude'])
  expect(order(ALL, 'google-gemini-v1', 'anthropic-claude-v1')).toEqual([
    'router',
    'claude',
    'google',
    'openai',
  ])
})

test('nobody looks where it cannot matter', () => {
  let asked = 0
  const ask = () => {
    asked++
    return new Set<string>()
  }
  readersFirst([candidate('a', openai), candidate('b', openai)], ask, each => each.listing)
  expect(asked).toBe(0)
  readersFirst(ALL, ask, each => each.listing)
  expect(asked).toBe(1)
  expect(readersFirst(ALL, undefined, each => each.listing)).toBe(ALL)
})

test('whoever runs Claude reads what Claude signed; Converse and the Responses wire have seals of their own', () => {
  const vertex = KINDS.get('vertex')?.cloud?.({
    options: { project: 'p' },
    baseUrl: undefined,
    model: 'claude-sonnet-4-5',
    upstream: 'claude-sonnet-4-5@20250929',
  })
  if (vertex === undefined || 'why' in vertex) throw new Error('Vertex has no place for Claude')
  const clouds = [
    candidate('openai', openai),
    candidate('converse', converse),
    candidate('sealed', overResponses(openai)),
    candidate('vertex', vertex.provider),
    candidate('bedrock', claudeOnBedrock(anthropic)),
  ]
  expect(order(clouds, 'anthropic-claude-v1').slice(0, 2)).toEqual(['vertex', 'bedrock'])
  expect(order(clouds, 'bedrock-converse-v1')[0]).toBe('converse')
  expect(order(clouds, 'openai-responses-v1')[0]).toBe('sealed')
})
