/** OpenAI's adapter on the way out: what changes in the bytes, and that nothing else does. */
import { expect, test } from 'vitest'
import { HOSTS } from '../../../providers/hosts.ts'
import { openai } from '../../../providers/openai.ts'
import type { ChatRequest, Encoded, Quirks } from '../../../providers/provider.ts'
import { parseBody } from '../../../src/wire/body.ts'
import { readChat } from '../../../src/wire/openai.ts'

interface Case {
  readonly upstream?: string
  readonly maxOutputTokens?: number
  readonly quirks?: Quirks
}

function encodeBytes(text: string, given: Case = {}): Encoded & { input: Uint8Array } {
  const input = new TextEncoder().encode(text)
  const body = parseBody(input, text, { depthMax: 64 })
  const facts = readChat(body)
  const request: ChatRequest = {
    body,
    stream: facts.stream,
    wantsUsage: facts.wantsUsageEvent,
    extensions: facts.extensionNames,
    offer: {
      provider: 'p',
      model: 'm',
      upstream: given.upstream ?? facts.model ?? 'm',
      price: undefined,
      contextTokens: undefined,
      maxOutputTokens: undefined,
      supports: new Set(),
      thinksUnseen: false,
    },
    maxOutputTokens: given.maxOutputTokens,
    quirks: given.quirks ?? {},
  }
  const made = openai.chat?.encode(request)
  if (made === undefined) throw new Error('no codec')
  return { ...made, input }
}

const out = (text: string, given?: Case) => new TextDecoder().decode(encodeBytes(text, given).body)
const messages = '"messages":[{"role":"user","content":"Hi \\u00e9 {\\"model\\":1}"}]'

test('nothing to change: the same array goes out', () => {
  const { input, body, path, dropped, headers } = encodeBytes(`{ "model" : "m",\n${messages}, "top_k": 3 }`)
  expect(body).toBe(input)
  expect([path, dropped, headers]).toEqual(['/chat/completions', [], []])
})

test.each<[string, string, Case, string]>([
  ['model', `{"model": "a", ${messages}}`, { upstream: 'b"c' }, `{"model": "b\\"c", ${messages}}`],
  ['no model', `{${messages}}`, { upstream: 'b' }, `{${messages},"model":"b"}`],
  [
    'extensions go',
    `{"user":"u","model":"m","models":["x"],${messages},"provider":{"only":["p"]},"usage":{"include":true},"stream_guarantee":"fast","session_id":"s","metadata":{}}`,
    {},
    `{"model":"m",${messages}}`,
  ],
  [
    'extensions stay',
    `{"user":"u","model":"m","models":["x"],${messages},"reasoning":{"effort":"low"}}`,
    { quirks: { keepsExtensions: true } },
    `{"user":"u","model":"m","models":["x"],${messages},"reasoning":{"effort":"low"}}`,
  ],
  [
    'reasoning becomes reasoning_effort',
    `{"model":"m",${messages},"reasoning":{"effort":"low"}}`,
    {},
    `{"model":"m",${messages},"reasoning_effort":"low"}`,
  ],
  [
    'reasoning_effort wins over reasoning',
    `{"model":"m",${messages},"reasoning":{"effort":"low"},"reasoning_effort":"high"}`,
    {},
    `{"model":"m",${messages},"reasoning_effort":"high"}`,
  ],
  [
    'usage is asked for in streams',
    `{"model":"m",${messages},"stream":true}`,
    {},
    `{"model":"m",${messages},"stream":true,"stream_options":{"include_usage":true}}`,
  ],
  [
    'other stream options stay',
    `{"model":"m",${messages},"stream":true,"stream_options":{"include_obfuscation":false}}`,
    {},
    `{"model":"m",${messages},"stream":true,"stream_options":{"include_obfuscation":false,"include_usage":true}}`,
  ],
  [
    'a host that refuses stream_options',
    `{"model":"m",${messages},"stream":true,"stream_options":{"include_usage":true}}`,
    { quirks: { streamOptions: false } },
    `{"model":"m",${messages},"stream":true}`,
  ],
  [
    'o-series: max_completion_tokens',
    `{"model":"o3-mini","max_tokens": 9,${messages}}`,
    {},
    `{"model":"o3-mini","max_completion_tokens":9,${messages}}`,
  ],
  [
    'gpt-5.1 likewise',
    `{"model":"gpt-5.1","max_tokens":9,${messages}}`,
    {},
    `{"model":"gpt-5.1","max_completion_tokens":9,${messages}}`,
  ],
  [
    'gpt-4o, gpt-35-turbo and gpt-oss keep it',
    `{"model":"x","max_tokens":9,${messages}}`,
    { upstream: 'gpt-35-turbo' },
    `{"model":"gpt-35-turbo","max_tokens":9,${messages}}`,
  ],
  [
    'classic host: max_tokens',
    `{"model":"m","max_completion_tokens":9,${messages}}`,
    { quirks: { maxTokensField: 'max_tokens' } },
    `{"model":"m","max_tokens":9,${messages}}`,
  ],
  [
    'both given: the one that the host takes stays',
    `{"model":"m","max_completion_tokens":9,"max_tokens":8,${messages}}`,
    { quirks: { maxTokensField: 'max_tokens' } },
    `{"model":"m","max_tokens":8,${messages}}`,
  ],
  [
    'our limit, none given',
    `{"model":"m",${messages}}`,
    { maxOutputTokens: 77 },
    `{"model":"m",${messages},"max_tokens":77}`,
  ],
  [
    'our limit, none given, gpt-5',
    `{"model":"gpt-5",${messages}}`,
    { maxOutputTokens: 77 },
    `{"model":"gpt-5",${messages},"max_completion_tokens":77}`,
  ],
  [
    'our limit in place of theirs',
    `{"model":"m","max_completion_tokens":900,${messages}}`,
    { maxOutputTokens: 77 },
    `{"model":"m","max_completion_tokens":77,${messages}}`,
  ],
  [
    'our limit, both given: no second limit is left beside it',
    `{"model":"m","max_tokens":800,"max_completion_tokens":900,${messages}}`,
    { maxOutputTokens: 77 },
    `{"model":"m","max_completion_tokens":77,${messages}}`,
  ],
  [
    'renames',
    `{"model":"m","seed":4,${messages}}`,
    { quirks: { renames: { seed: 'random_seed' } } },
    `{"model":"m","random_seed":4,${messages}}`,
  ],
  [
    'developer becomes system, byte for byte otherwise',
    '{"model":"m","messages":[ {"content":"a","role" : "developer"},{"role":"user","content":"developer"} ]}',
    { quirks: { developerRole: 'system' } },
    '{"model":"m","messages":[ {"content":"a","role" : "system"},{"role":"user","content":"developer"} ]}',
  ],
])('%s', (_, text, given, expected) => {
  expect(out(text, given)).toBe(expected)
})

