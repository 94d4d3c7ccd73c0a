/**
 * Recorded embeddings of Bedrock, Cohere, Gemini and Vertex through a gateway, asked for in OpenAI's wire: every number is the
 * one that the host's own package of the Vercel AI SDK reads in the recorded bytes, and the ledger has the host's own count.
 */
import { createAmazonBedrock } from '@ai-sdk/amazon-bedrock'
import { createCohere } from '@ai-sdk/cohere'
import { createGoogle } from '@ai-sdk/google'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { embeddings as bedrock } from '../../providers/bedrock/embeddings.ts'
import { converse } from '../../providers/bedrock/index.ts'
import { requestOf } from '../contract/provider.ts'
import { type Case, failed, HOME, jsonOf, readCorpus } from './corpus.ts'
import { promptFor, type Stage, siteOf, startStage } from './stage.ts'

const { cases } = readCorpus(HOME)
const recorded = cases.filter(one => one.wire.endsWith('-embeddings') && !failed(one))

test.runIf(recorded.length === 0)('no recordings are here', () => {
  process.stdout.write(`replay: skipped, no recordings of embeddings at ${HOME}\n`)
})

type Vectors = readonly (readonly number[])[]
interface Reader {
  doEmbed(asked: { values: string[] }): PromiseLike<{ embeddings: Vectors }>
}

/** The host's package, given the recorded bytes; Vertex has none here and is read plainly. */
async function byPackage(one: Case): Promise<Vectors> {
  const answer = async () =>
    new Response(one.body, { headers: { ...one.headers, 'content-type': 'application/json' } })
  const place = { apiKey: 'none', fetch: answer }
  const model = /\/models?\/([^/]+?)(?::[a-zA-Z]+|\/invoke)$/.exec(one.asked?.path ?? '')?.[1] ?? 'embed-v4.0'
  const readers: Readonly<Record<string, () => Reader>> = {
    'bedrock-embeddings': () =>
      createAmazonBedrock({ region: 'us-east-1', ...place }).embedding(decodeURIComponent(model)),
    'cohere-embeddings': () => createCohere(place).embedding(model),
    'gemini-embeddings': () => createGoogle(place).embedding(model),
  }
  // two values: for one the package would ask at another route of Gemini's
  const values = one.wire === 'gemini-embeddings' ? ['x', 'y'] : ['x']
  const read = readers[one.wire]
  if (one.wire === 'bedrock-embeddings' || read === undefined) return plainly(one, read?.())
  return (await read().doEmbed({ values })).embeddings
}

/** The package for Bedrock may give the first vector only: what it gives has to be the first of all. */
async function plainly(one: Case, reader: Reader | undefined): Promise<Vectors> {
  const { predictions, embedding, embeddings } = JSON.parse(one.body) as {
    predictions?: { embeddings: { values: number[] } }[]
    embedding?: number[] | { values: number[] }
    embeddings?: number[][] | { embedding: number[] }[] | { float: number[][] }
  }
  const listed = Array.isArray(embeddings)
    ? embeddings.map(each => (Array.isArray(each) ? each : each.embedding))
    : embeddings?.float
  const vectors =
    predictions?.map(each => each.embeddings.values) ??
    listed ??
    (embedding === undefined ? [] : [Array.isArray(embedding) ? embedding : embedding.values])
  if (reader !== undefined) {
    const { embeddings: read } = await reader.doEmbed({ values: ['x'] })
    expect(read).toEqual(vectors.slice(0, Math.max(1, read.length)))
  }
  return vectors
}

/** What the host says that it read: in its answer, else in Bedrock's header. */
function tokensIn({ body, headers }: Case): number | undefined {
  const { inputTextTokenCount, usageMetadata, meta, predictions } = jsonOf(body) as {
    inputTextTokenCount?: number
    usageMetadata?: { promptTokenCount?: number }
    meta?: { billed_units?: { input_tokens?: number; image_tokens?: number } }
    predictions?: { embeddings: { statistics?: { token_count: number } } }[]
  }
  const counts = predictions?.map(each => each.embeddings.statistics?.token_count)
  const header = headers['x-amzn-bedrock-input-token-count']
  return (
    inputTextTokenCount ??
    usageMetadata?.promptTokenCount ??
    meta?.billed_units?.input_tokens ??
    counts?.reduce<number>((sum, count) => sum + (count ?? 0), 0) ??
    (header === undefined ? undefined : Number(header))
  )
}

