/** The body parser and its splices: what is refused, and that an edit changes nothing else. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { GatewayError } from '../../src/errors.ts'
import { type Body, elementsAt, membersAt, parseBody } from '../../src/wire/body.ts'
import { splice } from '../../src/wire/splice.ts'

const limits = { depthMax: 64 }
const parse = (text: string): Body => parseBody(new TextEncoder().encode(text), text, limits)
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

function refusal(text: string): GatewayError {
  try {
    parse(text)
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
  throw new Error(`not refused: ${text}`)
}

test('members carry the places of keys and values, whatever the spacing', () => {
  const text = ' {\r\n\t"model" : "a\\"b\\\\" ,"é":[1,{"x":"]}"}],"n":-1.5e3 , "stream":true}\n'
  const body = parse(text)
  const raw = body.members.map(m => [m.key, textOf(body.bytes.subarray(m.valueStart, m.valueEnd))])
  expect(raw).toEqual([
    ['model', '"a\\"b\\\\"'],
    ['é', '[1,{"x":"]}"}]'],
    ['n', '-1.5e3'],
    ['stream', 'true'],
  ])
  expect(body.json).toEqual(JSON.parse(text))
})

test.each([
  ['', /empty/, 'body'],
  ['  \n', /empty/, 'body'],
  ['[]', /must be a JSON object/, 'body'],
  ['"x"', /must be a JSON object/, 'body'],
  ['\ufeff{}', /byte order mark/, 'body'],
  ['{"a":1} {}', /more text after the end of the object at line 1, column 9/, 'body'],
  ['{"a":1', /not valid JSON/, 'body'],
  ['{"a":"x', /closing quote/, 'body'],
  ['{"a":"x\\"}', /closing quote/, 'body'],
  ['{"a":[1,2}', /not valid JSON/, 'body'],
  ['{"a":[1,2}}', /not valid JSON/, 'body'],
  ['{"a" 1}', /no colon/, 'body'],
  ['{"a":}', /missing value/, 'body'],
  ['{"a":1,}', /member name/, 'body'],
  ['{a:1}', /member name/, 'body'],
  ['{"a":tru}', /not valid JSON/, 'body'],
  ['{\n"a":"\u0001"}', /line 2/, 'body'],
  ['{"a":1 "b":2}', /no comma/, 'body'],
  ['{"b":"é",\n"temperature":NaN}', /neither a number nor text .* at line 2, column 15/, 'body'],
  ['{"a":{"b":[1,"NaN",Infinity]}}', /neither .* at line 1, column 20/, 'body'],
  ['{"a":{"b":[1,"NaN",-Infinity]}}', /at line 1, column 2[01]/, 'body'],
  ['{"a":[1,true,Null]}', /at line 1, column 14/, 'body'],
  ['{"\\x":1}', /not valid JSON|wrong escape/, 'body'],
  ['{"model":"a","model":"b"}', /given twice/, 'model'],
  ['{"model":"a","mod\\u0065l":"b"}', /given twice/, 'model'],
  ['{"\\u006dodel":"a","model":"b"}', /given twice/, 'model'],
  ['{"max_tokens":5,"max_tokens":50000}', /given twice/, 'max_tokens'],
  ['{"__proto__":{}}', /not allowed/, '__proto__'],
  ['{"\\u005f_proto__":{}}', /not allowed/, '__proto__'],
  ['{"tools":[{"x":{"__proto__" :{"a":1}}}]}', /not allowed/, '__proto__'],
  ['{"tools":[{"x":{"_\\u005fproto__":{"a":1}}}]}', /not allowed/, '__proto__'],
  [`{"a":${'['.repeat(64)}${']'.repeat(64)}}`, /deeper than 64/, 'body'],
  [`{"a":${'{"a":'.repeat(100_000)}`, /deeper than 64/, 'body'],
  [`{${Array.from({ length: 2000 }, (_, i) => `"k${i}":1`).join(',')}}`, /more than 1024 members/, 'body'],
])('refused: %j', (text, message, param) => {
  const error = refusal(text)
  expect(error.kind).toBe('invalid_request')
  expect(error.message).toMatch(message)
  expect(error.param).toBe(param)
})

test('the error never quotes the body', () => {
  expect(refusal('{"a":"sk-secret" "b"}').message).not.toContain('secret')
  expect(refusal('{"a":[sk-secret]}').message).not.toContain('secret')
})

test('accepted: 64 levels, __proto__ as a value, integer-like and escaped names', () => {
  expect(() => parse(`{"a":${'['.repeat(63)}${']'.repeat(63)}}`)).not.toThrow()
  expect(() => parse('{"a":["__proto__","constructor"],"b":"__proto__"}')).not.toThrow()
  expect(parse('{"b":1,"0":2,"\\u0061":3}').members.map(m => m.key)).toEqual(['b', '0', 'a'])
})

test('anything that JSON.parse takes is taken, anything else is a GatewayError', () => {
  const pieces = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    '"',
    '\\',
    ',',
    ':',
    'a',
    '1',
    ' ',
    '"a":',
    '"m"',
    'null',
    'é',
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 24 }), parts => {
      const text = `{${parts.join('')}`
      let expected: unknown
      try {
        expected = JSON.parse(text)
      } catch {
        expect(refusal(text)).toBeInstanceOf(GatewayError)
        return
      }
      const repeated = [...text.matchAll(/"(a|m)":/g)].length !== Object.keys(expected as object).length
      if (!repeated) expect(parse(text).json).toEqual(expected)
    }),
    { numRuns: 3_000 },
  )
})

const name = fc.oneof(
  fc.constantFrom('model', 'messages', 'stream', 'max_tokens', 'toString', '7', 'é"\\', '\u2028', ''),
  fc.string({ maxLength: 8 }),
)
const spacing = fc.constantFrom('', ' ', '\n  ', '\t')
const forbidden = new Set(['__proto__', 'constructor', 'prototype'])
const plain = fc
  .dictionary(
    name.filter(n => !forbidden.has(n)),
    fc.jsonValue({ maxDepth: 3 }),
    { maxKeys: 6, noNullPrototype: true },
  )
  .filter(o => !JSON.stringify(o).includes('__proto__'))

/** Writes an object with spacing of its own, so that a splice that reformats is seen. */
function write(entries: [string, unknown][], s: string): string {
  return `${s}{${s}${entries.map(([k, v]) => `${JSON.stringify(k)}${s}:${s}${JSON.stringify(v)}`).join(`${s},${s}`)}${s}}${s}`
}

