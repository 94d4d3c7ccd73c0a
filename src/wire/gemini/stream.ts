/**
 * Chat chunks → events of streamGenerateContent: each a whole response whose parts are increments. One part an event:
 * Google's older client joins the parts of an event into one. A function call leaves when its arguments are complete,
 * for this wire has no pieces of them.
 */
import type { Usage } from '../../terms.ts'
import { isObject } from '../extensions.ts'
import type { RenderContext, StreamWriter } from '../inbound.ts'
import { detailsOf, saidIn } from '../messages/usage.ts'
import { usageOfAnswer } from '../openai.ts'
import { usd } from '../plain.ts'
import { argumentsIn, type StreamedCall, StreamedCalls } from '../streamed-calls.ts'
import { callOf, ownSignature } from './answer.ts'
import { signatureOf } from './signatures.ts'
import {
  citations,
  estimatedMetadata,
  finishOf,
  isSigned,
  joined,
  logprobsResult,
  mediaParts,
  usageMetadata,
  wantsThoughts,
} from './usage.ts'

type Json = Record<string, unknown>

interface Call extends StreamedCall {
  json: string
  extra: unknown
}

/** One candidate in the making. */
interface Candidate {
  readonly index: number
  readonly calls: StreamedCalls<Call>
  readonly details: Json[]
  readonly annotations: unknown[]
  text: string
  finish: unknown
}

export function createGeminiWriter(context: RenderContext): StreamWriter {
  return new GeminiWriter(context)
}

class GeminiWriter implements StreamWriter {
  readonly id: string
  private readonly context: RenderContext
  private readonly showsThoughts: boolean
  private readonly candidates = new Map<number, Candidate>()
  private out = ''
  private usage: Usage | undefined
  private usageIsEstimated = false
  private costNanoUsd: number | undefined
  /** UTF-16 units of the answer, for hosts that do not count. */
  private chars = 0

  constructor(context: RenderContext) {
    this.context = context
    this.id = context.newId('gen_')
    this.showsThoughts = wantsThoughts(context)
  }

  chunk(chunk: Json, costNanoUsd: number | undefined): string {
    this.usage = usageOfAnswer(chunk) ?? this.usage
    if (isObject(chunk.usage)) this.usageIsEstimated = chunk.usage.estimated === true
    this.costNanoUsd = costNanoUsd ?? this.costNanoUsd
    for (const choice of Array.isArray(chunk.choices) ? chunk.choices.filter(isObject) : [])
      this.choice(choice)
    return this.take()
  }

  /** Calls, and the ending of every candidate; the usage stands in the last event. */
  end(): string {
    const all = [...this.candidates.values()]
    const last = all.map(candidate => this.lastPart(candidate))
    const usage: Json = this.usage ? usageMetadata(this.usage) : estimatedMetadata(this.context, this.chars)
    if (this.usageIsEstimated) usage.estimated = true
    if (this.costNanoUsd !== undefined) usage.cost = usd(this.costNanoUsd)
    const endings = all.map((candidate, i) => ({
      ...this.content(candidate, last[i] ?? {}),
      finishReason: finishOf(candidate.finish),
      ...citations(candidate.annotations, candidate.text),
    }))
    this.event(endings, { usageMetadata: usage })
    return this.take()
  }

  private take(): string {
    const text = this.out
    this.out = ''
    return text
  }

  private event(candidates: readonly Json[], more: Json = {}): void {
    const response = { candidates, ...more, modelVersion: this.context.model, responseId: this.id }
    this.out += `data: ${JSON.stringify(response)}\r\n\r\n`
  }

  private content(candidate: Candidate, part: Json): Json {
    return { content: { parts: [part], role: 'model' }, index: candidate.index }
  }

  private part(candidate: Candidate, part: Json, more: Json = {}): void {
    this.event([{ ...this.content(candidate, part), ...more }])
  }

  private choice(choice: Json): void {
    const index = typeof choice.index === 'number' ? choice.index : 0
    let candidate = this.candidates.get(index)
    if (!candidate) {
      candidate = {
        index,
        calls: new StreamedCalls<Call>(() => ({ id: '', name: '', json: '', extra: undefined })),
        details: [],
        annotations: [],
        text: '',
        finish: undefined,
      }
      this.candidates.set(index, candidate)
    }
    if (typeof choice.finish_reason === 'string' && choice.finish_reason !== '')
      candidate.finish ??= choice.finish_reason
    if (isObject(choice.delta)) this.delta(candidate, choice.delta, logprobsResult(choice.logprobs))
  }

  private delta(candidate: Candidate, delta: Json, logprobs: Json): void {
    const { text, thought } = saidIn(delta)
    this.chars += text.length + thought.length
    candidate.text += text
    if (thought !== '' && this.showsThoughts) this.part(candidate, { text: thought, thought: true })
    candidate.details.push(...detailsOf(delta))
    if (Array.isArray(delta.annotations)) candidate.annotations.push(...delta.annotations)
    if (text !== '') this.part(candidate, { text }, logprobs)
    for (const part of mediaParts(delta)) this.part(candidate, part)
    for (const { entry, call } of candidate.calls.of(delta.tool_calls)) this.call(entry, call)
  }

  private call(entry: Json, call: Call): void {
    if (isObject(entry.extra_content)) call.extra = entry.extra_content
    const text = argumentsIn(entry)
    call.json += text
    this.chars += text.length
  }

  /** Sends the calls, each in an event of its own, but for the last part, which goes with the ending. */
  private lastPart(candidate: Candidate): Json {
    const details = joined(candidate.details).filter(isSigned)
    const calls = candidate.calls.all.filter(({ name }) => name !== '')
    const free = details.filter(detail => !calls.some(({ id }) => id !== '' && id === detail.id))
    // What the model signed stands on the first call; without calls on a part that says nothing, as Gemini's own does.
    let waiting = free.length > 0 ? signatureOf(free) : undefined
    const parts = calls.map(({ id, name, json, extra }): Json => {
      const call = {
        id: id === '' ? this.context.newId('call_') : id,
        function: { name, arguments: json },
        extra_content: extra,
      }
      const own = ownSignature(call, details)
      const thoughtSignature = own ?? waiting
      if (own === undefined) waiting = undefined
      return { functionCall: callOf(call), ...(thoughtSignature === undefined ? {} : { thoughtSignature }) }
    })
    const last = parts.pop()
    for (const part of parts) this.part(candidate, part)
    if (last !== undefined && waiting === undefined) return last
    if (last !== undefined) this.part(candidate, last)
    return { text: '', ...(waiting === undefined ? {} : { thoughtSignature: waiting }) }
  }
}
