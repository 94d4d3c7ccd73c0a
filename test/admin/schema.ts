/** Holds a value against a JSON Schema (2020-12), as far as the admin plane's document uses it; a keyword that it does not know is an error, so that nothing is passed unseen. */

type Schema = Readonly<Record<string, unknown>>

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: value => typeof value === 'string',
  number: value => typeof value === 'number',
  integer: Number.isInteger,
  boolean: value => typeof value === 'boolean',
  null: value => value === null,
  array: Array.isArray,
  object: isTable,
}

const FORMATS: Readonly<Record<string, RegExp>> = {
  'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/,
}

/** Say nothing about what is valid. */
const NOTES = new Set(['description', 'default', 'title'])

type Check = (given: unknown, value: unknown, at: string, schema: Schema) => string[]

const bound = (words: string, holds: (value: number, given: number) => boolean): Check => {
  return (given, value, at) =>
    typeof value === 'number' && !holds(value, given as number) ? [`${at}: ${words} ${given}`] : []
}
const length = (words: string, holds: (size: number, given: number) => boolean): Check => {
  return (given, value, at) =>
    (typeof value === 'string' || Array.isArray(value)) && !holds(value.length, given as number)
      ? [`${at}: ${words} ${given}`]
      : []
}
const matches: Check = (given, value, at) =>
  typeof value === 'string' && !new RegExp(given as string, 'u').test(value) ? [`${at}: not ${given}`] : []

const CHECKS: Readonly<Record<string, Check>> = {
  type: (given, value, at) =>
    [given].flat().some(name => TYPES[name as string]?.(value) === true)
      ? []
      : [`${at}: ${JSON.stringify(value)} is no ${given}`],
  const: (given, value, at) => (value === given ? [] : [`${at}: is not ${given}`]),
  enum: (given, value, at) =>
    (given as unknown[]).includes(value) ? [] : [`${at}: ${JSON.stringify(value)} is none of ${given}`],
  properties: (given, value, at) =>
    isTable(value)
      ? Object.entries(given as Record<string, Schema>).flatMap(([name, schema]) =>
          name in value ? faultsOf(value[name], schema, `${at}.${name}`) : [],
        )
      : [],
  required: (given, value, at) =>
    isTable(value)
      ? (given as string[]).flatMap(name => (name in value ? [] : [`${at}.${name}: is missing`]))
      : [],
  additionalProperties: (given, value, at, { properties }) => {
    if (!isTable(value)) return []
    const others = Object.entries(value).filter(([name]) => !isTable(properties) || !(name in properties))
    if (isTable(given)) return others.flatMap(([name, each]) => faultsOf(each, given, `${at}.${name}`))
    return given === false ? others.map(([name]) => `${at}.${name}: is not in the document`) : []
  },
  propertyNames: (given, value, at) =>
    isTable(value)
      ? Object.keys(value).flatMap(name => faultsOf(name, given as Schema, `${at}.${name}`))
      : [],
  items: (given, value, at) =>
    Array.isArray(value) ? value.flatMap((each, i) => faultsOf(each, given as Schema, `${at}[${i}]`)) : [],
  anyOf: (given, value, at) => {
    const all = (given as Schema[]).map(schema => faultsOf(value, schema, at))
    return all.some(faults => faults.length === 0) ? [] : all.flat()
  },
  allOf: (given, value, at) => (given as Schema[]).flatMap(schema => faultsOf(value, schema, at)),
  pattern: matches,
  format: (given, value, at) => {
    const form = FORMATS[given as string]
    if (form === undefined) return [`${at}: unknown format ${given}`]
    return typeof value !== 'string' || form.test(value) ? [] : [`${at}: ${value} is no ${given}`]
  },
  minimum: bound('below', (value, given) => value >= given),
  maximum: bound('above', (value, given) => value <= given),
  exclusiveMinimum: bound('not above', (value, given) => value > given),
  exclusiveMaximum: bound('not below', (value, given) => value < given),
  minLength: length('shorter than', (size, given) => size >= given),
  maxLength: length('longer than', (size, given) => size <= given),
  minItems: length('fewer than', (size, given) => size >= given),
  maxItems: length('more than', (size, given) => size <= given),
}

/** What does not fit, a line each, as in `$.data[0].model: is not in the document`. */
export function faultsOf(value: unknown, schema: Schema, at = '$'): string[] {
  return Object.entries(schema).flatMap(([keyword, given]) => {
    if (NOTES.has(keyword)) return []
    const check = CHECKS[keyword]
    return check === undefined ? [`${at}: unknown keyword ${keyword}`] : check(given, value, at, schema)
  })
}
