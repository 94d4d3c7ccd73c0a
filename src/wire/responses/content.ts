/** Content parts of the Responses wire → content parts of chat. Part of reading the request. */
import { isObject, wrong } from '../extensions.ts'

type Json = Record<string, unknown>

const NO_FILES = 'is the id of a file at OpenAI, which no other provider can read. Send the content itself.'

function textOf({ text }: Json, param: string): string {
  if (typeof text !== 'string') throw wrong(`${param}.text`, 'must be a string.')
  return text
}

function image(part: Json, param: string): Json {
  const { type: _, image_url: url, detail, file_id: file, ...rest } = part
  if (file != null) throw wrong(`${param}.file_id`, NO_FILES)
  if (typeof url !== 'string') throw wrong(`${param}.image_url`, 'must be a URL or a data: URL.')
  return { type: 'image_url', image_url: { url, ...(detail != null && { detail }) }, ...rest }
}

/** A URL goes where the data goes: adapters that can fetch by URL read it there. */
function file(part: Json, param: string): Json {
  const { type: _, file_data: data, file_url: url, file_id: id, filename, detail: __, ...rest } = part
  const given = data ?? url
  if (given == null && id == null) throw wrong(param, 'must have file_data, file_url or file_id.')
  if (given != null && typeof given !== 'string') throw wrong(`${param}.file_data`, 'must be a string.')
  const inside = { ...(filename != null && { filename }) }
  return {
    type: 'file',
    file: { ...inside, ...(given == null ? { file_id: id } : { file_data: given }) },
    ...rest,
  }
}

/** One part; members that are not of the Responses wire (cache marks) stay where they are. */
function chatPart(part: unknown, param: string): Json {
  if (!isObject(part)) throw wrong(param, 'must be an object with a type.')
  switch (part.type) {
    case 'output_text':
      // what a model said comes back with what this wire and its SDKs hang on it: annotations, log probabilities, `parsed`
      return { type: 'text', text: textOf(part, param) }
    case 'input_text':
    case 'text':
      return { ...part, type: 'text', text: textOf(part, param) }
    case 'refusal':
      if (typeof part.refusal !== 'string') throw wrong(`${param}.refusal`, 'must be a string.')
      return { type: 'refusal', refusal: part.refusal }
    case 'input_image':
      return image(part, param)
    case 'input_file':
      return file(part, param)
    case 'input_audio':
      return part
  }
  const known = 'input_text, input_image, input_file, input_audio, output_text or refusal'
  throw wrong(`${param}.type`, `must be ${known}.`)
}

/** A string stays one; parts are translated one by one. Throws `invalid_request` with the place. */
export function chatContent(content: unknown, param: string): string | Json[] {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) throw wrong(param, 'must be a string or an array of parts.')
  return content.map((part, i) => chatPart(part, `${param}[${i}]`))
}
