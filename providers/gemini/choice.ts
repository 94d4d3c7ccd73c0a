/**
 * One candidate of an answer, folded part by part into OpenAI deltas. Whole answers are their own stream of one event,
 * so that both ways of asking always say the same. Used by decode and stream.
 */
import { GatewayError } from '../../src/errors.ts'
import type { RawValue } from '../../src/wire/raw-json.ts'
import type { DecodeContext, Json } from '../provider.ts'
import { codeIn } from './code.ts'
import { readCitations } from './grounding.ts'
import { factsOf } from './model.ts'
import { isObject } from './params.ts'
import { extraContent, SIGNATURE_FORMAT } from './signatures.ts'
import { answerTool, type ToolNames, toolNames } from './tools.ts'
import type { Candidate, Part } from './wire.ts'

/** What the request says about reading its answer. */
export interface Reading {
  readonly names: ToolNames
  /** Function whose arguments are the answer's text (see `answerTool`). */
  readonly answerTool: string | undefined
  readonly newId: DecodeContext['newId']
  readonly keepSignature: DecodeContext['keepSignature']
}

export function readingOf(context: DecodeContext): Reading {
  return {
    names: toolNames(context.request),
    answerTool: answerTool(context.request, factsOf(context.offer.upstream)),
    newId: context.newId,
    keepSignature: context.keepSignature,
  }
}

/** One step of a choice: what is new, and the log probabilities of it. */
export interface Step {
  readonly delta: Json
  readonly logprobs?: Json
}

/** Endings that are faults of the model or the provider, not of the conversation. */
const FAULTS = new Set([
  'MALFORMED_FUNCTION_CALL',
  'UNEXPECTED_TOOL_CALL',
  'MALFORMED_RESPONSE',
  'MISSING_THOUGHT_SIGNATURE',
  'TOO_MANY_TOOL_CALLS',
  'NO_IMAGE',
])

const FILTERED = new Set([
  'SAFETY',
  'RECITATION',
  'BLOCKLIST',
  'PROHIBITED_CONTENT',
  'SPII',
  'IMAGE_SAFETY',
  'IMAGE_PROHIBITED_CONTENT',
  'IMAGE_RECITATION',
  'LANGUAGE',
  'MODEL_ARMOR',
])

/** Google's `finishReason` and the number of calls → OpenAI's `finish_reason`. */
export function finishReasonOf(reason: string, calls: number): string {
  if (reason === 'MAX_TOKENS' || reason === 'CONTINUATION') return 'length'
  if (FILTERED.has(reason)) return 'content_filter'
  return calls > 0 ? 'tool_calls' : 'stop'
}

/** The state of one candidate while its parts come in. */
export class Choice {
  readonly index: number
  readonly #reading: Reading
  #calls = 0
  #text = ''
  #hasContent = false
  #details = 0
  /** Index of the reasoning text that further thoughts continue. */
  #thinking: number | undefined
  #reason: string | undefined
  #reasonText: string | undefined
  #grounding: Candidate['groundingMetadata']

  constructor(index: number, reading: Reading) {
    this.index = index
    this.#reading = reading
  }

  /** Has anything come that the client can see? */
  get hasContent(): boolean {
    return this.#hasContent
  }

  get isFinished(): boolean {
    return this.#reason !== undefined
  }

