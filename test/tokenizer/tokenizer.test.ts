/** The tokenizer against js-tiktoken, on which it is not built: recorded texts, every script, long runs, any string at all. */
import { readFileSync } from 'node:fs'
import { brotliDecompressSync } from 'node:zlib'
import fc from 'fast-check'
import { Tiktoken } from 'js-tiktoken/lite'
import o200k from 'js-tiktoken/ranks/o200k_base'
import { beforeAll, describe, expect, it, test, vi } from 'vitest'
import { createTokenizer, type Tokenizer } from '../../src/tokenizer/tokenizer.ts'
import { HOME, presentTexts, recordedTexts } from './recordings.ts'

// megabytes and thousands of strings, maybe beside much else
vi.setConfig({ testTimeout: 120_000 })

let own: Tokenizer
let oracle: Tiktoken
beforeAll(() => {
  const path = new URL('../../src/tokenizer/o200k_base.br', import.meta.url)
  own = createTokenizer(brotliDecompressSync(readFileSync(path)))
  oracle = new Tiktoken(o200k)
})

const expected = (text: string): number[] => oracle.encode(text, [], [])

function same(text: string): void {
  const tokens = expected(text)
  expect(own.encode(text)).toEqual(tokens)
  expect(own.count(text)).toBe(tokens.length)
}

it.skipIf(presentTexts)(`recordings: none at ${HOME} (set SWITCHGATE_FIXTURES)`, () => {})

test.skipIf(!presentTexts)('every recorded text: prompts, tools, answers', () => {
  const texts = recordedTexts()
  expect(texts.length).toBeGreaterThan(1_500)
  const unlike = texts.filter(text => own.encode(text).join() !== expected(text).join())
  expect(unlike.map(text => text.slice(0, 200))).toEqual([])
})

describe('by hand', () => {
  const TEXTS: Readonly<Record<string, string>> = {
    empty: '',
    English: "It's 8:00 o'clock; WE'LL go, they've said. I'd say: don't!",
    'odd case': "HTTPServer iOS McDONALD'S CamelCaseWORDSAndMore XÆA-12 can'Ts",
    numbers: '1 12 123 1234 12345 3.14159 1e10 ٣٤٥٦ ⅧⅨ ½¾ 四十二',
    code: 'export const f = async <T,>(x: T[]): Promise<void> => {\n\tif (x?.length !== 0) {\n\t\treturn\n\t}\n}\n',
    json: '{"a":[1,2,{"b":null}],"c":"\\n\\u00e9"}',
    spaces: ' a  b   c\n\n\n  d \t e\r\n\r\n f   \n   \n g      ',
    'trailing space': 'x   ',
    'only space': '   \t\n  ',
    'one space': ' ',
    slashes: 'https://example.com/a/b//c?d=e&f#g //\n/* */ ///\r\n',
    Chinese: '人人生而自由，在尊严和权利上一律平等。',
    Japanese: 'すべての人間は、生まれながらにして自由であり、カタカナ。',
    Korean: '모든 인간은 태어날 때부터 자유로우며',
    Arabic: 'يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق.',
    Hebrew: 'כל בני האדם נולדו בני חורין וְשָׁוִים',
    Hindi: 'सभी मनुष्यों को गौरव और अधिकारों',
    Thai: 'มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกัน',
    Tamil: 'மனிதப் பிறிவியினர் சகலரும் சுதந்திரமாகவே',
    Georgian: 'ყველა ადამიანი ᲗᲐᲕᲘᲡᲣᲤᲐᲚᲘ',
    Greek: 'Όλοι οι άνθρωποι ΓΕΝΝΙΟΎΝΤΑΙ ελεύθεροι',
    Russian: 'Все люди рождаются свободными И РАВНЫМИ',
    Amharic: 'የሰው ልጅ ሁሉ ሲወለድ ነጻ',
    emoji: '👍🏽 👩‍👩‍👧‍👦 🇩🇪 ❤️ 1️⃣ 🫠🫠🫠',
    combining: 'e\u0301 \u0301a \u0301\u0301 A\u0301B \u0301A',
    'title case letters': 'ǅungla ǅ ǈ ʰʰ aʰ Aʰ ªº',
    'mathematical letters': '𝒜𝓑𝔠 𝟙𝟚𝟛𝟜 𐐀𐐨𐐀',
    'half surrogates': 'a\ud800b \udc00 \ud83d',
    'special tokens': '<|endoftext|> <|im_start|>user<|endofprompt|>',
    'bytes of no token': '\u0000\u0001\u007f\u00ad\u200b\u200d\ufffd\u{10ffff}\u{e0001}',
  }
  for (const [name, text] of Object.entries(TEXTS)) test(name, () => same(text))

  test('white space as Unicode has it, where the language differs from it', () => {
    // tiktoken (Rust): U+0085 is white space, U+FEFF is not; js-tiktoken has it the other way round
    expect(own.encode('a \u0085b')).toEqual([...expected('a'), ...expected(' '), ...own.encode('\u0085b')])
    expect(own.encode('a\ufeffb').length).toBe(expected('a').length + own.encode('\ufeffb').length)
  })
})

