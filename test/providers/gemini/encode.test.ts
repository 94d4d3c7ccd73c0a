/** What golden folders cannot show of the Gemini encoder: bytes, model generations, names, and hostile input. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { gemini } from '../../../providers/gemini/index.ts'
import { factsOf } from '../../../providers/gemini/model.ts'
import type { Json } from '../../../providers/provider.ts'
import { GatewayError } from '../../../src/errors.ts'
import { requestOf, type Setup } from '../../contract/provider.ts'

const hi = { role: 'user', content: 'hi' }

function sent(
  client: Json,
  setup: Setup = {},
): { text: string; body: Json; path: string; dropped: readonly string[] } {
  const request = requestOf(gemini, { model: 'gemini-2.5-flash', messages: [hi], ...client }, setup)
  const made = gemini.chat?.encode(request)
  if (made === undefined) throw new Error('no codec')
  const text = new TextDecoder().decode(made.body)
  return { text, body: JSON.parse(text), path: made.path, dropped: made.dropped }
}

const thinking = (upstream: string, client: Json): unknown =>
  (sent(client, { upstream }).body.generationConfig as Json | undefined)?.thinkingConfig

const callWith = (args: unknown): Json[] => [
  hi,
  {
    role: 'assistant',
    tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: args } }],
  },
  { role: 'tool', tool_call_id: 'c1', content: 'ok' },
]

describe('tool arguments', () => {
  it('go upstream as they were written', () => {
    const written = '{ "id": 12345678901234567890, "x": 1.0, "e": 1e400, "__proto__": {"a": 1} }'
    expect(sent({ messages: callWith(written) }).text).toContain(`"args":${written}}`)
  })

  it('are an object whatever the client wrote', () => {
    const args = (written: unknown): unknown => {
      const contents = sent({ messages: callWith(written) }).body.contents as { parts: Json[] }[]
      return (contents[1]?.parts[0]?.functionCall as Json | undefined)?.args
    }
    expect(args('')).toEqual({})
    expect(args(' \n')).toEqual({})
    expect(args(undefined)).toEqual({})
    expect(args('null')).toEqual({ arguments: 'null' })
    expect(args('[1]')).toEqual({ arguments: '[1]' })
    expect(args('{"a":1}},{"evil":true')).toEqual({ arguments: '{"a":1}},{"evil":true' })
    expect(args({ a: 1 })).toEqual({ a: 1 })
  })

  it('keeps the digits of results too', () => {
    const messages = callWith('{}')
    messages[2] = { role: 'tool', tool_call_id: 'c1', content: '{"n":12345678901234567890}' }
    expect(sent({ messages }).text).toContain('"response":{"n":12345678901234567890}}')
  })
})

describe('model generations', () => {
  it.each([
    ['gemini-2.5-flash', { thinkingBudget: 2048, includeThoughts: true }],
    ['gemini-2.5-flash-lite', { thinkingBudget: 2048, includeThoughts: true }],
    ['gemini-3-pro-preview', { thinkingLevel: 'LOW', includeThoughts: true }],
    ['gemini-3.7-flash', { thinkingLevel: 'LOW', includeThoughts: true }],
    ['gemini-9-unheard-of', { thinkingLevel: 'LOW', includeThoughts: true }],
    ['house-model-v2', { thinkingBudget: 2048, includeThoughts: true }],
    ['gemini-2.0-flash', undefined],
    ['gemini-1.5-pro-002', undefined],
    ['gemma-3-4b-it', undefined],
  ])('%s understands low effort its own way', (upstream, want) => {
    expect(thinking(upstream, { reasoning_effort: 'low' })).toEqual(want)
  })

  it.each([
    ['gemini-2.5-flash', 'minimal', { thinkingBudget: 128, includeThoughts: true }],
    ['gemini-2.5-flash-lite', 'minimal', { thinkingBudget: 512, includeThoughts: true }],
    ['gemini-2.5-pro', 'none', { thinkingBudget: 128 }],
    ['gemini-2.5-pro', 'max', { thinkingBudget: 32768, includeThoughts: true }],
    ['gemini-2.5-flash', 'max', { thinkingBudget: 24576, includeThoughts: true }],
    ['gemini-3-flash-preview', 'none', { thinkingLevel: 'MINIMAL' }],
    ['gemini-3.5-flash-lite', 'minimal', { thinkingLevel: 'MINIMAL', includeThoughts: true }],
    ['gemini-3.8-flash', 'minimal', { thinkingLevel: 'LOW', includeThoughts: true }],
    ['gemini-3.1-pro-preview', 'none', { thinkingLevel: 'LOW' }],
    ['gemini-3.1-pro-preview', 'medium', { thinkingLevel: 'MEDIUM', includeThoughts: true }],
    ['gemini-3-pro-preview', 'medium', { thinkingLevel: 'HIGH', includeThoughts: true }],
    ['gemini-4-hydrogen', 'xhigh', { thinkingLevel: 'HIGH', includeThoughts: true }],
  ])('%s at effort %s', (upstream, effort, want) => {
    expect(thinking(upstream, { reasoning_effort: effort })).toEqual(want)
  })

  it('asks for nothing when nothing was asked', () => {
    expect(sent({}).body).toEqual({ contents: [{ role: 'user', parts: [{ text: 'hi' }] }] })
    expect(thinking('gemini-2.5-flash', { reasoning: { enabled: true } })).toEqual({ includeThoughts: true })
  })

  it('says which reasoning it cannot send', () => {
    expect(sent({ reasoning: { effort: 'high' } }, { upstream: 'gemini-2.0-flash' }).dropped).toEqual([
      'reasoning',
    ])
  })

  it('counts unknown ids as the newest', () => {
    expect(factsOf('models/gemini-flash-latest').modern).toBe(true)
    expect(factsOf('gemini-robotics-er-1.5-preview').modern).toBe(false)
  })
})

describe('paths', () => {
  it.each([
    ['gemini-2.5-flash', '/models/gemini-2.5-flash:generateContent'],
    ['tunedModels/my-model', '/tunedModels/my-model:generateContent'],
    ['../../v1/files', '/models/..%2F..%2Fv1%2Ffiles:generateContent'],
    ['models/a/b?key=x#', '/models/a%2Fb%3Fkey%3Dx%23:generateContent'],
  ])('%s stays one model id', (upstream, path) => {
    expect(sent({}, { upstream }).path).toBe(path)
  })
})

describe('function names', () => {
  const tool = (name: string): Json => ({ type: 'function', function: { name } })

  it('become legal and stay apart', () => {
    const long = 'x'.repeat(70)
    const tools = [tool('1st'), tool('_1st'), tool('a b'), tool('a-b'), tool(long), tool(`${long}y`)]
    const declared = (sent({ tools }).body.tools as { functionDeclarations: { name: string }[] }[])[0]
    const names = declared?.functionDeclarations.map(d => d.name) ?? []
    for (const name of names) expect(name).toMatch(/^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$/)
    expect(new Set(names).size).toBe(tools.length)
  })

  it('come back as the client wrote them', () => {
    const client = { model: 'gemini-2.5-flash', messages: [hi], tools: [tool('1st'), tool('_1st')] }
    const request = requestOf(gemini, client)
    const context = {
      offer: request.offer,
      created: 1,
      newId: (p: string) => `${p}1`,
      quirks: {},
      request: client,
    }
    const parts = [{ functionCall: { name: '_1st_2' } }, { functionCall: { name: '_1st' } }]
    const made = gemini.chat?.decode?.(
      { candidates: [{ content: { parts }, finishReason: 'STOP' }] },
      context,
    )
    const [choice] = (made?.body.choices ?? []) as {
      message: { tool_calls: { function: { name: string } }[] }
    }[]
    expect(choice?.message.tool_calls.map(call => call.function.name)).toEqual(['1st', '_1st'])
  })
})

describe('signatures', () => {
  const history = (extra: Json): Json[] => [
    hi,
    {
      role: 'assistant',
      tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' }, ...extra }],
    },
    { role: 'tool', tool_call_id: 'c1', content: 'ok' },
  ]
  const signatureOf = (messages: unknown[], upstream: string): unknown => {
    const contents = sent({ messages }, { upstream }).body.contents as { parts: Json[] }[]
    return contents[1]?.parts[0]?.thoughtSignature
  }
  const wrong = { extra_content: { google: { thought_signature: 'not base64 "}' } } }

  it('are replaced in the current turn of Gemini 3 only', () => {
    expect(signatureOf(history({}), 'gemini-3-flash-preview')).toBe('skip_thought_signature_validator')
    expect(signatureOf(history(wrong), 'gemini-3-flash-preview')).toBe('skip_thought_signature_validator')
    expect(signatureOf(history({}), 'gemini-2.5-flash')).toBeUndefined()
    expect(
      signatureOf([...history({}), { role: 'assistant', content: 'done' }, hi], 'gemini-3-flash-preview'),
    ).toBeUndefined()
  })

  it('are found in a reasoning detail with the id of the call', () => {
    const messages = history({})
    messages[1] = {
      ...messages[1],
      reasoning_details: [
        { type: 'reasoning.encrypted', id: 'c1', data: 'AbC=', format: 'google-gemini-v1' },
      ],
    }
    expect(signatureOf(messages, 'gemini-3-flash-preview')).toBe('AbC=')
  })
})

describe('hostile input', () => {
  const anything = fc.letrec(tie => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(
        null,
        true,
        0,
        -1,
        1.5,
        '',
        'x',
        'user',
        'tool',
        'function',
        'data:image/png;base64,',
        '{"a":',
      ),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(
        fc.constantFrom(
          'role',
          'content',
          'type',
          'text',
          'tool_calls',
          'function',
          'name',
          'arguments',
          'id',
          'image_url',
          'url',
          'file',
          '__proto__',
        ),
        tie('value'),
        { maxKeys: 4 },
      ),
    ),
  })).value

  const keys = [
    'messages',
    'tools',
    'tool_choice',
    'response_format',
    'stop',
    'n',
    'seed',
    'modalities',
    'audio',
    'reasoning',
    'reasoning_effort',
    'extra_body',
    'safety_settings',
    'cached_content',
    'web_search_options',
    'logprobs',
    'top_logprobs',
    'max_tokens',
    'temperature',
  ]

  it('is encoded to JSON, or refused with a place', () => {
    const request = fc.tuple(
      fc.dictionary(fc.constantFrom(...keys), anything, { maxKeys: 4 }),
      fc.array(
        fc.record(
          {
            role: fc.constantFrom('user', 'assistant', 'tool', 'system'),
            content: anything,
            tool_calls: anything,
            tool_call_id: anything,
            reasoning_details: anything,
          },
          { requiredKeys: ['role'] },
        ),
        { maxLength: 5 },
      ),
      fc.constantFrom('gemini-2.5-flash', 'gemini-3-flash-preview', 'gemma-3-4b-it'),
    )
    fc.assert(
      fc.property(request, ([top, messages, upstream]) => {
        try {
          const { body } = sent({ messages, ...top }, { upstream })
          expect((body.contents as unknown[]).length).toBeGreaterThan(0)
        } catch (error) {
          if (!(error instanceof GatewayError)) throw error
          expect(error.kind).toBe('invalid_request')
          expect(error.param).toBeTruthy()
        }
      }),
      { numRuns: 800 },
    )
  })
})