  /** The fault this choice ended with before it had any content: another target may do better. */
  get fault(): GatewayError | undefined {
    const reason = this.#reason
    if (reason === undefined || this.#hasContent || !FAULTS.has(reason)) return undefined
    const why = this.#reasonText === undefined ? '' : `: ${this.#reasonText}`
    return new GatewayError('malformed', `the model ended without an answer (${reason})${why}`)
  }

  /** Takes in one event's candidate, and that as it was `written`. Throws GatewayError malformed for what was never asked for. */
  read(candidate: Candidate, written?: RawValue): Step[] {
    const steps: Step[] = []
    for (const [at, part] of (candidate.content?.parts ?? []).entries()) {
      const delta = this.#part(part, () => written?.at('content')?.at('parts')?.at(at)?.at('functionCall'))
      if (delta !== undefined) steps.push({ delta })
    }
    const logprobs = readLogprobs(candidate.logprobsResult)
    if (logprobs !== undefined) steps[0] = { delta: steps[0]?.delta ?? {}, logprobs }
    if (steps.length > 0) this.#hasContent = true
    if (candidate.groundingMetadata != null) this.#grounding = candidate.groundingMetadata
    if (candidate.finishReason != null && candidate.finishReason !== '') {
      this.#reason = candidate.finishReason
      this.#reasonText = candidate.finishMessage?.slice(0, 300)
    }
    return steps
  }

  /** The prompt was refused: there will be no content. */
  block(reason: string, message: string | null | undefined): void {
    this.#reason = 'SAFETY'
    this.#reasonText = message || `The prompt was blocked (${reason}).`
  }

  /** What is known at the end only: citations, and why nothing was said. */
  close(): Step[] {
    const steps: Step[] = []
    const annotations = readCitations(this.#grounding, this.#text)
    if (annotations.length > 0) steps.push({ delta: { annotations } })
    if (!this.#hasContent && this.finishReason === 'content_filter') {
      steps.push({ delta: { refusal: this.#reasonText ?? `The answer was blocked (${this.#reason}).` } })
    }
    return steps
  }

  /** OpenAI's word for the ending. A call anywhere in the answer counts, whatever event the ending came in. */
  get finishReason(): string {
    return finishReasonOf(this.#reason ?? '', this.#calls)
  }

  #part(part: Part, written: () => RawValue | undefined): Json | undefined {
    if (part.functionCall != null) return this.#call(part.functionCall, part.thoughtSignature, written)
    const signature = part.thoughtSignature || undefined
    if (typeof part.text === 'string') {
      return part.thought === true ? this.#thought(part.text, signature) : this.#say(part.text, signature)
    }
    const code = codeIn(part)
    // its signature belongs to a part that does not go back as one
    if (code !== undefined) return this.#say(code, undefined)
    const { mimeType, data } = part.inlineData ?? {}
    if (typeof mimeType !== 'string' || typeof data !== 'string' || part.thought === true) return undefined
    this.#thinking = undefined
    if (mimeType.startsWith('audio/'))
      return { audio: { id: this.#reading.newId('audio_'), data, transcript: '' } }
    return { images: [{ type: 'image_url', image_url: { url: `data:${mimeType};base64,${data}` } }] }
  }

  #call(
    call: NonNullable<Part['functionCall']>,
    signature: string | null | undefined,
    source: () => RawValue | undefined,
  ): Json | undefined {
    if (call.partialArgs != null || call.willContinue === true) {
      throw new GatewayError('malformed', 'the provider sent function arguments in pieces, unasked')
    }
    if (!call.name) return undefined
    this.#thinking = undefined
    const written =
      typeof call.args === 'string'
        ? call.args
        : call.args == null
          ? '{}'
          : (source()?.at('args')?.text ?? JSON.stringify(call.args))
    if (call.name === this.#reading.answerTool) {
      this.#text += written
      return { content: written }
    }
    const id = call.id || this.#reading.newId('call_')
    if (signature) this.#reading.keepSignature?.(id, signature)
    const entry = {
      index: this.#calls++,
      id,
      type: 'function',
      function: { name: this.#reading.names.fromWire(call.name), arguments: written },
      ...(signature ? { extra_content: extraContent(signature) } : {}),
    }
    return { tool_calls: [entry] }
  }

  #thought(text: string, signature: string | undefined): Json | undefined {
    if (text === '' && signature === undefined) return undefined
    this.#thinking ??= this.#details++
    const detail = {
      type: 'reasoning.text',
      text,
      ...(signature === undefined ? {} : { signature }),
      format: SIGNATURE_FORMAT,
      index: this.#thinking,
    }
    // A signature closes its thought: what follows is another one.
    if (signature !== undefined) this.#thinking = undefined
    if (text === '') return { reasoning_details: [detail] }
    return { reasoning: text, reasoning_content: text, reasoning_details: [detail] }
  }

  #say(text: string, signature: string | undefined): Json | undefined {
    // Beside a function that holds the answer, text would only spoil the JSON.
    const content = this.#reading.answerTool === undefined ? text : ''
    if (content === '' && signature === undefined) return undefined
    this.#thinking = undefined
    this.#text += content
    const said = content === '' ? {} : { content }
    if (signature === undefined) return said
    const detail = {
      type: 'reasoning.encrypted',
      data: signature,
      format: SIGNATURE_FORMAT,
      index: this.#details++,
    }
    return { ...said, reasoning_details: [detail] }
  }
}

function readLogprobs(result: Candidate['logprobsResult']): Json | undefined {
  const chosen = result?.chosenCandidates
  if (chosen == null || chosen.length === 0) return undefined
  const content = chosen.map((token, i) => ({
    ...oneLogprob(token),
    top_logprobs: (result?.topCandidates?.[i]?.candidates ?? []).map(oneLogprob),
  }))
  return { content, refusal: null }
}

const oneLogprob = (token: { token?: string | null; logProbability?: number | null }): Json => ({
  token: token.token ?? '',
  logprob: token.logProbability ?? 0,
  bytes: [...new TextEncoder().encode(token.token ?? '')],
})

/** Joins the steps of one choice into a whole message. */
export function assemble(steps: readonly Step[]): { message: Json; logprobs: Json | null } {
  const message: Json = { role: 'assistant', content: null, refusal: null }
  let logprobs: Json | null = null
  for (const step of steps) {
    logprobs = step.logprobs ?? logprobs
    for (const [key, value] of Object.entries(step.delta)) {
      const before = message[key]
      if (key === 'reasoning_details') message[key] = mergeDetails(before, value)
      else if (Array.isArray(value)) message[key] = [...(Array.isArray(before) ? before : []), ...value]
      else if (typeof value === 'string' && typeof before === 'string') message[key] = before + value
      else message[key] = value
    }
  }
  // `index` belongs to the stream form of a call only.
  if (Array.isArray(message.tool_calls)) {
    message.tool_calls = message.tool_calls.map(({ index: _, ...call }: Json) => call)
  }
  return { message, logprobs }
}

/** Details of one index are one detail: their texts join. */
function mergeDetails(before: unknown, more: unknown): Json[] {
  const details: Json[] = Array.isArray(before) ? [...before] : []
  for (const detail of Array.isArray(more) ? more : []) {
    const last = details.at(-1)
    if (isObject(last) && last.index === detail.index) {
      details[details.length - 1] = { ...last, ...detail, text: `${last.text}${detail.text}` }
    } else details.push(detail)
  }
  return details
}
