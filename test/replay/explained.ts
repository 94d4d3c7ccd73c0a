/** Where what a caller is told differs from what the provider answered, and must: each rule says why, and for which answers alone. */
import { isDeepStrictEqual } from 'node:util'
import { HOSTS } from '../../providers/hosts.ts'
import type { Json } from '../../providers/provider.ts'
import type { Reading } from '../clients/reading.ts'
import { eventsOf } from '../clients/recordings.ts'
import { type Case, jsonOf } from './corpus.ts'
import type { InWire } from './judges.ts'
import { kindOf } from './stage.ts'

interface Compared {
  readonly one: Case
  readonly inWire: InWire
  /** Found before the readings were compared. */
  readonly differences: readonly string[]
  readonly want: Reading | undefined
  readonly have: Reading | undefined
}

interface Rule {
  readonly why: string
  applies(one: Case, inWire: InWire, want: Reading): boolean
  change(want: Reading, one: Case): Partial<Reading>
  /** What the independent reader cannot say, so that it is not compared. */
  readonly free?: keyof Reading
}

const THOUGHT = /^\s*<think>\s*([\s\S]*?)<\/think>\s*/

/** The finished items of a recorded response. */
function itemsOf({ body, stream }: Case): Json[] {
  const events = (stream ? eventsOf(body) : [body]).map(jsonOf)
  const done = events.filter(event => event.type === 'response.output_item.done').map(event => event.item)
  return (done.length > 0 ? done : events.flatMap(event => event.output ?? [])) as Json[]
}

/** All thoughts of a response that are no secret, each apart from the next. */
const thoughtsIn = (one: Case): string =>
  itemsOf(one)
    .filter(item => item.type === 'reasoning')
    .flatMap(item => [item.summary, item.content].flatMap(parts => (parts ?? []) as { text?: string }[]))
    .map(part => part.text ?? '')
    .filter(text => text !== '')
    .join('\n\n')

/** What the first of several answers of a stream says. */
const firstOf = ({ body }: Case): string =>
  eventsOf(body)
    .flatMap(
      event => (jsonOf(event).choices ?? []) as { index?: number; delta?: { content?: string | null } }[],
    )
    .filter(choice => choice.index === 0)
    .map(choice => choice.delta?.content ?? '')
    .join('')

/** What Cohere's model says before its calls. */
const planIn = ({ body, stream }: Case): string =>
  (stream ? eventsOf(body) : [body])
    .map(jsonOf)
    .map(event => ((event.delta as Json | undefined)?.message ?? event.message) as Json | undefined)
    .map(message => (typeof message?.tool_plan === 'string' ? message.tool_plan : ''))
    .join('')

interface GooglePart {
  readonly text?: string
  readonly thought?: boolean
  readonly executableCode?: { readonly language: string; readonly code: string }
  readonly codeExecutionResult?: { readonly outcome?: string; readonly output?: string }
}

const fenced = (language: string, text: string): string =>
  `\n\`\`\`${language}\n${text.replace(/\n$/, '')}\n\`\`\`\n`

/** A Gemini answer's text with the code that ran at Google, and what came of it, where they stood. */
const withCode = ({ body, stream }: Case): string =>
  (stream ? eventsOf(body) : [body])
    .map(jsonOf)
    .flatMap(answer => {
      const [first] = (answer.candidates ?? []) as { content?: { parts?: readonly GooglePart[] } }[]
      return first?.content?.parts ?? []
    })
    .map(({ text, thought, executableCode: ran, codeExecutionResult: result }) => {
      if (ran !== undefined) return fenced(ran.language.toLowerCase(), ran.code)
      if (result === undefined) return thought === true ? '' : (text ?? '')
      const failed = result.outcome === 'OUTCOME_OK' ? '' : `${result.outcome}\n`
      return fenced('', `${failed}${result.output ?? ''}`)
    })
    .join('')

/** Calls that wait for a caller who speaks Responses. */
const OWN_CALLS = new Set(['apply_patch', 'local_shell', 'shell', 'tool_search'])

/** A call in the first words of the chat wire, which had one to an answer. */
function oldCallIn({ body, stream }: Case): Reading['tools'] {
  const calls = (stream ? eventsOf(body) : [body])
    .flatMap(event => (jsonOf(event).choices ?? []) as { message?: Json; delta?: Json }[])
    .map(({ message, delta }) => (message ?? delta)?.function_call)
    .filter(call => call != null)
    .map(call => call as { name?: string; arguments?: string })
  const name = calls.map(call => call.name ?? '').join('')
  const said = calls.map(call => call.arguments ?? '').join('')
  return name === '' ? [] : [{ name, args: said === '' ? {} : JSON.parse(said) }]
}

