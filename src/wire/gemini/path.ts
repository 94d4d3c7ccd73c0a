/**
 * Gemini's way to name a model and a method: in the path, `/v1beta/models/{model}:{method}`. @google/genai says `/v1`
 * since version 3. Read by the endpoint table and by the wire.
 */

const COLLECTION = /^\/v1(?:beta)?\/models\//

export type GeminiMethod = 'generateContent' | 'streamGenerateContent' | 'countTokens'

export const METHODS: readonly string[] = ['generateContent', 'streamGenerateContent', 'countTokens']

export interface GeminiPath {
  /** The model as the caller named it, escapes undone; `/` and `:` may be part of it. '' = none was named. */
  readonly model: string
  readonly method: GeminiMethod
}

/** Undefined = not one of this wire's paths. The last colon parts model and method: names end in `:floor` and the like. */
export function readPath(path: string): GeminiPath | undefined {
  const start = COLLECTION.exec(path)?.[0].length
  const at = path.lastIndexOf(':')
  const method = path.slice(at + 1)
  if (start === undefined || at < start || !METHODS.includes(method)) return undefined
  return { model: unescaped(path.slice(start, at)), method: method as GeminiMethod }
}

/** A broken escape means itself. */
function unescaped(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
