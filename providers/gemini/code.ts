/** Code that a Gemini model runs at Google (https://ai.google.dev/gemini-api/docs/code-execution), as text. Used by choice. */
import type { Part } from './wire.ts'

/** Code that the model ran at Google, and what came of it: chat has no place of its own for them, so they are told in the text. */
export function codeIn({ executableCode: ran, codeExecutionResult: result }: Part): string | undefined {
  if (ran?.code != null) return fenced(ran.language?.toLowerCase() ?? '', ran.code)
  if (result == null) return undefined
  const { outcome, output } = result
  const failed = outcome == null || outcome === 'OUTCOME_OK' ? '' : `${outcome}\n`
  return fenced('', `${failed}${output ?? ''}`)
}

const fenced = (language: string, text: string): string =>
  `\n\`\`\`${language}\n${text}${text.endsWith('\n') ? '' : '\n'}\`\`\`\n`