const RULES: readonly Rule[] = [
  {
    why: "an old `function_call` is a call in the wires that have no such word; chat's package has no eye for it",
    applies: (one, inWire, { tools }) =>
      one.wire === 'chat' && inWire !== 'chat' && tools.length === 0 && oldCallIn(one).length > 0,
    change: (_, one) => ({ tools: oldCallIn(one), finish: 'tool-calls' }),
  },
  {
    why: "what Cohere's model says before its calls is told as text; the package leaves it out",
    // chat has it as a member of its own
    applies: (one, inWire) => one.wire === 'cohere' && inWire !== 'chat' && planIn(one) !== '',
    change: ({ text }, one) => ({ text: planIn(one) + text }),
  },
  {
    why: 'code that ran at Google is told in the text where a wire has no place for it; the package leaves it out',
    applies: (one, inWire) =>
      one.wire === 'gemini' &&
      inWire !== 'gemini' &&
      /"(?:executableCode|codeExecutionResult)"/.test(one.body),
    change: (_, one) => ({ text: withCode(one) }),
  },
  {
    why: 'of several answers these wires tell the first; the package runs them together',
    applies: (one, inWire) =>
      one.wire === 'chat' &&
      one.stream &&
      (inWire === 'messages' || inWire === 'responses') &&
      /"choices":\[\{"index":1,/.test(one.body),
    change: (_, one) => ({ text: firstOf(one) }),
  },
  {
    why: 'the text of a custom tool is an argument where calls have arguments',
    applies: (one, inWire, { tools }) =>
      (inWire === 'messages' || inWire === 'gemini') &&
      /"type": ?"custom_tool_call"/.test(one.body) &&
      tools.some(({ args }) => typeof args === 'string'),
    change: ({ tools }) => ({
      tools: tools.map(({ name, args }) => ({
        name,
        args: typeof args === 'string' ? { input: args } : args,
      })),
    }),
  },
  {
    why: "thoughts in several parts stand apart, and those in plain text are told: OpenAI's package runs them together, or has no eye for them",
    applies: (one, inWire, { reasoning }) =>
      one.wire === 'responses' && inWire !== 'responses' && thoughtsIn(one) !== reasoning,
    change: (_, one) => ({ reasoning: thoughtsIn(one) }),
  },
  {
    why: 'tools of the Responses wire alone (shell, apply_patch, …) have no call in other wires, where they are refused before',
    applies: (one, inWire, { tools }) =>
      one.wire === 'responses' && inWire !== 'responses' && tools.some(({ name }) => OWN_CALLS.has(name)),
    change: ({ tools, finish }) => {
      const left = tools.filter(({ name }) => !OWN_CALLS.has(name))
      return { tools: left, finish: left.length === 0 && finish === 'tool-calls' ? 'stop' : finish }
    },
  },
  {
    why: "chat's and Google's packages have no place for tokens that were written to a cache; the ledger has them",
    applies: (one, inWire) => (one.wire !== 'chat' && inWire === 'chat') || inWire === 'gemini',
    change: ({ tokens }) => ({ tokens: tokens && { ...tokens, written: 0 } }),
  },
  {
    why: "chat's package takes usage at face value from one place; the ledger reads the hosts' others",
    applies: (one, inWire) => one.wire === 'chat' && inWire === 'chat',
    change: () => ({}),
    free: 'tokens',
  },
  {
    why: 'the Messages and Gemini wires have to state usage: an estimate where the host states none, and so marked',
    applies: (_, inWire, { tokens }) =>
      (inWire === 'messages' || inWire === 'gemini') && tokens === undefined,
    change: () => ({}),
    free: 'tokens',
  },
  {
    why: "a refusal in the model's own words ends a turn; Anthropic's `refusal` and Gemini's `SAFETY` say that the provider stopped the model",
    applies: (one, inWire) =>
      (inWire === 'messages' || inWire === 'gemini') && /"refusal": ?"[^"]/.test(one.body),
    change: ({ finish }) => ({ finish: finish === 'content-filter' ? 'stop' : finish }),
  },
  {
    why: '`function_call` answers the legacy `functions`, for which the other wires have no words',
    applies: ({ body }, inWire, { tools }) =>
      inWire !== 'chat' && tools.length === 0 && /"finish_reason": ?"function_call"/.test(body),
    change: () => ({ finish: 'stop' }),
  },
  {
    why: 'a host that writes its thoughts into the text between <think> marks: its row takes them out, into the reasoning',
    applies: (one, _, { text }) =>
      HOSTS[kindOf(one) ?? '']?.quirks.reasoningField === 'think_tags' && THOUGHT.test(text),
    change: ({ text }) => ({
      text: text.replace(THOUGHT, ''),
      reasoning: THOUGHT.exec(text)?.[1] ?? '',
    }),
  },
  {
    why: 'a tool that Nova runs by itself (`server_tool_use`) is no call that waits for the caller',
    applies: (one, _, { tools }) =>
      one.wire === 'bedrock' && tools.some(tool => tool.name.startsWith('nova_')),
    change: ({ tools }) => ({ tools: tools.filter(tool => !tool.name.startsWith('nova_')) }),
  },
  {
    why: 'Snowflake sends no finish reason and reasoning in parts; its row says so and both are put right',
    applies: ({ provider }) => provider === 'snowflake',
    change: ({ tools }) => ({ finish: tools.length > 0 ? 'tool-calls' : 'stop' }),
    free: 'reasoning',
  },
]

/** The differences that are left once every rule that applies has been followed. */
export function explained({ one, inWire, differences, want, have }: Compared) {
  if (want === undefined || have === undefined) return { differences, reasons: [] as string[] }
  const reasons: string[] = []
  const free = new Set<keyof Reading>()
  let wanted = want
  for (const rule of RULES) {
    if (!rule.applies(one, inWire, wanted)) continue
    if (rule.free !== undefined) free.add(rule.free)
    const changed = { ...wanted, ...rule.change(wanted, one) }
    if (rule.free !== undefined || !isDeepStrictEqual(changed, wanted)) reasons.push(rule.why)
    wanted = changed
  }
  const found = (Object.keys(wanted) as (keyof Reading)[])
    .filter(name => !free.has(name) && !isDeepStrictEqual(wanted[name], have[name]))
    .map(name => `${name}: ${short(wanted[name])} ≠ ${short(have[name])}`)
  return { differences: [...differences, ...found], reasons }
}

const short = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 160)
