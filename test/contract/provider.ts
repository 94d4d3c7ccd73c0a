/**
 * The provider contract: one suite for every adapter, fed by golden folders. No code per case.
 *
 * To add a case, make a folder `test/fixtures/<provider>/<case>/` and read it in order:
 *   0-target.json             optional: what the target is like, and facts to check (see `Setup`)
 *   1-client.json             the chat request, byte for byte as a client sends it (`stream: true` makes it a stream case)
 *   2-upstream-request.json   what must go upstream: {"path", "headers", "dropped", "body"}; body compared as JSON
 *   3-upstream-response.json  the provider's answer (or .sse for a stream)
 *   4-client.json             what must come out: the OpenAI answer; {"error": {kind, message?}} where decoding must fail;
 *                             with `status` ≥ 400 in 0-target.json: {"failure": <what classify says, or null>}
 *   4-client.sse              for a stream: one `data:` line a chunk, at the end `data: [DONE]` if the decoder called done(),
 *                             or `data: {"error":{"kind","message"}}` if it called fail()
 * A folder may stop after 2 (encoding only), or hold only 1 and a 2 of the form {"error": {"kind", "param"}} (refused).
 * GOLDEN_UPDATE=1 writes missing 2- and 4- files from what the adapter does now: read them before you commit them.
 *
 * To add a provider, call `providerContract(provider)` in test/contract/provider.test.ts.
 * Each stream is replayed whole and cut at every byte, through the same splitter as the relay uses.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type {
  ChatRequest,
  ChunkSink,
  DecodeContext,
  Decoded,
  Encoded,
  Json,
  Provider,
  Quirks,
} from '../../providers/provider.ts'
import { type Failure, GatewayError } from '../../src/errors.ts'
import type { Capability, Offer, Usage } from '../../src/terms.ts'
import type { Body, Member } from '../../src/wire/body.ts'
import { createSseSplitter } from '../../src/wire/sse.ts'

/** 0-target.json: every member optional. */
export interface Setup {
  /** Upstream model id; default: the request's `model`. */
  readonly upstream?: string
  readonly contextTokens?: number
  readonly modelMaxOutputTokens?: number
  readonly supports?: readonly Capability[]
  readonly thinksUnseen?: boolean
  /** The gateway's own output limit (`ChatRequest.maxOutputTokens`). */
  readonly maxOutputTokens?: number
  readonly extensions?: readonly string[]
  readonly quirks?: Quirks
  /** Status of 3-upstream-response.json, default 200. */
  readonly status?: number
  /** Metered usage to be found, beyond what `usage` in the answer says (one-hour cache writes, …). */
  readonly usage?: Usage
}

/** The contract's extension fields (contract section 2), removed on the way to most targets. */
export const EXTENSIONS = [
  'models',
  'provider',
  'session_id',
  'metadata',
  'user',
  'reasoning',
  'usage',
  'stream_guarantee',
] as const

/** Request bytes → Body, with the places of its top-level members. Test-side reading, independent of the gateway's own. */
export function bodyOf(bytes: Uint8Array): Body {
  const json = JSON.parse(new TextDecoder().decode(bytes)) as Json
  const members: Member[] = []
  let depth = 0
  let open: { key: string; start: number; valueStart: number } | undefined
  let at = 0
  const close = (end: number): void => {
    if (open === undefined) return
    let valueEnd = end
    while (isSpace(bytes[valueEnd - 1])) valueEnd--
    members.push({ ...open, valueEnd })
    open = undefined
  }
  while (at < bytes.length) {
    const c = bytes[at]
    if (c === 0x22) {
      const start = at++
      while (bytes[at] !== 0x22) at += bytes[at] === 0x5c ? 2 : 1
      at++
      if (depth === 1 && open === undefined) {
        const key = JSON.parse(new TextDecoder().decode(bytes.subarray(start, at))) as string
        while (bytes[at] !== 0x3a) at++
        at++
        while (isSpace(bytes[at])) at++
        open = { key, start, valueStart: at }
      }
      continue
    }
    if (c === 0x7b || c === 0x5b) depth++
    if (c === 0x2c && depth === 1) close(at)
    if (c === 0x7d || c === 0x5d) {
      if (depth === 1) close(at)
      depth--
    }
    at++
  }
  return { bytes, json, members }
}

const isSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

/** An offer for tests: everything supported, nothing known of price and limits unless said. */
export function offerOf(provider: string, upstream: string, setup: Setup = {}): Offer {
  return {
    provider,
    model: upstream,
    upstream,
    price: undefined,
    contextTokens: setup.contextTokens,
    maxOutputTokens: setup.modelMaxOutputTokens,
    supports: new Set(setup.supports ?? ['tools', 'json_schema', 'images', 'reasoning', 'audio', 'pdf']),
    thinksUnseen: setup.thinksUnseen ?? false,
  }
}

/** A client's request text (or object) → what the gateway hands to an adapter. */
export function requestOf(provider: Provider, client: string | Json, setup: Setup = {}): ChatRequest {
  const text = typeof client === 'string' ? client : JSON.stringify(client)
  const body = bodyOf(new TextEncoder().encode(text))
  const options = body.json.stream_options as Json | undefined
  return {
    body,
    stream: body.json.stream === true,
    wantsUsage: options?.include_usage === true,
    extensions: setup.extensions ?? EXTENSIONS,
    offer: offerOf(provider.name, setup.upstream ?? String(body.json.model), setup),
    maxOutputTokens: setup.maxOutputTokens,
    quirks: setup.quirks ?? {},
  }
}

/** A decode context with a fixed clock and counting ids (`call_1`, `call_2`, …). */
export function contextOf(request: ChatRequest): DecodeContext {
  let made = 0
  return {
    offer: request.offer,
    created: 1_700_000_000,
    newId: prefix => `${prefix}${++made}`,
    quirks: request.quirks,
    request: request.body.json as Json,
  }
}

/** Everything that a stream decoder did, in order. */
export interface Played {
  readonly chunks: readonly Json[]
  readonly usages: readonly Usage[]
  readonly end: 'done' | 'open' | { readonly kind: Failure; readonly message: string }
}

/** Feeds pieces of a byte stream to the adapter's decoder; fails when the decoder breaks the sink's rules. */
export function play(provider: Provider, context: DecodeContext, pieces: Iterable<Uint8Array>): Played {
  const chunks: Json[] = []
  const usages: Usage[] = []
  let end: Played['end'] = 'open'
  const rule = (what: string): void => {
    if (end !== 'open') throw new Error(`${what} after ${JSON.stringify(end)}`)
  }
  const sink: ChunkSink = {
    chunk(chunk) {
      rule('chunk')
      chunks.push(structuredClone(chunk))
    },
    usage(usage) {
      rule('usage')
      usages.push(usage)
    },
    fail(kind, message) {
      rule('fail')
      end = { kind, message }
    },
    done() {
      rule('done')
      end = 'done'
    },
  }
  const decoder = provider.chat?.decodeStream?.(context, sink)
  if (decoder === undefined) throw new Error(`${provider.name} has no stream decoder`)
  const splitter = createSseSplitter((data, name) => decoder.event(data, name), { eventBytesMax: 1 << 24 })
  for (const piece of pieces) splitter.push(piece)
  splitter.end()
  decoder.end()
  return { chunks, usages, end }
}

/** A Played as the text of a 4-client.sse file. */
export function sseOf(played: Played): string {
  const lines = played.chunks.map(chunk => JSON.stringify(chunk))
  if (played.end === 'done') lines.push('[DONE]')
  else if (played.end !== 'open') lines.push(JSON.stringify({ error: played.end }))
  return lines.map(line => `data: ${line}\n\n`).join('')
}