describe('long runs', () => {
  for (const unit of ['a', 'A', ' ', '.', '\n', '中', 'é', '7', '\u0301', '中A', 'ab', '👍', '= '])
    test(`200 of ${JSON.stringify(unit)}, alone and between words`, () => {
      const run = unit.repeat(200)
      same(run)
      same(`x${run} y`)
    })

  test('a megabyte of one letter is counted as eight letters a token', () => {
    // "aaaaaaaa" is the longest token of that letter alone
    expect(expected('a'.repeat(64))).toHaveLength(8)
    expect(own.count('a'.repeat(1_000_000))).toBe(125_000)
  })

  test('a megabyte of letters without an order', () => {
    let seed = 1
    const letters = Array.from({ length: 1_000_000 }, () => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff
      return String.fromCharCode(97 + ((seed >> 16) % 26))
    }).join('')
    // the oracle's time is quadratic: it is shown the beginning
    const start = letters.slice(0, 400)
    same(start)
    const share = own.count(letters) / 1_000_000
    expect(Math.abs(share - own.count(letters.slice(0, 50_000)) / 50_000)).toBeLessThan(0.01)
    expect(Math.abs(share - expected(start).length / 400)).toBeLessThan(0.1)
  })
})

describe('any string', () => {
  /** What js-tiktoken splits otherwise than tiktoken itself. */
  const alike = (text: string) => !/[\u0085\ufeff]/.test(text)

  test('of any code points', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 60 }).filter(alike), same), {
      numRuns: 400,
    })
  })

  test('of graphemes', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }).filter(alike), same), {
      numRuns: 300,
    })
  })

  test('of what the pattern is about', () => {
    const unit = fc.constantFrom(
      ..."aAbZsStTlLdDmMvVrReE'' \t\n\r/.,-(1٣中ʰǅ\u0301é",
      '👍',
      '\u00a0',
      '\u3000',
      "'re",
      "'LL",
    )
    fc.assert(fc.property(fc.string({ unit, maxLength: 30 }), same), { numRuns: 1_500 })
  })

  test('a byte is one token at most', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), text => {
        const count = own.count(text)
        expect(count).toBeLessThanOrEqual(new TextEncoder().encode(text).length)
        expect(count > 0).toBe(text.length > 0)
      }),
    )
  })
})

test('damaged data are refused', () => {
  expect(() => createTokenizer(new Uint8Array())).toThrow('damaged')
  expect(() => createTokenizer(new Uint8Array([2, 0, 0, 0, 1, 1, 97]))).toThrow('damaged')
  // costs for one of two tokens
  expect(() => createTokenizer(new Uint8Array([2, 0, 0, 0, 1, 1, 97, 98, 17]))).toThrow('damaged')
  const three = createTokenizer(new Uint8Array([3, 0, 0, 0, 1, 1, 2, 97, 98, 97, 98]))
  expect(three.encode('abab')).toEqual([2, 2])
})
