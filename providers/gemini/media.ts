/** Content parts of a chat message → Gemini parts: text, inline data, file URIs. Used by messages.ts. */
import type { Part } from '@google/genai'
import { isObject, refusal } from './params.ts'
import type { Plain } from './wire.ts'

type WirePart = Plain<Part>

/** One user content part → its Gemini part, or undefined for empty text. `param` is its JSON path. */
export function encodePart(part: unknown, param: string): WirePart | undefined {
  if (typeof part === 'string') return part === '' ? undefined : { text: part }
  if (!isObject(part)) throw refusal(param, `${param} must be a content part object`)
  switch (part.type) {
    case 'text':
    case 'refusal':
      return textPart(part[part.type], `${param}.${part.type}`)
    case 'image_url':
    case 'video_url':
      return urlPart(part[part.type], `${param}.${part.type}`, part.type === 'image_url')
    case 'input_audio':
      return audioPart(part.input_audio, `${param}.input_audio`)
    case 'file':
      return filePart(part.file, `${param}.file`)
    default:
      throw refusal(
        `${param}.type`,
        `${param}.type must be text, image_url, video_url, input_audio or file for a Gemini model`,
      )
  }
}

function textPart(text: unknown, param: string): WirePart | undefined {
  if (typeof text !== 'string') throw refusal(param, `${param} must be a string`)
  return text === '' ? undefined : { text }
}

function urlPart(value: unknown, param: string, isImage: boolean): WirePart {
  const url = isObject(value) ? value.url : value
  if (typeof url !== 'string' || url === '') throw refusal(`${param}.url`, `${param}.url must be a string`)
  if (url.startsWith('data:')) return dataUrlPart(url, `${param}.url`)
  return uriPart(url, `${param}.url`, isImage ? 'image/jpeg' : undefined)
}

function audioPart(value: unknown, param: string): WirePart {
  if (!isObject(value) || typeof value.data !== 'string' || value.data === '') {
    throw refusal(`${param}.data`, `${param}.data must be base64 text`)
  }
  if (value.data.startsWith('data:')) return dataUrlPart(value.data, `${param}.data`)
  const format = typeof value.format === 'string' && /^[a-z0-9-]+$/.test(value.format) ? value.format : 'wav'
  return { inlineData: { mimeType: `audio/${format}`, data: value.data } }
}

function filePart(value: unknown, param: string): WirePart {
  if (!isObject(value)) throw refusal(param, `${param} must be an object with file_data or file_id`)
  const { file_data: data, file_id: id, filename } = value
  if (typeof data === 'string' && data !== '') {
    if (data.startsWith('data:')) return dataUrlPart(data, `${param}.file_data`)
    if (/^(?:https?|gs):\/\//.test(data)) return uriPart(data, `${param}.file_data`, undefined)
    const mimeType = sniff(data) ?? (typeof filename === 'string' ? mimeOf(filename) : undefined)
    if (mimeType !== undefined) return { inlineData: { mimeType, data } }
    throw refusal(
      `${param}.file_data`,
      `${param}.file_data must be a data URL (data:application/pdf;base64,…), or filename must end in a known extension`,
    )
  }
  if (typeof id === 'string' && id !== '') {
    if (/^files\/[a-z0-9-]+$/.test(id)) return { fileData: { fileUri: `${FILES_API}${id}` } }
    if (/^(?:https|gs):\/\//.test(id)) return uriPart(id, `${param}.file_id`, undefined)
    throw refusal(`${param}.file_id`, `${param}.file_id must be a Gemini file (files/… or its URI)`)
  }
  throw refusal(param, `${param} needs file_data (a data URL) or file_id (a Gemini file URI)`)
}

/** Where the Files API keeps uploads: https://ai.google.dev/gemini-api/docs/files. */
const FILES_API = 'https://generativelanguage.googleapis.com/v1beta/'

/** The provider fetches what it can (its own files, YouTube, public addresses) and says what it cannot: we never do. */
function uriPart(uri: string, param: string, fallback: string | undefined): WirePart {
  const url = URL.canParse(uri) ? new URL(uri) : undefined
  if (url === undefined || !['https:', 'http:', 'gs:'].includes(url.protocol)) {
    throw refusal(param, `${param} must be a data URL (data:image/png;base64,…) or an https URL`)
  }
  const isFile = uri.startsWith(FILES_API) || /(?:^|\.)youtube\.com$|^youtu\.be$/.test(url.hostname)
  const mimeType = mimeOf(url.pathname) ?? (isFile ? undefined : fallback)
  return { fileData: { fileUri: uri, ...(mimeType === undefined ? {} : { mimeType }) } }
}

function dataUrlPart(url: string, param: string): WirePart {
  const comma = url.indexOf(',')
  const head = comma < 0 ? '' : url.slice('data:'.length, comma)
  const data = url.slice(comma + 1)
  if (!/;\s*base64\s*$/i.test(head) || data === '') {
    throw refusal(param, `${param} must be a base64 data URL, as in data:image/png;base64,…`)
  }
  const declared = head.slice(0, head.indexOf(';')).trim().toLowerCase()
  const mimeType = sniff(data) ?? (declared === 'image/jpg' ? 'image/jpeg' : declared)
  if (!/^[\w.+-]+\/[\w.+-]+$/.test(mimeType)) {
    throw refusal(param, `${param} must name its media type, as in data:image/png;base64,…`)
  }
  return { inlineData: { mimeType, data } }
}

/** First bytes in base64 → media type: clients mislabel images, and a wrong label is refused upstream. */
function sniff(base64: string): string | undefined {
  if (base64.startsWith('iVBORw0KGgo')) return 'image/png'
  if (base64.startsWith('/9j/')) return 'image/jpeg'
  if (base64.startsWith('R0lGOD')) return 'image/gif'
  if (base64.startsWith('UklGR') && base64.slice(12, 16) === 'RUJQ') return 'image/webp'
  return base64.startsWith('JVBERi0') ? 'application/pdf' : undefined
}

const EXTENSIONS: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  heic: 'image/heic',
  heif: 'image/heif',
  pdf: 'application/pdf',
  txt: 'text/plain',
  md: 'text/markdown',
  csv: 'text/csv',
  html: 'text/html',
  json: 'application/json',
  mp3: 'audio/mp3',
  wav: 'audio/wav',
  flac: 'audio/flac',
  ogg: 'audio/ogg',
  aac: 'audio/aac',
  aiff: 'audio/aiff',
  mp4: 'video/mp4',
  mov: 'video/mov',
  mpeg: 'video/mpeg',
  webm: 'video/webm',
}

function mimeOf(path: string): string | undefined {
  const extension = /\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase()
  return extension === undefined || !Object.hasOwn(EXTENSIONS, extension) ? undefined : EXTENSIONS[extension]
}
