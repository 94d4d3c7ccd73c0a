/** Which streams may bill what nobody sees: by the model, by what a request hides, by what streams have shown. */
import { describe, expect, test } from 'vitest'
import { thinksInSummary, thinksUnseen } from '../../providers/catalog/authors.ts'
import { mayThinkUnseen, observeThinking } from '../../src/attempt/thinking.ts'
import type { Capability, Offer, Usage } from '../../src/terms.ts'
import { parseBody } from '../../src/wire/body.ts'
import { readMessagesRequest } from '../../src/wire/messages/read.ts'
import { type ChatFacts, readChat } from '../../src/wire/openai.ts'

const bodyOf = (more: object) => {
  const text = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'x' }], ...more })
  return parseBody(new TextEncoder().encode(text), text, { depthMax: 64 })
}
const chat = (more: object = {}): ChatFacts => readChat(bodyOf(more))

const offerOf = (model: string, more: Partial<Offer> = {}): Offer => ({
  provider: 'p',
  model,
  upstream: model,
  type: 'chat',
  price: undefined,
  contextTokens: undefined,
  maxOutputTokens: 8192,
  supports: new Set<Capability>(['reasoning']),
  thinksUnseen: false,
  ...more,
})
const usage = (outputTokens: number, reasoningOutputTokens = 0): Usage => ({
  inputTokens: 1,
  cacheReadInputTokens: 0,
  cacheCreationInputTokens: 0,
  outputTokens,
  reasoningOutputTokens,
})

describe('by the family', () => {
  test.each([
    ['gpt-5-mini', true],
    ['o3', true],
    ['gpt-4o', false],
    ['gpt-4.1-mini', false],
    ['gpt-3.5-turbo', false],
    ['gpt-oss-120b', false],
    ['gemini-2.5-flash', true],
    ['gemini-3-pro', true],
    ['gemini-2.0-flash', false],
    ['gemini-1.5-pro', false],
    ['claude-sonnet-5', true],
    ['claude-sonnet-4-5', false],
  ])('%s: %s', (model, is) => expect(thinksUnseen(model)).toBe(is))
})

describe('where a request asks for thoughts, or hides them', () => {
  const asked = [
    { reasoning_effort: 'low' },
    { reasoning: { max_tokens: 2_000 } },
    { thinking: { type: 'enabled', budget_tokens: 2_000 } },
    { thinking: { type: 'adaptive' } },
  ]
  test('Claude 4 and Nova 2 send a summary, or nothing', () => {
    for (const model of ['claude-sonnet-4-5', 'nova-2-lite']) {
      expect(thinksInSummary(model)).toBe(true)
      for (const more of asked) expect(mayThinkUnseen(offerOf(model), chat(more)), model).toBe(true)
      expect(mayThinkUnseen(offerOf(model), chat()), model).toBe(false)
      expect(mayThinkUnseen(offerOf(model), chat({ thinking: { type: 'disabled' } })), model).toBe(false)
      expect(mayThinkUnseen(offerOf(model), chat({ reasoning_effort: 'none' })), model).toBe(false)
    }
    const own = readMessagesRequest(
      bodyOf({ max_tokens: 4_096, thinking: { type: 'enabled', budget_tokens: 1_024 } }),
    )
    expect(mayThinkUnseen(offerOf('claude-opus-4-1'), own)).toBe(true)
    // it cannot think at all
    const plain = offerOf('claude-3-haiku', { supports: new Set() })
    expect(mayThinkUnseen(plain, chat({ reasoning_effort: 'low' }))).toBe(false)
  })

  test('a model that shows its thoughts pays nothing for being asked, unless they are hidden', () => {
    const open = offerOf('deepseek-r1')
    for (const more of asked) expect(mayThinkUnseen(open, chat(more))).toBe(false)
    for (const more of [
      { reasoning: { effort: 'low', exclude: true } },
      { include_reasoning: false },
      { reasoning_format: 'hidden' },
    ]) {
      expect(mayThinkUnseen(open, chat(more))).toBe(true)
      expect(mayThinkUnseen(offerOf('gpt-4o', { supports: new Set() }), chat(more))).toBe(false)
    }
    expect(mayThinkUnseen(open, chat({ include_reasoning: true, reasoning_format: 'parsed' }))).toBe(false)
  })
})

describe('by what streams have shown', () => {
  const unknown = { type: undefined }

  test('a described model is believed until a stream has billed more tokens than came bytes', () => {
    const offer = offerOf('llama-4')
    observeThinking(offer, usage(100, 60), 420)
    observeThinking(offer, usage(1_000), 936)
    expect(mayThinkUnseen(offer, chat())).toBe(false)
    observeThinking(offer, usage(1_001), 936)
    expect(mayThinkUnseen(offer, chat())).toBe(true)
    observeThinking(offer, usage(10), 60)
    expect(mayThinkUnseen(offer, chat()), 'proof is not forgotten').toBe(true)
  })

  test('one that nobody has described may, until it has shown all of a stream', () => {
    const offer = offerOf('house-model', unknown)
    expect(mayThinkUnseen(offer, chat())).toBe(true)
    observeThinking(offer, usage(0), 0)
    expect(mayThinkUnseen(offer, chat()), 'nothing was written').toBe(true)
    observeThinking(offer, usage(10, 0), 60)
    expect(mayThinkUnseen(offer, chat())).toBe(false)
    observeThinking(offer, usage(10, 5), 60)
    expect(mayThinkUnseen(offer, chat())).toBe(true)
    // no limit is known that could be sent to it
    expect(mayThinkUnseen(offerOf('x', { ...unknown, maxOutputTokens: undefined }), chat())).toBe(false)
  })
})
