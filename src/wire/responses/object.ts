/** The response object of the Responses wire: what every lifecycle event and every whole answer holds. Pure. */
import type { Response, ResponseOutputItem, ResponseUsage } from 'openai/resources/responses/responses'
import { isObject } from '../extensions.ts'
import type { RenderContext } from '../inbound.ts'
import { usageOfAnswer } from '../openai.ts'
import { usd } from '../plain.ts'

type Json = Record<string, unknown>

/** The SDK's type names two members that OpenAI's clients or programmes add themselves. */
type WireResponse = Omit<Response, 'output_text' | 'access_programs'>

/** What changes in the course of an answer. */
export interface Progress {
  readonly id: string
  /** As the upstream calls itself; '' = as the caller did. */
  readonly model: string
  readonly serviceTier: unknown
  readonly output: readonly ResponseOutputItem[]
  readonly usage: ResponseUsage | undefined
  /** Chat's finish reason; undefined = still running. */
  readonly finish: string | undefined
}

const INCOMPLETE: Readonly<Record<string, 'max_output_tokens' | 'content_filter'>> = {
  length: 'max_output_tokens',
  content_filter: 'content_filter',
}

/** Did the answer end before its end? */
export const incompleteReason = (finish: string) =>
  Object.hasOwn(INCOMPLETE, finish) ? INCOMPLETE[finish] : undefined

/** Flat tools as they are echoed: members that the wire requires are there, null when unsaid. */
function echoedTools(tools: unknown): Response['tools'] {
  const list = (Array.isArray(tools) ? tools : []).map(tool =>
    isObject(tool) && tool.type === 'function' ? { parameters: null, strict: null, ...tool } : tool,
  )
  return list as Response['tools']
}

/** The object, with the settings of the request echoed; `store` is always false, whatever was asked. */
export function responseObject(progress: Progress, context: RenderContext): Response {
  const { request } = context
  const { id, model, output, usage, finish, serviceTier } = progress
  const reason = finish === undefined ? undefined : incompleteReason(finish)
  const asked = <T>(name: string, otherwise: T): T => (request[name] ?? otherwise) as T
  const text = isObject(request.text) ? request.text : {}
  const reasoning = isObject(request.reasoning) ? request.reasoning : {}
  const response = {
    id,
    object: 'response',
    created_at: context.created,
    status: finish === undefined ? 'in_progress' : reason === undefined ? 'completed' : 'incomplete',
    background: false,
    error: null,
    incomplete_details: reason === undefined ? null : { reason },
    instructions: asked('instructions', null),
    max_output_tokens: asked('max_output_tokens', null),
    max_tool_calls: asked('max_tool_calls', null),
    model: model || context.model,
    output: [...output],
    parallel_tool_calls: asked('parallel_tool_calls', true),
    previous_response_id: null,
    prompt_cache_key: asked('prompt_cache_key', null),
    reasoning: { effort: null, summary: null, ...reasoning },
    safety_identifier: asked('safety_identifier', null),
    service_tier: (serviceTier ?? asked('service_tier', 'default')) as Response['service_tier'],
    temperature: asked('temperature', 1),
    text: { format: { type: 'text' }, ...text },
    tool_choice: asked('tool_choice', 'auto'),
    tools: echoedTools(request.tools),
    top_logprobs: asked('top_logprobs', 0),
    top_p: asked('top_p', 1),
    truncation: 'disabled',
    metadata: asked('metadata', {}),
    ...(typeof request.user === 'string' && { user: request.user }),
  } satisfies WireResponse
  const more = {
    store: false,
    presence_penalty: asked('presence_penalty', 0),
    frequency_penalty: asked('frequency_penalty', 0),
  }
  // `usage` is null until the answer is over: the SDK's type leaves it out then, OpenAI's wire does not
  return { ...response, ...more, usage: usage ?? null } as unknown as Response
}

/** Usage of a chat answer or chunk in this wire, both details there; undefined = not stated. */
export function responseUsage(answer: Json, costNanoUsd: number | undefined): ResponseUsage | undefined {
  const usage = usageOfAnswer(answer)
  if (usage === undefined) return undefined
  const { inputTokens, outputTokens } = usage
  const estimated = isObject(answer.usage) && answer.usage.estimated === true
  return {
    ...(costNanoUsd !== undefined && { cost: usd(costNanoUsd) }),
    input_tokens: inputTokens,
    input_tokens_details: {
      cached_tokens: usage.cacheReadInputTokens,
      cache_write_tokens: usage.cacheCreationInputTokens,
    },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningOutputTokens },
    total_tokens: inputTokens + outputTokens,
    ...(estimated && { estimated }),
  }
}