describe.skipIf(recorded.length === 0)('embeddings in wires of their own', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await startStage(recorded)
  })
  afterAll(() => stage?.close())

  const ask = (one: Case, mark: string, texts: number, more: object) =>
    fetch(`${stage.gateway.url}/v1/embeddings`, {
      method: 'POST',
      headers: { authorization: `Bearer ${stage.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: `replayed@${siteOf(one, 'chat')}`,
        input: texts === 1 ? promptFor(one, mark) : [promptFor(one, mark), ...Array(texts - 1).fill('more')],
        ...more,
      }),
    })

  test('there are some of each', () => {
    if (process.env.SWITCHGATE_FIXTURES !== undefined) return
    expect(new Set(recorded.map(({ wire }) => wire)).size).toBe(4)
    expect(recorded.length).toBeGreaterThanOrEqual(36)
  })

  test.each(recorded)('$wire $id $scenario', async one => {
    const vectors = await byPackage(one)
    const answer = await ask(one, `${one.id}-float`, vectors.length, { encoding_format: 'float' })
    const made = (await answer.json()) as { data: { embedding: number[]; index: number }[]; usage?: object }
    expect(answer.status, JSON.stringify(made).slice(0, 300)).toBe(200)
    expect(answer.headers.get('x-switchgate-dropped')).toBeNull()
    expect(made.data.map(({ embedding }) => embedding)).toEqual(vectors)
    expect(made.data.map(({ index }) => index)).toEqual(vectors.map((_, i) => i))
    expect(stage.callsOf(`${one.id}-float`)).toBe(1)

    const tokens = tokensIn(one)
    expect(made.usage).toEqual(
      tokens === undefined ? undefined : { prompt_tokens: tokens, total_tokens: tokens },
    )
    const row = (await stage.gateway.rows()).find(
      each => each.requestId === answer.headers.get('x-request-id'),
    )
    expect(row).toMatchObject(
      tokens === undefined
        ? { certainty: 'estimated' }
        : { certainty: 'exact', usage: { inputTokens: tokens }, costNanoUsd: tokens * 3_000 },
    )

    const packed = await ask(one, `${one.id}-base64`, vectors.length, { encoding_format: 'base64' })
    const { data } = (await packed.json()) as { data: { embedding: string }[] }
    const floats = data.map(({ embedding }) => {
      const bytes = Buffer.from(embedding, 'base64')
      return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(i * 4))
    })
    expect(floats).toEqual(vectors.map(vector => vector.map(Math.fround)))
  })
})

/** The question of a recording in OpenAI's words. */
function asked(body: Record<string, unknown>): Record<string, unknown> {
  const { inputText, texts, singleEmbeddingParams: nova, output_dimension: size, ...rest } = body
  if (inputText !== undefined) return { input: inputText, ...rest }
  if (texts !== undefined) return { input: texts, ...rest, ...(size !== undefined && { dimensions: size }) }
  const { text, embeddingPurpose, embeddingDimension } = nova as Record<string, unknown>
  return {
    input: (text as { value: string }).value,
    embedding_purpose: embeddingPurpose,
    ...(embeddingDimension !== undefined && { dimensions: embeddingDimension }),
  }
}

const onBedrock = recorded.filter(({ wire, asked }) => wire === 'bedrock-embeddings' && asked !== undefined)
describe.skipIf(onBedrock.length === 0)('requests that Bedrock answered', () => {
  test.each(onBedrock)('$id $asked.path', ({ asked: sent }) => {
    const body = sent?.body as Record<string, unknown>
    const [, model = ''] = /^\/model\/([^/]+)\/invoke$/.exec(sent?.path ?? '') ?? []
    const upstream = decodeURIComponent(model)
    const encoded = bedrock.encode(requestOf(converse, { model: upstream, ...asked(body) }))
    expect(encoded.path).toBe(`/model/${encodeURIComponent(upstream)}/invoke`)
    expect(encoded.dropped).toEqual([])
    // whatever the caller of then chose: a text that is too long is refused here rather than cut
    const same = JSON.stringify(body).replace(/"truncationMode":"\w+"/, '"truncationMode":"NONE"')
    expect(JSON.parse(new TextDecoder().decode(encoded.body))).toEqual(JSON.parse(same))
  })
})
