/** What a part of a chat message holds beside text, and how large that is: money is held by it. Part of reading the request. */
import { isObject, wrong } from './extensions.ts'

/** `unknown` = whatever this gateway knows no bound for: a video, a kind of part that is new, what lies elsewhere. */
export type MediaKind = 'image' | 'audio' | 'pdf' | 'unknown'

/** One picture, sound or document in the messages. `bytes` = decoded size when it is inline, else undefined (URL, file id). */
export interface Media {
  readonly kind: MediaKind
  readonly bytes: number | undefined
}

/** Decoded size of base64 inside `data:…;base64,…` or of bare base64, by arithmetic. */
function inlineBytes(text: string): number | undefined {
  if (!text.startsWith('data:')) return undefined
  return Math.ceil((text.length - text.indexOf(',') - 1) * 0.75)
}

const isUrl = (value: string) => value.startsWith('https://') || value.startsWith('http://')

/** Parts that say all that the model reads, here and as text: OpenAI's, those of thoughts (Mistral, OpenRouter), marks. */
const SPOKEN_PARTS: ReadonlySet<unknown> = new Set([
  'text',
  'input_text',
  'output_text',
  'refusal',
  'thinking',
  'redacted_thinking',
  'reasoning',
  'summary_text',
  'tool_use',
  'tool_call',
  'reference',
  'cache_point',
])

/** What is inline in a part, by its name of the kind: `{"url": …}`, `{"data": …}` or the text itself. */
function inlineIn(part: Record<string, unknown>): string | undefined {
  const value = typeof part.type === 'string' ? part[part.type] : undefined
  const url = isObject(value) ? (value.url ?? value.data) : (value ?? part.url)
  return typeof url === 'string' && url.startsWith('data:') ? url : undefined
}

/** The media of one content part, and how many characters of the body they take. */
export function readPart(
  part: Record<string, unknown>,
  param: string,
): (Media & { chars: number }) | undefined {
  if (part.type === 'text') {
    if (typeof part.text !== 'string') throw wrong(`${param}.text`, 'must be a string.')
    return undefined
  }
  if (part.type === 'image_url') {
    const url = isObject(part.image_url) ? part.image_url.url : part.image_url
    if (typeof url !== 'string') throw wrong(`${param}.image_url.url`, 'must be a URL or a data: URL.')
    const bytes = inlineBytes(url)
    return { kind: 'image', bytes, chars: bytes === undefined ? 0 : url.length }
  }
  if (part.type === 'input_audio') {
    const data = isObject(part.input_audio) ? part.input_audio.data : undefined
    if (typeof data !== 'string') throw wrong(`${param}.input_audio.data`, 'must be base64.')
    const bytes = isUrl(data) ? undefined : (inlineBytes(data) ?? Math.ceil(data.length * 0.75))
    return { kind: 'audio', bytes, chars: bytes === undefined ? 0 : data.length }
  }
  if (part.type === 'file') {
    const data = isObject(part.file) ? part.file.file_data : undefined
    if (typeof data !== 'string') return { kind: 'pdf', bytes: undefined, chars: 0 }
    const bytes = isUrl(data) ? undefined : (inlineBytes(data) ?? Math.ceil(data.length * 0.75))
    return { kind: 'pdf', bytes, chars: bytes === undefined ? 0 : data.length }
  }
  if (SPOKEN_PARTS.has(part.type) || (part.type === undefined && typeof part.text === 'string'))
    return undefined
  const inline = inlineIn(part)
  if (inline === undefined) return { kind: 'unknown', bytes: undefined, chars: 0 }
  return { kind: 'unknown', bytes: inlineBytes(inline), chars: inline.length }
}
