/** Content blocks of the Messages wire → chat content parts. What no other provider can read is refused, so that nothing is lost in silence. */
import { GatewayError } from '../../errors.ts'
import { isObject } from '../extensions.ts'

type Json = Record<string, unknown>

/** What only Claude understands: another target of the request may still be Claude. */
export function onlyClaude(what: string, param: string): GatewayError {
  return new GatewayError(
    'invalid_request',
    `${param}: ${what} only by Claude models. Ask for one, or leave it out.`,
    { param },
  )
}

const marked = (block: Json): Json =>
  isObject(block.cache_control) ? { cache_control: block.cache_control } : {}

/** A string or blocks → blocks. */
export function blocksOf(content: unknown): readonly Json[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return Array.isArray(content) ? content.filter(isObject) : []
}

/** Blocks of a system, user or tool message → parts: text, image_url, file. */
export function partsOf(blocks: readonly Json[], param: string): Json[] {
  return blocks.flatMap((block, i) => partOf(block, `${param}[${i}]`))
}

function partOf(block: Json, param: string): Json[] {
  switch (block.type) {
    case 'text':
      return [{ type: 'text', text: block.text, ...marked(block) }]
    case 'image':
      return [{ type: 'image_url', image_url: { url: imageUrl(block.source, param) }, ...marked(block) }]
    case 'document':
      return documentParts(block, param)
    case 'search_result': {
      const head = [block.title, block.source].filter(text => typeof text === 'string' && text !== '')
      const body = blocksOf(block.content).map(inner => String(inner.text ?? ''))
      return [{ type: 'text', text: [...head, ...body].join('\n'), ...marked(block) }]
    }
    default:
      throw onlyClaude(`${String(block.type)} blocks are read`, param)
  }
}

function imageUrl(source: unknown, param: string): string {
  if (isObject(source) && source.type === 'base64') {
    const type = typeof source.media_type === 'string' ? source.media_type : 'image/png'
    return `data:${type};base64,${String(source.data)}`
  }
  if (isObject(source) && source.type === 'url' && typeof source.url === 'string') return source.url
  throw onlyClaude('files of the Files API are read', `${param}.source`)
}

function documentParts(block: Json, param: string): Json[] {
  const source = isObject(block.source) ? block.source : {}
  const title = typeof block.title === 'string' && block.title !== '' ? block.title : undefined
  const context = typeof block.context === 'string' && block.context !== '' ? block.context : undefined
  const told: Json[] = context === undefined ? [] : [{ type: 'text', text: context }]
  switch (source.type) {
    case 'base64':
    case 'url': {
      const data =
        source.type === 'url'
          ? String(source.url)
          : `data:${String(source.media_type ?? 'application/pdf')};base64,${String(source.data)}`
      const file = { filename: title ?? 'document.pdf', file_data: data }
      return [...told, { type: 'file', file, ...marked(block) }]
    }
    case 'text':
    case 'content': {
      const inner =
        source.type === 'text'
          ? [{ type: 'text', text: String(source.data ?? '') }]
          : partsOf(blocksOf(source.content), `${param}.source.content`)
      const named = title === undefined ? [] : [{ type: 'text', text: title }]
      const last = inner.at(-1)
      const parts = last ? [...inner.slice(0, -1), { ...last, ...marked(block) }] : []
      return [...named, ...told, ...parts]
    }
    default:
      throw onlyClaude('files of the Files API are read', `${param}.source`)
  }
}
