/**
 * Recorded embeddings of Vertex AI through the adapter: requests are encoded to the bodies that were sent, answers are read
 * number by number. Recordings lie beside the repository (or at SWITCHGATE_FIXTURES) and are not part of it.
 */
import { existsSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { embeddings } from '../../providers/vertex/embeddings.ts'
import { contextOf, requestOf } from '../contract/provider.ts'
import { gemini } from '../../providers/gemini/index.ts'

interface Recording {
  readonly id: string
  readonly protocol: string
  readonly request: { readonly path: string; readonly body: Record<string, unknown> }
  readonly response: { readonly status: number; readonly body: string }
}

const home = process.env.SWITCHGATE_FIXTURES ?? new URL('../../../shared/fixtures/', import.meta.url).pathname
const file = `${home.replace(/\/$/, '')}/vertex.jsonl`

/** The question in OpenAI's words. */
function asked(body: Record<string, unknown>, model: string): Record<string, unknown> {
  const { instances, parameters, content } = body as {
    instances?: { content: string; task_type?: string }[]
    parameters?: { outputDimensionality?: number }
    content?: { parts: { text: string }[] }
  }
  return {
    model,
    input: instances?.map(instance => instance.content) ?? content?.parts[0]?.text,
    ...(parameters?.outputDimensionality && { dimensions: parameters.outputDimensionality }),
    ...(instances?.[0]?.task_type && { task_type: instances[0].task_type }),
  }
}

if (!existsSync(file)) {
  it.skip(`vertex embeddings: no recordings at ${home} (set SWITCHGATE_FIXTURES)`, () => {})
} else {
  const recordings = readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line) as Recording)
    .filter(({ protocol }) => protocol === 'embeddings')

  it('there are some', () => expect(recordings.length).toBeGreaterThanOrEqual(4))

  it.each(recordings)('$id $request.path', ({ request: { path, body }, response }) => {
    const [, model = '', method] = /\/models\/([^:]+):(\w+)$/.exec(path) ?? []
    const request = requestOf(gemini, asked(body, model))
    const sent = embeddings.encode(request)
    expect(sent.path).toBe(`/models/${model}:${method}`)
    expect(sent.dropped).toEqual([])
    const { parameters, ...encoded } = JSON.parse(new TextDecoder().decode(sent.body))
    const { parameters: wanted, ...rest } = body as { parameters?: object }
    expect(encoded).toEqual(rest)
    // What we add: a text that is too long is refused rather than cut.
    if (method === 'predict') expect(parameters).toEqual({ autoTruncate: false, ...wanted })

    const answer = JSON.parse(response.body)
    const context = contextOf(request)
    const made = embeddings.decode?.(answer, context) ?? expect.fail('no decoder')
    const vectors = answer.predictions?.map(
      (p: { embeddings: { values: number[] } }) => p.embeddings.values,
    ) ?? [answer.embedding.values]
    expect((made.body.data as { embedding: number[] }[]).map(({ embedding }) => embedding)).toEqual(vectors)
    const counts = answer.predictions?.map(
      (p: { embeddings: { statistics?: { token_count: number } } }) => p.embeddings.statistics?.token_count,
    ) ?? [answer.usageMetadata.promptTokenCount]
    expect(made.usage?.inputTokens).toBe(counts.reduce((sum: number, tokens: number) => sum + tokens, 0))
  })
}
