/** A whole answer that comes in one piece or in many: the same bytes go on, and the same usage is read. */
import { expect, it } from 'vitest'
import { openai } from '../../providers/openai.ts'
import type { Deps } from '../../src/deps.ts'
import type { ExchangeInput } from '../../src/relay/contract.ts'
import { runExchange } from '../../src/relay/exchange.ts'
import { nodeBytes } from '../../src/runtime/node/bytes.ts'
import type { Send } from '../../src/terms.ts'
import { usageOfAnswer } from '../../src/wire/openai.ts'
import { completion } from '../gateway/harness.ts'

const timeouts = { firstByteMs: 1_000, firstTokenMs: 1_000, keepaliveMs: 1_000, totalMs: 1_000 }
const watch = { add() {}, remove() {} }
const deps = { bytes: nodeBytes, clock: { now: () => 0, monotonic: () => 0 }, watch } as unknown as Deps

async function answered(pieces: readonly Uint8Array[]) {
  const send: Send = (_request, to) => {
    queueMicrotask(() => {
      to.head(200, { 'content-type': 'application/json' })
      for (const piece of pieces) to.chunk(piece)
      to.end()
    })
    return { pause() {}, resume() {}, abort() {}, sent: true }
  }
  const input = {
    send,
    stream: false,
    codec: openai.chat,
    provider: openai,
    providerName: 'alpha',
    context: { quirks: {}, offer: {} },
    usageOf: (answer: Record<string, unknown>) => usageOfAnswer(answer, {}),
    answer: { left: false, onLeft: undefined },
    timeouts,
    lastResort: true,
    deadlineMs: 1_000,
    answerBytesMax: 100_000,
    scrub: (text: string) => text,
  }
  const { failure, whole, usage } = await runExchange(input as unknown as ExchangeInput, deps)
  return { failure: failure?.kind, text: whole && nodeBytes.text(whole.bytes), usage }
}

it('split at every byte, and byte by byte, it is the answer that came at once', async () => {
  const text = JSON.stringify(completion('Grüße aus 東京.'))
  const bytes = nodeBytes.of(text)
  const once = await answered([bytes])
  expect(once).toMatchObject({ failure: undefined, text, usage: { inputTokens: 10, outputTokens: 5 } })
  for (let at = 0; at <= bytes.length; at++)
    expect(await answered([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(once)
  expect(await answered([...bytes].map(byte => Uint8Array.of(byte)))).toEqual(once)
})

it('an answer without a body is none', async () => {
  expect((await answered([])).failure).toBe('malformed')
  expect((await answered([new Uint8Array(0)])).failure).toBe('malformed')
})
