/**
 * Cuts a text into the pieces within which o200k_base merges bytes: words with what stands before them, numbers of three
 * digits, punctuation, white space. Used by the tokenizer. It is the pattern `o200k_base.pat_str` of OpenAI's tiktoken
 * (tiktoken_ext/openai_public.py, MIT), read by hand: a pattern of that kind may overflow the stack on a megabyte of one letter.
 */

/** [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]: what a word may begin with. */
const UPPER = 1
/** [\p{Ll}\p{Lm}\p{Lo}\p{M}]: what it may go on with. */
const LOWER = 2
const LETTER = 4
const NUMBER = 8
const SPACE = 16
const NEWLINE = 32
const KNOWN = 128

const DIGITS_MAX = 3
const CODE_POINTS = 0x11_0000
const SUPPLEMENTARY = 0x1_0000

/** Unicode's White_Space, as tiktoken's `\s` has it; the language's own has U+FEFF and lacks U+0085. */
const WHITE_SPACE = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/
const ofLetter = /\p{L}/u
const ofUpper = /[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]/u
const ofLower = /[\p{Ll}\p{Lm}\p{Lo}\p{M}]/u
const ofNumber = /\p{N}/u

/** Filled as code points are met; pages that are never met take no memory. */
const classes = new Uint8Array(CODE_POINTS)

function learn(code: number): number {
  const char = String.fromCodePoint(code)
  let found = KNOWN
  if (ofUpper.test(char)) found |= UPPER
  if (ofLower.test(char)) found |= LOWER
  if (ofLetter.test(char)) found |= LETTER
  if (ofNumber.test(char)) found |= NUMBER
  if (WHITE_SPACE.test(char)) found |= SPACE
  if (char === '\n' || char === '\r') found |= NEWLINE
  classes[code] = found
  return found
}

/** Class of the character at this offset; 0 = the text ends. */
function classAt(text: string, at: number): number {
  const code = text.codePointAt(at)
  return code === undefined ? 0 : classes[code] || learn(code)
}

const widthAt = (text: string, at: number): number => ((text.codePointAt(at) ?? 0) >= SUPPLEMENTARY ? 2 : 1)

function runEnd(text: string, from: number, wanted: number): number {
  let at = from
  while ((classAt(text, at) & wanted) !== 0) at += widthAt(text, at)
  return at
}

/** UPPER* LOWER+, each as long as can be; -1 = no such word here. */
function lowerWordEnd(text: string, from: number): number {
  let end = -1
  let at = from
  for (;;) {
    const found = classAt(text, at)
    if ((found & UPPER) === 0) break
    at += widthAt(text, at)
    // many a letter is both: the last of them can be the word's lower part
    if ((found & LOWER) !== 0) end = at
  }
  const lower = runEnd(text, at, LOWER)
  return lower > at ? lower : end
}

/** UPPER+ LOWER*; -1 = no such word here. */
function upperWordEnd(text: string, from: number): number {
  const at = runEnd(text, from, UPPER)
  return at === from ? -1 : runEnd(text, at, LOWER)
}

const CONTRACTION = /'(?:[stmdſ]|re|ve|ll)/iy

function wordEnd(text: string, from: number, first: number): number {
  const mayLead = (first & (NEWLINE | LETTER | NUMBER)) === 0
  const led = mayLead ? from + widthAt(text, from) : -1
  let end = mayLead ? lowerWordEnd(text, led) : -1
  if (end < 0) end = lowerWordEnd(text, from)
  if (end < 0 && mayLead) end = upperWordEnd(text, led)
  if (end < 0) end = upperWordEnd(text, from)
  if (end < 0 || text.charCodeAt(end) !== 0x27) return end
  CONTRACTION.lastIndex = end
  return CONTRACTION.test(text) ? CONTRACTION.lastIndex : end
}

function numberEnd(text: string, from: number): number {
  let at = from
  for (let digits = 0; digits < DIGITS_MAX && (classAt(text, at) & NUMBER) !== 0; digits++)
    at += widthAt(text, at)
  return at
}

/** A space at most, then neither white space nor letters nor numbers, then line ends and slashes; -1 = none here. */
function markEnd(text: string, from: number): number {
  const start = text[from] === ' ' ? from + 1 : from
  let at = start
  for (;;) {
    const found = classAt(text, at)
    if (found === 0 || (found & (SPACE | LETTER | NUMBER)) !== 0) break
    at += widthAt(text, at)
  }
  if (at === start) return -1
  while (text[at] === '\r' || text[at] === '\n' || text[at] === '/') at++
  return at
}

/** White space up to its last line end; else all of it but the one before a word. */
function spaceEnd(text: string, from: number): number {
  let at = from
  let line = -1
  for (;;) {
    const found = classAt(text, at)
    if ((found & SPACE) === 0) break
    at++
    if ((found & NEWLINE) !== 0) line = at
  }
  if (line >= 0) return line
  return at < text.length && at - from > 1 ? at - 1 : at
}

/** Offset behind the piece that begins at `from`, in UTF-16 units. */
export function pieceEnd(text: string, from: number): number {
  const first = classAt(text, from)
  const word = wordEnd(text, from, first)
  if (word >= 0) return word
  if ((first & NUMBER) !== 0) return numberEnd(text, from)
  const mark = markEnd(text, from)
  return mark >= 0 ? mark : spaceEnd(text, from)
}
