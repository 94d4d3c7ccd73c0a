/** What a reading route is asked for beside its path: a query of known names, and the form of the answer. For the data and the admin plane. */
import { nearest } from '../config/nearest.ts'
import { GatewayError } from '../errors.ts'

/**
 * The query's parameters, each known and at most once. `known` = what each is for; one that takes a list says that its parts
 * are `separated by commas`. Throws `invalid_request`.
 */
export function readQuery(url: string, known: Readonly<Record<string, string>>): URLSearchParams {
  const query = new URL(url).searchParams
  for (const name of query.keys()) {
    const shown = name.slice(0, 60)
    if (!Object.hasOwn(known, name)) {
      const near = nearest(name, Object.keys(known), 1)[0]
      const names = Object.keys(known).join(', ') || 'none'
      const hint = near === undefined ? `known are: ${names}` : `did you mean \`${near}\`?`
      throw new GatewayError('invalid_request', `unknown parameter \`${shown}\`: ${hint}`, { param: shown })
    }
    const all = query.getAll(name)
    if (all.length > 1) {
      const isList = known[name]?.endsWith('separated by commas')
      const cure = isList ? `: write \`${shown}=${all.join(',').slice(0, 100)}\`` : ''
      const message = `\`${shown}\` is given more than once${cure}`
      throw new GatewayError('invalid_request', message, { param: shown })
    }
  }
  return query
}

/** True when `Accept` names CSV and does not like JSON better. */
export function wantsCsv(accept: string | null | undefined): boolean {
  const weights = new Map<string, number>()
  for (const part of (accept ?? '').toLowerCase().split(',')) {
    const [type = '', ...rest] = part.split(';').map(piece => piece.trim())
    const weight = rest.find(piece => piece.startsWith('q='))
    weights.set(type, weight === undefined ? 1 : Number(weight.slice(2)) || 0)
  }
  const csv = weights.get('text/csv') ?? 0
  return csv > 0 && csv >= (weights.get('application/json') ?? 0)
}
