/** Chat chunks → events of the Responses wire, one by one and at once; a whole answer is a stream of one chunk. */
import type { Response, ResponseUsage } from 'openai/resources/responses/responses'
import type { GatewayError } from '../../errors.ts'
import { isObject } from '../extensions.ts'
import type { RenderContext, StreamWriter } from '../inbound.ts'
import { MediaNotes } from '../media-notes.ts'
import { Calls } from './calls.ts'
import { Events } from './events.ts'
import { type Ending, MessageItem, ReasoningItem } from './items.ts'
import { namesIn } from './namespaces.ts'
import { incompleteReason, responseObject, responseUsage } from './object.ts'
import { addDetails, textOfDetails } from './reasoning.ts'

type Json = Record<string, unknown>

const filled = (value: unknown): value is string => typeof value === 'string' && value !== ''

/** The first answer of a chunk; others were not asked for. */
function choiceOf(chunk: Json): Json | undefined {
  const choices: readonly unknown[] = Array.isArray(chunk.choices) ? chunk.choices : []
  return choices.find((choice): choice is Json => isObject(choice) && (choice.index ?? 0) === 0)
}

export class ResponseWriter implements StreamWriter {
  readonly id: string
  private readonly context: RenderContext
  private readonly events: Events
  private readonly calls: Calls
  private begun = false
  private model = ''
  private serviceTier: unknown
  private thinking: ReasoningItem | undefined
  private message: MessageItem | undefined
  /** Signatures that came while the assistant was speaking. */
  private late: Json[] = []
  private finish: string | undefined
  private readonly notes = new MediaNotes()
  private usage: ResponseUsage | undefined
  private over = false

  constructor(context: RenderContext) {
    this.context = context
    this.id = context.newId('resp_')
    this.events = new Events(context.newId)
    this.calls = new Calls(this.events, namesIn(context.request.tools))
  }

  chunk(chunk: Json, costNanoUsd: number | undefined): string {
    if (this.over) return ''
    this.begin(chunk)
    this.serviceTier = chunk.service_tier ?? this.serviceTier
    this.usage = responseUsage(chunk, costNanoUsd) ?? this.usage
    const choice = choiceOf(chunk)
    if (choice) {
      const { delta, finish_reason: finish, logprobs } = choice
      if (isObject(delta)) this.delta(delta, logprobs)
      if (filled(finish)) {
        this.finish ??= finish.toLowerCase()
        this.closeAll()
      }
    }
    return this.events.take()
  }

  end(): string {
    if (this.over) return ''
    this.begin({})
    this.finish ??= 'stop'
    this.closeAll()
    this.over = true
    const incomplete = incompleteReason(this.finish) !== undefined
    const type = incomplete ? ('response.incomplete' as const) : ('response.completed' as const)
    this.events.emit({ type, response: this.response() })
    return this.events.take()
  }

  error({ code, message, param }: GatewayError): string {
    this.events.take()
    this.over = true
    this.events.emit({ type: 'error', code, message, param: param ?? null })
    return this.events.take()
  }

  /** The response as far as it has come. */
  response(): Response {
    const { id, model, serviceTier, usage } = this
    const finish = this.over ? this.finish : undefined
    const { output } = this.events
    return responseObject({ id, model, serviceTier, output, usage, finish }, this.context)
  }

  private begin(chunk: Json): void {
    if (this.begun) return
    this.begun = true
    if (filled(chunk.model)) this.model = chunk.model
    this.events.emit({ type: 'response.created', response: this.response() })
    this.events.emit({ type: 'response.in_progress', response: this.response() })
  }

  private delta(delta: Json, logprobs: unknown): void {
    const { content, refusal, annotations, tool_calls: calls, tool_plan: plan } = delta
    this.think(delta)
    if (filled(content)) this.say(content, isObject(logprobs) ? logprobs.content : undefined)
    // Mistral's models that think send parts
    for (const part of Array.isArray(content) ? content : []) if (isObject(part)) this.part(part)
    // what Cohere's models say before their calls
    if (filled(plan)) this.say(plan, undefined)
    if (filled(refusal)) this.speaking().refuse(refusal)
    for (const note of this.notes.of(delta)) this.say(note, undefined)
    if (Array.isArray(annotations) && annotations.length > 0) this.speaking().cite(annotations)
    if (!Array.isArray(calls) || !calls.some(isObject)) return
    this.closeThinking()
    this.closeMessage('completed')
    this.calls.add(calls)
  }

  private think(delta: Json): void {
    const { reasoning_content: plain, reasoning, reasoning_details: details } = delta
    const text = filled(plain) ? plain : filled(reasoning) ? reasoning : textOfDetails(details)
    if (text !== '') this.thoughts().think(text, filled(plain))
    if (!Array.isArray(details) || details.length === 0) return
    if (this.thinking === undefined && this.message !== undefined) addDetails(this.late, details)
    else this.thoughts().addDetails(details)
  }

  private part(part: Json): void {
    if (part.type === 'thinking') {
      for (const piece of Array.isArray(part.thinking) ? part.thinking : [])
        if (isObject(piece) && filled(piece.text)) this.thoughts().think(piece.text, false)
    } else if (filled(part.text)) this.say(part.text, undefined)
  }

  private say(text: string, logprobs: unknown): void {
    this.speaking().say(text, Array.isArray(logprobs) ? logprobs : [])
  }

  private thoughts(): ReasoningItem {
    if (this.thinking === undefined) {
      this.closeMessage('completed')
      this.thinking = new ReasoningItem(this.events)
    }
    return this.thinking
  }

  private speaking(): MessageItem {
    this.closeThinking()
    this.message ??= new MessageItem(this.events)
    return this.message
  }

  private closeThinking(): void {
    this.thinking?.close()
    this.thinking = undefined
  }

  private closeMessage(ending: Ending): void {
    this.message?.close(ending)
    this.message = undefined
    if (this.late.length > 0) this.events.addKept({ details: this.late })
    this.late = []
  }

  private closeAll(): void {
    const ending = incompleteReason(this.finish ?? '') === undefined ? 'completed' : 'incomplete'
    this.closeThinking()
    this.closeMessage(ending)
    this.calls.close(ending)
  }
}

/** An OpenAI `chat.completion` as a response object. */
export function responseOf(completion: Json, context: RenderContext): Json {
  const writer = new ResponseWriter(context)
  const choice = choiceOf(completion) ?? {}
  const message: Json = isObject(choice.message) ? choice.message : {}
  const calls: readonly unknown[] = Array.isArray(message.tool_calls) ? message.tool_calls : []
  const numbered = calls.map((call, index) => (isObject(call) ? { ...call, index } : call))
  const delta = { ...message, tool_calls: numbered }
  writer.chunk({ ...completion, choices: [{ ...choice, index: 0, delta }] }, undefined)
  writer.end()
  return writer.response() as unknown as Json
}
