/** Every kind of provider: its adapter and the host's address, environment names and quirks. One line a native wire. */
import { anthropic } from './anthropic/index.ts'
import { createAzure } from './azure.ts'
import { converse, createBedrock } from './bedrock/index.ts'
import { createMantle } from './bedrock/mantle.ts'
import { cohere } from './cohere/index.ts'
import type { Cloud, PlaceRequest } from './cloud.ts'
import { demo } from './demo.ts'
import { gemini } from './gemini/index.ts'
import { HOSTS } from './hosts.ts'
import { openai } from './openai.ts'
import { classifyWith } from './openai-failures.ts'
import type { HostRow, Provider } from './provider.ts'
import { overResponses } from './responses/index.ts'
import { isResponsesOnly } from './responses-only.ts'
import { createVertex } from './vertex/index.ts'

/** What `kind:` in the config, or a provider's own name, stands for. */
export interface Kind {
  readonly kind: string
  readonly provider: Provider
  readonly host: HostRow
  /** Clouds: the adapter and the address of each model, instead of `provider` and `host.baseUrl`. */
  readonly cloud?: Cloud
  /** Instead of `provider` for the models of `quirks.responsesOnly`. */
  readonly overResponses?: Provider
}

const AWS_REGION = { region: { env: ['AWS_REGION', 'AWS_DEFAULT_REGION'] } }

/** An instance role sets no variable: `aws://default` has to be written down for it. */
const AWS_AMBIENT = {
  reference: 'aws://default',
  env: [
    'AWS_ACCESS_KEY_ID',
    'AWS_PROFILE',
    'AWS_WEB_IDENTITY_TOKEN_FILE',
    'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
    'AWS_CONTAINER_CREDENTIALS_FULL_URI',
  ],
}

/** Providers with a wire of their own. */
const NATIVE: readonly Kind[] = [
  {
    kind: 'anthropic',
    provider: anthropic,
    host: {
      baseUrl: 'https://api.anthropic.com/v1',
      auth: anthropic.auth,
      env: ['ANTHROPIC_API_KEY'],
      quirks: {},
      source: 'platform.claude.com/docs "Messages"',
    },
  },
  {
    kind: 'bedrock',
    provider: converse,
    cloud: createBedrock({ anthropic, openai, overResponses }),
    host: {
      baseUrl: 'https://bedrock-runtime.{region}.amazonaws.com',
      auth: converse.auth,
      env: ['AWS_BEARER_TOKEN_BEDROCK'],
      options: { ...AWS_REGION, inference_profile: { env: [], optional: true } },
      ambient: AWS_AMBIENT,
      quirks: { speaksResponses: true },
      source: 'docs.aws.amazon.com/bedrock "Amazon Bedrock Runtime"; AWS SDKs and Tools reference guide',
    },
  },
  {
    kind: 'bedrock-mantle',
    provider: { ...openai, name: 'aws.bedrock', auth: 'sigv4' },
    cloud: createMantle({ anthropic, openai, overResponses }),
    host: {
      baseUrl: 'https://bedrock-mantle.{region}.api.aws/v1',
      auth: 'sigv4',
      // found through `bedrock`: one credential is not to make two sellers of the same models
      env: [],
      options: AWS_REGION,
      quirks: { speaksResponses: true },
      source: 'docs.aws.amazon.com/bedrock "Bedrock Mantle"; crmne/ruby_llm providers/bedrock/mantle',
    },
  },
  {
    kind: 'cohere',
    provider: cohere,
    host: {
      baseUrl: 'https://api.cohere.com/v2',
      auth: cohere.auth,
      env: ['COHERE_API_KEY', 'CO_API_KEY'],
      quirks: {},
      source: 'docs.cohere.com/reference/chat; recorded answers',
    },
  },
  {
    kind: 'gemini',
    provider: gemini,
    host: {
      baseUrl: 'https://generativelanguage.googleapis.com/v1beta',
      auth: gemini.auth,
      env: ['GEMINI_API_KEY', 'GOOGLE_API_KEY'],
      quirks: {},
      source: 'ai.google.dev/api/generate-content',
    },
  },
  {
    kind: 'vertex',
    provider: { ...gemini, name: 'gcp.vertex_ai', auth: 'google' },
    cloud: createVertex({ gemini, anthropic, openai }),
    host: {
      baseUrl: 'https://aiplatform.googleapis.com',
      auth: 'google',
      env: ['GOOGLE_VERTEX_API_KEY', 'VERTEX_API_KEY'],
      options: {
        project: {
          env: [
            'GOOGLE_CLOUD_PROJECT',
            'GOOGLE_VERTEX_PROJECT',
            'VERTEXAI_PROJECT',
            'ANTHROPIC_VERTEX_PROJECT_ID',
          ],
          optional: true,
        },
        location: {
          env: ['GOOGLE_CLOUD_LOCATION', 'GOOGLE_VERTEX_LOCATION', 'VERTEXAI_LOCATION', 'CLOUD_ML_REGION'],
          default: 'global',
        },
      },
      ambient: {
        reference: 'gcp://default',
        env: ['GOOGLE_APPLICATION_CREDENTIALS'],
        needs: ['project'],
      },
      quirks: {},
      source:
        'cloud.google.com "Vertex AI API"; variables: @google/genai, @ai-sdk/google-vertex, LiteLLM, Claude Code',
    },
  },
  {
    kind: 'azure',
    provider: { ...openai, name: 'azure.ai.openai', auth: 'entra' },
    cloud: createAzure({ openai, anthropic, overResponses }),
    host: {
      baseUrl: 'https://{account}.openai.azure.com/openai/v1',
      auth: 'entra',
      env: ['AZURE_OPENAI_API_KEY', 'AZURE_API_KEY', 'AZURE_OPENAI_AD_TOKEN'],
      options: {
        account: { env: ['AZURE_RESOURCE_NAME'], optional: true },
        endpoint: { env: ['AZURE_OPENAI_ENDPOINT', 'AZURE_API_BASE'], optional: true, isAddress: true },
        deployment: { env: [], optional: true },
        api_version: { env: [], optional: true },
      },
      ambient: {
        reference: 'azure://default',
        env: ['AZURE_CLIENT_SECRET', 'AZURE_FEDERATED_TOKEN_FILE', 'IDENTITY_ENDPOINT'],
      },
      quirks: { speaksResponses: true },
      source: 'learn.microsoft.com "Azure OpenAI v1 API"; variables: openai SDKs, @ai-sdk/azure, LiteLLM',
    },
  },
]

