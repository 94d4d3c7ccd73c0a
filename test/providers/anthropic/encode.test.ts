/** What golden folders cannot show of the encoder: exact text, bounds, hostile input. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { anthropic } from '../../../providers/anthropic/index.ts'
import { rawArguments } from '../../../providers/anthropic/raw.ts'
import { fitsNative } from '../../../providers/anthropic/schema.ts'
import type { Json } from '../../../providers/provider.ts'
import { GatewayError } from '../../../src/errors.ts'
import { requestOf, type Setup } from '../../contract/provider.ts'

function encodeText(client: Json, setup: Setup = {}): string {
  const made = anthropic.chat?.encode(requestOf(anthropic, client, setup))
  return new TextDecoder().decode(made?.body)
}

function encodeBody(client: Json, setup: Setup = {}): Json {
  return JSON.parse(encodeText(client, setup)) as Json
}

const called = (args: unknown): Json => ({
  model: 'claude-sonnet-4-5',
  messages: [
    { role: 'user', content: 'x' },
    {
      role: 'assistant',
      tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: args } }],
    },
    { role: 'tool', tool_call_id: 'c', content: 'ok' },
  ],
})

describe('tool arguments', () => {
  const CASES: [sent: unknown, input: string][] = [
    ['{"b":1.0,"a":[1e2,12345678901234567890], "b":2}', '{"b":1.0,"a":[1e2,12345678901234567890], "b":2}'],
    [' {"a" : "\\u00e9"}\n', '{"a" : "\\u00e9"}'],
    ['', '{}'],
    ['  ', '{}'],
    ['null', '{}'],
    [undefined, '{}'],
    [null, '{}'],
    ['"{\\"a\\":1.0}"', '{"a":1.0}'],
    ['[1.0]', '{"arguments":[1.0]}'],
    ['7.0', '{"arguments":7.0}'],
    ['"plain"', '{"arguments":"plain"}'],
    ['{"a":', '{"arguments":"{\\"a\\":"}'],
    ['{"a":1}}', '{"arguments":"{\\"a\\":1}}"}'],
    [{ a: 1 }, '{"a":1}'],
    [5, '{"arguments":5}'],
  ]
  for (const [sent, input] of CASES) {
    it(`${JSON.stringify(sent) ?? 'absent'} goes upstream as ${input}`, () => {
      expect(encodeText(called(sent))).toContain(`"name":"f","input":${input}}`)
    })
  }

  it('can never break out of the body', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.string().map(text => `{}${text}`),
        ),
        args => {
          const value = JSON.parse(rawArguments(args).text) as unknown
          expect(typeof value === 'object' && value !== null && !Array.isArray(value)).toBe(true)
          const turns = encodeBody(called(args)).messages as { content: Json[] }[]
          expect(turns[1]?.content[0]?.input).toEqual(value)
        },
      ),
      { numRuns: 200 },
    )
  })
})

describe('call ids', () => {
  const idOf = (id: string): string => {
    const client = called('{}')
    const messages = client.messages as { tool_calls?: { id: string }[]; tool_call_id?: string }[]
    const turns = encodeBody({
      ...client,
      messages: messages.map(message => ({
        ...message,
        ...(message.tool_calls ? { tool_calls: [{ ...message.tool_calls[0], id }] } : {}),
        ...(message.tool_call_id ? { tool_call_id: id } : {}),
      })),
    }).messages as { content: { id?: string; tool_use_id?: string }[] }[]
    const made = turns[1]?.content[0]?.id ?? ''
    expect(turns[2]?.content[0]?.tool_use_id).toBe(made)
    return made
  }

  it('keeps what fits, and makes the rest fit', () => {
    expect(idOf('toolu_01-Ab')).toBe('toolu_01-Ab')
    expect(idOf('functions.f:0')).toBe('functions_f_0')
    const long = `${'x'.repeat(100)}1`
    expect(idOf(long)).toMatch(/^[a-zA-Z0-9_-]{64}$/)
    expect(idOf(long)).toBe(idOf(long))
    expect(idOf(long)).not.toBe(idOf(`${'x'.repeat(100)}2`))
  })
})

describe('output limit', () => {
  const limit = (client: Json, setup: Setup = {}): unknown => {
    const request = requestOf(anthropic, { messages: [{ role: 'user', content: 'x' }], ...client }, setup)
    const made = anthropic.chat?.encode(request)
    const body = JSON.parse(new TextDecoder().decode(made?.body)) as Json
    return [body.max_tokens, made?.maxOutputTokens]
  }
  it("is the caller's, the gateway's or the model's, and says when it is not the caller's", () => {
    expect(limit({ model: 'claude-opus-4-1', max_tokens: 5 })).toEqual([5, undefined])
    expect(limit({ model: 'claude-opus-4-1', max_completion_tokens: 6, max_tokens: 5 })).toEqual([
      6,
      undefined,
    ])
    expect(limit({ model: 'claude-opus-4-1' })).toEqual([32_000, 32_000])
    expect(limit({ model: 'claude-opus-4-1', max_tokens: 99_999 })).toEqual([32_000, 32_000])
    expect(limit({ model: 'claude-opus-4-1', max_tokens: 99_999 }, { maxOutputTokens: 700 })).toEqual([
      700, 700,
    ])
    expect(limit({ model: 'house-model' })).toEqual([8_192, 8_192])
    expect(limit({ model: 'house-model', max_tokens: 99_999 })).toEqual([99_999, undefined])
    expect(limit({ model: 'house-model' }, { modelMaxOutputTokens: 300 })).toEqual([300, 300])
  })
  it('is never raised for a thinking budget', () => {
    const body = encodeBody({
      model: 'claude-sonnet-4-5',
      max_tokens: 3_000,
      reasoning_effort: 'high',
      messages: [{ role: 'user', content: 'x' }],
    })
    expect(body).toMatchObject({ max_tokens: 3_000, thinking: { type: 'enabled', budget_tokens: 1_976 } })
  })
})

describe('hostile requests', () => {
  it('either encode or are refused by name, whatever their values are', () => {
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 4 }),
      fc.constantFrom('auto', 'none', 'high', 1, 0, -1, 1e308, true, null, '', [], {}),
    )
    const part = fc.record(
      {
        type: fc.constantFrom('text', 'image_url', 'file', 'refusal', 'image'),
        text: value,
        image_url: value,
        file: value,
      },
      { requiredKeys: [] },
    )
    const plain = fc.constantFrom({ role: 'user', content: 'x' }, { role: 'assistant', content: 'y' })
    const odd = fc.record(
      {
        role: fc.constantFrom('system', 'user', 'assistant', 'tool', 'developer', 'x'),
        content: fc.oneof(fc.string(), fc.array(part, { maxLength: 3 }), value),
        tool_calls: fc.option(value, { freq: 1 }),
        tool_call_id: value,
        reasoning_details: value,
        cache_control: value,
      },
      { requiredKeys: ['role'] },
    )
    const message = fc.oneof({ weight: 4, arbitrary: plain }, { weight: 1, arbitrary: odd })
    const names = (
      'tools tool_choice response_format stop reasoning_effort reasoning thinking temperature top_p max_tokens n ' +
      'output_config context_management anthropic_beta service_tier safety_identifier'
    ).split(' ')
    const request = fc
      .tuple(
        fc.constantFrom('claude-sonnet-4-5', 'claude-opus-5-5', 'claude-sonnet-4', 'm'),
        fc.oneof(
          { weight: 9, arbitrary: fc.array(message, { minLength: 1, maxLength: 4 }) },
          { weight: 1, arbitrary: value },
        ),
        fc.array(fc.tuple(fc.constantFrom(...names), value), { maxLength: 2 }),
      )
      .map(([model, messages, others]) => ({ model, messages, ...Object.fromEntries(others) }))
    let encoded = 0
    fc.assert(
      fc.property(request, client => {
        try {
          JSON.parse(encodeText(client as Json))
          encoded++
        } catch (error) {
          expect(error).toBeInstanceOf(GatewayError)
          expect(error).toMatchObject({ kind: 'invalid_request', param: expect.any(String) })
        }
      }),
      { numRuns: 400 },
    )
    expect(encoded).toBeGreaterThan(40)
  })

  it('are not held up by a schema whose references fan out', () => {
    const definitions: Json = { l0: { type: 'object', properties: {}, additionalProperties: false } }
    for (let i = 1; i <= 40; i++) {
      const below = { $ref: `#/$defs/l${i - 1}` }
      definitions[`l${i}`] = { anyOf: [below, below, below] }
    }
    const started = performance.now()
    expect(fitsNative({ $defs: definitions, $ref: '#/$defs/l40' })).toBe(false)
    // 3⁴⁰ ways would not end in a lifetime
    expect(performance.now() - started).toBeLessThan(20_000)
  })

  it('cannot put anything but a beta name into a header', () => {
    const client = {
      model: 'claude-opus-4-8',
      messages: [{ role: 'user', content: 'x' }],
      anthropic_beta: ['ok-2026-01-01', 'a\r\nx-api-key: y', 'b, c', 7],
    }
    expect(anthropic.chat?.encode(requestOf(anthropic, client)).headers).toEqual([
      'anthropic-version',
      '2023-06-01',
      'anthropic-beta',
      'ok-2026-01-01',
    ])
  })
})