/** The statements of section 9 of the wire that hold for any OpenAI usage, and its agreement with what is metered. */
export function checkUsage(wire: Json | undefined, metered: Usage | undefined): void {
  if (wire === undefined || metered === undefined) {
    expect(metered, 'usage is metered exactly when it is shown').toBe(
      wire === undefined ? undefined : metered,
    )
    expect(wire === undefined).toBe(metered === undefined)
    return
  }
  const input = (wire.prompt_tokens_details ?? {}) as Record<string, number>
  const output = (wire.completion_tokens_details ?? {}) as Record<string, number>
  expect(wire.total_tokens).toBe((wire.prompt_tokens as number) + (wire.completion_tokens as number))
  expect((input.cached_tokens ?? 0) + (input.cache_write_tokens ?? 0)).toBeLessThanOrEqual(
    wire.prompt_tokens as number,
  )
  expect(output.reasoning_tokens ?? 0).toBeLessThanOrEqual(wire.completion_tokens as number)
  expect({
    in: metered.inputTokens,
    out: metered.outputTokens,
    read: metered.cacheReadInputTokens,
    write: metered.cacheCreationInputTokens,
    thought: metered.reasoningOutputTokens,
  }).toEqual({
    in: wire.prompt_tokens,
    out: wire.completion_tokens,
    read: input.cached_tokens ?? 0,
    write: input.cache_write_tokens ?? 0,
    thought: output.reasoning_tokens ?? 0,
  })
  const { toolCalls: _, units: __, serviceTier: ___, ...counts } = metered
  for (const count of Object.values(counts)) expect(Number.isSafeInteger(count) && count >= 0).toBe(true)
}

/** Runs every golden folder of a provider. `folder` defaults to `test/fixtures/<provider.name>/`. */
export function providerContract(provider: Provider, folder = provider.name): void {
  const root = new URL(`../fixtures/${folder}/`, import.meta.url)
  describe(`provider contract: ${folder}`, () => {
    const cases = existsSync(root)
      ? readdirSync(root, { withFileTypes: true }).filter(e => e.isDirectory())
      : []
    it('has golden folders', () => expect(cases.length).toBeGreaterThan(0))
    for (const { name } of cases) describe(name, () => goldenCase(provider, new URL(`${name}/`, root)))
  })
}

function goldenCase(provider: Provider, dir: URL): void {
  const read = (file: string): string | undefined => {
    const url = new URL(file, dir)
    return existsSync(url) ? readFileSync(url, 'utf8') : undefined
  }
  /** The golden text; written first when it is missing and GOLDEN_UPDATE says so. */
  const golden = (file: string, now: () => string): string => {
    const text = read(file)
    if (text !== undefined) return text
    if (process.env.GOLDEN_UPDATE !== '1') throw new Error(`${file} is missing in ${dir.pathname}`)
    writeFileSync(new URL(file, dir), now())
    return now()
  }
  const setup = JSON.parse(read('0-target.json') ?? '{}') as Setup
  const client = read('1-client.json')
  if (client === undefined) throw new Error(`1-client.json is missing in ${dir.pathname}`)
  const request = requestOf(provider, client, setup)

  it('encodes', () => {
    const now = encoded(provider, request)
    const want = golden('2-upstream-request.json', () => `${JSON.stringify(now, null, 2)}\n`)
    expect(now).toEqual(JSON.parse(want))
  })

  const whole = read('3-upstream-response.json')
  if (whole !== undefined) {
    it('decodes the answer', () => {
      const now = decoded(provider, request, whole, setup)
      const want = golden('4-client.json', () => `${JSON.stringify(now, null, 2)}\n`)
      expect(now).toEqual(JSON.parse(want))
    })
  }
  const stream = read('3-upstream-response.sse')
  if (stream !== undefined) streamCase(provider, request, stream, setup, golden)
}

/** What an adapter sends, in the form of 2-upstream-request.json; fails when encoding changes its input or its mind. */
export function encoded(provider: Provider, request: ChatRequest): Json {
  const codec = provider.chat
  if (codec === undefined) throw new Error(`${provider.name} has no chat codec`)
  const before = structuredClone(request.body.json)
  let made: Encoded
  try {
    made = codec.encode(request)
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    return { error: { kind: error.kind, param: error.param ?? null, message: error.message } }
  }
  expect(request.body.json, 'encode leaves the request as it was').toEqual(before)
  const again = codec.encode(request)
  expect(new TextDecoder().decode(again.body), 'encode is deterministic').toBe(
    new TextDecoder().decode(made.body),
  )
  const headers: Json = {}
  for (let i = 0; i < made.headers.length; i += 2) headers[made.headers[i] ?? ''] = made.headers[i + 1]
  const body = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(made.body)) as Json
  return { path: made.path, headers, dropped: [...made.dropped], body }
}

