/** What a cell of the fidelity matrix is made of: a feature of a caller's wire, and how it is recognised on its way out. */
import type { Json } from '../../providers/provider.ts'
import type { Speech } from './targets.ts'

/** A request as the upstream saw it. */
export interface Sent {
  readonly speech: Speech
  readonly url: string
  readonly body: Json
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/** A part of the upstream's body (arrays whole, objects in part), or what must hold of it. */
export type Arrival = Json | ((sent: Sent) => boolean)

export interface Feature {
  /** As it stands in the table. */
  readonly name: string
  /** Members on top of the wire's smallest body. */
  readonly more: Json
  readonly headers?: Readonly<Record<string, string>>
  /** What it is called where it is reported or refused; a name covers the places below it. Default: the members. */
  readonly names?: readonly string[]
  /** How it looks in the wire that a target speaks. Absent = it has no place there. In the caller's own wire: as it was sent. */
  readonly arrives?: Readonly<Partial<Record<Speech, Arrival>>>
  /** Acted on by the gateway itself, and so sent to nobody: why. */
  readonly here?: string
}

export interface WireRow {
  /** Head of its table, and of its row in the README. */
  readonly title: string
  readonly path: (model: string) => string
  /** The wire that a target must speak to get it as it is. */
  readonly speech: Speech | undefined
  /** Not every kind of target offers it. */
  readonly some?: true
  /** The smallest request. */
  readonly smallest: (model: string) => Json
  readonly features: readonly Feature[]
}

/** What became of a feature. `silent` is a fault. */
export type Fate = 'exact' | 'reported' | 'refused' | 'here' | 'silent' | '–'

/** A request holds all of these pieces, whatever stands between them. */
export const holds =
  (...pieces: string[]) =>
  ({ body }: Sent): boolean => {
    const text = JSON.stringify(body)
    return pieces.every(piece => text.includes(piece))
  }

/** A schema at Claude: as the format of the answer, or as the one tool that has to be called (Vertex). */
export const schemaAtClaude = ({ body }: Sent): boolean => {
  const { format } = (body.output_config ?? {}) as { format?: { type?: unknown; schema?: Json } }
  const { name, type } = (body.tool_choice ?? {}) as { name?: unknown; type?: unknown }
  const [tool] = (body.tools ?? []) as { name?: unknown; input_schema?: Json }[]
  const schema = format?.type === 'json_schema' ? format.schema : undefined
  const forced = type === 'tool' && tool?.name === name ? tool?.input_schema : undefined
  return JSON.stringify((schema ?? forced)?.required) === '["city"]'
}

/** A stream of Claude's: said in the body, and at Bedrock by the path. */
export const streamed = ({ body, url }: Sent): boolean =>
  body.stream === true || url.endsWith('/invoke-with-response-stream')

/** Each of two calls has a result of its own, and the one that has none is told to have none; then the user speaks. */
export const standsIn: Arrival = ({ body }) => {
  const text = JSON.stringify(body)
  const [answered, missing] = [text.indexOf('"7"'), text.indexOf('No result was given')]
  return answered > 0 && missing > answered && text.lastIndexOf('And now?') > missing
}

interface Called {
  readonly tool_calls?: readonly { readonly id: string; readonly function: { readonly arguments: string } }[]
  readonly tool_call_id?: string
}

/** Chat's calls with these arguments, each followed by its result; hosts may want ids of their own form. */
export const callsWith =
  (...args: string[]) =>
  ({ body }: Sent): boolean => {
    const messages = (Array.isArray(body.messages) ? body.messages : []) as Called[]
    const calls = messages.flatMap(message => message.tool_calls ?? [])
    const results = messages.flatMap(message => message.tool_call_id ?? [])
    const told = calls.map(call => call.function.arguments)
    return (
      JSON.stringify(told) === JSON.stringify(args) &&
      JSON.stringify(calls.map(call => call.id)) === JSON.stringify(results) &&
      new Set(results).size === args.length
    )
  }
