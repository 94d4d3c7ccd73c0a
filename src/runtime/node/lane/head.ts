/**
 * The head of a request of the one shape that the lane serves: a strict subset of what node:http accepts, read as it reads
 * it. Undefined means "not this shape", never "wrong": whoever asks hands such bytes to node:http, which judges them.
 */
import type { Buffer } from 'node:buffer'

/** As `maxHeaderSize` of the server beside it, which counts fewer bytes: what fits here fits there. */
const HEAD_BYTES_MAX = 16_384
/** Above it node:http drops headers in silence. */
const HEADERS_MAX = 100
/** Below 2^53, so that the number is exact. */
const LENGTH_DIGITS_MAX = 15

const TAB = 9
const LF = 10
const CR = 13
const SPACE = 32
const HASH = 35
const SLASH = 47
const ZERO = 48
const NINE = 57
const COLON = 58
const QUESTION = 63
const DEL = 127

const METHOD = codesOf('POST ')
const VERSION = codesOf(' HTTP/1.1\r\n')

function codesOf(text: string): readonly number[] {
  return Array.from(text, char => char.charCodeAt(0))
}

/** The lower-case byte where it may stand in a header's name (RFC 9110, 5.6.2), else 0. */
const NAME = new Uint8Array(256)
for (const code of codesOf("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")) NAME[code] = code
for (const code of codesOf('ABCDEFGHIJKLMNOPQRSTUVWXYZ')) NAME[code] = code + 32

/** 1 where the byte may stand in a header's value: tab, space, visible ASCII, and 0x80 to 0xFF. */
const VALUE = new Uint8Array(256).fill(1, SPACE)
VALUE[TAB] = 1
VALUE[DEL] = 0

const mix = (hash: number, code: number): number => (Math.imul(hash, 31) + code) | 0
const hashOf = (name: string): number => codesOf(name).reduce(mix, 0)

const HOST = 'host'
const LENGTH = 'content-length'
const HOST_HASH = hashOf(HOST)
const LENGTH_HASH = hashOf(LENGTH)
const CONNECTION_HASH = hashOf('connection')

/**
 * Headers that change how a message is framed or what becomes of its connection. `proxy-connection` is one of them: node:http's
 * parser reads it as `connection` (llhttp, src/llhttp/constants.ts, SPECIAL_HEADERS).
 */
const UNUSUAL: ReadonlySet<number> = new Set(
  ['transfer-encoding', 'expect', 'upgrade', 'proxy-connection', 'trailer'].map(hashOf),
)

/** Where the headers of the head being read stand: start and end of the name, start and end of the value. */
const marks: number[] = Array.from({ length: HEADERS_MAX * 4 }, () => 0)
const hashes = new Int32Array(HEADERS_MAX)

interface Found {
  readonly targetEnd: number
  readonly mark: number
  readonly end: number
  readonly length: number
  readonly closes: boolean
  /** Marks of the headers. */
  readonly found: readonly number[]
}

/** A request's head, with its header values still in the bytes that came: few of them are asked for. */
export class RequestHead {
  /** Path and query as the caller wrote them; visible ASCII without `#`. */
  readonly target: string
  /** Where `?` stands in it; -1 = nowhere. */
  readonly mark: number
  /** Where the body begins. */
  readonly end: number
  /** `content-length`. */
  readonly length: number
  /** `connection: close`: whatever stands behind the body is no request. */
  readonly closes: boolean
  private readonly bytes: Buffer
  private readonly marks: readonly number[]

  constructor(bytes: Buffer, { targetEnd, mark, end, length, closes, found }: Found) {
    this.bytes = bytes
    this.closes = closes
    this.target = targetOf(bytes, targetEnd, mark < 0)
    this.mark = mark < 0 ? -1 : mark - METHOD.length
    this.end = end
    this.length = length
    this.marks = found
  }

  /** A header's value by its name in lower case, as node:http gives it: latin1, without the white space around it. */
  value(name: string): string | undefined {
    const { marks: at, bytes } = this
    for (let i = 0; i < at.length; i += 4) {
      const start = at[i] as number
      if ((at[i + 1] as number) - start === name.length && isName(bytes, start, name))
        return bytes.toString('latin1', at[i + 2], at[i + 3])
    }
    return undefined
  }
}

/** Does this name, in whatever case, stand there? The caller has compared the lengths. */
function isName(bytes: Buffer, start: number, name: string): boolean {
  for (let i = 0; i < name.length; i++)
    if (NAME[bytes[start + i] as number] !== name.charCodeAt(i)) return false
  return true
}

