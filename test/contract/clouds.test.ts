/** The adapters that clouds place, through the provider contract: one golden folder for each wire at each cloud. */
import { expect, it } from 'vitest'
import type { Place } from '../../providers/cloud.ts'
import { KINDS } from '../../providers/index.ts'
import { providerContract } from './provider.ts'

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
