/**
 * Google Cloud's Vertex AI (Gemini Enterprise Agent Platform): Gemini by generateContent, Claude by its own Messages wire,
 * open and partner models by OpenAI's, each below one project and location.
 * Addresses: @google/genai 1.x and @anthropic-ai/vertex-sdk 1.1.3 (hosts of `global`, `us`, `eu`); cloud.google.com
 * "Call MaaS APIs for open models" (endpoints/openapi).
 */
import { type Cloud, isClaude } from '../cloud.ts'
import type { ChatRequest, Encoded, Provider } from '../provider.ts'
import { claudeOnVertex } from './claude.ts'
import { embeddings } from './embeddings.ts'

/** The adapters of the wires that Vertex speaks; handed in, because no provider imports another. */
export interface Wires {
  readonly gemini: Provider
  readonly anthropic: Provider
  readonly openai: Provider
}

const NAME = 'gcp.vertex_ai'
const GLOBAL = 'https://aiplatform.googleapis.com'
const MULTI_REGIONS = new Set(['us', 'eu'])

/** Vertex as a cloud. Options: `project`, and `location` (default `global`); without a project it is express mode, Gemini only. */
export function createVertex({ gemini, anthropic, openai }: Wires): Cloud {
  const google: Provider = { ...gemini, ...geminiOnVertex(gemini), embeddings }
  const claude: Provider = { ...claudeOnVertex(anthropic), name: NAME, auth: 'google' }
  const open: Provider = { name: NAME, auth: 'google', chat: openai.chat, classify: openai.classify }

  return request => {
    const { project, location = 'global' } = request.options
    // It becomes a part of the host name.
    if (!/^[a-z0-9-]{1,40}$/.test(location))
      return { why: 'the option "location" must be a region as in "europe-west4", "us", "eu" or "global"' }
    const root = request.baseUrl?.replace(/\/+$/, '').replace(/\/v1(beta1)?$/, '')
    const isGoogles = !isClaude(request) && !request.upstream.includes('/')
    if (project === undefined) {
      return isGoogles
        ? { provider: google, baseUrl: `${root ?? GLOBAL}/v1beta1/publishers/google` }
        : { why: 'Vertex needs the option "project" for all models but Gemini' }
    }
    const within = `projects/${encodeURIComponent(project)}/locations/${location}`
    const host = root ?? originOf(location)
    if (isGoogles) return { provider: google, baseUrl: `${host}/v1beta1/${within}/publishers/google` }
    return isClaude(request)
      ? { provider: claude, baseUrl: `${host}/v1/${within}/publishers/anthropic` }
      : { provider: open, baseUrl: `${host}/v1/${within}/endpoints/openapi` }
  }
}

function originOf(location: string): string {
  if (location === 'global') return GLOBAL
  return MULTI_REGIONS.has(location)
    ? `https://aiplatform.${location}.rep.googleapis.com`
    : `https://${location}-aiplatform.googleapis.com`
}

/** Gemini's adapter as it is, but for the service tier, which is no member of Vertex's request. */
function geminiOnVertex({ chat }: Provider): Pick<Provider, 'name' | 'auth' | 'chat'> {
  const encode = (request: ChatRequest): Encoded => {
    const { service_tier: tier, ...json } = request.body.json
    if (tier === undefined || chat === undefined) return (chat as NonNullable<typeof chat>).encode(request)
    const encoded = chat.encode({ ...request, body: { ...request.body, json } })
    // Flex and Priority have prices of their own there, which nobody looked up.
    const isLost = tier !== null && tier !== 'auto' && tier !== 'default'
    return isLost ? { ...encoded, dropped: [...encoded.dropped, 'service_tier'] } : encoded
  }
  return { name: NAME, auth: 'google', ...(chat && { chat: { ...chat, encode } }) }
}
