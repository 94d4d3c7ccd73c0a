/** Gemini's tools and tool config → chat's. Tools that Google runs are refused: no other provider has them. */
import { isObject, wrong } from '../extensions.ts'
import { onlyGemini } from './parts.ts'
import { field, type Json, objectField, textField } from './proto.ts'
import { readTools } from './read.ts'
import { jsonSchema } from './schema.ts'

type Made = Record<string, unknown>

/** `tools` and `tool_choice`. */
export function chatTools(json: Json): Made {
  const { functions, served } = readTools(json)
  if (served[0] !== undefined) throw onlyGemini(`the tool ${served[0]} is offered`, 'tools')
  const config = objectField(json, 'toolConfig') ?? {}
  if (functions.length === 0) return {}
  const calling = objectField(config, 'functionCallingConfig', 'toolConfig.functionCallingConfig') ?? {}
  const only = allowed(calling)
  const tools = functions.map((tool, i) => toolOf(tool, `tools.functionDeclarations[${i}]`))
  const choice = choiceOf(calling)
  // Few hosts know a choice among some tools; leaving the others out says the same everywhere.
  const offered =
    only.length > 0 && choice !== 'none' ? tools.filter(({ name }) => only.includes(name)) : tools
  if (offered.length === 0)
    throw wrong(
      'toolConfig.functionCallingConfig.allowedFunctionNames',
      'names none of the functions in tools.',
    )
  return {
    tools: offered.map(spec => ({ type: 'function', function: spec })),
    ...(choice === undefined ? {} : { tool_choice: choice }),
  }
}

function toolOf(tool: Json, param: string): Made & { name: string } {
  const name = textField(tool, 'name', `${param}.name`)
  if (!name) throw wrong(`${param}.name`, 'is required.')
  const description = textField(tool, 'description', `${param}.description`)
  const own = field(tool, 'parameters')
  const parameters = field(tool, 'parametersJsonSchema') ?? (own === undefined ? undefined : jsonSchema(own))
  return {
    name,
    ...(description ? { description } : {}),
    parameters: isObject(parameters) ? parameters : { type: 'object', properties: {} },
  }
}

function allowed(calling: Json): readonly unknown[] {
  const names = field(calling, 'allowedFunctionNames') ?? []
  if (Array.isArray(names)) return names
  throw wrong('toolConfig.functionCallingConfig.allowedFunctionNames', 'must be an array of names.')
}

/** `VALIDATED` lets the model choose as `AUTO` does; that calls follow their schema is what other providers do anyhow. */
function choiceOf(calling: Json): string | undefined {
  const mode = textField(calling, 'mode', 'toolConfig.functionCallingConfig.mode')?.toUpperCase()
  switch (mode) {
    case undefined:
    case 'MODE_UNSPECIFIED':
      return undefined
    case 'AUTO':
    case 'VALIDATED':
      return 'auto'
    case 'ANY':
      return 'required'
    case 'NONE':
      return 'none'
    default:
      throw wrong('toolConfig.functionCallingConfig.mode', 'must be AUTO, ANY, NONE or VALIDATED.')
  }
}
