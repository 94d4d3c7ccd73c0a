/**
 * What a model is told of a schema, whatever form it is written out in for it: every word that the caller chose, and how many
 * places of the schema have a frame of their own. Part of the tighter bound; read by prompt.ts.
 */

export interface Outline {
  /** Names, descriptions, values, and words that no schema has. */
  readonly texts: string[]
  /** Names of properties that are said again where they are required; only who passes a schema on as JSON repeats them. */
  readonly again: string[]
  /** Objects, and halves for each value of a list. */
  nodes: number
}

/** Words of schemas and of tools, which stand in the frame. */
const WORDS: ReadonlySet<string> = new Set([
  'type',
  'function',
  'functions',
  'functionDeclarations',
  'name',
  'description',
  'parameters',
  'input_schema',
  'parametersJsonSchema',
  'schema',
  'json_schema',
  'format',
  'properties',
  'items',
  'required',
  'enum',
  'anyOf',
  'nullable',
  'strict',
  'additionalProperties',
])
const TYPES: ReadonlySet<unknown> = new Set([
  'function',
  'custom',
  'json_schema',
  ...['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'].flatMap(name => [
    name,
    name.toUpperCase(),
  ]),
])
const DEPTH_MAX = 64

/** Adds this schema, or tool, or list of them. */
export function outline(value: unknown, found: Outline, depth = 0): void {
  if (Array.isArray(value)) for (const one of value) listed(one, found, depth)
  else if (typeof value === 'object' && value !== null) place(value, found, depth)
  else found.texts.push(String(value))
}

function listed(value: unknown, found: Outline, depth: number): void {
  if (typeof value !== 'object' || value === null) {
    found.nodes += 0.5
    if (TYPES.has(value)) return
  }
  outline(value, found, depth + 1)
}

function place(value: object, found: Outline, depth: number): void {
  found.nodes++
  // deeper than anybody writes one: as it stands, each bracket a frame
  if (depth > DEPTH_MAX) {
    const text = JSON.stringify(value)
    found.texts.push(text)
    found.nodes += text.length
    return
  }
  for (const [name, member] of Object.entries(value)) {
    if (name === 'properties' && typeof member === 'object' && member !== null && !Array.isArray(member)) {
      for (const [property, schema] of Object.entries(member)) {
        found.texts.push(property)
        outline(schema, found, depth + 1)
      }
      continue
    }
    if (name === 'required' && Array.isArray(member)) {
      const known = 'properties' in value && typeof value.properties === 'object' ? value.properties : null
      for (const one of member)
        if (typeof one === 'string' && known !== null && Object.hasOwn(known, one)) found.again.push(one)
        else listed(one, found, depth)
      continue
    }
    if (!WORDS.has(name)) {
      found.texts.push(name)
      found.nodes += 0.5
    }
    if (typeof member === 'boolean' || (name === 'type' && TYPES.has(member))) continue
    outline(member, found, depth + 1)
  }
}