test('splice: the result parses to what the edits say, and untouched members keep their bytes', () => {
  const edit = fc.record({
    set: fc
      .dictionary(
        name.filter(n => !forbidden.has(n)),
        fc.jsonValue({ maxDepth: 1 }),
        { maxKeys: 3, noNullPrototype: true },
      )
      .filter(o => !JSON.stringify(o).includes('__proto__')),
    remove: fc.array(fc.nat(6), { maxLength: 4 }),
    rename: fc.array(fc.tuple(fc.nat(6), name), { maxLength: 3 }),
  })
  fc.assert(
    fc.property(plain, edit, spacing, (object, wanted, space) => {
      const entries = Object.entries(object)
      const body = parse(write(entries, space))
      const pick = (i: number) => entries[i % Math.max(1, entries.length)]?.[0] ?? 'absent'
      const remove = wanted.remove.map(pick)
      const rename = Object.fromEntries(
        wanted.rename.map(([i, to]) => [pick(i), to] as const).filter(([, to]) => !forbidden.has(to)),
      )
      const set = Object.fromEntries(Object.entries(wanted.set).map(([k, v]) => [k, JSON.stringify(v)]))

      const left = entries.filter(([k]) => !remove.includes(k))
      const moves = (k: string) => Object.hasOwn(rename, k) && rename[k] !== k
      const expected = new Map(left.filter(([k]) => !moves(k)))
      const source = new Map([...expected.keys()].map(k => [k, k]))
      for (const [k, v] of left) {
        const to = rename[k] as string
        if (!moves(k) || expected.has(to)) continue
        expected.set(to, v)
        source.set(to, k)
      }
      for (const [k, v] of Object.entries(wanted.set)) {
        expected.set(k, v)
        source.delete(k)
      }

      const out = splice(body, { set, remove, rename })
      const again = parse(textOf(out))
      expect(again.json).toEqual(JSON.parse(JSON.stringify(Object.fromEntries(expected))))
      for (const member of again.members) {
        const from = body.members.find(m => m.key === source.get(member.key))
        if (from === undefined) continue
        expect(textOf(out.subarray(member.valueStart, member.valueEnd))).toBe(
          textOf(body.bytes.subarray(from.valueStart, from.valueEnd)),
        )
      }
    }),
    { numRuns: 2_000 },
  )
})

