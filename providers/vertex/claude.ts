/**
 * Claude on Vertex AI: Anthropic's Messages wire with the model in the path and the version in the body.
 * Sources: platform.claude.com "Claude on Vertex AI"; @anthropic-ai/vertex-sdk 1.1.3.
 */
import { GatewayError } from '../../src/errors.ts'
import type { Offer } from '../../src/terms.ts'
import { type Body, parseBody } from '../../src/wire/body.ts'
import { splice } from '../../src/wire/splice.ts'
import type { ChatCodec, ChatRequest, Encoded, NativeCodec, Provider } from '../provider.ts'

const VERSION = 'vertex-2023-10-16'

/**
 * Betas that Vertex takes; it refuses a request that names any other. Source: the table of BerriAI/litellm
 * `anthropic_beta_headers_config.json` (2026-10). The last is ours: without it the messages it stands for are refused anyway.
 */
const BETAS: ReadonlySet<string> = new Set([
  'compact-2026-01-12',
  'compact-2026-09-04',
  'computer-use-2025-01-24',
  'computer-use-2025-11-24',
  'context-1m-2025-08-07',
  'context-management-2025-06-27',
  'dangerous-tool-use-2026-09-03',
  'interleaved-thinking-2025-05-14',
  'per-turn-control-2026-07-01',
  'thinking-binding-controls-2026-08-01',
  'thinking-display-updates-2026-08-18',
  'tool-search-tool-2025-10-19',
  'web-search-2025-03-05',
  'mid-conversation-system-2026-04-07',
])

/** Same source: the name under which Vertex knows it. */
const RENAMED: Readonly<Record<string, string>> = {
  'advanced-tool-use-2025-11-20': 'tool-search-tool-2025-10-19',
}

/** Anthropic's adapter with its requests in Vertex's form; answers and streams are Anthropic's own. */
export function claudeOnVertex(anthropic: Provider): Provider {
  const { chat, messages } = anthropic
  const { decode, decodeStream } = chat ?? {}
  return {
    ...anthropic,
    ...(chat && {
      chat: {
        ...chat,
        encode: moved({ encode: request => chat.encode(known(request)) }),
        ...(decode && { decode: (answer, context) => decode(answer, known(context)) }),
        ...(decodeStream && { decodeStream: (context, out) => decodeStream(known(context), out) }),
      },
    }),
    ...(messages && { messages: { ...messages, encode: moved(messages) } }),
  }
}

/** An id may leave its version out; the facts of the model at Vertex go by the form with one. */
function known<R extends { readonly offer: Offer }>(request: R): R {
  const { offer } = request
  if (offer.upstream.includes('@')) return request
  return { ...request, offer: { ...offer, upstream: `${offer.upstream}@default` } }
}

function moved<R extends ChatRequest>(codec: {
  encode(request: R): Encoded
}): ((request: R) => Encoded) & ChatCodec['encode'] & NativeCodec['encode'] {
  const encode = (request: R): Encoded => {
    const encoded = codec.encode(request)
    const body = parseBody(encoded.body, new TextDecoder().decode(encoded.body), { depthMax: 1_000 })
    refuseAddresses(body)
    const betas = betasOf(encoded.headers, searches(body))
    return {
      ...encoded,
      path: `/models/${idOf(request.offer.upstream)}:${request.stream ? 'streamRawPredict' : 'rawPredict'}`,
      body: splice(body, { set: { anthropic_version: JSON.stringify(VERSION) }, remove: ['model'] }),
      headers: betas.kept.length > 0 ? ['anthropic-beta', betas.kept.join(',')] : [],
      dropped: betas.isLossy ? [...encoded.dropped, 'anthropic_beta'] : encoded.dropped,
    }
  }
  return encode as ReturnType<typeof moved<R>>
}

/** `claude-sonnet-4-5@20250929` stays readable: `@` needs no escape in a path (RFC 3986). */
const idOf = (upstream: string): string => encodeURIComponent(upstream).replaceAll('%40', '@')

/** Vertex wants a beta for the search that Anthropic has without one (platform.claude.com "Web search tool", Vertex AI). */
const WEB_SEARCH = 'web-search-2025-03-05'
const searches = ({ json: { tools } }: Body): boolean =>
  Array.isArray(tools) &&
  tools.some((tool: { type?: unknown } | null) => String(tool?.type).startsWith('web_search_'))

function betasOf(
  headers: readonly string[],
  isSearching: boolean,
): { kept: readonly string[]; isLossy: boolean } {
  const at = headers.indexOf('anthropic-beta')
  const asked = at < 0 ? [] : (headers[at + 1] ?? '').split(',')
  if (isSearching) asked.push(WEB_SEARCH)
  const named = asked.map(name => (Object.hasOwn(RENAMED, name) ? (RENAMED[name] as string) : name))
  const kept = [...new Set(named.filter(name => BETAS.has(name)))]
  return { kept, isLossy: named.some(name => !BETAS.has(name)) }
}

/** Images and documents come as bytes there: an address or a file id would be refused after the request was sent. */
function refuseAddresses({ json }: Body): void {
  const messages: unknown = json.messages
  if (!Array.isArray(messages)) return
  for (const message of messages) refuseIn((message as { content?: unknown } | null)?.content)
}

function refuseIn(content: unknown): void {
  if (!Array.isArray(content)) return
  for (const block of content as ({ source?: { type?: unknown }; content?: unknown } | null)[]) {
    const type = block?.source?.type
    if (type === 'url' || type === 'file') {
      const message = `Claude on Vertex AI takes images and documents as base64 only, not as ${type === 'url' ? 'an address' : 'a file id'}.`
      throw new GatewayError('invalid_request', message, { param: 'messages' })
    }
    refuseIn(block?.content)
  }
}
