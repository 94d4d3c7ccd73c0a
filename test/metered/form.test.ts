/** Forms are framed strictly and within bounds: what is checked here is what the upstream will read. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../src/errors.ts'
import { parseForm } from '../../src/wire/metered/form.ts'
import { durationOf } from '../../src/wire/metered/sound.ts'
import { wav } from './parts.ts'
import { quickest } from '../waiting.ts'

const TYPE = 'multipart/form-data; boundary=edge'
const bytesOf = (text: string) => new TextEncoder().encode(text)
const part = (name: string, value: string, more = '') =>
  `--edge\r\ncontent-disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`
const whole = (...parts: string[]) => bytesOf(`${parts.join('')}--edge--\r\n`)

function refusal(bytes: Uint8Array, type: string | undefined = TYPE): GatewayError {
  try {
    parseForm(bytes, type)
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
  throw new Error('the form was taken')
}

describe('forms', () => {
  test('values, lists and files, with their places', () => {
    const file = part('file', '\r\n--edg\u0000e', '; filename="ä \r.wav"'.replace('\r', ''))
    const bytes = whole(
      part('model', 'whisper-1'),
      file,
      part('t[]', 'word'),
      part('t[]', 'segment'),
      part('stream', 'true'),
    )
    const { json, members, type } = parseForm(bytes, TYPE)
    expect(json).toEqual({
      model: 'whisper-1',
      file: { filename: 'ä .wav', bytes: 9 },
      't[]': ['word', 'segment'],
      stream: true,
    })
    const at = members[0]
    expect(new TextDecoder().decode(bytes.subarray(at?.valueStart, at?.valueEnd))).toBe('whisper-1')
    expect(type).toBe(TYPE)
  })

  test.each([
    ['multipart/form-data; boundary="a b"', 'a b'],
    ['Multipart/Form-Data;boundary=a', 'a'],
    ['multipart/form-data; charset=utf-8; boundary=a', 'a'],
    [`multipart/form-data; boundary=${'x'.repeat(70)}`, 'x'.repeat(70)],
  ])('%s', (type, boundary) => {
    const text = `--${boundary}\r\nContent-Disposition: form-data; name="m"\r\n\r\nv\r\n--${boundary}--`
    expect(parseForm(bytesOf(text), type).json).toEqual({ m: 'v' })
  })

  test('names as tokens, as .NET writes them, and a line end before the first boundary', () => {
    const file = "form-data; name=file; filename=a.mp3; filename*=utf-8''a.mp3"
    const text = `\r\n--edge\r\nContent-Disposition: form-data; name=model\r\n\r\nm\r\n--edge\r\nContent-Disposition: ${file}\r\n\r\n123\r\n--edge--`
    const { json, members, bytes } = parseForm(bytesOf(text), TYPE)
    expect(json).toEqual({ model: 'm', file: { filename: 'a.mp3', bytes: 3 } })
    const at = members[0]
    expect(new TextDecoder().decode(bytes.subarray(at?.valueStart, at?.valueEnd))).toBe('m')
  })

  test('a preamble is passed over, and is not passed on', () => {
    const form = `${part('model', 'm')}--edge--`
    const hidden = `This is a form.\n${part('model', 'other').replaceAll('\r\n', '\n')}`
    const { json, members, bytes } = parseForm(bytesOf(`${hidden}\r\n${form}`), TYPE)
    expect(json).toEqual({ model: 'm' })
    expect(new TextDecoder().decode(bytes)).toBe(form)
    const at = members[0]
    expect(new TextDecoder().decode(bytes.subarray(at?.valueStart, at?.valueEnd))).toBe('m')
  })

  test.each([
    ['no type', undefined],
    ['another type', 'application/json'],
    ['no boundary', 'multipart/form-data'],
    ['a long boundary', `multipart/form-data; boundary=${'x'.repeat(71)}`],
    ['two boundaries', 'multipart/form-data; boundary=a; boundary=b'],
    ['an odd boundary', 'multipart/form-data; boundary="a\u00e9"'],
  ])('%s is refused', (_, type) => {
    const fault = refusal(whole(part('m', 'v')), type ?? 'none')
    expect([fault.kind, fault.param]).toEqual(['invalid_request', 'content-type'])
  })

  test.each([
    ['a second model', whole(part('model', 'a'), part('model', 'b')), 'model'],
    ['__proto__', whole(part('__proto__', 'a')), '__proto__'],
    ['a name given twice in one header', whole(part('a', 'v', '; name="b"')), 'body'],
    [
      'a name given as a token and in quotes',
      bytesOf('--edge\r\ncontent-disposition: form-data; name=a; name="b"\r\n\r\nv\r\n--edge--'),
      'body',
    ],
    ['an encoded name', whole(part('a', 'v', "; name*=utf-8''model")), 'body'],
    ['two dispositions', whole(part('a', 'v', '\r\ncontent-disposition: form-data; name="model"')), 'body'],
    ['no disposition', bytesOf('--edge\r\nx: y\r\n\r\nv\r\n--edge--'), 'body'],
    ['no name', whole(part('', 'v')), 'body'],
    ['a preamble alone', bytesOf('hello\r\n--edg'), 'body'],
    ['a preamble in the line of the boundary', bytesOf(`hello${part('a', 'v')}--edge--`), 'body'],
    ['more behind the end', bytesOf(`${part('a', 'v')}--edge--\r\n${part('model', 'x')}`), 'body'],
    ['a bare line feed', bytesOf('--edge\ncontent-disposition: form-data; name="a"\n\nv\n--edge--'), 'body'],
    ['no last boundary', bytesOf(part('a', 'v')), 'body'],
    ['endless headers', whole(part('a', 'v', `\r\nx: ${'y'.repeat(5_000)}`)), 'body'],
    ['a long value', whole(part('prompt', 'v'.repeat(65_537))), 'prompt'],
    [
      'bad UTF-8',
      new Uint8Array([...bytesOf(part('a', '').slice(0, -2)), 0xff, ...bytesOf('\r\n--edge--')]),
      'a',
    ],
    ['many parts', whole(...Array.from({ length: 65 }, (_, i) => part(`p${i}`, 'v'))), 'body'],
    ['nothing', new Uint8Array(), 'body'],
  ])('%s is refused', (_, bytes, param) => {
    const fault = refusal(bytes)
    expect([fault.kind, fault.param]).toEqual(['invalid_request', param])
  })

  test('any bytes: an answer or a named refusal, never another error', () => {
    const piece = fc.constantFrom(
      '--edge',
      '\r\n',
      '--',
      'content-disposition: form-data; name="a"',
      ': ',
      'x',
      '"',
      ';',
    )
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 24 }), pieces => {
        try {
          parseForm(bytesOf(pieces.join('')), TYPE)
        } catch (error) {
          expect(error).toBeInstanceOf(GatewayError)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('a file of 20 MB full of almost-boundaries is read in linear time', async () => {
    const filler = bytesOf('\r\n--edg'.repeat(2_500_000))
    const head = bytesOf('--edge\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n')
    const bytes = new Uint8Array(head.length + filler.length + 10)
    bytes.set(head)
    bytes.set(filler, head.length)
    bytes.set(bytesOf('\r\n--edge--'), head.length + filler.length)
    const tookMs = await quickest(3_000, async () => {
      const began = performance.now()
      expect(parseForm(bytes, TYPE).json.file).toEqual({ filename: 'a', bytes: filler.length })
      return performance.now() - began
    })
    expect(tookMs).toBeLessThan(3_000)
  })
})

describe('the length of a sound', () => {
  test('PCM in WAV is exact', () => expect(durationOf(wav(2.5))).toEqual({ bound: 3, likely: 3 }))

  test('a header that lies about its data does not shorten it', () => {
    const lying = wav(10)
    new DataView(lying.buffer).setUint32(40, 16, true)
    expect(durationOf(lying).bound).toBe(10)
  })

  test('an absurd sample rate is believed only as far as a decoder would; anything else is bounded by its size', () => {
    expect(durationOf(new Uint8Array(62_500))).toEqual({ bound: 100, likely: 16 })
    const slow = wav(1)
    new DataView(slow.buffer).setUint32(24, 1, true)
    // one sample a second would be longer than any codec: the size decides
    expect(durationOf(slow).bound).toBe(Math.ceil(slow.length / 625))
  })

  test('any bytes have a length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), noise => {
        const riff = wav(0.01)
        riff.set(noise.subarray(0, riff.length - 12), 12)
        for (const bytes of [noise, riff]) {
          const { bound, likely } = durationOf(bytes)
          expect(Number.isFinite(bound) && bound >= likely && likely >= 0).toBe(true)
        }
      }),
    )
  })
})
