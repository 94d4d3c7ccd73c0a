/** multipart/form-data (RFC 7578) → Body: its parts as members with their places, so that one value is spliced and no other byte changes. */
import { GatewayError } from '../../errors.ts'
import type { Body, Member } from '../body.ts'

const PARTS_MAX = 64
const HEADER_BYTES_MAX = 4_096
const VALUE_BYTES_MAX = 65_536
/** RFC 2046 section 5.1.1: 1 to 70 of these, not ending in a space. */
const BOUNDARY = /^[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]$/
const FORM = /^multipart\/form-data((?:\s*;\s*[\w-]+=(?:"[^"]*"|[^\s;"]+))+)\s*$/i
/** Values in quotes, or as tokens (RFC 2045 section 5.1), as .NET's HttpClient writes them. */
const DISPOSITION =
  /^form-data((?:\s*;\s*(?:name|filename)=(?:"[^"]*"|[\w!#$%&'*+.^`|~-]+)|\s*;\s*filename\*=[^\s;"]+)+)\s*$/i
const PARAMETER = /;\s*([\w*-]+)=(?:"([^"]*)"|([^\s;"]+))/g

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

/** A file of a form, as it stands in `json`; its bytes are at the member's place. */
export interface FormFile {
  readonly filename: string
  readonly bytes: number
}

const fault = (message: string, param = 'body'): GatewayError =>
  new GatewayError('invalid_request', message, { param })

/** The parameters of a header, names in lower case. One that is given twice is refused: readers differ in which counts. */
function parametersOf(text: string, header: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const [, name = '', quoted, token] of text.matchAll(PARAMETER)) {
    if (found.has(name.toLowerCase()))
      throw fault(`${header}: gives its ${name} twice.`, header === 'content-type' ? header : 'body')
    found.set(name.toLowerCase(), quoted ?? token ?? '')
  }
  return found
}

function boundaryOf(contentType: string | undefined): string {
  const match = FORM.exec(contentType ?? '')
  const boundary = match && parametersOf(match[1] ?? '', 'content-type').get('boundary')
  if (!boundary || !BOUNDARY.test(boundary)) {
    const message = 'content-type: must be multipart/form-data with a boundary of at most 70 characters.'
    throw fault(message, 'content-type')
  }
  return boundary
}

/** Offset of `needle` at or after `from`; -1 = not there. `indexOf` of one byte is native, so the search is quick. */
function find(bytes: Uint8Array, needle: Uint8Array, from: number): number {
  const last = bytes.length - needle.length
  for (let at = bytes.indexOf(needle[0] as number, from); at >= 0 && at <= last; ) {
    let i = 1
    while (i < needle.length && bytes[at + i] === needle[i]) i++
    if (i === needle.length) return at
    at = bytes.indexOf(needle[0] as number, at + 1)
  }
  return -1
}

const startsWith = (bytes: Uint8Array, text: Uint8Array, at: number): boolean =>
  text.every((byte, i) => bytes[at + i] === byte)

const CRLF = encoder.encode('\r\n')
const BLANK = encoder.encode('\r\n\r\n')
const DASHES = encoder.encode('--')

interface Part {
  readonly name: string
  readonly filename: string | undefined
}

/** Name and file name of a part; every byte that decides them is understood, or the part is refused. */
function readHeaders(text: string): Part {
  let part: Part | undefined
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon < 1) throw fault('A part of the form has a header line without a name.')
    if (line.slice(0, colon).trim().toLowerCase() !== 'content-disposition') continue
    const match = DISPOSITION.exec(line.slice(colon + 1).trim())
    if (part !== undefined || match === null)
      throw fault('A part of the form needs one header content-disposition: form-data; name="…".')
    const found = parametersOf(match[1] ?? '', 'content-disposition')
    const name = found.get('name')
    if (!name) throw fault('A part of the form has no name.')
    const isFile = found.has('filename') || found.has('filename*')
    part = { name, filename: isFile ? (found.get('filename') ?? '') : undefined }
  }
  if (part === undefined) throw fault('A part of the form has no content-disposition header.')
  return part
}

function textOf(bytes: Uint8Array, name: string): string {
  if (bytes.length > VALUE_BYTES_MAX) throw fault(`${name}: is longer than ${VALUE_BYTES_MAX} bytes.`, name)
  try {
    return decoder.decode(bytes)
  } catch {
    throw fault(`${name}: is not valid UTF-8.`, name)
  }
}

/**
 * Bytes of a form → Body. `json` holds the values as text, a list for names that end in `[]`, `stream` as a boolean, and
 * a `FormFile` for each file; what stands before the first boundary is left out. Throws `invalid_request`: no or a bad boundary, broken framing, a name given twice.
 */
export function parseForm(sent: Uint8Array, contentType: string | undefined): Body {
  const first = encoder.encode(`--${boundaryOf(contentType)}`)
  const next = encoder.encode(`\r\n--${boundaryOf(contentType)}`)
  const before = startsWith(sent, first, 0) ? 0 : find(sent, next, 0) + CRLF.length
  if (before === 1) throw fault('The form has no line with its boundary.')
  // a preamble is nobody's to read (RFC 2046 section 5.1.1), and goes no further: others could find a part in it
  const bytes = sent.subarray(before)
  const json: Record<string, unknown> = {}
  const members: Member[] = []
  let at = first.length
  while (!startsWith(bytes, DASHES, at)) {
    if (!startsWith(bytes, CRLF, at)) throw fault('A boundary of the form is not followed by a line end.')
    if (members.length === PARTS_MAX) throw fault(`The form has more than ${PARTS_MAX} parts.`)
    const start = at + CRLF.length
    const blank = find(bytes.subarray(0, start + HEADER_BYTES_MAX), BLANK, start)
    if (blank < 0) throw fault('A part of the form has no end of its headers.')
    const { name, filename } = readHeaders(textOf(bytes.subarray(start, blank), 'body'))
    const valueStart = blank + BLANK.length
    const valueEnd = find(bytes, next, valueStart)
    if (valueEnd < 0) throw fault('The form ends before its last boundary.')
    keep(json, name, filename, bytes.subarray(valueStart, valueEnd))
    members.push({ key: name, start, valueStart, valueEnd })
    at = valueEnd + next.length
  }
  if (members.length === 0) throw fault('The form has no parts.')
  const end = at + DASHES.length
  if (bytes.length !== end && !(bytes.length === end + CRLF.length && startsWith(bytes, CRLF, end)))
    throw fault('More bytes follow the end of the form.')
  return { bytes, json, members, type: contentType }
}

function keep(
  json: Record<string, unknown>,
  name: string,
  filename: string | undefined,
  bytes: Uint8Array,
): void {
  if (name === '__proto__') throw fault(`The name "${name}" is not allowed.`, name)
  const value =
    filename === undefined
      ? textOf(bytes, name)
      : ({ filename: filename.slice(0, 256), bytes: bytes.length } satisfies FormFile)
  const list = json[name]
  if (name.endsWith('[]')) json[name] = Array.isArray(list) ? [...list, value] : [value]
  else if (Object.hasOwn(json, name)) throw fault(`"${name}" is given twice. Send it once.`, name)
  else json[name] = name === 'stream' && (value === 'true' || value === 'false') ? value === 'true' : value
}
