/** Chat content parts → Converse's content blocks: text, images and documents as bytes, cache points. */
import { GatewayError } from '../../src/errors.ts'
import { isObject } from '../../src/wire/raw-json.ts'
import type { Json } from '../provider.ts'
import type { ModelFacts } from './model.ts'

/** A fault of the caller's, at its place in the request. */
export function refuse(message: string, param: string): GatewayError {
  return new GatewayError('invalid_request', `${param}: ${message}`, { param })
}

/** What one request has so far: documents need names of their own. */
export interface Naming {
  readonly documents: Set<string>
}

/** A text block, or none: blank ones are refused upstream. */
export const textBlock = (text: string): Json[] => (text.trim() === '' ? [] : [{ text }])

/** `cache_control` behind a block → a cache point. Nova keeps entries for five minutes only. */
export function cachePoint(mark: unknown, facts: ModelFacts): Json[] {
  if (!isObject(mark) || facts.cache === 'none') return []
  const ttl = facts.cache === 'all' && (mark.ttl === '5m' || mark.ttl === '1h') ? { ttl: mark.ttl } : {}
  return [{ cachePoint: { type: 'default', ...ttl } }]
}

/** Content of a system, user, assistant or tool message. `param` is its place in the request. */
export function contentBlocks(
  content: unknown,
  param: string,
  facts: ModelFacts,
  naming: Naming,
  mark?: unknown,
): Json[] {
  if (content === undefined || content === null) return []
  if (typeof content === 'string') {
    const blocks = textBlock(content)
    return blocks.length > 0 ? [...blocks, ...cachePoint(mark, facts)] : []
  }
  if (!Array.isArray(content)) throw refuse('must be a string or an array of parts', param)
  const blocks = content.flatMap((part, i) => {
    const made = partBlocks(part, `${param}[${i}]`, naming)
    return made.length > 0 && isObject(part) ? [...made, ...cachePoint(part.cache_control, facts)] : made
  })
  return blocks.length > 0 && blocks.at(-1)?.cachePoint === undefined
    ? [...blocks, ...cachePoint(mark, facts)]
    : blocks
}

function partBlocks(part: unknown, param: string, naming: Naming): Json[] {
  if (typeof part === 'string') return textBlock(part)
  if (!isObject(part)) throw refuse('must be an object with a type', param)
  switch (part.type) {
    case 'text':
    case 'input_text':
    case 'output_text':
      if (typeof part.text !== 'string') throw refuse('must be a string', `${param}.text`)
      return textBlock(part.text)
    case 'refusal':
      return typeof part.refusal === 'string' ? textBlock(part.refusal) : []
    case 'image_url': {
      const image = part.image_url
      return [imageBlock(isObject(image) ? image.url : image, `${param}.image_url`)]
    }
    case 'video_url': {
      const video = part.video_url
      return [videoBlock(isObject(video) ? video.url : video, `${param}.video_url`)]
    }
    case 'file':
      return [fileBlock(part.file, `${param}.file`, naming)]
    default:
      throw refuse(
        `Bedrock takes no ${String(part.type)} parts: use text, image_url or file`,
        `${param}.type`,
      )
  }
}

/** `data:<type>[;…];base64,<data>`; by position, since data may be megabytes. */
function dataUrl(url: unknown, param: string): { type: string; data: string } {
  const cure = 'must be data:<type>;base64,…: Bedrock does not fetch addresses'
  if (typeof url !== 'string') throw refuse(cure, param)
  const comma = url.indexOf(',')
  const head = comma < 0 ? '' : url.slice(0, Math.min(comma, 200)).toLowerCase()
  if (!head.startsWith('data:') || !head.endsWith(';base64')) throw refuse(cure, param)
  const data = url.slice(comma + 1)
  if (data === '') throw refuse('is an empty data: URL', param)
  return { type: head.slice(5, -7).split(';', 1)[0] ?? '', data }
}

