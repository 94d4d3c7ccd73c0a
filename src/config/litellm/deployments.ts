/** LiteLLM's `model_list` → providers with own models, and for each name that callers use who sells it. Part of litellm.ts. */
import { type Env, type Place, placeOf, type Tell, type VariableFor } from './places.ts'
import { SELLERS, type Seller } from './sellers.ts'
import type { LiteLlm, SourceDeployment, Table } from './source.ts'

type ModelEntry = Readonly<Record<string, string | number>>

export type ProviderEntry = Place & { readonly models: Record<string, ModelEntry> }

/** A deployment as an alias names it. */
export interface Seat {
  /** `<own model>@<provider>`. */
  readonly target: string
  /** True = its own model has the name that callers use. */
  readonly isBare: boolean
  /** LiteLLM's share of the traffic; undefined = not said. */
  readonly weight: number | undefined
}

export interface Deployed {
  readonly providers: Record<string, ProviderEntry>
  /** By the name that callers use. */
  readonly groups: Map<string, Seat[]>
  /** What was left out whole. */
  readonly skipped: string[]
}

/** Read into the place, the model or the group; everything else has no counterpart. */
const READ = new Set([
  'model',
  'custom_llm_provider',
  'api_key',
  'azure_ad_token',
  'api_base',
  'base_url',
  'api_version',
  'aws_region_name',
  'vertex_project',
  'vertex_location',
  'organization',
  'headers',
  'extra_headers',
  'timeout',
  'weight',
  'rpm',
  'tpm',
  'input_cost_per_token',
  'output_cost_per_token',
  'max_tokens',
])

const WHY: Readonly<Record<string, string>> = {
  aws_access_key_id: 'AWS credentials are found as the AWS SDKs do (aws://default), or named: see CLOUDS.md',
  aws_secret_access_key:
    'AWS credentials are found as the AWS SDKs do (aws://default), or named: see CLOUDS.md',
  vertex_credentials: 'name the credential file as file:///path under credentials: see CLOUDS.md',
  client_secret: 'an app registration is one secret of three members: see CLOUDS.md',
  stream_timeout: 'see timeouts.first_token_ms',
  max_retries: 'attempts are counted over all targets: retries.attempts',
  mock_response: 'there are no canned answers; demo/echo answers while no provider is set up',
  tags: 'rules with `when: { tags }` choose models: see ROUTING.md',
  max_budget: 'budgets belong to keys and projects: switchgate key create --budget',
  litellm_credential_name: 'there is no such entry in credential_list',
}

const DEFAULTS = new Set([
  'temperature',
  'top_p',
  'seed',
  'stop',
  'frequency_penalty',
  'presence_penalty',
  'max_completion_tokens',
])

function tellUnread({ at, params, info }: SourceDeployment, tell: Tell): void {
  for (const [name, value] of Object.entries(params)) {
    if (READ.has(name) || value === null || value === undefined) continue
    const why = DEFAULTS.has(name)
      ? 'a request is sent as its caller wrote it: there are no defaults for it'
      : WHY[name]
    tell(`${at}.litellm_params.${name}`, why ?? 'has no counterpart')
  }
  for (const name of ['rpm', 'tpm'])
    if (params[name] !== undefined)
      tell(
        `${at}.litellm_params.${name}`,
        'limits are set on keys and projects; a provider that says 429 is left alone for as long as it asks',
      )
  const { access_groups: groups } = info
  if (groups !== undefined)
    tell(`${at}.model_info.access_groups`, 'list models on keys: switchgate key create --models')
}

