/** Gemini's `usageMetadata` → metered usage and OpenAI's `usage`. Used by decode and stream. */
import type { Units, Usage } from '../../src/terms.ts'
import type { Json } from '../provider.ts'
import type { UsageMetadata } from './wire.ts'

/**
 * Undefined until a count is known (early Vertex events hold `trafficType` alone). Thoughts are output beside the
 * candidates; cached tokens are part of the prompt; prompts of tools run by Google come on top of it. `toolCalls` = searches.
 * Source: https://ai.google.dev/api/generate-content#UsageMetadata.
 */
export function readUsage(meta: UsageMetadata, toolCalls?: readonly Units[]): Usage | undefined {
  if (meta.promptTokenCount == null && meta.candidatesTokenCount == null) return undefined
  const inputTokens = (meta.promptTokenCount ?? 0) + (meta.toolUsePromptTokenCount ?? 0)
  const reasoningOutputTokens = meta.thoughtsTokenCount ?? 0
  const heard = audioTokens(meta.promptTokensDetails) - audioTokens(meta.cacheTokensDetails)
  const spoken = audioTokens(meta.candidatesTokensDetails)
  return {
    inputTokens,
    cacheReadInputTokens: Math.min(meta.cachedContentTokenCount ?? 0, inputTokens),
    cacheCreationInputTokens: 0,
    outputTokens: (meta.candidatesTokenCount ?? 0) + reasoningOutputTokens,
    reasoningOutputTokens,
    ...(heard > 0 ? { audioInputTokens: heard } : {}),
    ...(spoken > 0 ? { audioOutputTokens: spoken } : {}),
    ...(toolCalls === undefined ? {} : { toolCalls }),
  }
}

/** OpenAI's form of the same. */
export function wireUsage(meta: UsageMetadata, usage: Usage): Json {
  return {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
    prompt_tokens_details: {
      cached_tokens: usage.cacheReadInputTokens,
      audio_tokens: audioTokens(meta.promptTokensDetails),
    },
    completion_tokens_details: {
      reasoning_tokens: usage.reasoningOutputTokens,
      audio_tokens: audioTokens(meta.candidatesTokensDetails),
    },
  }
}

function audioTokens(details: UsageMetadata['promptTokensDetails']): number {
  return details?.find(entry => entry.modality === 'AUDIO')?.tokenCount ?? 0
}
