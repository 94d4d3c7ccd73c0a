/** Every row of the table walked: what it promises of a request holds, and the config file can say all that a row can. */
import { expect, test } from 'vitest'
import { kindOfHost } from '../../../providers/index.ts'
import { HOSTS } from '../../../providers/hosts.ts'
import { openai } from '../../../providers/openai.ts'
import type { HostRow, Json, Quirks } from '../../../providers/provider.ts'
import { toolId } from '../../../providers/tool-ids.ts'
import { retryAfterMs } from '../../../src/attempt/wait.ts'
import { QuirksSchema, quirksOf } from '../../../src/config/quirks.ts'
import { requestOf } from '../../contract/provider.ts'

const LONG_ID = 'toolu_vrtx_01AbCdEfGhIjKlMnOpQrStUvWxYz0123'
const CLIENT: Json = {
  model: 'm',
  max_completion_tokens: 50,
  seed: 7,
  store: false,
  temperature: 0.5,
  stop: null,
  tool_choice: 'auto',
  tools: [{ type: 'function', function: { name: 'add', strict: true, parameters: { type: 'object' } } }],
  messages: [
    { role: 'developer', content: 'Be exact.' },
    { role: 'user', content: 'Add.', name: 'ann' },
    {
      role: 'assistant',
      content: null,
      function_call: null,
      tool_calls: [{ id: LONG_ID, type: 'function', function: { name: 'add', arguments: '{ "a":1}' } }],
    },
    { role: 'tool', tool_call_id: LONG_ID, content: '1' },
  ],
}

const encoded = ({ quirks }: HostRow) => {
  const request = requestOf(openai, CLIENT, { quirks })
  const { body, dropped } = openai.chat?.encode(request) ?? {
    body: new Uint8Array(),
    dropped: [] as readonly string[],
  }
  const text = new TextDecoder().decode(body)
  return { text, json: JSON.parse(text) as Json, dropped }
}

test.each(Object.entries(HOSTS))('%s is sent what its row says it takes', (_, row) => {
  const { quirks: q } = row
  const { text, json, dropped } = encoded(row)
  const [first, user, call, result] = json.messages as [Json, Json, Json & { tool_calls: Json[] }, Json]
  expect(json.temperature).toBe(0.5)
  expect(text).toContain(String.raw`"{ \"a\":1}"`)
  expect(first.role).toBe(q.developerRole ?? 'developer')
  expect(json[q.maxTokensField ?? 'max_completion_tokens']).toBe(50)
  expect(json[q.renames?.seed ?? 'seed']).toBe(7)
  for (const name of q.drops ?? []) expect(json).not.toHaveProperty(name)
  expect(dropped.includes('store')).toBe(q.drops?.includes('store') === true)
  expect('stop' in json).toBe(q.refusesNull !== true)
  expect('function_call' in call).toBe(!(q.refusesNull === true || q.messageDrops?.includes('function_call')))
  expect(user.name).toBe(q.messageDrops?.includes('name') ? undefined : 'ann')
  expect(call.content).toBe(q.refusesNullContent === true ? '' : null)
  expect(text.includes('"strict"')).toBe(q.strictTools !== false)
  const id = q.toolIds === undefined ? LONG_ID : toolId(LONG_ID, q.toolIds)
  expect([call.tool_calls[0]?.id, result.tool_call_id]).toEqual([id, id])
})

const snake = (name: string) => name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)

test.each(Object.entries(HOSTS))('%s can be written in the config file', (_, { quirks }) => {
  const file = Object.fromEntries(Object.entries(quirks).map(([name, value]) => [snake(name), value]))
  expect(quirksOf(QuirksSchema.parse(file))).toEqual(quirks satisfies Quirks)
})

test('ids: one id becomes one other, ids differ, and what fits stays', () => {
  const ids = Array.from({ length: 20_000 }, (_, i) => `call_${i}`)
  const nine = ids.map(id => toolId(id, '9_alphanumeric'))
  expect(new Set(nine).size).toBe(ids.length)
  expect(nine.every(id => /^[a-zA-Z0-9]{9}$/.test(id))).toBe(true)
  expect(toolId('call_0', '9_alphanumeric')).toBe(nine[0])
  expect(toolId('AbCdEfGh1', '9_alphanumeric')).toBe('AbCdEfGh1')
  expect(toolId('x'.repeat(40), '40_chars')).toBe('x'.repeat(40))
  expect(toolId('x'.repeat(41), '40_chars')).toHaveLength(40)
  expect(toolId(`${'x'.repeat(60)}a`, '40_chars')).not.toBe(toolId(`${'x'.repeat(60)}b`, '40_chars'))
})

const NOW = Date.parse('2026-11-22T00:00:00Z')
const used = (reset: string) => ({ 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': reset })

test.each([
  ['OpenAI, Groq', used('1m2.5s'), undefined, 62_500],
  ['OpenAI', used('12ms'), undefined, 12],
  ['Azure', used('10'), undefined, 10_000],
  ['nothing used up', { ...used('9s'), 'x-ratelimit-remaining-tokens': '5' }, undefined, undefined],
  ['nonsense', used('soon'), undefined, undefined],
  ['Retry-After wins', { ...used('9s'), 'retry-after': '2' }, undefined, 2000],
  [
    'Cerebras',
    { 'x-ratelimit-remaining-tokens-minute': '0', 'x-ratelimit-reset-tokens-minute': '33.2' },
    'cerebras',
    33_200,
  ],
  [
    'OpenRouter',
    { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(NOW + 4000) },
    'openrouter',
    4000,
  ],
  [
    'epoch seconds',
    { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(NOW / 1000 + 4) },
    'together',
    4000,
  ],
  ['Hugging Face', { ratelimit: '"api";r=0;t=295' }, 'huggingface', 295_000],
])('how long to wait: %s', (_, headers, host, ms) => {
  expect(retryAfterMs(headers, undefined, NOW, HOSTS[host ?? 'openai']?.quirks.rateLimits)).toBe(ms)
})

test("a row's own error codes come before the general ones, whatever their case", () => {
  const row = { baseUrl: 'http://h', auth: 'none', env: [], source: 'test' } as const
  const own = kindOfHost('own', {
    ...row,
    quirks: { errorCodes: { RATE_LIMIT_EXCEEDED: 'overloaded', E42: 'context_length' } },
  })
  const plain = kindOfHost('plain', { ...row, quirks: {} })
  const body = (code: string) => ({ error: { code, message: 'no' } })
  expect(own.provider.classify?.(429, body('rate_limit_exceeded'))).toBe('overloaded')
  expect(own.provider.classify?.(400, body('e42'))).toBe('context_length')
  expect(own.provider.classify?.(401, body('invalid_api_key'))).toBe('bad_credential')
  expect(plain.provider.classify?.(429, body('rate_limit_exceeded'))).toBe('rate_limited')
})

test('a tool that is chosen by name where names are unknown goes alone, without strict where that is refused', () => {
  const choice = { type: 'function', function: { name: 'add' } }
  const tools = [...(CLIENT.tools as Json[]), { type: 'function', function: { name: 'sub' } }]
  const request = requestOf(
    openai,
    { ...CLIENT, tools, tool_choice: choice },
    {
      quirks: { toolChoice: 'required_only', strictTools: false },
    },
  )
  const made = openai.chat?.encode(request)
  const json = JSON.parse(new TextDecoder().decode(made?.body)) as Json
  expect(json.tool_choice).toBe('required')
  expect(json.tools).toEqual([
    { type: 'function', function: { name: 'add', parameters: { type: 'object' } } },
  ])
  expect(made?.dropped).toEqual(['strict'])
})
