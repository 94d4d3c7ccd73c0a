/** Names of chat's members in a caller's own wire: what is reported or refused on the way out is told in the words that it was asked in. */
import { GatewayError } from '../errors.ts'

type Words = Readonly<Record<string, string>>

/** The caller's name of a member: his own if he used it, else what stands for it in his wire. */
function inWords(place: string, words: Words, asked: Readonly<Record<string, unknown>>): string {
  const end = place.search(/[.[]/)
  const head = end === -1 ? place : place.slice(0, end)
  if (Object.hasOwn(asked, head) || !Object.hasOwn(words, head)) return place
  return words[head] as string
}

/** Reported names, each once. */
export function callersNames(
  names: readonly string[],
  words: Words,
  asked: Readonly<Record<string, unknown>>,
): string[] {
  return [...new Set(names.map(name => inWords(name, words, asked)))]
}

/** A refusal of the translated request, at its place in the caller's own: `messages[3]` of a translation is no place of his. */
export function callersError(
  error: unknown,
  words: Words,
  asked: Readonly<Record<string, unknown>>,
): unknown {
  if (!(error instanceof GatewayError) || error.param === undefined) return error
  const { kind, message, param, code, status, cause } = error
  const place = inWords(param, words, asked)
  if (place === param) return error
  const said = message.startsWith(param) ? `${place}${message.slice(param.length)}` : message
  return new GatewayError(kind, said, { param: place, code, status, cause })
}
