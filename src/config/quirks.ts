/** `quirks` of a host in the config file: the same columns as the built-in rows, in the file's names. Read by file.ts, mapped by load.ts. */
import { z } from 'zod'
import type { Quirks } from '../../providers/provider.ts'

const parameter = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'not a parameter name')
const headerName = z.string().regex(/^[a-z0-9-]{1,100}$/, 'not the name of a header in lower case')
const flag = (describe: string) => z.boolean().optional().describe(describe)

/** What an error code of a host may mean; the rest of the failures are ours. */
const FAILURES = [
  'bad_credential',
  'content_filter',
  'context_length',
  'model_missing',
  'overloaded',
  'rate_limited',
  'refused',
] as const

const COLUMNS = {
  max_tokens_field: z
    .enum(['max_tokens', 'max_completion_tokens'])
    .optional()
    .describe('Output limit it takes; the other is renamed'),
  developer_role: z.enum(['system']).optional().describe('`developer` messages become `system`'),
  renames: z.record(parameter, parameter).optional().describe('Parameters to rename, ours: theirs'),
  drops: z.array(parameter).optional().describe('Parameters it refuses: removed and reported'),
  stream_options: flag('false: it refuses `stream_options`'),
  sends_finish_reason: flag('false: `[DONE]` alone is a proper end'),
  keeps_extensions: flag('true: it understands `models`, `provider`, …'),
  replays_reasoning: flag('true: it wants `reasoning_content` back'),
  speaks_responses: flag('true: it answers `/responses` too, in that wire'),
  responses_only: z
    .array(z.string().min(1).max(256))
    .max(100)
    .optional()
    .describe('Models it answers at `/responses` alone, `*` = anything: chat is said in that wire'),
  reasoning_outside_completion: flag('true: completion_tokens leaves reasoning out'),
  refuses_null: flag('true: it refuses null and empty arrays; they are left out'),
  refuses_null_content: flag('true: `content: null` is sent as an empty string'),
  message_drops: z
    .array(parameter)
    .optional()
    .describe('Members of messages it refuses: removed and reported'),
  tool_ids: z
    .enum(['9_alphanumeric', '40_chars'])
    .optional()
    .describe('Ids of tool calls it takes; others are mapped, always alike'),
  tool_choice: z
    .enum(['auto_only', 'required_only'])
    .optional()
    .describe('auto_only: others are removed and reported; required_only: it knows no names'),
  strict_tools: flag('false: it refuses `strict` in tools; removed and reported'),
  json_schema: z
    .enum(['object_only'])
    .optional()
    .describe('It has json_object only: the schema goes into the system message, and is reported'),
  pictures: z.enum(['inline_only']).optional().describe('It fetches no pictures: data: URLs only'),
  states_cost: flag('true: the cost that it states in `usage` wins over the prices of its models'),
  reasoning_field: z
    .enum(['reasoning', 'reasoning_details', 'think_tags', 'content_parts'])
    .optional()
    .describe('Where its reasoning comes; it comes out in `reasoning_content` too'),
  usage_in: z
    .enum(['own_chunk', 'finish_chunk', 'every_chunk', 'x_groq', 'choice'])
    .optional()
    .describe("Where a stream's usage comes"),
  repairs_tool_calls: flag('true: index and id of streamed tool calls are put right'),
  finish_reasons: z
    .record(z.string().max(64), z.enum(['stop', 'length', 'tool_calls', 'content_filter', 'error']))
    .optional()
    .describe("Its own finish reasons, theirs: OpenAI's; error = the answer failed"),
  cumulative_deltas: flag('true: deltas of a stream may repeat all of the text so far'),
  error_codes: z
    .record(z.string().max(64), z.enum(FAILURES))
    .optional()
    .describe('Codes of its errors, theirs: what they mean'),
  rate_limits: z
    .array(z.strictObject({ remaining: headerName, reset: headerName }))
    .max(10)
    .optional()
    .describe('Headers that tell what is left of a limit and when it is whole again'),
}

/** Host.quirks of the file. */
export const QuirksSchema = z
  .strictObject(COLUMNS)
  .prefault({})
  .meta({
    description: `Where it departs from OpenAI: ${Object.keys(COLUMNS).join(', ')}`,
    folded: true,
  })

type FileQuirks = z.infer<typeof QuirksSchema>

/** The file's names → the row's; absent stays absent. */
export function quirksOf(file: FileQuirks): Quirks {
  const named: { [K in keyof Quirks]?: Quirks[K] | undefined } = {
    maxTokensField: file.max_tokens_field,
    developerRole: file.developer_role,
    renames: file.renames,
    drops: file.drops,
    streamOptions: file.stream_options,
    sendsFinishReason: file.sends_finish_reason,
    keepsExtensions: file.keeps_extensions,
    replaysReasoning: file.replays_reasoning,
    speaksResponses: file.speaks_responses,
    responsesOnly: file.responses_only,
    reasoningOutsideCompletion: file.reasoning_outside_completion,
    refusesNull: file.refuses_null,
    refusesNullContent: file.refuses_null_content,
    messageDrops: file.message_drops,
    toolIds: file.tool_ids,
    toolChoice: file.tool_choice,
    strictTools: file.strict_tools,
    jsonSchema: file.json_schema,
    pictures: file.pictures,
    statesCost: file.states_cost,
    reasoningField: file.reasoning_field,
    usageIn: file.usage_in,
    repairsToolCalls: file.repairs_tool_calls,
    finishReasons: file.finish_reasons,
    cumulativeDeltas: file.cumulative_deltas,
    errorCodes: file.error_codes,
    rateLimits: file.rate_limits,
  }
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)) as Quirks
}
