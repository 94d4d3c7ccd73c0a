/**
 * Azure OpenAI and Microsoft Foundry: OpenAI's wire at `/openai/v1` or, with an api-version, at a deployment's own path;
 * Claude by its Messages wire. Sources: learn.microsoft.com "Azure OpenAI in Microsoft Foundry Models v1 API" and
 * "Azure OpenAI REST API reference"; @anthropic-ai/foundry-sdk (`/anthropic/v1/messages`).
 */
import { type Cloud, isClaude, type PlaceRequest } from './cloud.ts'
import { wantsCompletionLimit } from './openai.ts'
import type { ChatRequest, Encoded, Provider, Quirks } from './provider.ts'
import { isResponsesOnly, OPENAI_RESPONSES_ONLY } from './responses-only.ts'

const NAME = 'azure.ai.openai'

/** Adapters of the wires that Azure speaks; handed in, because no provider imports another's folder. */
export interface Wires {
  readonly openai: Provider
  readonly anthropic: Provider
  /** The same provider for models that answer at `/responses` alone. */
  overResponses(openai: Provider): Provider
}

/**
 * Azure as a cloud. Options: `account` (the resource's name) or `endpoint` (its address, as the portal shows it);
 * `api_version` chooses the classic form; `deployment` is for all models of the provider, else each has its upstream id.
 */
export function createAzure({ openai, anthropic, overResponses }: Wires): Cloud {
  const adapters = new Map<string, Provider>()
  const adapter = (deployment: string | undefined, version: string | undefined, isOver = false): Provider => {
    const key = JSON.stringify([deployment, version, isOver])
    const made = adapters.get(key) ?? onAzure(isOver ? overResponses(openai) : openai, deployment, version)
    adapters.set(key, made)
    return made
  }
  const claude: Provider = { ...anthropic, name: NAME, auth: 'entra' }

  return request => {
    const { deployment, api_version: version } = request.options
    const root = rootOf(request)
    if (typeof root !== 'string') return root
    if (version !== undefined && !/^(v1|preview|latest|\d{4}-\d{2}-\d{2}(-preview)?)$/.test(version))
      return { why: 'the option "api_version" must be of the form 2024-10-21 or 2025-04-01-preview' }
    if (isClaude(request)) return { provider: claude, baseUrl: `${foundryOf(root)}/anthropic/v1` }
    // `v1`, `preview` and `latest` are versions of the v1 API, which needs none of them said.
    const isClassic = version !== undefined && /^\d/.test(version)
    if (!isClassic) {
      if (isResponsesOnly(OPENAI_RESPONSES_ONLY, request.model))
        return { provider: adapter(deployment, undefined, true), baseUrl: `${root}/openai/v1` }
      const { responses, ...others } = adapter(deployment, undefined)
      const provider = speaksResponses(request.model) ? { ...others, responses } : others
      return { provider, baseUrl: `${root}/openai/v1` }
    }
    const name = encodeURIComponent(deployment ?? request.upstream)
    return { provider: adapter(deployment, version), baseUrl: `${root}/openai/deployments/${name}` }
  }
}

/** What the form's own path is appended to, whatever was pasted: the resource's address, one with `/openai/v1`, a whole deployment URL. */
function rootOf({ options, baseUrl }: PlaceRequest): string | { why: string } {
  const said = baseUrl ?? options.endpoint
  if (said === undefined) {
    const { account } = options
    if (account === undefined)
      return {
        why: 'this kind needs the option "account" (the name of the resource) or "endpoint" (its address)',
      }
    return /^[a-zA-Z0-9][a-zA-Z0-9-]{0,63}$/.test(account)
      ? `https://${account}.openai.azure.com`
      : { why: 'the option "account" is the name of the resource alone, as in my-resource' }
  }
  const url = URL.parse(/^https?:\/\//i.test(said) ? said : `https://${said}`)
  if (url === null)
    return { why: 'the option "endpoint" must be an address, as in https://my-resource.openai.azure.com' }
  const path = url.pathname.replace(/\/(openai|anthropic|models)(\/.*)?$/, '').replace(/\/+$/, '')
  return url.origin + path
}

/** Claude is served under the resource's Foundry name alone; a gateway of one's own in front has no other name. */
function foundryOf(root: string): string {
  return root.replace(
    /^https:\/\/([a-z0-9-]+)\.(?:openai|cognitiveservices)\.azure\.com$/i,
    'https://$1.services.ai.azure.com',
  )
}

/** The Responses API there is for OpenAI's newer models; what else it takes differs by model and region ("Use the Azure OpenAI Responses API"). */
const speaksResponses = (model: string): boolean =>
  /^(?:gpt-(?:4o|4\.1|[5-9]|1\d)|o[1-9]|codex|computer-use)(?![a-z\d])/.test(model)

function onAzure(openai: Provider, deployment: string | undefined, version: string | undefined): Provider {
  const query = version === undefined ? '' : `?api-version=${version}`
  const older = version === undefined ? undefined : olderQuirks(version)
  const moved = <C extends { encode(request: never): Encoded }>(codec: C): C => {
    const encode = (request: ChatRequest): Encoded => {
      const offer = deployment === undefined ? request.offer : { ...request.offer, upstream: deployment }
      // A deployment may have any name: what the model wants is told by the model's.
      const limit: Quirks = wantsCompletionLimit(request.offer.model)
        ? { maxTokensField: 'max_completion_tokens' }
        : {}
      const encoded = codec.encode({
        ...request,
        offer,
        quirks: { ...limit, ...older, ...request.quirks },
      } as never)
      return query === '' ? encoded : { ...encoded, path: encoded.path + query }
    }
    return { ...codec, encode }
  }
  const { chat, completions, embeddings, images, speech, transcriptions, responses, classify } = openai
  const { readsSignature } = openai
  return {
    name: NAME,
    auth: 'entra',
    ...(chat && { chat: moved(chat) }),
    ...(completions && { completions: moved(completions) }),
    ...(embeddings && { embeddings: moved(embeddings) }),
    ...(images && { images: moved(images) }),
    ...(speech && { speech: moved(speech) }),
    ...(transcriptions && { transcriptions: moved(transcriptions) }),
    // In the classic form it does not stand at the deployment: callers of that wire are served through chat.
    ...(responses && version === undefined && { responses: moved(responses) }),
    ...(classify && { classify }),
    ...(readsSignature && { readsSignature }),
  }
}

/**
 * What dated versions do not know yet and refuse: `stream_options` and `max_completion_tokens` came with 2024-09-01-preview,
 * `developer` messages with 2024-12-01-preview (learn.microsoft.com "Azure OpenAI API version lifecycle", changes by version).
 */
function olderQuirks(version: string): Quirks {
  const day = version.slice(0, 10)
  return {
    ...(day < '2024-09-01' && { streamOptions: false, maxTokensField: 'max_tokens' }),
    ...(day < '2024-12-01' && { developerRole: 'system' }),
  }
}