test.each([
  ['{"a":1}', { remove: ['a'] }, '{}'],
  ['{ "a":1 }', { remove: ['a'], set: { b: '2' } }, '{ "b":2 }'],
  ['{}', { set: { b: '2', c: '3' } }, '{"b":2,"c":3}'],
  ['{"a":1, "b":2, "c":3}', { remove: ['a', 'b'] }, '{"c":3}'],
  ['{"a":1, "b":2, "c":3}', { remove: ['b', 'c'] }, '{"a":1}'],
  ['{"a":1, "b":2, "c":3}', { remove: ['b'] }, '{"a":1, "c":3}'],
  ['{"a":1,"b":2}', { remove: ['a'], set: { a: '9' } }, '{"b":2,"a":9}'],
  ['{"a" : 1,"b":2}', { rename: { a: 'c' } }, '{"c":1,"b":2}'],
  ['{"a":1,"b":2}', { rename: { a: 'b' } }, '{"b":2}'],
  ['{"a":1}', { rename: { a: 'b' }, set: { b: '7' } }, '{"b":7}'],
  ['{"a":1,"b":2}', { rename: { a: 'b', b: 'a' } }, '{"b":1,"a":2}'],
])('splice %s %j', (text, edits, expected) => {
  expect(textOf(splice(parse(text), edits))).toBe(expected)
})

test('nothing to change: the very same array', () => {
  const body = parse('{"a":1}')
  expect(splice(body, {})).toBe(body.bytes)
  expect(splice(body, { remove: ['x'], rename: { y: 'z' }, set: {} })).toBe(body.bytes)
})

test('places inside a member, and patches there beside other edits', () => {
  const text =
    '{"x":1,"messages":[ {"role":"developer","content":"[{,"} , {"r\\u006fle" : "developer"} ],"y":2}'
  const body = parse(text)
  const messages = body.members[1] as (typeof body.members)[number]
  const inner = elementsAt(body.bytes, messages.valueStart).map(at => {
    const role = membersAt(body.bytes, at).find(m => m.key === 'role')
    return { start: role?.valueStart ?? 0, end: role?.valueEnd ?? 0, text: '"system"' }
  })
  expect(textOf(splice(body, { remove: ['x'], set: { z: '3' }, inner }))).toBe(
    '{"messages":[ {"role":"system","content":"[{,"} , {"r\\u006fle" : "system"} ],"y":2,"z":3}',
  )
  expect(elementsAt(new TextEncoder().encode('[ ]'), 0)).toEqual([])
})

test('spliced bodies of all sizes stay what they are while others are made', () => {
  const sizes = [0, 1, 63, 64, 65, 100, 1_024, 4_080, 4_096, 9_000, 40_000]
  const texts = Array.from({ length: 12 }, (_, turn) =>
    sizes.map(size => `{"a":"${'x'.repeat(size)}","é":"é${turn}","b":${turn}}`),
  ).flat()
  const made = texts.map(text =>
    splice(parse(text), { remove: ['b'], set: { c: '"ü"', d: `${text.length}` } }),
  )
  for (const [i, text] of texts.entries()) {
    const { b: _, ...kept } = JSON.parse(text) as Record<string, unknown>
    expect(textOf(made[i] as Uint8Array)).toBe(JSON.stringify({ ...kept, c: 'ü', d: text.length }))
  }
})
