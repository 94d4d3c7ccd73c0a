/** Names of chat's members in a caller's own wire: what is reported or refused on the way out is told in the words that it was asked in. */
import { GatewayError } from '../errors.ts'

/** Several = members that may have asked for it: those count that the request has, else the first. */
type Words = Readonly<Record<string, string | readonly string[]>>
type Asked = Readonly<Record<string, unknown>>

/** The caller's names of a member: his own if he used it, else what stands for it in his wire. */
function inWords(place: string, words: Words, asked: Asked): readonly string[] {
  const end = place.search(/[.[]/)
  const head = end === -1 ? place : place.slice(0, end)
  if (Object.hasOwn(asked, head) || !Object.hasOwn(words, head)) return [place]
  const word = words[head] as string | readonly string[]
  if (typeof word === 'string') return [word]
  const used = word.filter(name => isIn(asked, name))
  return used.length > 0 ? used : word.slice(0, 1)
}

/** Is this member said, one level down too? */
function isIn(asked: Asked, name: string): boolean {
  const [head = '', inner] = name.split('.')
  const value = asked[head]
  if (inner === undefined) return value != null
  return typeof value === 'object' && value !== null && (value as Record<string, unknown>)[inner] != null
}

/** Reported names, each once. */
export function callersNames(names: readonly string[], words: Words, asked: Asked): string[] {
  return [...new Set(names.flatMap(name => inWords(name, words, asked)))]
}

/** A refusal of the translated request, at its place in the caller's own: `messages[3]` of a translation is no place of his. */
export function callersError(error: unknown, words: Words, asked: Asked): unknown {
  if (!(error instanceof GatewayError) || error.param === undefined) return error
  const { kind, message, param, code, status, cause } = error
  const [place = param] = inWords(param, words, asked)
  if (place === param) return error
  const said = message.startsWith(param) ? `${place}${message.slice(param.length)}` : message
  return new GatewayError(kind, said, { param: place, code, status, cause })
}
