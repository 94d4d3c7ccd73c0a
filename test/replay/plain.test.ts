/** Recorded embeddings and plain completions through a gateway: the bytes pass, and the ledger has the host's own count and bill. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../../providers/provider.ts'
import { eventsOf } from '../clients/recordings.ts'
import { type Case, failed, HOME, readCorpus } from './corpus.ts'
import { promptFor, type Stage, siteOf, startStage } from './stage.ts'

const { cases } = readCorpus(HOME)
const plain = cases.filter(one => (one.wire === 'embeddings' || one.wire === 'completions') && !failed(one))

test.runIf(plain.length === 0)('no recordings are here', () => {
  process.stdout.write(`replay: skipped, no recordings of embeddings or completions at ${HOME}\n`)
})

describe.skipIf(plain.length === 0)('embeddings and completions', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await startStage(plain)
  })
  afterAll(() => stage?.close())

  const ask = (one: Case) => {
    const prompt = promptFor(one, `${one.id}-plain`)
    const asked = one.wire === 'embeddings' ? { input: prompt } : { prompt, stream: one.stream }
    const usage = one.stream ? { stream_options: { include_usage: true } } : {}
    return fetch(`${stage.gateway.url}/v1/${one.wire}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${stage.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: `replayed@${siteOf(one, 'chat')}`, ...asked, ...usage }),
    })
  }

  test.each(plain)('$provider $wire $id: the bytes pass and the count is the host’s', async one => {
    const answer = await ask(one)
    const text = await answer.text()
    expect(answer.status).toBe(200)
    expect(one.stream ? eventsOf(text).map(withoutCost) : text).toEqual(
      one.stream ? eventsOf(one.body).map(withoutCost) : one.body,
    )
    expect(stage.callsOf(`${one.id}-plain`)).toBe(1)
    const row = (await (
      await fetch(`${stage.gateway.url}/v1/generation?id=${answer.headers.get('x-request-id')}`, {
        headers: { authorization: `Bearer ${stage.key}` },
      })
    ).json()) as { usage: Json; certainty: string }
    const stated = (one.stream ? eventsOf(one.body) : [one.body])
      .map(
        each =>
          (
            JSON.parse(each) as {
              usage?: { prompt_tokens?: number; completion_tokens?: number; total_tokens?: number }
            }
          ).usage,
      )
      // a prompt of no tokens cannot be (Voyage, once): that is no count
      .findLast(usage => (usage?.total_tokens ?? 0) > 0)
    if (stated === undefined) expect(row.certainty).toBe('estimated')
    else
      expect(row).toMatchObject({
        certainty: 'exact',
        // Voyage states a total alone: an embedding is all input
        usage: {
          input_tokens: stated.prompt_tokens ?? stated.total_tokens,
          output_tokens: stated.completion_tokens ?? 0,
        },
      })
  })
})

function withoutCost(event: string): unknown {
  const json = JSON.parse(event) as Json
  return typeof json.usage === 'object' && json.usage !== null
    ? { ...json, usage: { ...json.usage, cost: 0 } }
    : json
}
