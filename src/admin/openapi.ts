/** The OpenAPI 3.1 document and the docs page, made of the admin table: what validates is what is documented. */
import { z } from 'zod'
import { ONCE_CHARS } from './read.ts'
import type { AdminRoute } from './route.ts'

type Json = Record<string, unknown>

const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): Json => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return rest
}

const errorSchema: Json = {
  type: 'object',
  properties: {
    error: {
      type: 'object',
      properties: {
        message: { type: 'string' },
        type: { type: 'string' },
        param: { type: ['string', 'null'] },
        code: { type: 'string' },
      },
      required: ['message', 'type', 'param', 'code'],
    },
  },
}

const openPath = (path: string): string => path.replace(/:(\w+)/g, '{$1}')

const onceParameter = (description: string): Json => ({
  name: 'Idempotency-Key',
  in: 'header',
  description,
  schema: { type: 'string', maxLength: ONCE_CHARS },
})

function parametersOf(row: AdminRoute): Json[] {
  const inPath = [...row.path.matchAll(/:(\w+)/g)].map(match => ({
    name: match[1],
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
  const inQuery = Object.entries(row.query ?? {}).map(([name, description]) => ({
    name,
    in: 'query',
    description,
    schema: { type: 'string' },
  }))
  const inHeader = row.once === undefined ? [] : [onceParameter(row.once)]
  return [...inPath, ...inQuery, ...inHeader]
}

function operationOf(row: AdminRoute): Json {
  const body = row.body && {
    required: row.needsBody === true || !row.body.safeParse({}).success,
    content: { 'application/json': { schema: schemaOf(row.body, 'input') } },
  }
  return {
    summary: row.summary,
    operationId: `${row.method.toLowerCase()}${row.path.replace(/\W+(\w)/g, (_, letter: string) => letter.toUpperCase())}`,
    parameters: parametersOf(row),
    ...(body && { requestBody: body }),
    responses: {
      [String(row.status ?? 200)]: {
        description: 'OK',
        content: {
          'application/json': { schema: schemaOf(row.response, 'output') },
          ...(row.csv && { 'text/csv': { schema: { type: 'string' } } }),
        },
      },
      default: {
        description: 'An error in OpenAI’s shape',
        content: { 'application/json': { schema: errorSchema } },
      },
    },
  }
}

/** OpenAPI 3.1 of these rows, mounted at `/admin/v1`. */
export function openApiOf(rows: readonly AdminRoute[]): Json {
  const paths: Record<string, Json> = {}
  for (const row of rows) {
    const path = `/admin/v1${openPath(row.path)}`
    paths[path] = { ...paths[path], [row.method.toLowerCase()]: operationOf(row) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Switchgate admin plane', version: '1' },
    security: [{ adminToken: [] }],
    components: { securitySchemes: { adminToken: { type: 'http', scheme: 'bearer' } } },
    paths,
  }
}