test('what a host refuses is dropped and reported; extension fields are not reported', () => {
  const made = encodeBytes(`{"model":"m","store":true,"user":"u",${messages},"verbosity":"low"}`, {
    quirks: { drops: ['store', 'verbosity', 'user', 'logit_bias'] },
  })
  expect(new TextDecoder().decode(made.body)).toBe(`{"model":"m",${messages}}`)
  expect(made.dropped).toEqual(['store', 'verbosity'])
})

test('a reasoning wish that cannot be said is reported', () => {
  const budget = encodeBytes(`{"model":"m",${messages},"reasoning":{"max_tokens":2000}}`)
  expect(budget.dropped).toEqual(['reasoning'])
  expect(new TextDecoder().decode(budget.body)).toBe(`{"model":"m",${messages}}`)
  const refused = encodeBytes(`{"model":"m",${messages},"reasoning":{"effort":"low"}}`, {
    quirks: { drops: ['reasoning_effort'] },
  })
  expect(refused.dropped).toEqual(['reasoning'])
  expect(new TextDecoder().decode(refused.body)).toBe(`{"model":"m",${messages}}`)
})

const everything = JSON.stringify({
  model: 'x',
  messages: [
    { role: 'developer', content: 'Be brief.' },
    { role: 'user', content: 'Hi' },
  ],
  stream: true,
  max_completion_tokens: 100,
  seed: 1,
  user: 'u',
  store: false,
  parallel_tool_calls: true,
  metadata: { a: 'b' },
  reasoning: { effort: 'low' },
  unknown_field: { kept: [1, 2] },
})

test.each(Object.entries(HOSTS))(
  'host %s: a request with everything comes out as its row says',
  (_, { quirks }) => {
    const made = encodeBytes(everything, { quirks, upstream: 'their-model' })
    const body = JSON.parse(new TextDecoder().decode(made.body))
    expect(body.model).toBe('their-model')
    expect(body.unknown_field).toEqual({ kept: [1, 2] })
    expect('max_tokens' in body).toBe(quirks.maxTokensField === 'max_tokens')
    expect(body.messages[0].role).toBe(quirks.developerRole ?? 'developer')
    expect('user' in body || 'metadata' in body || 'reasoning' in body).toBe(quirks.keepsExtensions === true)
    for (const name of quirks.drops ?? []) expect(body).not.toHaveProperty(name)
    expect(body.stream_options?.include_usage).toBe(quirks.streamOptions === false ? undefined : true)
    // voyage and jina rename what only a reranking has
    for (const [ours, theirs] of Object.entries(quirks.renames ?? {})) {
      if (ours === 'seed') expect(body[theirs]).toBe(1)
    }
  },
)
