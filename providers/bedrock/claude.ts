/**
 * Claude on Bedrock: Anthropic's Messages wire by InvokeModel, with the model in the path, the version and the betas in the
 * body, and streams in binary frames. Sources: docs.aws.amazon.com/bedrock "Anthropic Claude Messages API",
 * API_runtime_InvokeModelWithResponseStream; @anthropic-ai/bedrock-sdk.
 */
import { GatewayError } from '../../src/errors.ts'
import { type Body, parseBody } from '../../src/wire/body.ts'
import type { Offer } from '../../src/terms.ts'
import type { FramedMessage } from '../../src/wire/eventstream.ts'
import { isObject } from '../../src/wire/raw-json.ts'
import { splice } from '../../src/wire/splice.ts'
import type { ChatCodec, ChatRequest, Encoded, Provider } from '../provider.ts'
import { classify, exceptionOf } from './failure.ts'
import { EVENT_STREAM, NAME, pathOf } from './model.ts'

const VERSION = 'bedrock-2023-05-31'

/**
 * Betas that InvokeModel takes; it refuses a request that names any other. Source: BerriAI/litellm
 * `anthropic_beta_headers_config.json` (2026-10), column bedrock.
 */
const BETAS: ReadonlySet<string> = new Set([
  'compact-2026-01-12',
  'compact-2026-09-04',
  'computer-use-2025-01-24',
  'computer-use-2025-11-24',
  'context-1m-2025-08-07',
  'context-management-2025-06-27',
  'dangerous-tool-use-2026-09-03',
  'effort-2025-11-24',
  'fine-grained-tool-streaming-2025-05-14',
  'mid-conversation-output-config-2026-07-01',
  'mid-conversation-system-2026-04-07',
  'mid-conversation-tool-changes-2026-07-01',
  'thinking-binding-controls-2026-08-01',
  'thinking-display-updates-2026-08-18',
  'tool-search-tool-2025-10-19',
])

/** Refused for every other model (platform.claude.com "Extended thinking": interleaved thinking on Bedrock and Vertex). */
const INTERLEAVED = 'interleaved-thinking-2025-05-14'
const INTERLEAVES = /claude-(?:opus|sonnet)-4/

/** Same source: the name under which Bedrock knows it. */
const RENAMED: Readonly<Record<string, string>> = {
  'advanced-tool-use-2025-11-20': 'tool-search-tool-2025-10-19',
}

/** Anthropic's adapter with its requests in Bedrock's form; whole answers and events are Anthropic's own. */
export function claudeOnBedrock(anthropic: Provider): Provider {
  const { chat, messages, readsSignature } = anthropic
  return {
    name: NAME,
    auth: 'sigv4',
    ...(chat && {
      chat: {
        unframe,
        encode: request => unsearched(request, asked => moved(chat.encode(known(asked)), asked)),
        decode: (answer, context) => (chat.decode as Decode)(answer, known(context)),
        decodeStream: (context, out) => (chat.decodeStream as DecodeStream)(known(context), out),
      },
    }),
    ...(messages && {
      messages: { ...messages, unframe, encode: request => moved(messages.encode(request), request) },
    }),
    classify: (status, body) => classify(status, body) ?? anthropic.classify?.(status, body),
    ...(readsSignature && { readsSignature }),
  }
}

type Decode = NonNullable<ChatCodec['decode']>
type DecodeStream = NonNullable<ChatCodec['decodeStream']>

/** An inference profile's ARN does not say which Claude is behind it; the canonical id does, and facts go by it. */
function known<R extends { readonly offer: Offer }>(request: R): R {
  const { offer } = request
  return /claude/i.test(offer.upstream) ? request : { ...request, offer: { ...offer, upstream: offer.model } }
}

/** Bedrock runs no search (platform.claude.com "Claude on Amazon Bedrock", features that are not there). */
function unsearched(request: ChatRequest, encode: (request: ChatRequest) => Encoded): Encoded {
  const { web_search_options: search, ...json } = request.body.json
  if (search == null) return encode(request)
  const encoded = encode({ ...request, body: { ...request.body, json } })
  return { ...encoded, dropped: [...encoded.dropped, 'web_search_options'] }
}

