/** `response_format: json_schema` for hosts that know `json_object` only: the schema is told in words. */
import type { Json } from './provider.ts'

/** The `response_format` that such a host does take. */
export const JSON_OBJECT = '{"type":"json_object"}'

/** The caller's schema; undefined = none was asked for. */
function schemaOf(json: Readonly<Json>): unknown {
  const format = json.response_format as Json | null | undefined
  if (format?.type !== 'json_schema') return undefined
  return (format.json_schema as Json | null | undefined)?.schema ?? {}
}

/**
 * What the system message gains. The word JSON has to stand in the prompt, or `json_object` is refused
 * (DeepSeek "JSON Output", OpenAI "JSON mode").
 */
export function instructionFor(json: Readonly<Json>): string | undefined {
  const schema = schemaOf(json)
  if (schema === undefined) return undefined
  return `Answer with one JSON object and nothing else: no prose, no code fence. It must be valid against this JSON Schema:\n${JSON.stringify(schema)}`
}
