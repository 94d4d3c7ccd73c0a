/** Gemini's `alt=sse` stream → OpenAI `chat.completion.chunk`s. Stage: relay. */
import { GatewayError } from '../../src/errors.ts'
import { RawValue } from '../../src/wire/raw-json.ts'
import type { ChunkSink, DecodeContext, Json, StreamDecoder } from '../provider.ts'
import { Choice, type Reading, readingOf, type Step } from './choice.ts'
import { blockReasonOf } from './decode.ts'
import { failureOf } from './failure.ts'
import { Searches } from './grounding.ts'
import { readUsage, wireUsage } from './usage.ts'
import { type Answer, answerSchema, errorOf, type UsageMetadata } from './wire.ts'

/**
 * Every event is a whole GenerateContentResponse whose parts are increments. There is no terminator: the stream is
 * complete when a finish reason was seen and the connection has ended, so the ending waits for `end()`.
 */
export function decodeStream(context: DecodeContext, out: ChunkSink): StreamDecoder {
  return new GeminiStream(context, out)
}

class GeminiStream implements StreamDecoder {
  readonly #context: DecodeContext
  readonly #out: ChunkSink
  readonly #reading: Reading
  readonly #choices = new Map<number, Choice>()
  /** Choices whose first chunk, with the role, is out. */
  readonly #begun = new Set<number>()
  #meta: UsageMetadata = {}
  readonly #searches: Searches
  /** Members that all chunks share; known with the first event. */
  #head: Json | undefined
  #isOver = false
  /** An event that was no JSON: a stream that breaks off ends in one, so it is a fault only if more follows. */
  #isTorn = false

  constructor(context: DecodeContext, out: ChunkSink) {
    this.#context = context
    this.#out = out
    this.#reading = readingOf(context)
    this.#searches = new Searches(context.offer.upstream)
  }

  event(data: string): void {
    if (this.#isOver || data === '[DONE]' || data.trim() === '') return
    if (this.#isTorn) {
      this.#fail(new GatewayError('malformed', 'the provider sent an event that is not JSON'))
      return
    }
    let json: unknown
    try {
      json = JSON.parse(data)
    } catch {
      this.#isTorn = true
      return
    }
    try {
      this.#take(json, data)
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      this.#fail(error)
    }
  }

  end(): void {
    if (this.#isOver || this.#isTorn || this.#choices.size === 0) return
    const choices = [...this.#choices.values()]
    if (!choices.every(choice => choice.isFinished)) return
    this.#isOver = true
    for (const choice of choices) {
      this.#emit(choice, choice.close())
      this.#chunk(choice.index, {}, choice.finishReason)
    }
    const usage = readUsage(this.#meta)
    if (usage !== undefined) {
      this.#out.chunk({ ...this.#head, choices: [], usage: wireUsage(this.#meta, usage) })
    }
    this.#out.done()
  }

  #take(json: unknown, data: string): void {
    const error = errorOf(json)
    if (error !== undefined) throw failureOf(error)
    const read = answerSchema.safeParse(json)
    if (!read.success) throw new GatewayError('malformed', 'the provider sent an event that is no answer')
    const answer = read.data
    this.#head ??= {
      id: answer.responseId || this.#context.newId('chatcmpl-'),
      object: 'chat.completion.chunk',
      created: this.#context.created,
      model: answer.modelVersion || this.#context.offer.upstream,
    }
    for (const { groundingMetadata } of answer.candidates ?? []) this.#searches.add(groundingMetadata)
    this.#takeUsage(answer.usageMetadata ?? this.#meta)
    const written = data.includes('"functionCall"') ? new RawValue(data).at('candidates') : undefined
    for (const [at, candidate] of (answer.candidates ?? []).entries()) {
      const choice = this.#choiceAt(candidate.index ?? at)
      this.#emit(choice, choice.read(candidate, written?.at(at)))
    }
    this.#takeEnding(answer)
  }

  /** Each event's counts are the whole so far and belong together: the last set of them is the one that sums up. */
  #takeUsage(meta: UsageMetadata): void {
    const usage = readUsage(meta, this.#searches.calls)
    if (usage === undefined) return
    this.#meta = meta
    this.#out.usage(usage)
  }

  #takeEnding(answer: Answer): void {
    const choices = [...this.#choices.values()]
    const blockReason = blockReasonOf(answer)
    if (blockReason !== undefined && !choices.some(choice => choice.isFinished)) {
      this.#choiceAt(0).block(blockReason, answer.promptFeedback?.blockReasonMessage)
    }
    const fault = choices.find(choice => choice.fault !== undefined)?.fault
    if (fault !== undefined && !choices.some(choice => choice.hasContent)) throw fault
  }

  #choiceAt(index: number): Choice {
    let choice = this.#choices.get(index)
    if (choice === undefined) {
      choice = new Choice(index, this.#reading)
      this.#choices.set(index, choice)
    }
    return choice
  }

  #emit(choice: Choice, steps: readonly Step[]): void {
    for (const { delta, logprobs } of steps) this.#chunk(choice.index, delta, null, logprobs)
  }

  #chunk(index: number, delta: Json, finishReason: string | null, logprobs: Json | null = null): void {
    const role = this.#begun.has(index) ? {} : { role: 'assistant' }
    this.#begun.add(index)
    const choice = { index, delta: { ...role, ...delta }, logprobs, finish_reason: finishReason }
    this.#out.chunk({ ...this.#head, choices: [choice] })
  }

  #fail(error: GatewayError): void {
    this.#isOver = true
    this.#out.fail(error.kind, error.message)
  }
}
