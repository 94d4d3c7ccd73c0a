/** Texts of recorded conversations, for the tests of the tokenizer. Read where the recordings lie; none is part of this repository. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { HOME } from '../replay/corpus.ts'

export { HOME }
export const presentTexts = existsSync(`${HOME}/openai.jsonl`)

const CHARS_MAX = 20_000

/** Every string of a request or an answer that is not media, once. */
export function recordedTexts(): string[] {
  const found = new Set<string>()
  const gather = (value: unknown): void => {
    if (typeof value === 'string') {
      if (value.length <= CHARS_MAX && !/^(data:|[A-Za-z0-9+/=_-]{200})/.test(value)) found.add(value)
    } else if (typeof value === 'object' && value !== null)
      for (const one of Object.values(value)) gather(one)
  }
  for (const name of readdirSync(HOME).filter(file => file.endsWith('.jsonl'))) {
    for (const line of readFileSync(`${HOME}/${name}`, 'utf8').trim().split('\n')) {
      const { request, response } = JSON.parse(line) as {
        request?: { body?: unknown }
        response: { body?: string }
      }
      gather(request?.body)
      for (const text of (response.body ?? '').split(/\r?\n/)) {
        const json = text.replace(/^data: ?/, '')
        if (!/^[[{].*[\]}]$/.test(json)) continue
        try {
          gather(JSON.parse(json))
        } catch {
          // cut in the middle of a text of several lines
        }
      }
    }
  }
  return [...found]
}
