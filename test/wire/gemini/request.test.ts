/** generateContent requests → chat requests, from literals; and that nothing a caller sends can do worse than be refused. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { gemini } from '../../../providers/gemini/index.ts'
import { GatewayError } from '../../../src/errors.ts'
import type { Call, Offer } from '../../../src/terms.ts'
import { parseBody } from '../../../src/wire/body.ts'
import { generateContent, geminiCount } from '../../../src/wire/gemini/index.ts'
import { readPath } from '../../../src/wire/gemini/path.ts'
import { jsonSchema } from '../../../src/wire/gemini/schema.ts'
import { readSignature, signatureOf } from '../../../src/wire/gemini/signatures.ts'

type Json = Record<string, unknown>

const callOf = (path = '/v1beta/models/house:generateContent', query = '') =>
  ({ path, query }) as unknown as Call
const bodyOf = (value: unknown) => {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return parseBody(new TextEncoder().encode(text), text, { depthMax: 64 })
}
function toChat(value: unknown, call = callOf()): Json {
  const body = bodyOf(value)
  return generateContent.toChat?.(body, generateContent.read(body, call)).json ?? {}
}
const messages = (...contents: Json[]) => toChat({ contents }).messages as Json[]
function refusal(value: unknown): GatewayError | undefined {
  try {
    toChat(value)
    return undefined
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
}
const user = (...parts: Json[]) => ({ role: 'user', parts })
const model = (...parts: Json[]) => ({ role: 'model', parts })

describe('paths', () => {
  test.each([
    ['/v1beta/models/a:generateContent', { model: 'a', method: 'generateContent' }],
    ['/v1/models/a/b:floor:streamGenerateContent', { model: 'a/b:floor', method: 'streamGenerateContent' }],
    ['/v1beta/models/a%2Fb:countTokens', { model: 'a/b', method: 'countTokens' }],
    ['/v1beta/models/%zz:countTokens', { model: '%zz', method: 'countTokens' }],
    ['/v1beta/models/:countTokens', { model: '', method: 'countTokens' }],
    ['/v1beta/models/a:embedContent', undefined],
    ['/v1beta/models/a', undefined],
    ['/v2/models/a:generateContent', undefined],
  ])('%s', (path, read) => expect(readPath(path)).toEqual(read))
})

describe('contents', () => {
  test('calls without ids get some, results find them by name and order, arguments keep their digits', () => {
    const text = `{"contents":[{"parts":[{"text":"Hi"}]},
      {"role":"model","parts":[{"functionCall":{"name":"a","args":{"n": 1.0, "big":1152921504606846976}}},{"functionCall":{"name":"b"}},{"functionCall":{"name":"a","args":{}}}]},
      {"role":"function","parts":[{"functionResponse":{"name":"b","response":{"x": 2.50}}},{"functionResponse":{"name":"a","response":{"output":"one"}}},{"functionResponse":{"name":"a","response":{"output":"two","more":1}}},{"text":"So?"}]}]}`
    expect((toChat(text).messages as Json[]).slice(1)).toEqual([
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          {
            id: 'call_1',
            type: 'function',
            function: { name: 'a', arguments: '{"n": 1.0, "big":1152921504606846976}' },
          },
          { id: 'call_2', type: 'function', function: { name: 'b', arguments: '{}' } },
          { id: 'call_3', type: 'function', function: { name: 'a', arguments: '{}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'call_2', content: '{"x": 2.50}' },
      { role: 'tool', tool_call_id: 'call_1', content: 'one' },
      { role: 'tool', tool_call_id: 'call_3', content: '{"output":"two","more":1}' },
      { role: 'user', content: 'So?' },
    ])
  })

  test('a result with a picture, a result without a call', () => {
    const call = model({ functionCall: { id: 'c', name: 'see', args: {} } })
    const picture = { inlineData: { mimeType: 'image/png', data: 'iVBO-w_g' } }
    const result = {
      functionResponse: { id: 'c', name: 'see', response: { output: 'it' }, parts: [picture] },
    }
    expect(messages(user({ text: 'Hi' }), call, user(result)).at(-1)).toEqual({
      role: 'tool',
      tool_call_id: 'c',
      content: [
        { type: 'text', text: 'it' },
        // Python's client writes the URL-safe alphabet
        { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBO+w/g' } },
      ],
    })
    expect(refusal({ contents: [user(result)] })?.param).toBe('contents[0].parts[0].functionResponse')
    expect(refusal({ contents: [call, user(result, result)] })?.param).toBe(
      'contents[1].parts[1].functionResponse',
    )
  })

  test('what a streaming client keeps as many contents is one turn', () => {
    expect(
      messages(
        user({ text: 'Hi' }),
        model({ text: 'Hm.', thought: true, thoughtSignature: 'CiQB' }),
        model({ text: 'Hel' }),
        model({ text: 'lo.' }),
        model({ functionCall: { id: 'c', name: 'a', args: {} }, thoughtSignature: 'CiQC' }),
        model({ text: '', thoughtSignature: 'CiQD' }),
      ).slice(1),
    ).toEqual([
      {
        role: 'assistant',
        content: 'Hello.',
        reasoning_content: 'Hm.',
        reasoning_details: [
          { type: 'reasoning.text', text: 'Hm.', signature: 'CiQB', format: 'google-gemini-v1', index: 0 },
          { type: 'reasoning.encrypted', data: 'CiQD', format: 'google-gemini-v1', index: 1 },
        ],
        tool_calls: [
          {
            id: 'c',
            type: 'function',
            function: { name: 'a', arguments: '{}' },
            extra_content: { google: { thought_signature: 'CiQC' } },
          },
        ],
      },
    ])
  })

  test.each<[string, Json, Json]>([
    [
      'sound',
      { inlineData: { mimeType: 'audio/mpeg', data: 'AAAA' } },
      { type: 'input_audio', input_audio: { data: 'AAAA', format: 'mp3' } },
    ],
    [
      'a PDF',
      { inlineData: { mimeType: 'application/pdf', data: 'JVBE' } },
      { type: 'file', file: { filename: 'document.pdf', file_data: 'data:application/pdf;base64,JVBE' } },
    ],
    [
      'a film',
      { inlineData: { mimeType: 'video/mp4', data: 'AAAA' } },
      { type: 'video_url', video_url: { url: 'data:video/mp4;base64,AAAA' } },
    ],
    ['text in base64', { inlineData: { mimeType: 'text/csv', data: 'YSxi' } }, { type: 'text', text: 'a,b' }],
    [
      'a picture elsewhere',
      { fileData: { mimeType: 'image/png', fileUri: 'https://x.test/a.png' } },
      { type: 'image_url', image_url: { url: 'https://x.test/a.png' } },
    ],
  ])('%s', (_, part, made) =>
    expect(messages(user({ text: 'See:' }, part))[0]?.content).toEqual([
      { type: 'text', text: 'See:' },
      made,
    ]),
  )

  test.each<[string, Json, string]>([
    [
      'a file at Google',
      {
        contents: [
          user({ fileData: { fileUri: 'https://generativelanguage.googleapis.com/v1beta/files/x' } }),
        ],
      },
      'contents[0].parts[0].fileData.fileUri',
    ],
    [
      'executed code',
      { contents: [model({ executableCode: { code: '1' } })] },
      'contents[0].parts[0].executableCode',
    ],
    [
      'an enum answer',
      { contents: [user({ text: 'x' })], generationConfig: { responseMimeType: 'text/x.enum' } },
      'generationConfig.responseMimeType',
    ],
    ['a served tool', { contents: [user({ text: 'x' })], tools: [{ google_search: {} }] }, 'tools'],
    [
      'an unknown mode',
      {
        contents: [user({ text: 'x' })],
        tools: [{ functionDeclarations: [{ name: 'a' }] }],
        toolConfig: { functionCallingConfig: { mode: 'MAYBE' } },
      },
      'toolConfig.functionCallingConfig.mode',
    ],
    ['a role', { contents: [{ role: 'assistant', parts: [] }] }, 'contents[0].role'],
    [
      'a limit',
      { contents: [user({ text: 'x' })], generationConfig: { maxOutputTokens: 0 } },
      'generationConfig.maxOutputTokens',
    ],
  ])('refused at its place: %s', (_, body, param) =>
    expect(refusal(body)).toMatchObject({ kind: 'invalid_request', param }),
  )
})

describe('settings', () => {
  const chat = (generationConfig: Json) => {
    const { messages: _, model: __, ...rest } = toChat({ contents: [user({ text: 'x' })], generationConfig })
    return rest
  }
  test.each<[Json, Json]>([
    [{ thinkingConfig: { thinkingBudget: 0 } }, { reasoning: { effort: 'none' } }],
    [{ thinkingConfig: { thinkingBudget: -1 } }, { reasoning: { enabled: true } }],
    [{ thinkingConfig: { thinkingBudget: 4096 } }, { reasoning: { max_tokens: 4096 } }],
    [{ thinkingConfig: { thinkingLevel: 'HIGH' } }, { reasoning: { effort: 'high' } }],
    [{ thinkingConfig: { includeThoughts: true } }, { reasoning: { enabled: true } }],
    [{ thinkingConfig: { includeThoughts: false } }, {}],
    [
      { candidateCount: 3, responseLogprobs: true, logprobs: 2 },
      { n: 3, logprobs: true, top_logprobs: 2 },
    ],
    [{ candidateCount: 1, responseModalities: ['TEXT'] }, {}],
    [{ responseModalities: ['TEXT', 'IMAGE'] }, { modalities: ['text', 'image'] }],
    [{ responseMimeType: 'application/json' }, { response_format: { type: 'json_object' } }],
  ])('%j', (given, made) => expect(chat(given)).toEqual(made))

  test('Google’s schemas', () => {
    expect(
      jsonSchema({
        type: 'OBJECT',
        property_ordering: ['a'],
        properties: {
          a: { type: 'STRING', format: 'enum', enum: ['x'], nullable: true },
          type: {
            any_of: [{ type: 'NUMBER' }, { type: 'ARRAY', items: { type: 'INTEGER' }, max_items: '3' }],
          },
        },
      }),
    ).toEqual({
      type: 'object',
      properties: {
        a: { type: ['string', 'null'], enum: ['x', null] },
        type: { anyOf: [{ type: 'number' }, { type: 'array', items: { type: 'integer' }, maxItems: 3 }] },
      },
    })
  })

  test('what has no place in chat is named', () => {
    const body = bodyOf({
      contents: [user({ text: 'x', videoMetadata: { fps: 1 } })],
      safetySettings: [],
      labels: { a: 'b' },
      generationConfig: { speechConfig: {}, topK: 3 },
      tools: [{ functionDeclarations: [{ name: 'a', response: {}, behavior: 'BLOCKING' }] }],
      toolConfig: { retrievalConfig: {} },
    })
    expect(generateContent.lost?.(body, undefined, () => undefined)).toEqual([
      'safetySettings',
      'labels',
      'generationConfig.speechConfig',
      'toolConfig.retrievalConfig',
      'tools.functionDeclarations.response',
      'tools.functionDeclarations.behavior',
      'contents.parts.videoMetadata',
    ])
  })
})

describe('signatures of others', () => {
  const details = [{ type: 'reasoning.text', text: 'Hmü', signature: 'EqQB', format: 'anthropic-claude-v1' }]

  test('packed as base64, read back also from the URL-safe alphabet; broken ones are lost, not fatal', () => {
    const packed = signatureOf(details)
    expect(packed).toMatch(/^[A-Za-z0-9+/]+=*$/)
    const safe = packed.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
    for (const text of [packed, safe]) expect(readSignature(text)).toEqual({ by: 'other', details })
    for (let cut = 20; cut < packed.length - 4; cut++) readSignature(packed.slice(0, cut))
    expect(readSignature(packed.slice(0, 40))).toBeUndefined()
    expect(readSignature('CiQB')).toEqual({ by: 'google', signature: 'CiQB' })
  })
})

test('whatever a caller sends is read, translated, or refused with a place', () => {
  const leaf = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.constantFrom(
      null,
      'model',
      'user',
      '',
      'AUTO',
      'application/json',
      'image/png',
      signatureOf([{ data: 'x' }]),
    ),
  )
  const names = fc.constantFrom(
    ...'contents role parts text thought thoughtSignature functionCall functionResponse name args id response inlineData mimeType data fileData fileUri systemInstruction tools functionDeclarations parameters toolConfig functionCallingConfig mode allowedFunctionNames generationConfig thinkingConfig thinkingBudget responseSchema responseMimeType properties type items generateContentRequest max_output_tokens'.split(
      ' ',
    ),
  )
  const value = fc.letrec(tie => ({
    any: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      leaf,
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(names, tie('any'), { maxKeys: 4 }),
    ),
  })).any
  const content = fc.record({
    role: fc.constantFrom('user', 'model'),
    parts: fc.array(fc.dictionary(names, value, { maxKeys: 3 }), { maxLength: 3 }),
  })
  const body = fc
    .tuple(
      fc.array(fc.oneof(content, value), { minLength: 1, maxLength: 3 }),
      fc.dictionary(names, value, { maxKeys: 4 }),
    )
    .map(([contents, rest]) => ({ ...rest, contents }))
  const offer = { upstream: 'gemini-3-flash', supports: new Set() } as unknown as Offer
  let read = 0
  fc.assert(
    fc.property(body, given => {
      const parsed = bodyOf(given)
      for (const inbound of [generateContent, geminiCount])
        try {
          const facts = inbound.read(parsed, callOf())
          read++
          inbound.signedBy?.(parsed)
          inbound.lost?.(parsed, undefined, () => undefined)
          const encoded = gemini.gemini?.encode({
            body: parsed,
            stream: false,
            wantsUsage: false,
            extensions: facts.extensionNames,
            offer,
            maxOutputTokens: 5,
            quirks: {},
            header: () => undefined,
            query: '',
          })
          JSON.parse(new TextDecoder().decode(encoded?.body))
          inbound.toChat?.(parsed, facts)
        } catch (error) {
          if (!(error instanceof GatewayError) || error.param === undefined) throw error
        }
    }),
    { numRuns: 3_000 },
  )
  expect(read).toBeGreaterThan(300)
})
