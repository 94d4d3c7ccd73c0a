/**
 * Which golden folders each adapter must have between them, and the excuses. One entry an adapter. Azure's and Vertex's folders
 * show addresses and options alone: what goes over their wires is said by the adapters of OpenAI, Claude and Gemini.
 */
import { requiredCases } from './required.ts'

const NO_WORD = 'this wire has no word for it: what the provider will not say is filtered'
const BY_ANTHROPIC = "Claude's own wire and adapter: its folders stand under anthropic/"

requiredCases('openai')
requiredCases('anthropic')
requiredCases('gemini', { refusal: NO_WORD })
requiredCases('bedrock', { refusal: NO_WORD })
requiredCases('cohere', {
  'tool results with images': 'results hold text; pictures are shown by the user after them (tools-history)',
  PDF: 'it reads no documents but text: refused by name (refused-pdf)',
  refusal: NO_WORD,
})
requiredCases('bedrock-claude', {
  tools: BY_ANTHROPIC,
  'tools, streamed': BY_ANTHROPIC,
  'parallel tools': BY_ANTHROPIC,
  'tool results with images': BY_ANTHROPIC,
  json_schema: BY_ANTHROPIC,
  reasoning: BY_ANTHROPIC,
  'reasoning, streamed': BY_ANTHROPIC,
  cache: BY_ANTHROPIC,
  PDF: BY_ANTHROPIC,
  refusal: BY_ANTHROPIC,
  'content filter': BY_ANTHROPIC,
  'error: a fault of theirs': BY_ANTHROPIC,
  'truncated stream': BY_ANTHROPIC,
})
