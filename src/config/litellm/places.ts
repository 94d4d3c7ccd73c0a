/** Where a deployment of LiteLLM's is: kind, address, options, key, headers, so that those in one place become one provider. Part of litellm.ts. */
import { KEYLESS, NO_KEY, type Seller } from './sellers.ts'
import { type SourceDeployment, type Table, variableOf } from './source.ts'

export interface Note {
  /** Place in LiteLLM's file. */
  readonly at: string
  readonly text: string
}
export type Tell = (at: string, text: string) => void
export type Env = Readonly<Record<string, string | undefined>>

/** One entry under `providers:`, but for its models. Members as in the file. */
export interface Place {
  readonly kind: string
  readonly base_url?: string
  readonly credentials?: readonly { readonly name: string; readonly secret: string }[]
  readonly options?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly timeouts?: { readonly total_ms: number }
}

/** A key that stands in the file itself: never copied, but given a variable of its own. */
export type VariableFor = (at: string, kind: string, secret: string) => string

export interface PlaceInput {
  readonly deployment: SourceDeployment
  readonly seller: Seller
  readonly env: Env
  readonly tell: Tell
  readonly variableFor: VariableFor
}

/** A setting as text; `os.environ/…` is looked up, since addresses and options cannot be references here. */
function textOf(params: Table, name: string, { deployment, env, tell }: PlaceInput): string | undefined {
  const value = params[name]
  if (value === undefined || value === null || value === '') return undefined
  const variable = variableOf(value)
  if (variable === undefined) return String(value)
  const found = env[variable]?.trim()
  const at = `${deployment.at}.litellm_params.${name}`
  if (found) {
    tell(at, `the value of ${variable} is written out: an address or option is no reference here`)
    return found
  }
  tell(at, `${variable} is not set here, and an address or option is no reference: write it into the result`)
  return undefined
}

/** Up to the version segment, as we want it. */
function baseUrlOf(text: string, { suffix = '' }: Seller): string {
  const bare = text.replace(/\/+$/, '').replace(/\/chat\/completions$/, '')
  return suffix === '' || /\/v\d[^/]*$/.test(bare) ? bare : `${bare}${suffix}`
}

/** `https://x.openai.azure.com/…` → account x; another host → endpoint. */
function azureOptions(base: string | undefined): Record<string, string> {
  const host = base === undefined ? undefined : URL.parse(base)?.hostname
  if (host === undefined) return {}
  const account = /^([a-z0-9-]+)\.openai\.azure\.com$/i.exec(host)?.[1]
  return account === undefined ? { endpoint: host } : { account }
}

const OPTION = /^[A-Za-z0-9._-]{1,200}$/

function optionsOf(input: PlaceInput, base: string | undefined): Record<string, string> {
  const { seller, deployment, tell } = input
  const { params, at } = deployment
  const option = (name: string, from: string): Record<string, string> => {
    const value = textOf(params, from, input)
    if (value === undefined) return {}
    if (OPTION.test(value)) return { [name]: value }
    tell(`${at}.litellm_params.${from}`, 'has characters that no option has: left out')
    return {}
  }
  if (seller.kind === 'azure') return { ...azureOptions(base), ...option('api_version', 'api_version') }
  if (seller.kind === 'bedrock') return option('region', 'aws_region_name')
  if (seller.kind === 'vertex')
    return { ...option('project', 'vertex_project'), ...option('location', 'vertex_location') }
  return {}
}

function secretOf(input: PlaceInput, base: string | undefined): string | undefined {
  const { seller, deployment, tell, variableFor } = input
  const { params, at } = deployment
  const place = `${at}.litellm_params.api_key`
  const key = params.api_key ?? params.azure_ad_token
  const variable = variableOf(key)
  if (variable !== undefined) return `env://${variable}`
  if (typeof key === 'string' && key.trim() !== '') {
    if ((base !== undefined || KEYLESS.has(seller.kind)) && NO_KEY.test(key.trim())) return undefined
    const fresh = variableFor(place, seller.kind, key)
    tell(
      place,
      `a key stands in the file itself. It is not copied: put it into the environment or .env as ${fresh}`,
    )
    return `env://${fresh}`
  }
  if (seller.ambient !== undefined) return seller.ambient
  return seller.env === undefined ? undefined : `env://${seller.env}`
}

const HEADER = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/
const RESERVED =
  /^(authorization|proxy-.*|x-api-key|api-key|x-goog-api-key|cookie|host|content-.*|connection)$/i
/** A name that says that its value is nobody's business. */
const SECRET_NAME = /key|token|secret|auth|password|credential|signature/i

function headersOf({ deployment, tell }: PlaceInput): Record<string, string> {
  const { params, at } = deployment
  const headers: Record<string, string> = {}
  const given = { ...(params.headers as Table | undefined), ...(params.extra_headers as Table | undefined) }
  for (const [name, value] of Object.entries(given)) {
    const place = `${at}.litellm_params.extra_headers.${name}`
    if (!HEADER.test(name) || RESERVED.test(name) || !/^[\x20-\x7e]{1,4096}$/.test(String(value)))
      tell(place, 'not taken over: a header that is set by Switchgate, or that no request may have')
    else if (SECRET_NAME.test(name) || variableOf(value) !== undefined)
      tell(place, 'not taken over: it looks like a secret, and values of headers are no references')
    else headers[name] = String(value)
  }
  const { organization } = params
  if (typeof organization === 'string' && variableOf(organization) === undefined)
    headers['OpenAI-Organization'] = organization
  else if (organization !== undefined && organization !== null)
    tell(
      `${at}.litellm_params.organization`,
      'write it under headers as OpenAI-Organization, one provider for each',
    )
  return headers
}

const orNone = <T extends object>(name: string, value: T): Record<string, T> =>
  Object.keys(value).length === 0 ? {} : { [name]: value }

/** The place of a deployment; undefined = it cannot be said, and `tell` has said why. */
export function placeOf(input: PlaceInput): Place | undefined {
  const { seller, deployment, tell } = input
  const { params, at } = deployment
  const given = textOf(params, 'api_base', input) ?? textOf(params, 'base_url', input) ?? seller.local
  const wanted = params.api_base ?? params.base_url
  const isAzure = seller.kind === 'azure'
  if (given === undefined && wanted !== undefined && wanted !== null) return undefined
  if (given !== undefined && URL.parse(given) === null) {
    tell(`${at}.litellm_params.api_base`, 'is no address')
    return undefined
  }
  if (given === undefined && KEYLESS.has(seller.kind)) {
    tell(`${at}.litellm_params.model`, 'a server of your own needs api_base')
    return undefined
  }
  const options = optionsOf(input, given)
  const secret = secretOf(input, given)
  const totalMs = Math.round(Number(params.timeout) * 1_000)
  return {
    kind: seller.kind,
    ...(given !== undefined && !isAzure && { base_url: baseUrlOf(given, seller) }),
    ...(secret !== undefined && { credentials: [{ name: 'main', secret }] }),
    ...orNone('options', options),
    ...orNone('headers', headersOf(input)),
    ...(totalMs >= 1 && totalMs <= 86_400_000 && { timeouts: { total_ms: totalMs } }),
  }
}
