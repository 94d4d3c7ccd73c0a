/** What the dashboard's forms send, turned into the admin plane's own bodies, so that one schema validates both. */
import { readBytes } from '../admin/read.ts'

/** A form's fields, at most 64 KiB; the last one of a name counts. */
export async function readForm(request: Request): Promise<Readonly<Record<string, string>>> {
  const text = new TextDecoder().decode(await readBytes(request, 64 * 1024))
  return Object.fromEntries(new URLSearchParams(text))
}

const numberOf = (text: string | undefined): number | undefined =>
  text === undefined || text.trim() === '' ? undefined : Number(text)

/** Fields of "New key" → the body of `POST /admin/v1/keys`. */
export function keyBodyOf(values: Readonly<Record<string, string>>): Record<string, unknown> {
  const models = (values.models ?? '').split(',').map(name => name.trim())
  const named = models.filter(name => name !== '')
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
  }
}

const FIELDS: readonly (readonly [RegExp, string])[] = [
  [/^budgets\[0\]\.window/, 'window'],
  [/^budgets/, 'budget'],
  [/^expires_at/, 'expires'],
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