/** An OpenAI-compatible host as a kind; rows of the config's `hosts:` go through here too. */
export function kindOfHost(kind: string, host: HostRow): Kind {
  // Telemetry names the seller, not the wire; everything else is OpenAI's adapter.
  const classify = classifyWith(host.quirks.errorCodes)
  const provider = kind === openai.name ? openai : { ...openai, name: kind, auth: host.auth, classify }
  return host.quirks.responsesOnly === undefined
    ? { kind, provider, host }
    : { kind, provider, host, overResponses: overResponses(provider) }
}

/** What a built-in row says of Responses is known of its vendor's address, not of one in the file; an own row means what it says. */
export const isVendors = (host: HostRow, baseUrl: string | undefined): boolean =>
  baseUrl === undefined || !BUILT_IN.has(host)

/** The adapter of one model at a kind that is no cloud. */
export function adapterOf(kind: Kind, { upstream, baseUrl }: PlaceRequest): Provider {
  const { host } = kind
  const isOver = isVendors(host, baseUrl) && isResponsesOnly(host.quirks.responsesOnly, upstream)
  return isOver ? (kind.overResponses ?? kind.provider) : kind.provider
}

/** All built-in kinds, by name. `demo` is not among them: it has no address. */
export const KINDS: ReadonlyMap<string, Kind> = new Map(
  [...NATIVE, ...Object.entries(HOSTS).map(([kind, host]) => kindOfHost(kind, host))].map(row => [
    row.kind,
    row,
  ]),
)

const BUILT_IN: ReadonlySet<HostRow> = new Set([...KINDS.values()].map(({ host }) => host))

/** The row of a built-in kind: address, environment names, quirks; undefined = no such kind. */
export function hostFor(kind: string): HostRow | undefined {
  return KINDS.get(kind)?.host
}

/** The adapter of a built-in kind; undefined = no such kind. */
export function providerFor(kind: string): Provider | undefined {
  return kind === demo.name ? demo : KINDS.get(kind)?.provider
}
