/** Parts of Gemini's contents that are no talk → chat content parts. What no other model can read is refused, so that nothing is lost in silence. */
import { GatewayError } from '../../errors.ts'
import { field, type Json, objectField, textField } from './proto.ts'

type Part = Record<string, unknown>

/** What only Gemini models understand: another target of the request may still be one. */
export function onlyGemini(what: string, param: string): GatewayError {
  return new GatewayError(
    'invalid_request',
    `${param}: ${what} only by Gemini models. Ask for one, or leave it out.`,
    { param },
  )
}

/** Text, pictures, sounds and files of one part. `param` is the part's place. */
export function chatParts(part: Json, param: string): Part[] {
  const text = textField(part, 'text', `${param}.text`)
  if (text !== undefined) return text === '' ? [] : [{ type: 'text', text }]
  const inline = objectField(part, 'inlineData')
  if (inline) return [inlinePart(inline, `${param}.inlineData`)]
  const file = objectField(part, 'fileData')
  if (file) return [filePart(file, `${param}.fileData`)]
  for (const name of ['executableCode', 'codeExecutionResult', 'toolCall', 'toolResponse'])
    if (field(part, name) !== undefined) throw onlyGemini(`${name} is read`, `${param}.${name}`)
  return []
}

function inlinePart(inline: Json, param: string): Part {
  const mimeType = (textField(inline, 'mimeType') ?? '').toLowerCase()
  // Google's Python client writes bytes in the URL-safe alphabet; data: URLs know the plain one.
  const data = (textField(inline, 'data') ?? '').replaceAll('-', '+').replaceAll('_', '/')
  const url = `data:${mimeType};base64,${data}`
  const [kind] = mimeType.split('/', 1)
  if (kind === 'image') return { type: 'image_url', image_url: { url } }
  if (kind === 'video') return { type: 'video_url', video_url: { url } }
  if (kind === 'audio')
    return { type: 'input_audio', input_audio: { data, format: AUDIO[mimeType] ?? mimeType.slice(6) } }
  if (mimeType === 'application/pdf')
    return { type: 'file', file: { filename: 'document.pdf', file_data: url } }
  if (kind === 'text' || mimeType === 'application/json')
    return { type: 'text', text: textIn(data, `${param}.data`) }
  throw onlyGemini(`${mimeType === '' ? 'data without mimeType' : mimeType} is read`, `${param}.mimeType`)
}

/** OpenAI's words for the sounds that it takes. */
const AUDIO: Readonly<Record<string, string>> = {
  'audio/mpeg': 'mp3',
  'audio/mp3': 'mp3',
  'audio/wav': 'wav',
  'audio/x-wav': 'wav',
  'audio/wave': 'wav',
}

function textIn(base64: string, param: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(base64), char => char.charCodeAt(0)))
  } catch {
    throw new GatewayError('invalid_request', `${param}: must be base64.`, { param })
  }
}

/** Addresses that Google alone can open: its Files API, its storage, YouTube. */
const GOOGLES =
  /^(gs:|https:\/\/generativelanguage\.googleapis\.com\/|https:\/\/(www\.)?(youtube\.com|youtu\.be)\/)/

function filePart(file: Json, param: string): Part {
  const uri = textField(file, 'fileUri') ?? ''
  const mimeType = textField(file, 'mimeType') ?? ''
  if (!/^https?:\/\//.test(uri) || GOOGLES.test(uri))
    throw onlyGemini('files at Google are read', `${param}.fileUri`)
  if (mimeType.startsWith('image/')) return { type: 'image_url', image_url: { url: uri } }
  if (mimeType.startsWith('video/')) return { type: 'video_url', video_url: { url: uri } }
  if (mimeType === 'application/pdf')
    return { type: 'file', file: { filename: 'document.pdf', file_data: uri } }
  throw onlyGemini(
    `a file of the type ${mimeType === '' ? '(none given)' : mimeType} is fetched`,
    `${param}.mimeType`,
  )
}
