/** Reasoning that a caller hands back (`reasoning_details`, OpenRouter's form) → thinking blocks. */
import type { Json } from '../provider.ts'
import type { Block } from './content.ts'
import { isObject } from './raw.ts'

/** Marks details as Claude's: signatures of other providers are worthless here and would be refused. */
export const REASONING_FORMAT = 'anthropic-claude-v1'

/**
 * Rebuilds the blocks that a decoder took apart, also when a client kept every streamed piece as a detail of its own:
 * pieces of one `index` are one block, closed by its signature. A block that has a signature and no text stays one;
 * text without a signature is dropped, since Anthropic refuses it.
 */
export function thinkingBlocks(details: unknown): Block[] {
  if (!Array.isArray(details)) return []
  const blocks: Block[] = []
  let open: { index: unknown; thinking: string; signature: string | undefined } | undefined
  const close = (): void => {
    if (open?.signature !== undefined) {
      blocks.push({ type: 'thinking', thinking: open.thinking, signature: open.signature })
    }
    open = undefined
  }
  for (const detail of details) {
    if (!isObject(detail) || !isClaude(detail)) continue
    if (detail.type === 'reasoning.encrypted' && typeof detail.data === 'string') {
      close()
      blocks.push({ type: 'redacted_thinking', data: detail.data })
    }
    if (detail.type !== 'reasoning.text') continue
    const other = open !== undefined && detail.index !== undefined && detail.index !== open.index
    if (open === undefined || other || open.signature !== undefined) {
      close()
      open = { index: detail.index, thinking: '', signature: undefined }
    }
    if (typeof detail.text === 'string') open.thinking += detail.text
    if (typeof detail.signature === 'string' && detail.signature !== '') open.signature = detail.signature
  }
  close()
  return blocks
}

/** Is this detail Claude's own, as far as it says? */
export const isClaude = (detail: Json): boolean =>
  detail.format === undefined || detail.format === null || detail.format === REASONING_FORMAT

/** Is this the block that a turn with thinking has to begin with? */
export function isThinking(block: Block | undefined): boolean {
  return block?.type === 'thinking' || block?.type === 'redacted_thinking'
}