const USD_PER_MTOK: Readonly<Record<string, string>> = {
  input_cost_per_token: 'input_usd_per_mtok',
  output_cost_per_token: 'output_usd_per_mtok',
  cache_read_input_token_cost: 'cache_read_usd_per_mtok',
  cache_creation_input_token_cost: 'cache_write_usd_per_mtok',
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0

function modelOf({ params, info }: SourceDeployment, id: string, upstream: string): ModelEntry {
  const facts: Table = { ...info, ...params }
  const prices: Record<string, number> = {}
  for (const [theirs, ours] of Object.entries(USD_PER_MTOK)) {
    const value = Number(facts[theirs] ?? Number.NaN)
    // tokens are priced by the million; what a float makes of it is cut off
    if (value >= 0) prices[ours] = Number((value * 1e6).toPrecision(12))
  }
  const isPriced = 'input_usd_per_mtok' in prices && 'output_usd_per_mtok' in prices
  return {
    ...(upstream !== id && { upstream }),
    ...(isPriced && prices),
    ...(isCount(info.max_input_tokens) && { context_tokens: info.max_input_tokens }),
    ...(isCount(info.max_output_tokens) && { max_output_tokens: info.max_output_tokens }),
  }
}

/** `bedrock/converse/us-east-1/anthropic.claude…` → the seller and the id that it knows. */
function sellerOf(params: Table): { name: string; seller: Seller | undefined; upstream: string } {
  const model = String(params.model)
  const slash = model.indexOf('/')
  const prefix = slash < 0 ? '' : model.slice(0, slash)
  const given = typeof params.custom_llm_provider === 'string' ? params.custom_llm_provider : undefined
  const name = given ?? (Object.hasOwn(SELLERS, prefix) ? prefix : slash < 0 ? 'openai' : prefix)
  const rest = prefix === name ? model.slice(slash + 1) : model
  const upstream = name.startsWith('bedrock') ? rest.replace(/^(converse|invoke)\//, '') : rest
  return { name, seller: SELLERS[name], upstream }
}

/** LiteLLM's share: `weight`, else what rpm or tpm say. */
function weightOf(params: Table): number | undefined {
  const value = Number(params.weight ?? params.rpm ?? params.tpm ?? Number.NaN)
  return value >= 0 && value <= 1_000_000 ? value : undefined
}

/** Names for providers: the kind, then the kind and a number. One place, one provider. */
function createNames() {
  const byPlace = new Map<string, string>()
  const taken = new Set<string>()
  return (place: Place): string => {
    const id = JSON.stringify(place)
    const known = byPlace.get(id)
    if (known !== undefined) return known
    let name = place.kind
    for (let n = 2; taken.has(name); n++) name = `${place.kind}-${n}`
    taken.add(name)
    byPlace.set(id, name)
    return name
  }
}

const MODEL_ID = /^[^\s\p{Cc}]{1,256}$/u

export function deploy(source: LiteLlm, env: Env, tell: Tell, variableFor: VariableFor): Deployed {
  const providers: Record<string, ProviderEntry> = {}
  const groups = new Map<string, Seat[]>()
  const skipped: string[] = []
  const nameOf = createNames()
  for (const deployment of source.deployments) {
    const { at, name, params } = deployment
    const { name: prefix, seller, upstream } = sellerOf(params)
    const skip = (why?: string) => {
      if (why !== undefined) tell(at, why)
      skipped.push(`${at} (${name})`)
    }
    if (params.model === '*') {
      skip('set the variables of the providers that it stands for: each sells its catalogue')
      continue
    }
    if (seller === undefined) {
      skip(`there is no kind for "${prefix}": left out`)
      continue
    }
    const place = placeOf({ deployment, seller, env, tell, variableFor })
    if (place === undefined || !MODEL_ID.test(name) || !MODEL_ID.test(upstream)) {
      skip(place && 'its name has white space: left out')
      continue
    }
    tellUnread(deployment, tell)
    const provider = nameOf(place)
    const entry = providers[provider] ?? { ...place, models: {} }
    providers[provider] = entry
    if (name.includes('*') || upstream.includes('*')) {
      if (place.base_url === undefined)
        tell(at, `the provider ${provider} sells its whole catalogue, under the models' own names`)
      else skip('an own address has no catalogue: name its models')
      continue
    }
    const id = name in entry.models ? upstream : name
    if (id in entry.models) {
      tell(at, 'the same model in the same place stands twice: once is enough')
      continue
    }
    entry.models[id] = modelOf(deployment, id, upstream)
    const seats = groups.get(name) ?? []
    groups.set(name, seats)
    seats.push({ target: `${id}@${provider}`, isBare: id === name, weight: weightOf(params) })
  }
  return { providers, groups, skipped }
}
