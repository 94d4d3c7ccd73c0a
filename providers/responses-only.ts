/** Which models answer at `/responses` alone. Data of host rows and clouds; read while the market is built. */

/**
 * OpenAI's. Source: `ResponsesModel` without `ChatModel` in openai-node 7.57.0 (resources/shared), and the pages of the
 * models ("v1/responses" as their only endpoint). Every model of OpenAI's answers there, so a name too many costs nothing.
 */
export const OPENAI_RESPONSES_ONLY: readonly string[] = [
  'o1-pro*',
  'o3-pro*',
  'gpt-*-pro*',
  '*codex*',
  '*-deep-research*',
  'computer-use-preview*',
  'gpt-*-cyber*',
  'gpt-*rosalind*',
  'gpt-daybreak-*',
]

/** `patterns` hold names in which `*` stands for anything. */
export function isResponsesOnly(patterns: readonly string[] | undefined, model: string): boolean {
  return patterns?.some(pattern => fits(pattern.split('*'), model)) === true
}

/** The pieces between the stars, in their order: no regular expression is made of what a file says. */
function fits(pieces: readonly string[], text: string): boolean {
  const [first = '', ...rest] = pieces
  if (rest.length === 0) return text === first
  const last = rest.pop() as string
  if (!text.startsWith(first)) return false
  let at = first.length
  for (const piece of rest) {
    const found = text.indexOf(piece, at)
    if (found < 0) return false
    at = found + piece.length
  }
  return text.length - last.length >= at && text.endsWith(last)
}