/** Start of the base64 text → format: clients mislabel images, and a wrong label is refused. */
const IMAGE_MAGIC: readonly (readonly [string, string])[] = [
  ['/9j/', 'jpeg'],
  ['iVBORw0KGgo', 'png'],
  ['R0lGOD', 'gif'],
  ['UklGR', 'webp'],
]
const IMAGE_FORMATS: ReadonlySet<string> = new Set(['jpeg', 'png', 'gif', 'webp'])

function imageBlock(url: unknown, param: string): Json {
  const { type, data } = dataUrl(url, param)
  const label = type.replace(/^image\//, '').replace(/^jpg$/, 'jpeg')
  const format = IMAGE_MAGIC.find(([magic]) => data.startsWith(magic))?.[1] ?? label
  if (!IMAGE_FORMATS.has(format)) throw refuse(`must be JPEG, PNG, GIF or WebP, not ${type}`, param)
  return { image: { format, source: { bytes: data } } }
}

/** Media type → Converse's name of the format (API_runtime_VideoBlock). */
const VIDEO_FORMATS: Readonly<Record<string, string>> = {
  'video/mp4': 'mp4',
  'video/quicktime': 'mov',
  'video/x-matroska': 'mkv',
  'video/webm': 'webm',
  'video/x-flv': 'flv',
  'video/mpeg': 'mpeg',
  'video/x-ms-wmv': 'wmv',
  'video/3gpp': 'three_gp',
}

function videoBlock(url: unknown, param: string): Json {
  const { type, data } = dataUrl(url, param)
  const format = Object.hasOwn(VIDEO_FORMATS, type) ? VIDEO_FORMATS[type] : undefined
  if (format === undefined) throw refuse(`must be a video of a known type, not ${type}`, param)
  return { video: { format, source: { bytes: data } } }
}

/** Media type or file ending → Converse's name of the format (API_runtime_DocumentBlock). */
const DOCUMENT_FORMATS: Readonly<Record<string, string>> = {
  'application/pdf': 'pdf',
  'text/csv': 'csv',
  'application/msword': 'doc',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
  'application/vnd.ms-excel': 'xls',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
  'text/html': 'html',
  'text/markdown': 'md',
  'text/plain': 'txt',
  'application/json': 'txt',
}
const ENDINGS: ReadonlySet<string> = new Set(Object.values(DOCUMENT_FORMATS))

function fileBlock(file: unknown, param: string, naming: Naming): Json {
  if (!isObject(file)) throw refuse('must be {file_data, filename}', param)
  if (typeof file.file_data !== 'string')
    throw refuse('is needed: Bedrock knows no file ids', `${param}.file_data`)
  const name = typeof file.filename === 'string' ? file.filename : ''
  const ending = /\.([a-z]{2,4})$/i.exec(name)?.[1]?.toLowerCase() ?? ''
  const labelled = file.file_data.startsWith('data:') || /^https?:/.test(file.file_data)
  const { type, data } = labelled
    ? dataUrl(file.file_data, `${param}.file_data`)
    : { type: file.file_data.startsWith('JVBERi') ? 'application/pdf' : '', data: file.file_data }
  if (type.startsWith('image/')) return imageBlock(file.file_data, `${param}.file_data`)
  const byType = Object.hasOwn(DOCUMENT_FORMATS, type) ? DOCUMENT_FORMATS[type] : undefined
  const format = byType ?? (ENDINGS.has(ending) ? ending : undefined)
  if (format === undefined)
    throw refuse('must be a PDF, an office document, HTML, Markdown, CSV or text', `${param}.file_data`)
  return { document: { format, name: documentName(name, naming), source: { bytes: data } } }
}

const NAME_CHARS_MAX = 180

/** Letters, digits, single spaces, hyphens, parentheses and square brackets only, and no name twice (API_runtime_DocumentBlock). */
function documentName(filename: string, { documents }: Naming): string {
  const bare = filename
    .replace(/\.[a-z]{2,4}$/i, '')
    .replace(/[^A-Za-z0-9 \-()[\]]+/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, NAME_CHARS_MAX)
  const stem = bare === '' ? 'document' : bare
  let name = stem
  for (let n = 2; documents.has(name); n++) name = `${stem} ${n}`
  documents.add(name)
  return name
}
