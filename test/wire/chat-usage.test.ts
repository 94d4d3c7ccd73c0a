/** Usage and finish reason in the forms that hosts really send. */
import { expect, test } from 'vitest'
import { finishReasonOf, usageFromChat, usageOfAnswer } from '../../src/wire/openai.ts'

const usage = (input: number, output: number, more: object = {}) => ({
  inputTokens: input,
  cacheReadInputTokens: 0,
  cacheCreationInputTokens: 0,
  outputTokens: output,
  reasoningOutputTokens: 0,
  ...more,
})

test.each([
  ['plain', { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }, usage(10, 5)],
  ['zero is a number', { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }, usage(0, 0)],
  [
    'openai, cached and written',
    {
      prompt_tokens: 4020,
      completion_tokens: 9,
      prompt_tokens_details: { cached_tokens: 4, cache_write_tokens: 4012 },
      completion_tokens_details: { reasoning_tokens: 7 },
    },
    usage(4020, 9, { cacheReadInputTokens: 4, cacheCreationInputTokens: 4012, reasoningOutputTokens: 7 }),
  ],
  [
    'azure grok: more cached than prompt',
    {
      prompt_tokens: 7,
      completion_tokens: 1,
      prompt_tokens_details: { cached_tokens: 161 },
      cost_in_usd_ticks: 0,
    },
    usage(7, 1, { cacheReadInputTokens: 7 }),
  ],
  [
    'deepseek',
    { prompt_tokens: 14, completion_tokens: 1, prompt_cache_hit_tokens: 4, prompt_cache_miss_tokens: 10 },
    usage(14, 1, { cacheReadInputTokens: 4 }),
  ],
  [
    'mistral',
    { prompt_tokens: 14, completion_tokens: 1, num_cached_tokens: 3 },
    usage(14, 1, { cacheReadInputTokens: 3 }),
  ],
  [
    'azure deepseek: reasoning at the top',
    { prompt_tokens: 14, completion_tokens: 9, total_tokens: 23, reasoning_tokens: 6 },
    usage(14, 9, { reasoningOutputTokens: 6 }),
  ],
  [
    'xai: reasoning beside completion, proved by the total; cost in ticks (grok-3-mini, 1.46625e-4 USD)',
    {
      prompt_tokens: 12,
      completion_tokens: 1,
      total_tokens: 303,
      prompt_tokens_details: { cached_tokens: 11 },
      completion_tokens_details: { reasoning_tokens: 290 },
      cost_in_usd_ticks: 1_466_250,
    },
    usage(12, 291, { cacheReadInputTokens: 11, reasoningOutputTokens: 290, reportedCostNanoUsd: 146_625 }),
  ],
  [
    'openrouter: cost in USD',
    { prompt_tokens: 109, completion_tokens: 62, total_tokens: 171, cost: 0.000419, is_byok: false },
    usage(109, 62, { reportedCostNanoUsd: 419_000 }),
  ],
  [
    'openrouter with an own key: its fee and the bill of that key',
    {
      prompt_tokens: 1,
      completion_tokens: 1,
      cost: 0.0001,
      is_byok: true,
      cost_details: { upstream_inference_cost: 0.002 },
    },
    usage(1, 1, { reportedCostNanoUsd: 2_100_000 }),
  ],
  [
    'openrouter with an own key, bill unknown',
    {
      prompt_tokens: 1,
      completion_tokens: 1,
      cost: 0,
      is_byok: true,
      cost_details: { upstream_inference_cost: null },
    },
    usage(1, 1),
  ],
  [
    'perplexity: cost object',
    { prompt_tokens: 80, completion_tokens: 68, cost: { request_cost: 0.005, total_cost: 0.00515 } },
    usage(80, 68, { reportedCostNanoUsd: 5_150_000 }),
  ],
  ['embeddings: total alone', { prompt_tokens: 8, total_tokens: 8 }, usage(8, 0)],
  ['a cost that is not one', { prompt_tokens: 1, completion_tokens: 1, cost: -3 }, usage(1, 1)],
  ['a cost beyond reason', { prompt_tokens: 1, completion_tokens: 1, cost: 1e300 }, usage(1, 1)],
])('%s', (_, wire, expected) => {
  expect(usageFromChat(wire)).toEqual(expected)
})

test.each([
  null,
  undefined,
  'x',
  [],
  {},
  { prompt_tokens: null, completion_tokens: null },
  { prompt_tokens: 3 },
  { completion_tokens: 3 },
  { prompt_tokens: -1, completion_tokens: 3 },
  { prompt_tokens: 1.5, completion_tokens: 3 },
  { prompt_tokens: '1', completion_tokens: 3 },
  { prompt_tokens: 9, total_tokens: 4 },
])('unknown, never zero: %j', wire => {
  expect(usageFromChat(wire)).toBeUndefined()
})

test('reasoning outside completion by the host row when the total does not say', () => {
  const wire = { prompt_tokens: 1, completion_tokens: 2, completion_tokens_details: { reasoning_tokens: 30 } }
  expect(usageFromChat(wire, { reasoningOutsideCompletion: true })?.outputTokens).toBe(32)
  expect(usageFromChat({ ...wire, total_tokens: 3 }, { reasoningOutsideCompletion: true })).toMatchObject({
    outputTokens: 2,
    reasoningOutputTokens: 2,
  })
})

test('usage is found wherever a chunk carries it', () => {
  const wire = { prompt_tokens: 1, completion_tokens: 2 }
  expect(usageOfAnswer({ usage: wire })).toEqual(usage(1, 2))
  expect(usageOfAnswer({ usage: null, x_groq: { usage: wire }, choices: [] })).toEqual(usage(1, 2))
  expect(usageOfAnswer({ choices: [{ usage: wire }] })).toEqual(usage(1, 2))
  for (const nothing of [{ choices: [null] }, { x_groq: 1 }, null, [], 'x']) {
    expect(usageOfAnswer(nothing)).toBeUndefined()
  }
})

test('finish reason: the first that says something', () => {
  const of = (...reasons: unknown[]) =>
    finishReasonOf({ choices: reasons.map(finish_reason => ({ finish_reason })) })
  expect(of('stop')).toBe('stop')
  expect(of(null, 'LENGTH')).toBe('length')
  for (const none of ['', 'null', null, undefined, 3]) expect(of(none)).toBeUndefined()
  expect(finishReasonOf({ choices: [] })).toBeUndefined()
  expect(finishReasonOf(null)).toBeUndefined()
})
