/** How many tokens a prompt will be: a likely figure for routing and rate limits, and a bound for money that is never too low. */
import type { ChatFacts, Media, MediaKind } from './wire/openai.ts'

/**
 * Tokens per character by class of character. Fitted to the prompt counts of recorded answers (OpenAI, Mistral, Groq,
 * DeepSeek, Ollama, …): English prose comes to about 4.3 characters a token, code to 3, Chinese to 0.75 tokens a character.
 */
const LETTER = 0.21
const SPACE = 0.13
const DIGIT = 0.45
const MARK = 0.55
const WIDE = 0.75
const OTHER_SCRIPT = 0.4

/** Characters looked at in one string; a longer one is sampled evenly. */
const SAMPLE_CHARS = 128
const TOKENS_PER_MESSAGE = 4
const TOKENS_PER_REPLY = 3
const TOKENS_PER_TOOL = 8
const DEPTH_MAX = 64

/** A preamble for tools: none to speak of at OpenAI, 300 at DeepSeek, 550 at Claude. */
const TOKENS_FOR_TOOLS = 60

/** Where the size says nothing: a 1024×1024 picture, 30 s of sound, a PDF of five pages. */
const LIKELY_MEDIA: Readonly<Record<MediaKind, number>> = {
  image: 800,
  audio: 600,
  pdf: 8_000,
  unknown: 1_000,
}
/** A small PDF (13 to 19 kB) was metered at 200 to 1,100 tokens. */
const PDF_BYTES_PER_TOKEN = 25

function weightOf(code: number): number {
  if ((code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a)) return LETTER
  if (code === 0x20) return SPACE
  if (code >= 0x30 && code <= 0x39) return DIGIT
  if (code < 0x80) return MARK
  return code >= 0x2e80 ? WIDE : OTHER_SCRIPT
}

/** Of the characters that most texts are made of: looked up sooner than told. */
const ASCII_WEIGHTS = Float64Array.from({ length: 0x80 }, (_, code) => weightOf(code))

const quickWeightOf = (code: number): number =>
  code < 0x80 ? (ASCII_WEIGHTS[code] as number) : weightOf(code)

function guessedTokens(text: string): number {
  let sum = 0
  if (text.length <= SAMPLE_CHARS) {
    for (let at = 0; at < text.length; at++) sum += quickWeightOf(text.charCodeAt(at))
    return sum
  }
  const step = text.length / SAMPLE_CHARS
  for (let at = 0; at < text.length; at += step) sum += quickWeightOf(text.charCodeAt(Math.floor(at)))
  return sum * step
}

/** Tokens of one text, however they are told. */
type TextTokens = (text: string) => number

/** Any JSON: names and strings as text, everything else one token. */
function jsonTokens(value: unknown, textTokens: TextTokens, depth = 0): number {
  if (typeof value === 'string') return textTokens(value) + 1
  if (typeof value !== 'object' || value === null || depth > DEPTH_MAX) return 1
  let sum = 0
  for (const [name, member] of Object.entries(value)) {
    sum += (Array.isArray(value) ? 0 : textTokens(name) + 1) + jsonTokens(member, textTokens, depth + 1)
  }
  return sum
}

function contentTokens(content: unknown, textTokens: TextTokens): number {
  if (typeof content === 'string') return textTokens(content)
  if (!Array.isArray(content)) return 0
  let sum = 0
  for (const part of content) {
    if (typeof part !== 'object' || part === null) continue
    const { type, text, content: inner, input, name, thinking } = part as Readonly<Record<string, unknown>>
    if (typeof text === 'string') sum += textTokens(text)
    // the blocks of the Messages wire
    if (type === 'tool_result' || type === 'search_result') sum += contentTokens(inner, textTokens)
    else if (type === 'tool_use')
      sum += TOKENS_PER_TOOL + jsonTokens(name, textTokens) + jsonTokens(input, textTokens)
    else if (type === 'thinking' && typeof thinking === 'string') sum += textTokens(thinking)
  }
  return sum
}

const promptTokens = (prompt: string | number, textTokens: TextTokens): number =>
  typeof prompt === 'number' ? prompt : textTokens(prompt)

/** Tokens of the longest prompt, where each is read by itself; undefined = all of the input is read together. */
export function longestPromptTokens({ prompts }: ChatFacts): number | undefined {
  return (
    prompts &&
    Math.ceil(prompts.reduce<number>((most, one) => Math.max(most, promptTokens(one, guessedTokens)), 0))
  )
}

/**
 * Most probable prompt tokens, a whole number: texts, plus a frame for each message and tool. `textTokens` counts a text;
 * without it the characters are counted by class.
 */
export function likelyInputTokens(facts: ChatFacts, textTokens: TextTokens = guessedTokens): number {
  if (facts.prompts !== undefined)
    return Math.ceil(facts.prompts.reduce<number>((sum, prompt) => sum + promptTokens(prompt, textTokens), 0))
  const { messages, tools, functions, response_format: format, system } = facts.json
  let sum = TOKENS_PER_REPLY + contentTokens(system, textTokens)
  for (const message of Array.isArray(messages) ? messages : []) {
    sum += TOKENS_PER_MESSAGE + contentTokens(message.content, textTokens)
    if (message.tool_calls != null) sum += jsonTokens(message.tool_calls, textTokens)
  }
  if (facts.toolCount > 0) {
    sum +=
      TOKENS_FOR_TOOLS +
      facts.toolCount * TOKENS_PER_TOOL +
      jsonTokens(tools ?? [], textTokens) +
      jsonTokens(functions ?? [], textTokens)
  }
  if (facts.needs.has('json_schema')) sum += jsonTokens(format ?? facts.json.output_config, textTokens)
  sum += likelyMediaTokens(facts)
  return Math.ceil(sum)
}

