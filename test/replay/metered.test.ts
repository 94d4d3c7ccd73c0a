/** Recorded rerankings, pictures and transcripts through a gateway: the bytes pass, and the bill is made of what the host states. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { wav } from '../metered/parts.ts'
import { type Case, failed, HOME, jsonOf, readCorpus } from './corpus.ts'
import { promptFor, type Stage, siteOf, startStage, UNIT_USD } from './stage.ts'

const METERED = ['rerank', 'images', 'transcriptions']
const cases = readCorpus(HOME).cases.filter(one => METERED.includes(one.wire) && !failed(one))

test.runIf(cases.length === 0)('no recordings are here', () => {
  process.stdout.write(`replay: skipped, no recordings of rerankings, pictures or sound at ${HOME}\n`)
})

/** The stage's price of a prompt token, USD. */
const TOKEN_USD = 3e-6

/** What the answer itself states, read apart from the gateway, at the stage's prices. */
function statedUsd({ wire, body }: Case): number {
  const answer = jsonOf(body) as {
    data?: unknown[]
    usage?: { seconds?: number; total_tokens?: number }
    meta?: { billed_units?: { search_units?: number } }
  }
  if (wire === 'images') return UNIT_USD.image * (answer.data?.length ?? 0)
  if (wire === 'transcriptions') return UNIT_USD.second * (answer.usage?.seconds ?? 0)
  const searches = answer.meta?.billed_units?.search_units
  return searches === undefined ? TOKEN_USD * (answer.usage?.total_tokens ?? 0) : UNIT_USD.search * searches
}

describe.skipIf(cases.length === 0)('rerankings, pictures, transcripts', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await startStage(cases)
  })
  afterAll(() => stage?.close())

  const ask = (one: Case) => {
    const model = `replayed@${siteOf(one, 'chat')}`
    const prompt = promptFor(one, `${one.id}-metered`)
    const authorization = `Bearer ${stage.key}`
    if (one.wire === 'transcriptions') {
      const form = new FormData()
      form.set('model', model)
      form.set('prompt', prompt)
      form.set('response_format', 'verbose_json')
      form.set('file', new Blob([Buffer.from(wav(1))]), 'speech.wav')
      const url = `${stage.gateway.url}/v1/audio/transcriptions`
      return fetch(url, { method: 'POST', headers: { authorization }, body: form })
    }
    const path = one.wire === 'images' ? 'images/generations' : 'rerank'
    const asked = one.wire === 'images' ? { prompt, n: 2 } : { query: prompt, documents: ['one', 'two'] }
    return fetch(`${stage.gateway.url}/v1/${path}`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ model, ...asked }),
    })
  }

  test.each(cases)('$provider $wire $id: the bytes pass and the bill is the host’s', async one => {
    const answer = await ask(one)
    expect(await answer.text()).toBe(one.body)
    expect(answer.status).toBe(200)
    expect(stage.callsOf(`${one.id}-metered`)).toBe(1)
    const row = (await stage.gateway.rows()).at(-1)
    expect(row).toMatchObject({ certainty: 'exact', costNanoUsd: Math.round(statedUsd(one) * 1e9) })
  })
})
