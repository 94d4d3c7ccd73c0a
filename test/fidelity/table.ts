/** The fidelity matrix as it is published: FIDELITY.md holds every cell, the README the count of each kind. */
import type { Fate, Feature, WireRow } from './feature.ts'
import { TARGETS, type TargetRow } from './targets.ts'

export type Cells = (wire: WireRow, feature: Feature, target: TargetRow) => Fate

const WORDS: Readonly<Record<Exclude<Fate, 'silent'>, string>> = {
  exact: 'exact',
  reported: '*reported*',
  refused: '**refused**',
  here: 'here',
  '–': '–',
}

const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
const titles = TARGETS.map(({ title }) => title)
const rule = row(['', ...titles].map(() => '---'))

function section(wire: WireRow, cells: Cells): string {
  const lines = wire.features.map(feature => {
    const fates = TARGETS.map(target => WORDS[cells(wire, feature, target) as keyof typeof WORDS])
    return row([feature.name, ...fates])
  })
  return [`## ${wire.title}`, '', row(['', ...titles]), rule, ...lines].join('\n')
}

/** The whole table. */
export function fidelityPage(wires: readonly WireRow[], cells: Cells): string {
  const sections = wires.map(wire => section(wire, cells))
  return `# What arrives

What a caller's wire can ask for, and what each kind of target makes of it. Every cell is tried by \`test/fidelity/\` through a real
gateway, and this page is written from what its upstream saw. \`exact\`: it arrives, as it was written or in the target's own words.
*reported*: it is left out or weakened, and \`x-switchgate-dropped\` names it; with \`provider: {"require_parameters": true}\` that target
refuses instead. **refused**: 400, and \`param\` names the place. \`here\`: the gateway itself acts on it. \`–\`: that route has no such
target. Nothing is lost in silence: a test fails on a cell that is none of these. Other OpenAI-compatible hosts are as OpenAI, less what
their row in \`providers/hosts.ts\` drops, which is reported. A service tier arrives where its price is known or the operator states one
(all of this page's models have such a price); elsewhere \`service_tier\` is *reported*: nobody could count it.

While a stream waits for its first word, a sign of life goes out in the caller's wire: a comment (\`: waiting\`) in OpenAI's two, a \`ping\`
in Anthropic's, and in Gemini's an event with an empty text, since Google's SDKs fail on comments. None of them counts as content.

On the way back arguments of calls are told as the model wrote them, every digit of a number too. Pictures and sounds that a model made
have a place in OpenAI's chat and in Gemini's wire; in Anthropic's and in \`/v1/responses\` a text says that they were there, and tells
what was spoken. Code that Gemini ran at Google, and what came of it, is told in the text. Names of tools that a target does not take
go out in a form that it does, and come back as they were. Who offers \`functions\` hears \`function_call\`; calls beyond the first, which
it has no place for, stay in \`tool_calls\`. Comments in an upstream's stream pass, without credentials that somebody echoes in them; lines
that end in a bare CR reach the caller with LF.

Some targets want a conversation in another shape; its words all arrive, and the header does not name what moved. Claude up to 4.7,
its Sonnet 5 and Haiku 5, and what speaks Bedrock's Converse have one place for system messages: one that comes later joins the first,
at the top; for Gemini it becomes a part of the user's turn. Neighbours of one role become one turn. Claude and Nova refuse texts of
white space alone, which are left out, also when they are all of a message, and white space at the end of an answer that the caller has
begun, which is cut off. A refusal in the model's own words is text and ends a turn in Anthropic's wire, where \`refusal\` says that the
provider stopped the model.

A stream that breaks ends in an error event. In Gemini's wire the beginning of another event stands behind it, which readers of
server-sent events drop: \`@google/generative-ai\` takes the error for an answer and throws over that one alone.

${sections.join('\n\n')}
`
}

/** The README's count: exact · reported · refused. */
export function fidelityCount(wires: readonly WireRow[], cells: Cells): string {
  const lines = wires.map(wire => {
    const counts = TARGETS.map(target => {
      const fates = wire.features.map(feature => cells(wire, feature, target))
      const number = (fate: Fate) => fates.filter(one => one === fate).length
      if (number('–') === fates.length) return '–'
      return `${number('exact') + number('here')} · ${number('reported')} · ${number('refused')}`
    })
    return row([wire.title, ...counts])
  })
  return [row(['Features: exact · reported · refused', ...titles]), rule, ...lines].join('\n')
}