function moved(encoded: Encoded, request: ChatRequest): Encoded {
  const { body: bytes } = encoded
  const body = parseBody(bytes, new TextDecoder().decode(bytes), { depthMax: 1_000 })
  refuseAddresses(body)
  const betas = betasOf(encoded.headers, body.json.anthropic_beta, known(request).offer.upstream)
  const set: Record<string, string> = { anthropic_version: JSON.stringify(VERSION) }
  if (betas.kept.length > 0) set.anthropic_beta = JSON.stringify(betas.kept)
  const remove = ['model', 'stream', ...(betas.kept.length > 0 ? [] : ['anthropic_beta'])]
  return {
    ...encoded,
    path: pathOf(request, request.stream ? 'invoke-with-response-stream' : 'invoke'),
    body: splice(body, { set, remove }),
    headers: [],
    ...(request.stream && { accept: EVENT_STREAM }),
    dropped: betas.isLossy ? [...encoded.dropped, 'anthropic_beta'] : encoded.dropped,
  }
}

/** Asked for in the header, or in the body as Bedrock's own clients do. */
function betasOf(
  headers: readonly string[],
  listed: unknown,
  id: string,
): { kept: readonly string[]; isLossy: boolean } {
  const at = headers.indexOf('anthropic-beta')
  const asked = at < 0 ? [] : (headers[at + 1] ?? '').split(',')
  if (Array.isArray(listed)) asked.push(...listed.filter(one => typeof one === 'string'))
  const named = asked.map(name => (Object.hasOwn(RENAMED, name) ? (RENAMED[name] as string) : name))
  const isTaken = (name: string) => BETAS.has(name) || (name === INTERLEAVED && INTERLEAVES.test(id))
  const kept = [...new Set(named.filter(isTaken))]
  return { kept, isLossy: !named.every(isTaken) }
}

/** Images and documents come as bytes there: an address or a file id would be refused after the request was sent. */
function refuseAddresses({ json }: Body): void {
  const messages: unknown = json.messages
  if (!Array.isArray(messages)) return
  for (const [i, message] of messages.entries())
    if (isObject(message)) refuseIn(message.content, `messages[${i}].content`)
}

function refuseIn(content: unknown, param: string): void {
  if (!Array.isArray(content)) return
  for (const [i, block] of content.entries()) {
    if (!isObject(block)) continue
    const at = `${param}[${i}]`
    const type = isObject(block.source) ? block.source.type : undefined
    if (type === 'url' || type === 'file') {
      const what = type === 'url' ? 'an address' : 'a file id'
      const message = `${at}: Claude on Bedrock takes images and documents as base64 only, not as ${what}`
      throw new GatewayError('invalid_request', message, { param: at })
    }
    refuseIn(block.content, `${at}.content`)
  }
}

/** A frame holds one of Anthropic's events in base64; an exception becomes their error event. */
function unframe(message: FramedMessage): string {
  const exception = exceptionOf(message)
  if (exception !== undefined) {
    const error = { type: ERROR_TYPES[exception.kind] ?? 'api_error', message: exception.message }
    return `event: error\ndata: ${JSON.stringify({ type: 'error', error })}\n\n`
  }
  const text = eventIn(message.payload)
  if (text === undefined) return ''
  const name = /^\{"type":"([a-z_]{1,40})"/.exec(text)?.[1]
  return `${name === undefined ? '' : `event: ${name}\n`}data: ${text}\n\n`
}

const ERROR_TYPES: Readonly<Record<string, string>> = {
  rate_limited: 'rate_limit_error',
  overloaded: 'overloaded_error',
  bad_credential: 'permission_error',
  refused: 'invalid_request_error',
  model_missing: 'not_found_error',
}

/** `{"bytes": "<base64>", "p": "<padding>"}` → the event's JSON text, on one line. */
function eventIn(payload: string): string | undefined {
  try {
    const json: unknown = JSON.parse(payload)
    if (!isObject(json) || typeof json.bytes !== 'string') return undefined
    const bytes = Uint8Array.from(atob(json.bytes), char => char.charCodeAt(0))
    // JSON needs no line ends; an event would be cut at one
    return new TextDecoder().decode(bytes).replace(/[\r\n]+/g, ' ')
  } catch {
    return undefined
  }
}
