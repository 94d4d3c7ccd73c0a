/** The adapters that clouds place, through the provider contract: one golden folder for each wire at each cloud. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { anthropic } from '../../providers/anthropic/index.ts'
import type { Place } from '../../providers/cloud.ts'
import { gemini } from '../../providers/gemini/index.ts'
import { KINDS } from '../../providers/index.ts'
import { openai } from '../../providers/openai.ts'
import type { Json, Provider } from '../../providers/provider.ts'
import { encoded, providerContract, requestOf, type Setup } from './provider.ts'

/** Where a kind puts a model. Throws when it cannot. */
function placed(kind: string, options: Record<string, string>, model: string): Place {
  const place = KINDS.get(kind)?.cloud?.({ options, baseUrl: undefined, model, upstream: model })
  if (place === undefined || 'why' in place) throw new Error(place?.why ?? `${kind} is no cloud`)
  return place
}

const PROJECT = { project: 'p', location: 'global' }
const ACCOUNT = { account: 'mine' }

const PLACES = {
  'vertex/gemini': placed('vertex', PROJECT, 'gemini-2.5-flash'),
  'vertex/claude': placed('vertex', PROJECT, 'claude-sonnet-4-5@20250929'),
  'vertex/open': placed('vertex', PROJECT, 'meta/llama-4-maverick-17b-128e-instruct-maas'),
  'azure/v1': placed('azure', ACCOUNT, 'gpt-5'),
  'azure/classic': placed('azure', { ...ACCOUNT, api_version: '2024-10-21' }, 'gpt-4o'),
  'azure/old': placed('azure', { ...ACCOUNT, api_version: '2024-02-01' }, 'gpt-4o'),
  'azure/claude': placed('azure', ACCOUNT, 'claude-sonnet-4-5'),
}

for (const [folder, { provider }] of Object.entries(PLACES)) providerContract(provider, folder)

it('each wire has its own address', () => {
  expect(Object.fromEntries(Object.entries(PLACES).map(([name, { baseUrl }]) => [name, baseUrl]))).toEqual({
    'vertex/gemini':
      'https://aiplatform.googleapis.com/v1beta1/projects/p/locations/global/publishers/google',
    'vertex/claude': 'https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/anthropic',
    'vertex/open': 'https://aiplatform.googleapis.com/v1/projects/p/locations/global/endpoints/openapi',
    'azure/v1': 'https://mine.openai.azure.com/openai/v1',
    'azure/classic': 'https://mine.openai.azure.com/openai/deployments/gpt-4o',
    'azure/old': 'https://mine.openai.azure.com/openai/deployments/gpt-4o',
    'azure/claude': 'https://mine.services.ai.azure.com/anthropic/v1',
  })
})

/** What a place sends instead of the adapter's own path and body, where it differs. */
type Move = (sent: Sent, client: Json) => Sent
interface Sent {
  readonly path: string
  readonly body: Json
  readonly headers: Json
}

const same: Move = sent => sent

const betasOf = (said: unknown, isSearching: boolean): Json => {
  const betas = [...(said === undefined ? [] : [said]), ...(isSearching ? ['web-search-2025-03-05'] : [])]
  return betas.length > 0 ? { 'anthropic-beta': betas.join(',') } : {}
}

/** Claude's wire with the model in the path, the version in the body and no header for it (claude.ts of each). */
const VERTEX_CLAUDE: Move = ({ body: { model, ...body }, headers }, client) => ({
  path: `/models/${String(model)}:${client.stream === true ? 'streamRawPredict' : 'rawPredict'}`,
  body: { ...body, anthropic_version: 'vertex-2023-10-16' },
  headers: betasOf(headers['anthropic-beta'], JSON.stringify(body.tools ?? []).includes('web_search_')),
})

/** Adapter, the folder of its wire, how its requests are moved, and what the place sends otherwise: each has a folder of its own. */
// Otherwise: pictures by address are refused (vertex/claude/refused-image-address), a tier is reported (vertex/gemini/service-tier),
// a schema is a forced tool, and strict is reported (vertex/claude/json-schema).
const INHERITED: readonly {
  readonly place: keyof typeof PLACES
  readonly of: Provider
  readonly folder: string
  readonly move: Move
  readonly otherwise: readonly string[]
}[] = [
  {
    place: 'vertex/claude',
    of: anthropic,
    folder: 'anthropic',
    move: VERTEX_CLAUDE,
    otherwise: ['images-and-files', 'tools-history', 'json-schema-native', 'tools-allowed-strict'],
  },
  { place: 'azure/claude', of: anthropic, folder: 'anthropic', move: same, otherwise: [] },
  { place: 'vertex/gemini', of: gemini, folder: 'gemini', move: same, otherwise: ['gemma'] },
  { place: 'azure/v1', of: openai, folder: 'openai', move: same, otherwise: [] },
]

describe.each(INHERITED)('$place is $folder moved', ({ place, of, folder, move, otherwise }) => {
  const { provider } = PLACES[place]
  it('answers, streams and failures are read by the very same functions', () => {
    // Vertex's Claude is read by the id with its version: the folders of its own show that
    if (place !== 'vertex/claude') {
      expect(provider.chat?.decode).toBe(of.chat?.decode)
      expect(provider.chat?.decodeStream).toBe(of.chat?.decodeStream)
    }
    expect(provider.chat?.repair).toBe(of.chat?.repair)
    expect(provider.classify).toBe(of.classify)
  })

  const root = new URL(`../fixtures/${folder}/`, import.meta.url)
  const names = readdirSync(root).filter(name => !otherwise.includes(name))
  it.each(names)('sends %s as that adapter does', name => {
    const read = (file: string): string | undefined => {
      const url = new URL(`${name}/${file}`, root)
      return existsSync(url) ? readFileSync(url, 'utf8') : undefined
    }
    const setup = JSON.parse(read('0-target.json') ?? '{}') as Setup
    const client = read('1-client.json') ?? '{}'
    const golden = JSON.parse(read('2-upstream-request.json') ?? '{}') as Json
    const now = encoded(provider, requestOf(provider, client, setup))
    const { dropped, ...sent } = golden
    const want =
      'error' in golden ? golden : { ...move(sent as unknown as Sent, JSON.parse(client)), dropped }
    expect(now).toEqual(want)
  })
})
