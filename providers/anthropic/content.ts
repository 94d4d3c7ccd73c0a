/** Chat content parts → Anthropic content blocks: text, images, documents, tool results. */
import { GatewayError } from '../../src/errors.ts'
import type { Json } from '../provider.ts'
import { isObject } from './raw.ts'

export type Block = Json & { readonly type: string }

/** A fault of the caller's, at its place in the request: "n: Claude models give one answer, …". */
export function refuse(message: string, param: string): GatewayError {
  return new GatewayError('invalid_request', `${param}: ${message}`, { param })
}

/** A text block, or none: blank ones are refused upstream ("text content blocks must be non-empty"). */
export function textBlock(text: string, cacheControl?: unknown): Block[] {
  if (text.trim() === '') return []
  return [{ type: 'text', text, ...cacheMark(cacheControl) }]
}

export function cacheMark(cacheControl: unknown): Json {
  return isObject(cacheControl) ? { cache_control: cacheControl } : {}
}

/** Blocks that callers may already write in Anthropic's form; they go on as they are. */
const NATIVE = new Set(['image', 'document', 'search_result', 'container_upload'])

/** Content of a system, user or tool message: a string or parts. `param` is its place in the request. */
export function contentBlocks(content: unknown, param: string, cacheControl?: unknown): Block[] {
  if (content === undefined || content === null) return []
  if (typeof content === 'string') return textBlock(content, cacheControl)
  if (!Array.isArray(content)) throw refuse('must be a string or an array of parts', param)
  const blocks = content.flatMap((part, i) => partBlocks(part, `${param}[${i}]`))
  const last = blocks.at(-1)
  if (last && isObject(cacheControl)) blocks[blocks.length - 1] = { ...last, cache_control: cacheControl }
  return blocks
}

function partBlocks(part: unknown, param: string): Block[] {
  if (typeof part === 'string') return textBlock(part)
  if (!isObject(part)) throw refuse('must be an object with a type', param)
  const mark = cacheMark(part.cache_control)
  switch (part.type) {
    case 'text':
    case 'input_text':
    case 'output_text':
      if (typeof part.text !== 'string') throw refuse('must be a string', `${param}.text`)
      return textBlock(part.text, part.cache_control)
    case 'refusal':
      return typeof part.refusal === 'string' ? textBlock(part.refusal) : []
    case 'image_url': {
      const image = part.image_url
      const url = isObject(image) ? image.url : image
      return [{ type: 'image', source: imageSource(url, `${param}.image_url`), ...mark }]
    }
    case 'file':
      return [{ ...fileBlock(part.file, `${param}.file`), ...mark }]
    default:
      if (typeof part.type === 'string' && NATIVE.has(part.type)) return [part as Block]
      throw refuse(
        `Claude models take no ${String(part.type)} parts: use text, image_url or file`,
        `${param}.type`,
      )
  }
}

/** Start of the base64 text → media type: clients mislabel images, and a wrong label is refused. */
const IMAGE_MAGIC: readonly (readonly [string, string])[] = [
  ['/9j/', 'image/jpeg'],
  ['iVBORw0KGgo', 'image/png'],
  ['R0lGOD', 'image/gif'],
  ['UklGR', 'image/webp'],
]

function imageSource(url: unknown, param: string): Json {
  if (typeof url !== 'string') throw refuse('needs a url: https://… or data:image/…;base64,…', param)
  if (isWeb(url)) return { type: 'url', url }
  const { mediaType, data } = dataUrl(url, param)
  const seen = IMAGE_MAGIC.find(([magic]) => data.startsWith(magic))?.[1] ?? mediaType
  if (!IMAGE_MAGIC.some(([, known]) => known === seen)) {
    throw refuse(`must be JPEG, PNG, GIF or WebP, not ${seen}`, param)
  }
  return { type: 'base64', media_type: seen, data }
}

function fileBlock(file: unknown, param: string): Block {
  if (!isObject(file)) throw refuse('must be {file_data, filename} or {file_id}', param)
  const title = typeof file.filename === 'string' && file.filename !== '' ? { title: file.filename } : {}
  if (typeof file.file_id === 'string') {
    return { type: 'document', source: { type: 'file', file_id: file.file_id }, ...title }
  }
  if (typeof file.file_data !== 'string') throw refuse('must be a data: URL', `${param}.file_data`)
  if (isWeb(file.file_data))
    return { type: 'document', source: { type: 'url', url: file.file_data }, ...title }
  const { mediaType, data } = file.file_data.startsWith('data:')
    ? dataUrl(file.file_data, `${param}.file_data`)
    : { mediaType: bareType(file), data: file.file_data }
  if (mediaType === 'application/pdf') {
    return { type: 'document', source: { type: 'base64', media_type: mediaType, data }, ...title }
  }
  if (mediaType.startsWith('image/')) {
    return { type: 'image', source: imageSource(`data:${mediaType};base64,${data}`, `${param}.file_data`) }
  }
  if (mediaType.startsWith('text/') || mediaType === 'application/json') {
    const plain = { type: 'text', media_type: 'text/plain', data: decodeText(data, `${param}.file_data`) }
    return { type: 'document', source: plain, ...title }
  }
  throw refuse(`must be a PDF, an image or text, not ${mediaType}`, `${param}.file_data`)
}

/** Base64 without a label: `%PDF-` or the name says what it is. */
function bareType(file: Json): string {
  const data = String(file.file_data)
  const pdf = data.startsWith('JVBERi') || String(file.filename).toLowerCase().endsWith('.pdf')
  return pdf
    ? 'application/pdf'
    : (IMAGE_MAGIC.find(([magic]) => data.startsWith(magic))?.[1] ?? 'an unknown type')
}

const isWeb = (url: string): boolean => url.startsWith('https://') || url.startsWith('http://')

/** `data:<type>[;…];base64,<data>`; by position, since data may be megabytes. */
function dataUrl(url: string, param: string): { mediaType: string; data: string } {
  const comma = url.indexOf(',')
  const head = comma < 0 ? '' : url.slice(0, Math.min(comma, 200)).toLowerCase()
  if (!head.startsWith('data:') || !head.endsWith(';base64')) {
    throw refuse('must be https://… or data:<type>;base64,…', param)
  }
  const data = url.slice(comma + 1)
  if (data === '') throw refuse('is an empty data: URL', param)
  const mediaType = head.slice(5, -7).split(';', 1)[0] || 'text/plain'
  return { mediaType: mediaType === 'image/jpg' ? 'image/jpeg' : mediaType, data }
}

function decodeText(base64: string, param: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(base64), char => char.charCodeAt(0)))
  } catch {
    throw refuse('is not valid base64', param)
  }
}