/** The last target without a query: nearly all requests have the same few. */
let lastTarget = ''

function targetOf(bytes: Buffer, end: number, isPlain: boolean): string {
  if (isPlain && end - METHOD.length === lastTarget.length && isText(bytes, METHOD.length, lastTarget))
    return lastTarget
  const target = bytes.toString('latin1', METHOD.length, end)
  if (isPlain) lastTarget = target
  return target
}

function isText(bytes: Buffer, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false
  return true
}

const isBlank = (code: number | undefined): boolean => code === SPACE || code === TAB

function startsWith(bytes: Buffer, from: number, codes: readonly number[]): boolean {
  for (let i = 0; i < codes.length; i++) if (bytes[from + i] !== codes[i]) return false
  return true
}

/** A value of digits alone; -1 = it is not, or too long. */
function digits(bytes: Buffer, start: number, end: number): number {
  if (end === start || end - start > LENGTH_DIGITS_MAX) return -1
  let value = 0
  for (let i = start; i < end; i++) {
    const code = bytes[i] as number
    if (code < ZERO || code > NINE) return -1
    value = value * 10 + (code - ZERO)
  }
  return value
}

/** This word alone, in any case. */
function isWord(bytes: Buffer, start: number, end: number, word: string): boolean {
  return end - start === word.length && isName(bytes, start, word)
}

/**
 * Reads the head of a POST that stands whole at the start of `bytes`. Undefined = anything else: another method or version, a
 * head that is not complete, a byte or a header that leaves room for a second reading. The bytes are kept, not copied.
 */
export function readHead(bytes: Buffer): RequestHead | undefined {
  if (!startsWith(bytes, 0, METHOD) || bytes[METHOD.length] !== SLASH) return undefined
  const most = Math.min(bytes.length, HEAD_BYTES_MAX)
  let mark = -1
  let at = METHOD.length
  for (; at < most; at++) {
    const code = bytes[at] as number
    if (code <= SPACE || code >= DEL || code === HASH) break
    if (code === QUESTION && mark < 0) mark = at
  }
  const targetEnd = at
  if (!startsWith(bytes, at, VERSION)) return undefined
  at += VERSION.length
  let count = 0
  let hasHost = false
  let length = -1
  let closes = false
  while (at < most && bytes[at] !== CR) {
    if (count === HEADERS_MAX || !readLine(bytes, at, most, count)) return undefined
    const hash = hashes[count] as number
    // two of a name are joined, dropped or kept apart by node:http: its own affair
    for (let i = 0; i < count; i++) if (hashes[i] === hash) return undefined
    const base = count * 4
    const start = marks[base + 2] as number
    const end = marks[base + 3] as number
    if (UNUSUAL.has(hash)) return undefined
    if (hash === HOST_HASH) hasHost = nameIs(bytes, base, HOST)
    else if (hash === LENGTH_HASH) length = nameIs(bytes, base, LENGTH) ? digits(bytes, start, end) : -1
    else if (hash === CONNECTION_HASH) {
      closes = isWord(bytes, start, end, 'close')
      if (!closes && !isWord(bytes, start, end, 'keep-alive')) return undefined
    }
    count++
    at = lineEnd
  }
  if (at + 2 > most || bytes[at + 1] !== LF || !hasHost || length < 0) return undefined
  const found = marks.slice(0, count * 4)
  return new RequestHead(bytes, { targetEnd, mark, end: at + 2, length, closes, found })
}

function nameIs(bytes: Buffer, base: number, name: string): boolean {
  const start = marks[base] as number
  return (marks[base + 1] as number) - start === name.length && isName(bytes, start, name)
}

/** Behind the line that `readLine` read last. */
let lineEnd = 0

/** Reads one header line into `marks` and `hashes`. False = not a line of this shape, or not all of it is there. */
function readLine(bytes: Buffer, from: number, most: number, count: number): boolean {
  let at = from
  let hash = 0
  for (; at < most; at++) {
    const code = NAME[bytes[at] as number] as number
    if (code === 0) break
    hash = mix(hash, code)
  }
  if (at === from || at >= most || bytes[at] !== COLON) return false
  const base = count * 4
  hashes[count] = hash
  marks[base] = from
  marks[base + 1] = at
  at++
  while (at < most && isBlank(bytes[at])) at++
  const start = at
  while (at < most && VALUE[bytes[at] as number] === 1) at++
  if (at + 2 > most || bytes[at] !== CR || bytes[at + 1] !== LF) return false
  lineEnd = at + 2
  while (at > start && isBlank(bytes[at - 1])) at--
  marks[base + 2] = start
  marks[base + 3] = at
  return true
}
