/** Can a count of tokens be true? What is not believed is not billed, and goes into no limit and no sum. Part of metering. */
import type { Counted } from './count.ts'
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

/** The longest tokens of English are about half as long; what is above is looked at more closely. */
const BYTES_PER_TOKEN_MAX = 32
/** Frames that a reader takes for text. */
const FRAME_BYTES = 128
/** The tokenizer's count is of another family's words at times, never so many times as many. */
const TIMES_MAX = 8

/** Is the output of a stream said to be far less than its text can be? So is a count that was made at its start and never again. */
export function isTooFew(
  { outputTokens }: Usage,
  textBytes: number,
  count: (() => Counted | undefined) | undefined,
): boolean {
  if (textBytes <= outputTokens * BYTES_PER_TOKEN_MAX + FRAME_BYTES) return false
  const counted = count?.()?.outputTokens
  return counted !== undefined && counted > outputTokens * TIMES_MAX
}
