/** The words for a key's policy: those that `key show` prints are those that `key create` and `key change` take. Used by key.ts. */
import { CommandError, EXIT, listOf, textOf, type Values } from './command.ts'

/** Options that are lists, with the word for "no limit"; null on the wire. An empty list is `none`: nothing at all. */
const LISTS = {
  models: 'all',
  providers: 'all',
  regions: 'all',
  scopes: 'all',
  'ip-allow': 'any',
  origins: 'any',
} as const

/** Options that are one text, with the word for "not set"; null on the wire. */
const TEXTS = { owner: 'none', project: 'none', 'default-model': 'none', expires: 'never' } as const

export type ListOption = keyof typeof LISTS
export type TextOption = keyof typeof TEXTS

/** A name that is such a word itself stands in quotes. */
const bare = (text: string): string => /^"(.*)"$/.exec(text)?.[1] ?? text

function entriesOf(values: Values, option: string, words: readonly string[]): string[] | undefined {
  const list = listOf(values, option)
  if (list === undefined) return undefined
  if (list.length === 0)
    throw new CommandError(`--${option}: name at least one, or write ${words.join(' or ')}`, EXIT.usage)
  const word = list.find(entry => words.includes(entry))
  if (word === undefined || list.length === 1) return list
  throw new CommandError(
    `--${option}: "${word}" stands alone; one of this very name is written in quotes, as in '"${word}"'`,
    EXIT.usage,
  )
}

/** A list as the admin plane takes it; undefined = not given. Throws a usage error. */
export function listOption(values: Values, option: ListOption): readonly string[] | null | undefined {
  const everything = LISTS[option]
  const list = entriesOf(values, option, [everything, 'none'])
  if (list?.[0] === everything) return null
  return list?.[0] === 'none' ? [] : list?.map(bare)
}

/** Tags limit nothing: `none` is the only word. */
export function tagsOption(values: Values): readonly string[] | undefined {
  const list = entriesOf(values, 'tag', ['none'])
  return list?.[0] === 'none' ? [] : list?.map(bare)
}

/** One text as the admin plane takes it; undefined = not given. */
export function textOption(values: Values, option: TextOption): string | null | undefined {
  const text = textOf(values, option)
  return text === TEXTS[option] ? null : text && bare(text)
}

const marked = (text: string, words: readonly string[]): string => (words.includes(text) ? `"${text}"` : text)

const shown = (value: unknown, words: readonly string[]): string =>
  (Array.isArray(value) ? value.map(entry => marked(String(entry), words)).join(', ') : '') || 'none'

/** A list of the wire as `listOption` takes it. */
export const listWords = (value: unknown, option: ListOption): string =>
  Array.isArray(value) ? shown(value, [LISTS[option], 'none']) : LISTS[option]

/** Tags of the wire as `tagsOption` takes them. */
export const tagWords = (value: unknown): string => shown(value, ['none'])

/** A text of the wire as `textOption` takes it. */
export const textWords = (value: unknown, option: TextOption): string =>
  typeof value === 'string' ? marked(value, [TEXTS[option]]) : TEXTS[option]
