/** What a form of the dashboard makes is made once: sent again by a reload, it names what was made the first time. */
import type { Gate } from '../admin/gate.ts'
import type { FormValues } from './forms.ts'

/** How long a form that was sent is remembered, and how many are. */
const KEPT_MS = 10 * 60_000
const KEPT_MAX = 200

interface Sent {
  readonly untilMs: number
  /** Id of the key that was made; undefined = nothing was. */
  readonly made: Promise<string | undefined>
}

/** By gate: it lives as long as the sessions do, also where a dashboard is built for each request (Workers). */
const books = new WeakMap<Gate, Map<string, Sent>>()

/** A hidden field for a form that makes something: `<input type="hidden" name="once" value={onceToken()}>`. */
export const onceToken = (): string => crypto.randomUUID()

/**
 * Does `make` unless the very same form (`place` and every field, `once` among them) was sent in the last ten minutes:
 * then it answers the id of the key that was made, as `again`. A form without `once` is always done. What failed may be tried
 * again: rejects as `make` does.
 */
export async function madeOnce<T extends { readonly key: { readonly id: string } } | undefined>(
  { gate, nowMs }: { readonly gate: Gate; readonly nowMs: number },
  place: string,
  values: FormValues,
  make: () => Promise<T>,
): Promise<{ readonly made: T } | { readonly again: string }> {
  if (!values.once) return { made: await make() }
  const book = books.get(gate) ?? new Map<string, Sent>()
  books.set(gate, book)
  // with its fields: a page that was gone back to sends its token again with something else typed
  const form = JSON.stringify([place, values])
  const before = book.get(form)
  // a double click comes while the first one is still being made; what failed is made anew
  const id =
    before !== undefined && before.untilMs > nowMs ? await before.made.catch(() => undefined) : undefined
  if (id !== undefined) return { again: id }
  const making = make()
  const sent = { untilMs: nowMs + KEPT_MS, made: making.then(made => made?.key.id) }
  sent.made.catch(() => book.get(form) === sent && book.delete(form))
  book.delete(form)
  book.set(form, sent)
  for (const [old] of book) if (book.size > KEPT_MAX) book.delete(old)
  return { made: await making }
}
