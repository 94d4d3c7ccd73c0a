/** Whole Anthropic message → OpenAI chat completion. */
import { GatewayError } from '../../src/errors.ts'
import type { DecodeContext, Decoded, Json } from '../provider.ts'
import { annotationsOf } from './citations.ts'
import { classify, errorWords } from './errors.ts'
import { hidesReasoning, jsonToolName } from './json-mode.ts'
import { RawValue } from './raw.ts'
import { REASONING_FORMAT } from './reasoning.ts'
import { chatUsage, finishReasonOf, refusalOf, usageOf } from './usage.ts'
import { messageSchema, type WireBlock } from './wire.ts'

/** Throws GatewayError: the named failure for an error object inside a 200, `malformed` for what is no message. */
export function decode(answer: unknown, context: DecodeContext): Decoded {
  const parsed = messageSchema.safeParse(answer)
  if (!parsed.success) {
    const failure = classify(200, answer)
    if (failure !== undefined) throw new GatewayError(failure, errorWords(answer))
    throw new GatewayError('malformed', 'the provider sent an answer that is no message')
  }
  const wire = parsed.data
  const inputs = inputsOf(context.source)
  const said = readBlocks(wire.content, inputs, context)
  const usage = usageOf(wire.usage)
  const finishReason = finishReasonOf(wire.stop_reason, said.toolCalls.length)
  const id = wire.id || context.newId('chatcmpl-')
  const shown = said.reasoning.details.length > 0
  const message: Json = {
    role: 'assistant',
    content: said.content,
    refusal: refusalOf(wire.stop_reason, wire.stop_details),
    ...(shown && said.reasoning.text !== ''
      ? { reasoning: said.reasoning.text, reasoning_content: said.reasoning.text }
      : {}),
    ...(shown ? { reasoning_details: said.reasoning.details } : {}),
    ...(said.toolCalls.length > 0 ? { tool_calls: said.toolCalls } : {}),
    ...(said.annotations.length > 0 ? { annotations: said.annotations } : {}),
  }
  return {
    body: {
      id,
      object: 'chat.completion',
      created: context.created,
      model: wire.model || context.offer.upstream,
      choices: [{ index: 0, message, logprobs: null, finish_reason: finishReason }],
      ...(usage === undefined ? {} : { usage: chatUsage(usage) }),
    },
    usage,
    finishReason,
    answerId: id,
  }
}

interface Said {
  content: string | null
  toolCalls: Json[]
  annotations: Json[]
  reasoning: { text: string; details: Json[] }
}

/** Server tools and their results are the provider's own affair: handed out as calls, a caller would answer them. */
function readBlocks(blocks: readonly WireBlock[], inputs: Inputs, context: DecodeContext): Said {
  const jsonTool = jsonToolName(context.request, context.offer.upstream)
  const hidden = hidesReasoning(context.request)
  const said: Said = { content: null, toolCalls: [], annotations: [], reasoning: { text: '', details: [] } }
  let json: string | undefined
  for (const [at, block] of blocks.entries()) {
    switch (block.type) {
      case 'text': {
        const start = said.content?.length ?? 0
        said.content = (said.content ?? '') + (block.text ?? '')
        said.annotations.push(...annotationsOf(block.citations ?? [], start, said.content.length))
        break
      }
      case 'thinking':
      case 'redacted_thinking':
        if (!hidden) addReasoning(said.reasoning, block)
        break
      case 'tool_use': {
        const text = inputs(at) ?? writeInput(block.input)
        if (jsonTool !== undefined && block.name === jsonTool) json = text
        else said.toolCalls.push(toolCall(block, text, context))
      }
    }
  }
  // With the answer in the forced tool, text beside it is chatter that would break the JSON.
  return json === undefined ? said : { ...said, content: json, annotations: [] }
}

/** The arguments of the call in the block with this number, as they were written; undefined = there is no text to look in. */
type Inputs = (block: number) => string | undefined

function inputsOf(source: string | undefined): Inputs {
  let content: RawValue | undefined
  return block => {
    if (source === undefined) return undefined
    content ??= new RawValue(source).at('content')
    const input = content?.at(block)?.at('input')?.text
    return input === 'null' ? '{}' : input
  }
}

function writeInput(input: unknown): string {
  try {
    return JSON.stringify(input ?? {})
  } catch (cause) {
    throw new GatewayError('malformed', 'the provider sent tool arguments that are nested too deeply', {
      cause,
    })
  }
}

function toolCall(block: WireBlock, text: string, context: DecodeContext): Json {
  return {
    id: block.id || context.newId('call_'),
    type: 'function',
    function: { name: block.name ?? '', arguments: text },
  }
}

function addReasoning(reasoning: Said['reasoning'], block: WireBlock): void {
  const index = reasoning.details.length
  if (block.type === 'redacted_thinking') {
    reasoning.details.push({
      type: 'reasoning.encrypted',
      data: block.data ?? '',
      format: REASONING_FORMAT,
      index,
    })
    return
  }
  const text = block.thinking ?? ''
  reasoning.text += text
  const signature = block.signature ? { signature: block.signature } : {}
  reasoning.details.push({ type: 'reasoning.text', text, ...signature, format: REASONING_FORMAT, index })
}
