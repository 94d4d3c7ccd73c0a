/** The headers of an answer: names that a header can hold, the same for each answer of an offer, and the limits behind them. */
import { expect, it } from 'vitest'
import type { Job } from '../../src/attempt/attempt.ts'
import { answerHeaders } from '../../src/attempt/headers.ts'
import type { Carried } from '../../src/attempt/send.ts'
import type { Deps, RatePolicy } from '../../src/deps.ts'
import type { Target } from '../../src/route/plan.ts'

const policy = (name: string, unit: RatePolicy['unit'], remaining: number): RatePolicy => ({
  name,
  unit,
  limit: 60,
  remaining,
  periodMs: 60_000,
  resetMs: 1_500,
  nextMs: 0,
})

const targetOf = (provider: string, upstream: string) =>
  ({ listing: { offer: { provider, upstream } } }) as unknown as Target
const deps = { clock: { now: () => 0, monotonic: () => 12.345 } } as unknown as Deps
const carried = { encoded: { dropped: [] }, money: {}, elsewhereMs: 2 } as unknown as Carried

function headersOf(target: Target, state: object = {}): string[] {
  const job = { call: { startedAtMs: 0 }, answer: { headSent: false }, exchanges: 1, admission: { state } }
  return answerHeaders(job as unknown as Job, target, carried, deps)
}

it('names that no header can hold are put into ones that it can, for the first answer and the next', () => {
  const odd = targetOf('höst', 'modèle\r\nx: 1')
  const plain = targetOf('alpha', 'm'.repeat(300))
  for (let answer = 0; answer < 2; answer++) {
    expect(headersOf(odd).slice(0, 4)).toEqual([
      'x-switchgate-provider',
      'h%C3%B6st',
      'x-switchgate-model',
      'mod%C3%A8le%0D%0Ax: 1',
    ])
    expect(headersOf(plain)[3]).toBe('m'.repeat(256))
  }
})

it('the limits follow, each answer with what is left at that moment', () => {
  const target = targetOf('alpha', 'm')
  const requests = policy('key.rpm', 'requests', 59)
  const tokens = policy('key.tpm', 'tokens', 7)
  expect(headersOf(target)).toHaveLength(8)
  expect(headersOf(target, { requests }).slice(8)).toEqual([
    'x-ratelimit-limit-requests',
    '60',
    'x-ratelimit-remaining-requests',
    '59',
    'x-ratelimit-reset-requests',
    '1.5s',
  ])
  const both = { requests: policy('key.rpm', 'requests', 58), tokens, policies: [requests, tokens] }
  const headers = headersOf(target, both)
  expect(headers).toHaveLength(8 + 6 + 6 + 4)
  expect(headers[11]).toBe('58')
  expect(headers.slice(-4)).toEqual([
    'ratelimit-policy',
    '"key.rpm";q=60;w=60, "key.tpm";q=60;qu="tokens";w=60',
    'ratelimit',
    '"key.rpm";r=59;t=2, "key.tpm";r=7;t=2',
  ])
})
