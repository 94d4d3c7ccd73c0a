/** OpenAI's older completions wire: prompt in, text out. Bytes pass both ways, whole and streamed. */
import type { Json } from '../../providers/provider.ts'
import type { Body } from './body.ts'
import { isObject, wrong } from './extensions.ts'
import type { Inbound, StreamWriter } from './inbound.ts'
import type { ChatFacts } from './openai.ts'
import { usd } from './plain.ts'
import { positive, promptFacts, readPrompts } from './prompts.ts'

const ANSWERS_MAX = 128

/** Throws `invalid_request` with `param`. Each prompt is answered `n` times, and written `best_of` times. */
function readCompletion(body: Body): ChatFacts {
  const { json } = body
  if (json.prompt == null) {
    const cure = json.messages === undefined ? '' : ' For `messages`, use /v1/chat/completions.'
    throw wrong('prompt', `is required, as in "Once upon a time".${cure}`)
  }
  const prompts = readPrompts(json.prompt, 'prompt')
  const answers = Math.max(positive(json, 'n', ANSWERS_MAX) ?? 1, positive(json, 'best_of', ANSWERS_MAX) ?? 1)
  return {
    ...promptFacts(body, prompts),
    maxOutputTokens: json.max_tokens === 0 ? 0 : positive(json, 'max_tokens'),
    n: answers * prompts.length,
  }
}

/** Only the end is ever written here: a stream that the budget cuts. */
const untouched: StreamWriter = {
  chunk(chunk, costNanoUsd) {
    const choices = Array.isArray(chunk.choices) ? chunk.choices : []
    const texts = choices.filter(isObject).map(({ index, finish_reason }: Json) => {
      return { text: '', index, logprobs: null, finish_reason }
    })
    const usage =
      isObject(chunk.usage) && costNanoUsd !== undefined
        ? { cost: usd(costNanoUsd), ...chunk.usage }
        : chunk.usage
    return `data: ${JSON.stringify({ ...chunk, object: 'text_completion', choices: texts, usage })}\n\n`
  },
  end: () => 'data: [DONE]\n\n',
}

export const completions: Inbound = { read: readCompletion, untouched }
