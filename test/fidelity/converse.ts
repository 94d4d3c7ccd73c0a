/** How features of the callers' wires look in Amazon's Converse: by name, since the wires call what they share alike. Column of Nova. */
import type { Json } from '../../providers/provider.ts'
import { type Arrival, holds, type Sent, standsIn } from './feature.ts'

const inference = (config: Json): Arrival => ({ inferenceConfig: config })
const system = (text: string): Arrival => ({ system: [{ text }] })
const JSON_ONLY = system('Answer with one JSON object and nothing else: no prose, no code fence.')

const tool = (name: string) => `"toolSpec":{"name":"${name}","description":"Tells it.","inputSchema":{"json":`
const chosen = (choice: string, ...names: string[]): Arrival =>
  holds(...names.map(tool), `"toolChoice":{${choice}}`)
const offered = (...names: string[]): Arrival => holds(...names.map(tool))

/** Converse knows no "none": tools that may not be called are not shown, unless the history needs them. */
const hidden: Arrival = ({ body }) => body.toolConfig === undefined
/** What is asked for is what it does anyway, and no member says so. */
const unsaid =
  (...members: string[]): Arrival =>
  ({ body }) =>
    members.every(member => body[member] === undefined)

const forced: Arrival = holds(
  '"toolSpec":{"name":"json"',
  '"required":["city"]',
  '"toolChoice":{"tool":{"name":"json"}}',
)
const streamed: Arrival = ({ url }) => url.endsWith('/converse-stream')

interface Block {
  readonly text?: string
  readonly toolUse?: { readonly toolUseId: string; readonly input: { readonly city: string } }
  readonly toolResult?: { readonly toolUseId: string }
}

/** Each call is followed by its own result. */
function paired({ body }: Sent): boolean {
  const blocks = (body.messages as { content: Block[] }[]).flatMap(({ content }) => content)
  const calls = blocks.flatMap(({ toolUse }) => toolUse ?? [])
  const results = blocks.flatMap(({ toolResult }) => toolResult?.toolUseId ?? [])
  return (
    calls.map(({ input }) => input.city).join() === 'Bern,Basel' &&
    calls.map(({ toolUseId }) => toolUseId).join() === results.join()
  )
}

const turns = (...said: (readonly [role: string, text: string])[]): Arrival => ({
  messages: said.map(([role, text]) => ({ role, content: [{ text }] })),
})
const picture = holds('"image":{"format":"png","source":{"bytes":"iVBORw0K')

/** A name that is not here has no place in Converse: it has to be reported or refused. */
export const CONVERSE: Readonly<Record<string, Arrival>> = {
  'system message': system('Be short.'),
  'developer message': system('Be short.'),
  '`system`': system('Be short.'),
  '`instructions`': system('Be short.'),
  '`systemInstruction`': system('Be short.'),
  'several turns': turns(['user', 'Hi'], ['assistant', 'Hello.'], ['user', 'Bye']),
  'refusal in the history': turns(['user', 'Hi'], ['assistant', 'I will not.'], ['user', 'Hi']),
  'image, inline': picture,
  'PDF, inline': holds('"document":{"format":"pdf"', '"bytes":"JVBERi0xLjQK"'),
  'text document': holds('Notes', 'All of it.'),
  '`search_result` block': holds('T\\nhttps://e.com\\nWhat is this?'),
  '`tools`': offered('weather'),
  '`tools`: functions': offered('weather'),
  'tools under a `namespace`': offered('crm__weather'),
  'parallel calls and their results': paired,
  '`functions`, `function_call`': chosen('"tool":{"name":"weather"}', 'weather'),
  '`function_call` in the history, and its result': paired,
  'a call without a result': standsIn,
  '`is_error` of a result': holds('"toolResult"', 'Error: no such city'),
  'image in a tool result': ({ body }) => {
    const text = JSON.stringify(body)
    return text.indexOf('"image":{') > text.indexOf('"toolResult":{') && text.includes('"bytes":"iVBORw0K')
  },
  '`tool_choice: none`': hidden,
  '`mode: NONE`': hidden,
  '`tool_choice: auto`': chosen('"auto":{}', 'weather'),
  '`tool_choice: any`': chosen('"any":{}', 'weather'),
  '`tool_choice: required`': chosen('"any":{}', 'weather'),
  '`mode: ANY`': chosen('"any":{}', 'weather', 'time'),
  '`allowedFunctionNames`': ({ body }) =>
    JSON.stringify(body).includes(tool('time')) &&
    !JSON.stringify(body).includes(tool('weather')) &&
    JSON.stringify(body).includes('"toolChoice":{"any":{}}'),
  '`tool_choice: tool`': chosen('"tool":{"name":"weather"}', 'weather'),
  '`tool_choice`: one function': holds('"toolChoice":{"tool":{"name":"'),
  '`max_tokens`': inference({ maxTokens: 321 }),
  '`max_completion_tokens`': inference({ maxTokens: 321 }),
  '`max_output_tokens`': inference({ maxTokens: 321 }),
  '`maxOutputTokens`': inference({ maxTokens: 321 }),
  '`temperature`': inference({ temperature: 0.3 }),
  '`top_p`': inference({ topP: 0.9 }),
  '`topP`': inference({ topP: 0.9 }),
  '`top_k`': { additionalModelRequestFields: { inferenceConfig: { topK: 40 } } },
  '`topK`': { additionalModelRequestFields: { inferenceConfig: { topK: 40 } } },
  '`stop` of white space': inference({ stopSequences: ['\n\n', 'END'] }),
  '`stop`': inference({ stopSequences: ['END', '###'] }),
  '`stop_sequences`': inference({ stopSequences: ['END'] }),
  '`stopSequences` of white space': inference({ stopSequences: ['\n\n', 'END'] }),
  '`stopSequences`': inference({ stopSequences: ['END'] }),
  '`response_format: json_schema`': forced,
  '`output_config.format`': forced,
  '`text.format: json_schema`': forced,
  '`responseMimeType`, `responseJsonSchema`': forced,
  '`response_format: json_object`': JSON_ONLY,
  '`text.format: json_object`': JSON_ONLY,
  '`responseMimeType`': JSON_ONLY,
  '`service_tier: default`': unsaid('serviceTier'),
  '`service_tier: auto`': unsaid('serviceTier'),
  '`service_tier: standard_only`': unsaid('serviceTier'),
  '`thinking: disabled`': unsaid('additionalModelRequestFields'),
  '`thinkingConfig`: none': unsaid('additionalModelRequestFields'),
  'a stream and its usage': streamed,
}
