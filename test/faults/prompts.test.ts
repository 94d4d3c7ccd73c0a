/** Long prompts: what is set aside for them, and the target that has them in its cache: T27, T35. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  completion,
  type ScriptedUpstream,
  sendJson,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'
import type { Json } from './rig.ts'

let upstream: ScriptedUpstream
let gateway: TestGateway

/** All of a prompt after the first was read from the cache. */
const claudeSays = (isFirst: boolean) => ({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4-5',
  content: [{ type: 'text', text: 'Done.' }],
  stop_reason: 'end_turn',
  usage: {
    input_tokens: 10,
    output_tokens: 2,
    cache_creation_input_tokens: isFirst ? 9_000 : 0,
    cache_read_input_tokens: isFirst ? 0 : 9_000,
  },
})
const chatSays = (isFirst: boolean) =>
  completion('Done.', {
    prompt_tokens: 9_010,
    completion_tokens: 2,
    total_tokens: 9_012,
    prompt_tokens_details: { cached_tokens: isFirst ? 0 : 9_000 },
  })

beforeAll(async () => {
  upstream = await startUpstream((response, { url }, n) =>
    sendJson(response, 200, url.endsWith('/messages') ? claudeSays(n === 1) : chatSays(n === 1)),
  )
  const at = (name: string, kind: string, model: string, usd: number) => `  ${name}:
    kind: ${kind}
    base_url: http://127.0.0.1:${upstream.port}/${name}
    models: { ${model}: { input_usd_per_mtok: ${usd}, output_usd_per_mtok: ${usd}, cache_read_usd_per_mtok: 0.1, context_tokens: 200000, max_output_tokens: 64000 } }`
  gateway = await startGateway({
    config: `providers:
${at('cheap-claude', 'anthropic', 'house-claude', 1)}
${at('dear-claude', 'anthropic', 'house-claude', 1.3)}
${at('cheap-chat', 'openai', 'house-chat', 1)}
${at('dear-chat', 'openai', 'house-chat', 1.3)}
  openai:
    base_url: http://127.0.0.1:${upstream.port}/openai
    models: { gpt-5.4: {} }
routing: { strategy: price }
retries: { attempts: 1 }
egress: { allow: ["127.0.0.1:${upstream.port}"] }
discover_env: false
`,
  })
})
afterAll(async () => {
  await gateway?.close()
  await upstream?.close()
})
beforeEach(() => {
  upstream.seen.length = 0
})

const post = (path: string, key: string, body: Json) =>
  fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

test('T27 above 272k tokens the hold is priced by that tier, and a budget below it refuses before anything is sent', async () => {
  // gpt-5.4: $2.5 a million tokens of input, and $5 for all of them when they are more than 272,000.
  // a token is a byte here, by the tokenizer too
  const prompt = '1 '.repeat(200_000)
  const ask = async (usd: number, content: string) => {
    const key = await gateway.key({
      budgets: [{ window: 'day', limitNanoUsd: usd * 1e9, softNanoUsd: null }],
    })
    const body = { model: 'gpt-5.4', max_tokens: 300, messages: [{ role: 'user', content }] }
    return post('/v1/chat/completions', key, body)
  }
  // 400,000 bytes are at most so many tokens: $1.0 by the lower tier, $2.0 by the one that may come to hold.
  const refused = await ask(1.5, prompt)
  expect(refused.status, await refused.text()).toBe(429)
  expect(upstream.seen).toHaveLength(0)
  expect((await ask(2.1, prompt)).status).toBe(200)
  // Half of it stays below the tier: $0.5.
  expect((await ask(0.6, prompt.slice(0, 200_000))).status).toBe(200)
})

const turn = (words: string, isMarked: boolean) => ({
  role: 'user',
  content: [{ type: 'text', text: words, ...(isMarked && { cache_control: { type: 'ephemeral' } }) }],
})

test.each([
  ['/v1/messages', 'claude', true],
  ['/v1/messages', 'claude', false],
  ['/v1/messages', 'chat', true],
  ['/v1/chat/completions', 'claude', true],
  ['/v1/chat/completions', 'chat', false],
])(
  'T35 a conversation in any format goes back to where its cache is warm: %s to %s, marked: %s',
  async (path, wire, isMarked) => {
    const key = await gateway.key()
    const where = () => upstream.seen.at(-1)?.url.split('/')[1]
    const long = `${path} ${wire} ${isMarked} ${'A long book of rules. '.repeat(1_500)}`
    const ask = async (words: string, later: readonly Json[] = [], more: Json = {}) => {
      const body = {
        model: `house-${wire}`,
        max_tokens: 20,
        messages: [turn(words, isMarked), ...later],
        ...more,
      }
      const answer = await post(path, key, body)
      expect(answer.status, await answer.text()).toBe(200)
      return where()
    }
    const later = [{ role: 'assistant', content: 'Done.' }, turn('Go on.', false)]
    expect(await ask(long, [], { provider: { only: [`dear-${wire}`] } })).toBe(`dear-${wire}`)
    expect(await ask(long, later)).toBe(`dear-${wire}`)
    expect(await ask(long, [...later, ...later])).toBe(`dear-${wire}`)
    // Another conversation has nothing there.
    expect(await ask(`Another one. ${long}`)).toBe(`cheap-${wire}`)
  },
)
