/** A strict reader of what Prometheus scrapes, by the two specifications: whatever they do not allow is thrown. */

export interface Read {
  readonly kind: string
  readonly help: string
  readonly unit: string | undefined
  /** By the whole name of the line and its labels as sorted `name=value` pairs. */
  readonly samples: {
    readonly name: string
    readonly labels: Record<string, string>
    readonly value: number
  }[]
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const VALUE = /^([+-]?(\d+(\.\d+)?([eE][+-]?\d+)?|Inf)|NaN)$/
const SUFFIXES: Record<string, readonly string[]> = {
  counter: ['_total'],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count'],
}

/** `name{a="b"} 1` → its parts; escapes are undone, and only \\, \" and \n are allowed. */
function readLine(line: string) {
  const head = /^([^\s{]+)/.exec(line)?.[1] ?? ''
  if (!NAME.test(head)) throw new Error(`not a metric's name: ${line}`)
  const labels: Record<string, string> = {}
  let at = head.length
  if (line[at] === '{') {
    at++
    while (line[at] !== '}') {
      const found = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"/.exec(line.slice(at))
      if (found === null) throw new Error(`bad label at ${at}: ${line}`)
      const [whole, name = '', text = ''] = found
      if (name in labels) throw new Error(`label twice: ${line}`)
      labels[name] = text.replace(/\\(.)/g, (_, one: string) => (one === 'n' ? '\n' : one))
      at += whole.length
      if (line[at] === ',') at++
      else if (line[at] !== '}') throw new Error(`neither , nor }: ${line}`)
    }
    at++
  }
  const value = line.slice(at)
  if (value[0] !== ' ' || !VALUE.test(value.slice(1))) throw new Error(`bad value: ${line}`)
  return { name: head, labels, value: Number(value.slice(1).replace('Inf', 'Infinity')) }
}

function checkHistogram(name: string, { samples }: Read): void {
  const series = new Map<string, { last: number; edge: number; infinite?: number; count?: number }>()
  for (const { name: line, labels, value } of samples) {
    const { le, ...rest } = labels
    const id = JSON.stringify(Object.entries(rest).sort())
    const one = series.get(id) ?? { last: 0, edge: Number.NEGATIVE_INFINITY }
    series.set(id, one)
    if (line.endsWith('_bucket')) {
      const edge = Number((le ?? '').replace('+Inf', 'Infinity'))
      if (!(edge > one.edge)) throw new Error(`${name}: bounds do not rise at ${le}`)
      if (value < one.last) throw new Error(`${name}: counts fall at ${le}`)
      Object.assign(one, { last: value, edge, ...(edge === Number.POSITIVE_INFINITY && { infinite: value }) })
    } else if (le !== undefined) throw new Error(`${name}: le outside a bucket`)
    else if (line.endsWith('_count')) one.count = value
  }
  for (const [id, { infinite, count }] of series)
    if (infinite === undefined || infinite !== count) throw new Error(`${name}${id}: +Inf is not the count`)
}

/** Families by name (without `_total`), in either form. */
export function readStrictly(text: string, form: 'prometheus' | 'openmetrics'): Map<string, Read> {
  if (!text.endsWith('\n')) throw new Error('does not end with a line feed')
  const lines = text.slice(0, -1).split('\n')
  if (form === 'openmetrics' && lines.pop() !== '# EOF') throw new Error('does not end with # EOF')
  const families = new Map<string, Read>()
  const seen = new Set<string>()
  let current: { name: string; read: Read } | undefined
  let help: { name: string; text: string } | undefined
  for (const line of lines) {
    const comment = /^# (HELP|TYPE|UNIT) (\S+) (.*)$/.exec(line)
    if (comment !== null) {
      const [, word, shown = '', rest = ''] = comment
      const name = form === 'prometheus' ? shown.replace(/_total$/, '') : shown
      if (word === 'HELP') help = { name, text: rest }
      else if (word === 'TYPE') {
        if (help?.name !== name) throw new Error(`TYPE without HELP: ${line}`)
        if (families.has(name)) throw new Error(`family twice: ${name}`)
        if (SUFFIXES[rest] === undefined) throw new Error(`unknown type: ${line}`)
        if (
          (rest === 'counter') !== (form === 'prometheus' && shown.endsWith('_total')) &&
          form === 'prometheus'
        )
          throw new Error(`a counter ends with _total, and nothing else does: ${line}`)
        current = { name, read: { kind: rest, help: help.text, unit: undefined, samples: [] } }
        families.set(name, current.read)
      } else {
        if (form !== 'openmetrics' || current?.name !== name || !name.endsWith(`_${rest}`))
          throw new Error(`bad unit: ${line}`)
        Object.assign(current.read, { unit: rest })
      }
      continue
    }
    if (line === '' || line.startsWith('#')) throw new Error(`stray line: ${line}`)
    const sample = readLine(line)
    const { name, read } = current ?? {}
    if (name === undefined || read === undefined) throw new Error(`sample without a family: ${line}`)
    if (!SUFFIXES[read.kind]?.some(suffix => `${name}${suffix}` === sample.name))
      throw new Error(`${sample.name} is not of ${name} (${read.kind})`)
    if (read.kind === 'counter' && !(sample.value >= 0)) throw new Error(`a counter below zero: ${line}`)
    const id = `${sample.name} ${JSON.stringify(Object.entries(sample.labels).sort())}`
    if (seen.has(id)) throw new Error(`series twice: ${line}`)
    seen.add(id)
    read.samples.push(sample)
  }
  for (const [name, read] of families) {
    if (read.samples.length === 0) throw new Error(`a family without samples: ${name}`)
    if (read.kind === 'histogram') checkHistogram(name, read)
  }
  return families
}

/** Sum of the samples of a family whose labels are these. `suffix` for histograms. */
export function sumOf(
  families: Map<string, Read>,
  name: string,
  where: Record<string, string> = {},
  suffix = '',
): number {
  const read = families.get(name)
  const full = `${name}${read?.kind === 'counter' ? '_total' : suffix}`
  return (read?.samples ?? [])
    .filter(sample => sample.name === full)
    .filter(({ labels }) => Object.entries(where).every(([label, value]) => labels[label] === value))
    .reduce((sum, { value }) => sum + value, 0)
}
