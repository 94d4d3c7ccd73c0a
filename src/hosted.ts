/** Calls of tools that a provider runs by itself, before they happen: how many a request may make at most. Used to hold their fees. */
import type { Units } from './terms.ts'
import type { ChatFacts } from './wire/openai.ts'

type Json = ChatFacts['json']

const NONE: readonly Units[] = []

/**
 * Calls of one kind in a request that sets no limit of its own, where a provider has none either: Anthropic ends its loop after
 * ten rounds ("Handling stop reasons", `pause_turn`), 9 searches are the most that was recorded (GPT-5). More than that
 * is recorded as overrun.
 */
const CALLS_UNTOLD = 16

const limitIn = (value: unknown): number | undefined =>
  typeof value === 'number' && value >= 0 ? Math.ceil(value) : undefined

/** Google's tools have no type but a member of their own, in either spelling. */
const GOOGLE: Readonly<Record<string, readonly Units[]>> = {
  googlesearch: [
    { kind: 'grounded_prompt', count: 1 },
    { kind: 'web_search', count: CALLS_UNTOLD },
  ],
  googlemaps: [{ kind: 'google_maps', count: 1 }],
}
const ALIASES: Readonly<Record<string, string>> = {
  googlesearchretrieval: 'googlesearch',
  enterprisewebsearch: 'googlesearch',
}

function googleCalls(tool: object): readonly Units[] {
  for (const name of Object.keys(tool)) {
    const plain = name.replaceAll('_', '').toLowerCase()
    const known = GOOGLE[ALIASES[plain] ?? plain]
    if (known !== undefined) return known
  }
  return NONE
}

function callsOf(tool: unknown, limit: number): readonly Units[] {
  if (typeof tool !== 'object' || tool === null) return NONE
  const { type, max_uses: own } = tool as { type?: unknown; max_uses?: unknown }
  if (typeof type !== 'string') return googleCalls(tool)
  if (type.startsWith('web_search')) return [{ kind: 'web_search', count: limitIn(own) ?? limit }]
  return type === 'file_search' ? [{ kind: 'file_search', count: limit }] : NONE
}

/**
 * The most calls by kind that this request's own words allow (`max_uses` of a tool, `max_tool_calls` of the request), else what
 * is usual. The price knows which of the kinds cost anything at a target.
 */
export function hostedCalls({ asked, json }: Pick<ChatFacts, 'asked' | 'json'>): readonly Units[] {
  const { tools, web_search_options: search, max_tool_calls: limit } = (asked ?? json) as Json
  if (!Array.isArray(tools) && search == null) return NONE
  const most = limitIn(limit) ?? CALLS_UNTOLD
  const calls = (Array.isArray(tools) ? tools : []).flatMap(tool => callsOf(tool, most))
  return search == null ? calls : [...calls, ...(GOOGLE.googlesearch ?? NONE)]
}