function decoded(provider: Provider, request: ChatRequest, text: string, setup: Setup): Json {
  if ((setup.status ?? 200) >= 400) {
    return { failure: provider.classify?.(setup.status ?? 200, JSON.parse(text)) ?? null }
  }
  const codec = provider.chat
  if (codec?.decode === undefined) return JSON.parse(text) as Json
  let made: Decoded
  try {
    made = codec.decode(JSON.parse(text), { ...contextOf(request), source: text })
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    return { error: { kind: error.kind, message: error.message } }
  }
  const choices = made.body.choices as Json[]
  checkUsage(made.body.usage as Json | undefined, made.usage)
  if (setup.usage !== undefined) expect(made.usage).toEqual(setup.usage)
  expect(made.finishReason).toBe(choices[0]?.finish_reason)
  expect(made.answerId).toBe(made.body.id)
  return JSON.parse(JSON.stringify(made.body)) as Json
}

function streamCase(
  provider: Provider,
  request: ChatRequest,
  stream: string,
  setup: Setup,
  golden: (file: string, now: () => string) => string,
): void {
  const bytes = new TextEncoder().encode(stream)
  if (provider.chat?.decodeStream === undefined) {
    it('passes the stream untouched', () => expect(golden('4-client.sse', () => stream)).toBe(stream))
    return
  }
  const run = (pieces: Iterable<Uint8Array>): Played => play(provider, contextOf(request), pieces)

  it('decodes the stream', () => {
    const now = run([bytes])
    const want = golden('4-client.sse', () => sseOf(now))
    expect(parseSse(sseOf(now))).toEqual(parseSse(want))
    const shown = now.chunks.filter(chunk => chunk.usage != null)
    expect(shown.length, 'usage is shown once').toBeLessThanOrEqual(1)
    if (now.end === 'done') checkUsage(shown[0]?.usage as Json | undefined, now.usages.at(-1))
    if (setup.usage !== undefined) expect(now.usages.at(-1)).toEqual(setup.usage)
    for (const key of ['id', 'created', 'model', 'object']) {
      expect(
        new Set(now.chunks.map(chunk => chunk[key])).size,
        `one ${key} in all chunks`,
      ).toBeLessThanOrEqual(1)
    }
  })

  it('decodes it the same when cut at any byte', () => {
    const want = sseOf(run([bytes]))
    const usage = run([bytes]).usages.at(-1)
    for (let at = 1; at < bytes.length; at++) {
      const now = run([bytes.subarray(0, at), bytes.subarray(at)])
      if (sseOf(now) !== want) expect(sseOf(now), `cut at byte ${at}`).toBe(want)
      if (at % 64 === 0) expect(now.usages.at(-1), `cut at byte ${at}`).toEqual(usage)
    }
    expect(sseOf(run(Array.from(bytes, byte => Uint8Array.of(byte))))).toBe(want)
  })

  it('never calls a truncated stream done', () => {
    const complete = run([bytes]).end === 'done'
    const last = stream.trimEnd().lastIndexOf('\n\n')
    if (!complete || last < 0) return
    const cut = new TextEncoder().encode(stream.slice(0, last + 2))
    for (let at = 0; at < cut.length; at += Math.max(1, Math.floor(cut.length / 200))) {
      expect(run([cut.subarray(0, at)]).end, `truncated at byte ${at}`).not.toBe('done')
    }
  })
}

function parseSse(text: string): unknown[] {
  const events: unknown[] = []
  const splitter = createSseSplitter(data => events.push(data === '[DONE]' ? data : JSON.parse(data)), {
    eventBytesMax: 1 << 24,
  })
  splitter.push(new TextEncoder().encode(text))
  splitter.end()
  return events
}
