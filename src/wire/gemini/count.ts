/** `:countTokens`: an estimate that says so. Nobody is asked, so it works for every model and costs nothing. */
import { countOf } from '../messages/count.ts'
import type { ChatFacts } from '../openai.ts'

type Json = Record<string, unknown>

/** `likely` = our estimate of the text; `upstream` = the id of the model that would answer. */
export function totalTokens(facts: ChatFacts, likely: number, upstream: string): Json {
  const { input_tokens: totalTokens, ...estimate } = countOf(facts, likely, upstream)
  return { totalTokens, ...estimate }
}
