/** Whole Converse answer → OpenAI chat completion. */
import { GatewayError } from '../../src/errors.ts'
import { RawValue } from '../../src/wire/raw-json.ts'
import type { DecodeContext, Decoded, Json } from '../provider.ts'
import { modelFacts } from './model.ts'
import { hidesReasoning, REASONING_FORMAT } from './reasoning.ts'
import { jsonToolName } from './tools.ts'
import { chatUsage, finishReasonOf, usageOf } from './usage.ts'
import { answerSchema, type WireBlock } from './wire.ts'

/** Throws GatewayError `malformed` for what is no answer, also where the model's own output could not be read. */
export function decode(answer: unknown, context: DecodeContext): Decoded {
  const parsed = answerSchema.safeParse(answer)
  if (!parsed.success) throw new GatewayError('malformed', 'the provider sent an answer that is no message')
  const { output, stopReason, usage: counts } = parsed.data
  const said = readBlocks(output.message.content ?? [], context)
  const finishReason = finishReasonOf(stopReason, said.toolCalls.length)
  if (finishReason === 'broken')
    throw new GatewayError('malformed', `the provider reported ${String(stopReason)}`)
  const usage = usageOf(counts)
  const id = context.newId('chatcmpl-')
  const shown = said.details.length > 0
  const message: Json = {
    role: 'assistant',
    content: said.content,
    refusal: null,
    ...(shown && said.reasoning !== ''
      ? { reasoning: said.reasoning, reasoning_content: said.reasoning }
      : {}),
    ...(shown ? { reasoning_details: said.details } : {}),
    ...(said.toolCalls.length > 0 ? { tool_calls: said.toolCalls } : {}),
  }
  return {
    body: {
      id,
      object: 'chat.completion',
      created: context.created,
      model: context.offer.upstream,
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
  reasoning: string
  details: Json[]
  toolCalls: Json[]
}

/** The text of a block: plain, or with citations. */
export const textIn = (block: WireBlock): string | undefined =>
  block.text ?? block.citationsContent?.content?.map(part => part.text ?? '').join('')

/** Server tools (Nova's code interpreter) are the provider's own affair: handed out as calls, a caller would answer them. */
export const isServers = (toolUse: { type?: string | null | undefined }): boolean =>
  toolUse.type === 'server_tool_use'

function readBlocks(blocks: readonly WireBlock[], context: DecodeContext): Said {
  const jsonTool = jsonToolName(context.request, modelFacts(context.offer))
  const hidden = hidesReasoning(context.request)
  const said: Said = { content: null, reasoning: '', details: [], toolCalls: [] }
  let json: string | undefined
  let content: RawValue | undefined
  for (const [at, block] of blocks.entries()) {
    const text = textIn(block)
    if (text !== undefined) said.content = (said.content ?? '') + text
    if (block.reasoningContent && !hidden) addReasoning(said, block.reasoningContent)
    const { toolUse } = block
    if (!toolUse || isServers(toolUse)) continue
    content ??= context.source === undefined ? undefined : contentIn(context.source)
    // written anew, long numbers would change
    const input = content?.at(at)?.at('toolUse')?.at('input')?.text ?? writeInput(toolUse.input)
    if (jsonTool !== undefined && toolUse.name === jsonTool) json = input
    else
      said.toolCalls.push({
        id: toolUse.toolUseId || context.newId('call_'),
        type: 'function',
        function: { name: toolUse.name ?? '', arguments: input },
      })
  }
  // With the answer in the forced tool, text beside it is chatter that would break the JSON.
  return json === undefined ? said : { ...said, content: json }
}

const contentIn = (source: string): RawValue | undefined =>
  new RawValue(source).at('output')?.at('message')?.at('content')

function writeInput(input: unknown): string {
  try {
    return JSON.stringify(input ?? {})
  } catch (cause) {
    throw new GatewayError('malformed', 'the provider sent tool arguments that are nested too deeply', {
      cause,
    })
  }
}

function addReasoning(said: Said, content: NonNullable<WireBlock['reasoningContent']>): void {
  const index = said.details.length
  if (typeof content.redactedContent === 'string') {
    const { redactedContent: data } = content
    said.details.push({ type: 'reasoning.encrypted', data, format: REASONING_FORMAT, index })
    return
  }
  const text = content.reasoningText?.text ?? ''
  const signature = content.reasoningText?.signature ? { signature: content.reasoningText.signature } : {}
  said.reasoning += text
  said.details.push({ type: 'reasoning.text', text, ...signature, format: REASONING_FORMAT, index })
}
