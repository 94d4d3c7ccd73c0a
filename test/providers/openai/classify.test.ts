/** Error bodies of OpenAI and its compatible hosts, as recorded or documented, and what they mean. */
import { expect, test } from 'vitest'
import { openai } from '../../../providers/openai.ts'
import type { Failure } from '../../../src/errors.ts'
import { quickest } from '../../waiting.ts'

const error = (fields: object) => ({ error: { message: 'x', ...fields } })

test.each<[string, number, unknown, Failure | undefined]>([
  [
    'openai bad key',
    401,
    error({ type: 'invalid_request_error', code: 'invalid_api_key' }),
    'bad_credential',
  ],
  [
    'openai no money',
    429,
    error({ type: 'insufficient_quota', code: 'insufficient_quota' }),
    'bad_credential',
  ],
  ['openai rate', 429, error({ type: 'tokens', code: 'rate_limit_exceeded' }), 'rate_limited'],
  ['groq: too large for TPM', 413, error({ type: 'tokens', code: 'rate_limit_exceeded' }), 'rate_limited'],
  ['openai too long', 400, error({ code: 'context_length_exceeded' }), 'context_length'],
  ['openai model', 404, error({ type: 'invalid_request_error', code: 'model_not_found' }), 'model_missing'],
  ['openai model, responses', 400, error({ code: 'model_not_found' }), 'model_missing'],
  ['openai parameter', 400, error({ type: 'invalid_request_error', code: 'unsupported_value' }), undefined],
  ['openai 500', 500, error({ type: 'server_error', code: null }), 'overloaded'],
  ['azure rate', 429, error({ code: 'RateLimitReached', details: 'x' }), 'rate_limited'],
  ['azure deployment', 404, error({ code: 'DeploymentNotFound' }), 'model_missing'],
  ['azure key', 401, error({ code: '401' }), undefined],
  [
    'azure filter',
    400,
    error({ code: 'content_filter', innererror: { code: 'ResponsibleAIPolicyViolation' } }),
    'content_filter',
  ],
  [
    'azure filter, outer code generic',
    400,
    error({ code: 'x', innererror: { code: 'ResponsibleAIPolicyViolation' } }),
    'content_filter',
  ],
  ['openrouter key', 401, error({ code: 401 }), undefined],
  ['openrouter 429', 429, error({ code: 429 }), undefined],
  ['openrouter in a 200', 200, { ...error({ code: 502 }), choices: [{}] }, 'overloaded'],
  ['openrouter rate in a 200', 200, error({ code: 429 }), 'rate_limited'],
  ['openrouter money in a 200', 200, error({ code: 402 }), 'bad_credential'],
  [
    'groq tool call in a 200',
    200,
    error({ type: 'invalid_request_error', code: 'tool_use_failed', status_code: 400 }),
    'refused',
  ],
  ['an error in a 200 that says nothing', 200, error({}), 'overloaded'],
  ['a string error in a 200', 200, { error: 'model crashed' }, 'overloaded'],
  [
    'deepseek too long',
    400,
    error({
      message: "This model's maximum context length is 1048565 tokens. However, you requested 1250025 tokens",
      code: 'invalid_request_error',
    }),
    'context_length',
  ],
  [
    'openrouter too long',
    400,
    error({ message: "This endpoint's maximum context length is 200000 tokens.", code: 400 }),
    'context_length',
  ],
  ['perplexity too long', 400, error({ type: 'too_many_prompt_tokens', code: 400 }), 'context_length'],
  ['cohere too long', 400, { id: '1', message: 'x', error_type: 'TOO_MANY_TOKENS' }, 'context_length'],
  [
    'the same words with a 500 are an outage',
    500,
    error({ message: 'maximum context length is 5' }),
    undefined,
  ],
  ['mistral key', 401, { detail: 'Invalid API Key' }, undefined],
  ['mistral validation', 422, { detail: [{ loc: ['body'], msg: 'x', type: 'y' }] }, undefined],
  [
    'mistral flat',
    400,
    { object: 'error', message: 'x', type: 'invalid_request', param: null, code: '3051' },
    undefined,
  ],
  [
    'xai key',
    400,
    { code: 'invalid-argument', error: 'Incorrect API key provided: xa***' },
    'bad_credential',
  ],
  ['xai argument', 400, { code: 'invalid-argument', error: 'Argument not supported: stop' }, undefined],
  [
    'cerebras flat',
    429,
    { message: 'x', type: 'too_many_requests_error', param: 'q', code: 'too_many_requests' },
    'rate_limited',
  ],
  ['zai in arrears, with a 429', 429, error({ code: '1113' }), 'bad_credential'],
  ['zai rate', 429, error({ code: '1302' }), 'rate_limited'],
  ['zai model', 400, error({ code: '1211' }), 'model_missing'],
  ['zai too long', 400, error({ code: '1261' }), 'context_length'],
  ['zai sensitive', 400, error({ code: '1301' }), 'content_filter'],
  ['minimax fine', 200, { base_resp: { status_code: 0 }, choices: [] }, undefined],
  ['minimax key, in a 200', 200, { base_resp: { status_code: 1004, status_msg: 'x' } }, 'bad_credential'],
  ['minimax rate, in a 200', 200, { base_resp: { status_code: 1002 } }, 'rate_limited'],
  ['minimax, unlisted', 200, { base_resp: { status_code: 77 } }, 'overloaded'],
  [
    'cloudflare model',
    400,
    { success: false, errors: [{ code: 5007, message: 'x' }], result: null },
    'model_missing',
  ],
  ['cloudflare capacity', 429, { success: false, errors: [{ code: 3040, message: 'x' }] }, 'overloaded'],
  ['cloudflare allocation used up', 429, { success: false, errors: [{ code: 3036 }] }, 'bad_credential'],
  ['cloudflare in a 200', 200, { success: false, errors: [] }, 'overloaded'],
  ['databricks', 429, { error_code: 'REQUEST_LIMIT_EXCEEDED', message: 'x' }, 'rate_limited'],
  ['google, wrapped', 400, [error({ code: 400, status: 'RESOURCE_EXHAUSTED' })], 'rate_limited'],
  ['huggingface string', 503, { error: 'loading' }, undefined],
  ['llama.cpp too long', 400, error({ code: 400, type: 'exceed_context_size_error' }), 'context_length'],
  ['a good answer', 200, { choices: [{ message: {} }], error: null }, undefined],
  ['not an object', 500, 'Bad gateway', undefined],
  ['nothing', 502, undefined, undefined],
  [
    'names of Object.prototype are not codes',
    400,
    error({ code: 'constructor', type: 'toString' }),
    undefined,
  ],
  ['odd types', 400, { error: { code: {}, type: [], message: 5 } }, undefined],
])('%s', (_, status, body, expected) => {
  expect(openai.classify?.(status, body)).toBe(expected)
})

test('a huge message is not searched to its end', async () => {
  const body = error({ message: `${'maximum context length '.repeat(200_000)}is 5` })
  const tookMs = await quickest(50, async () => {
    const before = performance.now()
    expect(openai.classify?.(400, body)).toBeUndefined()
    return performance.now() - before
  })
  expect(tookMs).toBeLessThan(50)
})
