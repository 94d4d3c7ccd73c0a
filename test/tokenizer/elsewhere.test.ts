/** What texts come to in vocabularies that are not at hand, against those vocabularies: counted once with mistral-common 1.13.1 and sentencepiece 0.2.3. */
import { readFileSync } from 'node:fs'
import { brotliDecompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createTokenizer } from '../../src/tokenizer/tokenizer.ts'
import { readVocabulary } from '../../src/tokenizer/vocabulary.ts'

const data = brotliDecompressSync(readFileSync(new URL('../../src/tokenizer/o200k_base.br', import.meta.url)))
const { weigh, encode } = createTokenizer(data)

/** Text; tokens of Tekken; of Gemma 3. */
const TEXTS: readonly (readonly [string, number, number])[] = [
  ['The quick brown fox jumps over the lazy dog near the river.', 13, 13],
  ["It's what they'd've said, isn't it? We'll see; I'm sure you're right.", 23, 30],
  ['Donaudampfschifffahrtsgesellschaftskapitänsmütze, Straßenverkehrsordnung und Überraschungseier.', 28, 29],
  ['Le cœur a ses raisons que la raison ne connaît point ; voilà tout ce qu’il fallait démontrer.', 21, 21],
  ['Съешь же ещё этих мягких французских булок да выпей чаю.', 20, 17],
  ['敏捷的棕色狐狸跳过了懒惰的狗。人工智能正在改变世界。', 31, 19],
  ['いろはにほへと ちりぬるを 東京都は日本の首都です。', 21, 16],
  ['다람쥐 헌 쳇바퀴에 타고파. 키스의 고유조건은 입술끼리 만나야 한다.', 29, 29],
  ['نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر', 20, 23],
  ['ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश करने वाले विष्णुवतार भगवान श्रीराम', 36, 26],
  ['👩‍💻🏳️‍🌈 🦊🎉🎉 ok 👍🏽 — “fine” … ½ × π ≈ 1.5708 €', 58, 31],
  [
    'export const sum = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0)\n\n// getHTTPResponseCode camelCaseName snake_case_name\n',
    39,
    44,
  ],
  ['def f(x):\n    if x > 0:\n        return {"a": [1, 22, 333, 4444], \'b\': None}\n\treturn\n', 41, 54],
  [
    '{"name":"get_weather","description":"","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}',
    31,
    30,
  ],
  [
    '{"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}',
    30,
    30,
  ],
  ['<html>\n  <body class="a b">\n    <p>Hello</p>\n  </body>\n</html>\n', 25, 28],
  ["SELECT a.id, COUNT(*) FROM orders AS a WHERE a.created_at >= '2026-11-22T15:05:37Z' GROUP BY 1;", 42, 45],
  ['3.14159265358979323846264338327950288419716939937510', 52, 52],
  ['        \t\t\n\n\n\r\n   x   \n', 9, 19],
  ['https://example.com/a/b?c=d&e=%20f#g user@example.org /usr/local/bin/../lib64', 29, 37],
  ['aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ================================ ....................', 27, 11],
  ['RXx2nznYZEGZwOW9vPvIWzfOkcveH8Gw6mtE8TBDbdcp/mm9nozrpqB9HewlsbCH7+JsB/8NIdfbCzN3', 59, 53],
  ['7738a5c674d37ff136eac13f553223a63841460d3b6aa1e68d682728fb1c', 56, 56],
  ['pBhmrds axgni DBym yzce eeaBagygf jkgr fwgCm alnfDe ckjAts tv cjlAjpw fppwfbi xl arznlmsA', 51, 45],
  ['"Z&{8p:0@\\MbNdA\\.lPF%X,;LboO3LDzf,HxIH7+q4}yH^5}\'+meT%?mMA[tV3(r%`K;1~i1qU.6XP4(', 67, 67],
]

describe.each([
  ['tekken', 1],
  ['gemma', 2],
] as const)('%s', (vocabulary, at) => {
  test.each(TEXTS)('%j', (...row) => {
    const real = Number(row[at])
    const { words, bytes } = weigh(row[0], vocabulary)
    expect(bytes).toBe(0)
    expect(words).toBeGreaterThanOrEqual(real)
    expect(words).toBeLessThanOrEqual(real * 2 + 3)
  })

  test('all of them together: not below, and a third above at most', () => {
    const real = TEXTS.reduce((sum, row) => sum + Number(row[at]), 0)
    const said = TEXTS.reduce((sum, [text]) => sum + weigh(text, vocabulary).words, 0)
    expect(said / real).toBeGreaterThanOrEqual(1)
    expect(said / real).toBeLessThan(1.34)
  })

  test('never more than a token for each byte, never less than one for a text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), text => {
        const { words } = weigh(text, vocabulary)
        expect(words).toBeLessThanOrEqual(new TextEncoder().encode(text).length)
        expect(words > 0).toBe(text !== '')
      }),
    )
  })

  test('data without costs take each byte for a token', () => {
    const bare = readVocabulary(data.subarray(0, data.length - data.readUInt32LE(0)))
    for (const rank of encode('Hello there, 12345')) {
      const own = readVocabulary(data).costs(vocabulary)[rank] ?? Number.NaN
      expect(bare.costs(vocabulary)[rank]).toBeGreaterThanOrEqual(own)
    }
    expect(encode(' there').map(rank => bare.costs(vocabulary)[rank])).toEqual([6])
  })
})