/** Of pictures, sounds and documents. */
export function likelyMediaTokens({ media }: ChatFacts): number {
  let sum = 0
  for (const { kind, bytes } of media) {
    const flat = LIKELY_MEDIA[kind]
    sum += kind === 'pdf' && bytes !== undefined ? Math.min(flat, bytes / PDF_BYTES_PER_TOKEN) : flat
  }
  return sum
}

/** A prompt's own frame and a hidden preamble (gpt-oss about 70, Grok about 150 tokens, recorded). */
const BOUND_PER_REQUEST = 256
const BOUND_PER_MESSAGE = 8
/** A preamble for tools: 804 tokens at most in Anthropic's table ("Tool use system prompt token count"). */
const BOUND_FOR_TOOLS = 1_024
const BOUND_PER_TOOL = 32
/**
 * A tool that the provider runs feeds its results back as prompt, as often as the model likes: 280 to 115,886 tokens
 * recorded for requests with a search (GPT-5 the most).
 */
const BOUND_PER_SERVER_TOOL = 131_072
/**
 * What lies elsewhere may be as long as the longest context: a prompt that is cached at Google and read with every request,
 * a file, a sound or a video by its address. Money is held for the model's own context then, where that is known.
 */
const BOUND_ELSEWHERE = 1_048_576
/** `reasoning.mode: "pro"` of GPT-5.6 brings instructions of its own: 1,530 tokens recorded. */
const BOUND_FOR_MODE = 2_048
/**
 * The dearest picture a provider documents: Qwen-VL 16,384 (max_pixels 16384·28·28); Claude 4,784, Gemini 4,128,
 * OpenAI 10,000 patches. Alone above it: gpt-4o-mini, 2,833 + 8 tiles of 5,667 ("Images and vision", OpenAI).
 */
const BOUND_PER_IMAGE = 16_384
const BOUND_PER_IMAGE_4O_MINI = 48_169
/** 32 tokens a second (Gemini; OpenAI 10) at 5 kbit/s, the thinnest speech that codecs make. */
const AUDIO_BYTES_PER_TOKEN = 20
/** 100 pages of at most 3,000 tokens (Anthropic, "PDF support"); a smaller file: two tokens a byte and one page. */
const BOUND_PER_PDF = 300_000
const BOUND_PER_PAGE = 3_000
const PDF_TOKENS_PER_BYTE = 2

function mediaBound({ kind, bytes }: Media, model: string): number {
  if (kind === 'image') return model.includes('gpt-4o-mini') ? BOUND_PER_IMAGE_4O_MINI : BOUND_PER_IMAGE
  if (bytes === undefined) return BOUND_ELSEWHERE
  if (kind === 'audio') return bytes / AUDIO_BYTES_PER_TOKEN + 100
  const most = kind === 'pdf' ? BOUND_PER_PDF : BOUND_ELSEWHERE
  return Math.min(most, BOUND_PER_PAGE + bytes * PDF_TOKENS_PER_BYTE)
}

/** Types of tools that the caller runs; a namespace holds such. */
const OWN_TOOLS: ReadonlySet<unknown> = new Set(['function', 'custom', 'namespace'])

/** May the prompt grow while it is answered, by what tools find that the provider runs? */
export const growsByTools = ({ asked, json }: ChatFacts): boolean => serverTools(asked ?? json) > 0

function serverTools(json: ChatFacts['json']): number {
  let count = 0
  for (const tool of Array.isArray(json.tools) ? json.tools : []) {
    if (tool.type !== undefined && !OWN_TOOLS.has(tool.type)) count++
  }
  for (const name of ['web_search_options', 'plugins']) if (json[name] != null) count++
  if (Array.isArray(json.mcp_servers)) count += json.mcp_servers.length
  return count
}

/** What a bound counts beside the text, by rules: media, tools that the provider runs, its own instructions. Not rounded. */
export function boundBeside(facts: ChatFacts, upstreamModel: string): number {
  const asked = facts.asked ?? facts.json
  let sum = serverTools(asked) * BOUND_PER_SERVER_TOOL
  const { reasoning } = asked
  if (typeof reasoning === 'object' && reasoning !== null && 'mode' in reasoning) sum += BOUND_FOR_MODE
  if (asked.cachedContent != null) sum += BOUND_ELSEWHERE
  for (const item of facts.media) sum += mediaBound(item, upstreamModel)
  return sum
}

/**
 * Prompt tokens that will not be exceeded: a byte of text is one token at most in every byte-level tokenizer, and
 * media count by the dearest documented rule, never by their base64. Money is held by this. What a provider adds on its
 * own (Groq's compound models search unasked) cannot be bounded; the ledger records that as overrun.
 * `upstreamModel` decides the rule for pictures; without it the model's name as the caller wrote it does.
 */
export function boundInputTokens(facts: ChatFacts, upstreamModel = facts.model ?? ''): number {
  let sum = BOUND_PER_REQUEST + facts.textBytes + facts.messageCount * BOUND_PER_MESSAGE
  if (facts.toolCount > 0) sum += BOUND_FOR_TOOLS + facts.toolCount * BOUND_PER_TOOL
  return Math.ceil(sum + boundBeside(facts, upstreamModel))
}
