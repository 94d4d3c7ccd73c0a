/** What a body calls its failure, and what its status leaves it to say. */
import { expect, it } from 'vitest'
import { anthropic } from '../../providers/anthropic/index.ts'
import { gemini } from '../../providers/gemini/index.ts'
import { openai } from '../../providers/openai.ts'
import { classify } from '../../src/attempt/classify.ts'
import { retryAfterMs } from '../../src/attempt/wait.ts'

const claude = (type: string) => ({ type: 'error', error: { type, message: 'no' } })
const chat = (type: string) => ({ error: { message: 'no', type, code: null } })
const google = (status: string) => ({ error: { code: 1, message: 'no', status } })

it('a server’s error is no mistake of the caller’s, whatever its body says', () => {
  for (const status of [500, 502, 529]) {
    expect(classify(anthropic, status, claude('invalid_request_error'))).toBe('overloaded')
    expect(classify(anthropic, status, claude('request_too_large'))).toBe('overloaded')
    expect(classify(openai, status, chat('invalid_request_error'))).toBe('overloaded')
    // what is neither keeps its name
    expect(classify(anthropic, status, claude('authentication_error'))).toBe('bad_credential')
    expect(classify(openai, status, { error: { message: 'no', code: 'context_length_exceeded' } })).toBe(
      'context_length',
    )
  }
})

it('and the caller’s mistake is no error of the server’s', () => {
  for (const status of [400, 413, 422]) {
    expect(classify(anthropic, status, claude('api_error'))).toBe('refused')
    expect(classify(openai, status, chat('server_error'))).toBe('refused')
    expect(classify(gemini, status, google('INTERNAL'))).toBe('refused')
  }
  for (const status of [404, 410]) {
    expect(classify(anthropic, status, claude('api_error'))).toBe('model_missing')
    expect(classify(openai, status, chat('server_error'))).toBe('model_missing')
    expect(classify(gemini, status, google('INTERNAL'))).toBe('model_missing')
  }
  expect(classify(anthropic, 429, claude('overloaded_error'))).toBe('overloaded')
})

it('Anthropic says when a limit that is used up is filled again', () => {
  const nowMs = Date.parse('2026-01-02T03:04:05Z')
  const headers = {
    'anthropic-ratelimit-requests-remaining': '0',
    'anthropic-ratelimit-requests-reset': '2026-01-02T03:04:35Z',
    'anthropic-ratelimit-tokens-remaining': '900',
    'anthropic-ratelimit-tokens-reset': '2026-01-02T04:00:00Z',
  }
  expect(retryAfterMs(headers, undefined, nowMs)).toBe(30_000)
  expect(retryAfterMs({ ...headers, 'retry-after': '7' }, undefined, nowMs)).toBe(7_000)
  const left = { ...headers, 'anthropic-ratelimit-requests-remaining': '3' }
  expect(retryAfterMs(left, undefined, nowMs)).toBeUndefined()
})
