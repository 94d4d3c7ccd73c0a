/** Where Vertex puts a model, what is said when something is missing, and that all that is on sale there has a place. */
import { describe, expect, it } from 'vitest'
import { loadCatalog } from '../../../providers/catalog/loader.ts'
import { KINDS } from '../../../providers/index.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { createMarket } from '../../../src/route/market.ts'
import { serves } from '../../../src/route/codec.ts'
import { demo } from '../../../providers/demo.ts'
import { createRig } from '../../authorize/token-servers.ts'

const cloud = KINDS.get('vertex')?.cloud
const urlOf = (options: Record<string, string>, upstream = 'gemini-2.5-flash', baseUrl?: string): string => {
  const found = cloud?.({ options, baseUrl, model: upstream, upstream })
  return found === undefined || 'why' in found ? `why: ${found?.why}` : found.baseUrl
}

describe('vertex', () => {
  it.each([
    ['europe-west4', 'https://europe-west4-aiplatform.googleapis.com'],
    ['global', 'https://aiplatform.googleapis.com'],
    ['us', 'https://aiplatform.us.rep.googleapis.com'],
    ['eu', 'https://aiplatform.eu.rep.googleapis.com'],
  ])('is at its own host in %s', (location, origin) => {
    expect(urlOf({ project: 'p', location })).toBe(
      `${origin}/v1beta1/projects/p/locations/${location}/publishers/google`,
    )
  })

  it('sells Gemini alone in express mode, without a project', () => {
    expect(urlOf({})).toBe('https://aiplatform.googleapis.com/v1beta1/publishers/google')
    expect(urlOf({}, 'claude-opus-5@default')).toMatch(/needs the option "project"/)
    expect(urlOf({}, 'zai-org/glm-5-maas')).toMatch(/needs the option "project"/)
  })

  it('takes an address of its own with or without its version', () => {
    const want = 'http://127.0.0.1:9/v1/projects/p/locations/global/publishers/anthropic'
    for (const own of [
      'http://127.0.0.1:9',
      'http://127.0.0.1:9/',
      'http://127.0.0.1:9/v1',
      'http://127.0.0.1:9/v1beta1',
    ])
      expect(urlOf({ project: 'p' }, 'claude-opus-5@default', own)).toBe(want)
  })

  it.each(['../x', 'evil.example', 'a b', ''])(
    'refuses the location %j, which would be a part of the host',
    location => {
      expect(urlOf({ project: 'p', location })).toMatch(/must be a region/)
    },
  )

  it('escapes the project', () => {
    expect(urlOf({ project: 'example.com:p/x', location: 'global' })).toContain(
      '/projects/example.com%3Ap%2Fx/',
    )
  })
})

describe('the catalogue of clouds', () => {
  const config = (text: string) => {
    const loaded = loadConfig(text, { kinds: KINDS, catalog: loadCatalog(), env: {} })
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.faults))
    return loaded.config
  }
  const { deps } = createRig({})
  const market = (text: string, secret: string) =>
    createMarket({
      config: config(text),
      kinds: KINDS,
      catalog: loadCatalog(),
      credentials: {
        vertex: [{ id: 'v', name: 'v', weight: 1, secret }],
        azure: [{ id: 'a', name: 'a', weight: 1, secret }],
      },
      signing: deps,
      demo,
    })

  it('every offer of Azure and Vertex is for sale, each at a provider that serves what it is', () => {
    const { listings, sites } = market(
      'providers: { vertex: { options: { project: p } }, azure: { options: { account: mine } } }',
      'api-key',
    )
    const offers = loadCatalog().offers.filter(
      ({ provider, deprecated, trial }) => /^(azure|vertex)$/.test(provider) && !deprecated && !trial,
    )
    expect(offers.length).toBeGreaterThan(120)
    const sold = new Set(listings.map(({ offer }) => `${offer.provider}/${offer.upstream}`))
    expect(offers.filter(({ provider, upstream }) => !sold.has(`${provider}/${upstream}`))).toEqual([])
    const dumb = listings.filter(listing => {
      const operation = listing.offer.type === 'embedding' ? 'embeddings' : 'chat'
      return (
        (listing.offer.type === 'chat' || listing.offer.type === 'embedding') && !serves(listing, operation)
      )
    })
    expect(dumb.map(({ offer }) => `${offer.provider}/${offer.upstream}`)).toEqual([])
    expect(new Set(sites.map(site => site.origin))).toEqual(
      new Set([
        'https://aiplatform.googleapis.com',
        'https://mine.openai.azure.com',
        'https://mine.services.ai.azure.com',
      ]),
    )
  })

  it('an API key alone sells what Google makes; a deployment sells only what the file names', () => {
    const express = market('providers: { vertex: }', 'AIza-key')
    expect(express.listings.length).toBeGreaterThan(10)
    expect(express.listings.filter(({ offer }) => /claude|\//.test(offer.upstream))).toEqual([])
    const one = market(
      'providers: { azure: { options: { account: mine, deployment: prod }, models: { gpt-5: {} } } }',
      'api-key',
    )
    const azure = one.listings.filter(({ offer }) => offer.provider === 'azure')
    expect(azure.map(({ offer }) => offer.model)).toEqual(['gpt-5'])
  })

  it('a name that nobody knows goes to the wire it looks like', () => {
    const { resolve } = market('providers: { vertex: { options: { project: p } } }', 'key')
    const found = (name: string) => {
      const resolution = resolve(name)
      return resolution.kind === 'found' ? resolution.listings[0]?.site.basePath : resolution.kind
    }
    expect(found('claude-nova-9@default@vertex')).toBe('/v1/projects/p/locations/global/publishers/anthropic')
    expect(found('gemini-9-neon@vertex')).toBe('/v1beta1/projects/p/locations/global/publishers/google')
    expect(found('mistralai/new-model@vertex')).toBe('/v1/projects/p/locations/global/endpoints/openapi')
  })
})
