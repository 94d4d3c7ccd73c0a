/** Listens to a Responses stream that passes untouched: what commits the target, what is to be metered, how it ends. */
import { isObject } from '../src/wire/extensions.ts'
import { withTier } from '../src/wire/tiers.ts'
import type { DecodeContext, Json, NativeSign, NativeTap } from './provider.ts'
import { createProgress, type Progress } from './openai-responses-progress.ts'
import { bytesOf, failureOf, finishOf, keepSeals, usageOf, withCalls } from './openai-responses-read.ts'

/** Usage stands inside the `response` of the last event. */
const USAGE_DEPTH = 2

export const createTap = (context?: DecodeContext): NativeTap => new Tap(context)

class Tap implements NativeTap {
  readonly usageDepth = USAGE_DEPTH
  private readonly progress: Progress = createProgress()
  private readonly keepSeal: DecodeContext['keepSeal']
  private readonly request: Json | undefined

  constructor(context: DecodeContext | undefined) {
    this.keepSeal = context?.keepSeal
    this.request = context?.request
  }

  event(data: string, name: string | undefined): NativeSign {
    const text = data.trim()
    // Not OpenAI's own; OpenRouter ends with it.
    if (text === '' || text === '[DONE]') return {}
    let said: unknown
    try {
      said = JSON.parse(text)
    } catch {
      return { failure: { kind: 'malformed', message: 'the provider sent an event that is no JSON' } }
    }
    if (!isObject(said)) return {}
    const type = typeof said.type === 'string' ? said.type : (name ?? '')
    const sign = this.read(type, said)
    if (!this.progress.note(type, said))
      return { failure: { kind: 'malformed', message: 'the answer is too large' } }
    return sign
  }

  cut(usage: Parameters<NativeTap['cut']>[0]): string {
    return this.progress.cut(usage)
  }

  /** A stream without its last event is not complete, so nothing is made up. */
  missing(): string {
    return ''
  }

  private read(type: string, said: Json): NativeSign {
    switch (type) {
      case 'response.completed':
      case 'response.incomplete':
        return ended(isObject(said.response) ? said.response : {}, this.request)
      case 'response.failed':
        return { failure: failureOf(isObject(said.response) ? said.response.error : undefined) }
      case 'error':
        return { failure: failureOf(isObject(said.error) ? said.error : said) }
      case 'response.created': {
        const { id } = isObject(said.response) ? said.response : {}
        return typeof id === 'string' && id !== '' ? { answerId: id } : {}
      }
      case 'response.output_item.added':
        return opened(said.item)
      case 'response.output_item.done':
        keepSeals([said.item], this.keepSeal)
        // Its text was counted as it came, unless the host sends items whole.
        return this.progress.knows(said) ? {} : counted(said.item)
    }
    // Every delta of the wire says something: text, refusals, arguments, thoughts, summaries, code.
    if (!type.endsWith('.delta') || typeof said.delta !== 'string' || said.delta === '')
      return isError(type, said) ? { failure: failureOf(said.error) } : {}
    return { content: true, textBytes: bytesOf(said.delta) }
  }
}

/** Some hosts break off with a bare error object. */
const isError = (type: string, said: Json): boolean => type === '' && isObject(said.error)

function ended(response: Json, request: Json | undefined): NativeSign {
  const usage = withTier(withCalls(usageOf(response.usage), response.output), response, request)
  return { content: true, done: true, finishReason: finishOf(response), ...(usage && { usage }) }
}

/** Messages and thoughts begin empty; every other kind says something by being there. */
function opened(item: unknown): NativeSign {
  if (!isObject(item) || item.type === 'message' || item.type === 'reasoning') return {}
  return { content: true, textBytes: bytesOf(typeof item.name === 'string' ? item.name : '') }
}

function counted(item: unknown): NativeSign {
  return isObject(item) ? { content: true, textBytes: bytesOf(JSON.stringify(item)) } : {}
}
