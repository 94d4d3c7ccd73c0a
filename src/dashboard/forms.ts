/** What the dashboard's forms send, turned into the admin plane's own bodies, so that one schema validates both. */
import { readBytes } from '../admin/read.ts'
import { GatewayError } from '../errors.ts'
import { hoursOfText, hoursText } from '../keys/hours.ts'
import type { Hours, Key } from '../terms.ts'

/** What a form sent, by field. */
export type FormValues = Readonly<Record<string, string>>

/** A form's fields, at most 64 KiB; the last one of a name counts. */
export async function readForm(request: Request): Promise<FormValues> {
  const text = new TextDecoder().decode(await readBytes(request, 64 * 1024))
  return Object.fromEntries(new URLSearchParams(text))
}

const numberOf = (text: string | undefined): number | undefined =>
  text === undefined || text.trim() === '' ? undefined : Number(text)

const listOf = (text: string | undefined): string[] =>
  (text ?? '')
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '')

/** Text of the hours; '' = at any time. What cannot be read is refused as the field's fault. */
function hoursOf(text: string | undefined): Hours | null {
  if (text === undefined || text.trim() === '') return null
  if (text.trim() === 'never') return { allow: [] }
  const hours = hoursOfText(text)
  if ('why' in hours)
    throw new GatewayError('invalid_request', `Hours: ${hours.why}; or never`, { param: 'hours' })
  return hours
}

/** A list with `none` for an empty one; '' = everything. */
function limitedTo(text: string | undefined): readonly string[] | null {
  const names = listOf(text)
  return names.length === 0 ? null : names.join() === 'none' ? [] : names
}

/** Where, from where and when: the same fields in "New key" and on a key's own page, there to be changed. */
export function useBodyOf(values: Readonly<Record<string, string>>): Record<string, unknown> {
  return {
    scopes: limitedTo(values.scopes),
    origin_allow: limitedTo(values.origin_allow),
    hours: hoursOf(values.hours),
  }
}

/** What is in those fields for a key as it is. */
export const useValuesOf = ({ scopes, originAllow, hours }: Key): Readonly<Record<string, string>> => ({
  scopes: listText(scopes),
  origin_allow: listText(originAllow),
  hours: hours ? hoursText(hours) || 'never' : '',
})

const listText = (list: readonly string[] | null | undefined): string =>
  list ? list.join(', ') || 'none' : ''

/** Fields of "New key" → the body of `POST /admin/v1/keys`. */
export function keyBodyOf(values: Readonly<Record<string, string>>): Record<string, unknown> {
  const named = listOf(values.models)
  const budget = numberOf(values.budget)
  const limits = {
    rpm: numberOf(values.rpm),
    tpm: numberOf(values.tpm),
    concurrency: numberOf(values.concurrency),
  }
  return {
    name: (values.name ?? '').trim(),
    ...(named.length > 0 && { models: named }),
    ...(budget !== undefined && { budgets: [{ window: values.window ?? 'month', usd: budget }] }),
    ...(values.expires && { expires_at: `${values.expires}T23:59:59Z` }),
    limits: Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined)),
    ...useBodyOf(values),
  }
}

/** Fields of "New credential" → the body of `POST /admin/v1/credentials`. */
export function credentialBodyOf(values: FormValues): Record<string, unknown> {
  const weight = numberOf(values.weight)
  const filled = ['provider', 'name', 'secret', 'ref'].map(
    name => [name, (values[name] ?? '').trim()] as const,
  )
  return {
    ...Object.fromEntries(filled.filter(([, text]) => text !== '')),
    ...(weight !== undefined && { weight }),
  }
}

/** Fields of "New secret" → the body of `POST /admin/v1/credentials/{id}/rotate`. */
export function secretBodyOf(values: FormValues): Record<string, unknown> {
  const hours = numberOf(values.grace_hours)
  return {
    secret: (values.secret ?? '').trim(),
    stage: values.stage ?? 'current',
    test: values.test !== undefined,
    ...(hours !== undefined && { grace_seconds: Math.round(hours * 3600) }),
  }
}

const FIELDS: readonly (readonly [RegExp, string])[] = [
  [/^budgets\[0\]\.window/, 'window'],
  [/^budgets/, 'budget'],
  [/^expires_at/, 'expires'],
  [/^grace_seconds/, 'grace_hours'],
  [/^limits\.(\w+)/, '$1'],
  [/^(\w+)/, '$1'],
]

/** JSON path of a fault (`budgets[0].usd`) → the form's field (`budget`). */
export function fieldOf(param: string | undefined): string | undefined {
  for (const [path, field] of FIELDS) {
    const match = path.exec(param ?? '')
    if (match !== null) return field.replace('$1', match[1] ?? '')
  }
  return undefined
}
