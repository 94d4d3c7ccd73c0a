/** Can a count of tokens be true? What is not believed is not billed, and goes into no limit and no sum. Part of metering. */
import type { Usage } from './terms.ts'

/** Contexts end at ten million tokens, answers at a million, and at most 128 of them are asked for at once. */
const TOKENS_MAX = 1_000_000_000

/** Can a request have used so much? */
export const isBelievable = ({
  inputTokens,
  outputTokens,
  billedInputTokens = 0,
  billedOutputTokens = 0,
}: Usage): boolean =>
  inputTokens <= TOKENS_MAX &&
  outputTokens <= TOKENS_MAX &&
  billedInputTokens <= TOKENS_MAX &&
  billedOutputTokens <= TOKENS_MAX
