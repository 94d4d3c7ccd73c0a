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
  /** Descriptions that say something, and other members that have a frame of their own. */
  stated: number
  /** Texts in objects that are properties themselves; places there. */
  readonly inner: string[]
  innerNodes: number
  /** How many properties lie within each other at most. */
  levels: number
}

export const noOutline = (): Outline => ({
  texts: [],
  again: [],
  nodes: 0,
  stated: 0,
  inner: [],
  innerNodes: 0,
  levels: 0,
})

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
  'parameters_json_schema',
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
const STATED: ReadonlySet<string> = new Set(['description', 'format', 'enum', 'anyOf', 'nullable'])
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

/** Adds this schema, or tool, or list of them. `level` = how many properties it is in. */
export function outline(value: unknown, found: Outline, depth = 0, level = 0): void {
  if (Array.isArray(value)) for (const one of value) listed(one, found, depth, level)
  else if (typeof value === 'object' && value !== null) place(value, found, depth, level)
  else say(String(value), found, level)
}

function say(text: string, { texts, inner }: Outline, level: number): void {
  texts.push(text)
  if (level > 1) inner.push(text)
}

function frame(nodes: number, found: Outline, level: number): void {
  found.nodes += nodes
  if (level > 1) found.innerNodes += nodes
}

function listed(value: unknown, found: Outline, depth: number, level: number): void {
  if (typeof value !== 'object' || value === null) {
    frame(0.5, found, level)
    if (TYPES.has(value)) return
  }
  outline(value, found, depth + 1, level)
}

function place(value: object, found: Outline, depth: number, level: number): void {
  frame(1, found, level)
  if (level > found.levels) found.levels = level
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
        say(property, found, level + 1)
        outline(schema, found, depth + 1, level + 1)
      }
      continue
    }
    if (name === 'required' && Array.isArray(member)) {
      required(member, value, found, depth, level)
      continue
    }
    if (!WORDS.has(name)) {
      say(name, found, level)
      frame(0.5, found, level)
    }
    if (STATED.has(name) && member !== '') found.stated++
    if (typeof member === 'boolean' || (name === 'type' && TYPES.has(member))) continue
    outline(member, found, depth + 1, level)
  }
}

function required(names: readonly unknown[], of: object, found: Outline, depth: number, level: number): void {
  const known = 'properties' in of && typeof of.properties === 'object' ? of.properties : null
  for (const one of names)
    if (typeof one === 'string' && known !== null && Object.hasOwn(known, one)) found.again.push(one)
    else listed(one, found, depth, level)
}
