/** Families of metrics → the text that Prometheus reads. Two forms, chosen by `Accept`. Pure. */
import type { Distribution, Family } from './registry.ts'

/** Prometheus' text format 0.0.4, or OpenMetrics 1.0.0 (prometheus.io/docs/instrumenting/exposition_formats, prometheus.io/docs/specs/om/open_metrics_spec). */
export type Form = 'prometheus' | 'openmetrics'

export const CONTENT_TYPES: Readonly<Record<Form, string>> = {
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
}

const OPENMETRICS = 'application/openmetrics-text'

/** OpenMetrics for whoever prefers it to plain text; everybody else gets 0.0.4. */
export function formOf(accept: string | null): Form {
  let wanted = 0
  let plain = 0
  for (const part of (accept ?? '').toLowerCase().split(',')) {
    const [type = '', ...parameters] = part.split(';').map(piece => piece.trim())
    const given = parameters.find(parameter => parameter.startsWith('q='))
    const q = given === undefined ? 1 : Number(given.slice(2)) || 0
    if (type === OPENMETRICS) wanted = Math.max(wanted, q)
    else if (type === 'text/plain' || type === 'text/*') plain = Math.max(plain, q)
  }
  return wanted > 0 && wanted >= plain ? 'openmetrics' : 'prometheus'
}

/** Line breaks end a line whatever stands around them, so they are the ones that matter. */
const escaped = (text: string): string =>
  text
    .replace(/\\/g, '\\\\')
    .replace(/"/g, '\\"')
    .replace(/\r?\n|\r/g, '\\n')

const helpText = (text: string, form: Form): string =>
  form === 'openmetrics' ? escaped(text) : text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value)
}

function labelText(names: readonly string[], values: readonly string[], bound?: string): string {
  const pairs = names.map((name, at) => `${name}="${escaped(values[at] ?? '')}"`)
  if (bound !== undefined) pairs.push(`le="${bound}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

/** OpenMetrics wants `le` as a float, so that 1 and 1.0 are not two series. */
const boundText = (bound: number, form: Form): string =>
  form === 'openmetrics' && Number.isInteger(bound) ? `${bound}.0` : numberText(bound)

function distributionLines(
  { name, labels }: Family,
  values: readonly string[],
  { bounds, counts, sum }: Distribution,
  form: Form,
): string {
  let text = ''
  let count = 0
  for (let at = 0; at < counts.length; at++) {
    count += counts[at] ?? 0
    const bound = bounds[at]
    const le = bound === undefined ? '+Inf' : boundText(bound, form)
    text += `${name}_bucket${labelText(labels, values, le)} ${count}\n`
  }
  const of = labelText(labels, values)
  return `${text}${name}_sum${of} ${numberText(sum)}\n${name}_count${of} ${count}\n`
}

function familyText(family: Family, form: Form): string {
  const { name, kind, help, unit, labels } = family
  const total = kind === 'counter' ? '_total' : ''
  // in 0.0.4 the comment carries the name of the lines below it
  const shown = form === 'openmetrics' ? name : `${name}${total}`
  let text = `# HELP ${shown} ${helpText(help, form)}\n# TYPE ${shown} ${kind}\n`
  if (form === 'openmetrics' && unit !== undefined) text += `# UNIT ${shown} ${unit}\n`
  for (const { values, value } of family.samples()) {
    if (typeof value === 'object') text += distributionLines(family, values, value, form)
    else {
      const written = typeof value === 'number' ? numberText(value) : value
      text += `${name}${total}${labelText(labels, values)} ${written}\n`
    }
  }
  return text
}

/** All of it, as one scrape. */
export function metricsText(families: Iterable<Family>, form: Form): string {
  let text = ''
  for (const family of families) text += familyText(family, form)
  return form === 'openmetrics' ? `${text}# EOF\n` : text
}
