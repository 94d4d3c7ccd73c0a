/** Both estimates against the prompt counts of recorded answers: the bound is never too low, the likely one is near. */
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it, test } from 'vitest'
import { boundInputTokens, likelyInputTokens } from '../../src/estimate.ts'
import type { Call } from '../../src/terms.ts'
import { parseBody } from '../../src/wire/body.ts'
import { readCountRequest } from '../../src/wire/gemini/read.ts'
import { readMessagesRequest } from '../../src/wire/messages/read.ts'
import { type ChatFacts, readChat, usageOfAnswer } from '../../src/wire/openai.ts'

const home = process.env.SWITCHGATE_FIXTURES ?? new URL('../../../shared/fixtures', import.meta.url).pathname
const FILES = [
  'openai',
  'azure',
  'cerebras',
  'crusoe',
  'deepseek',
  'groq',
  'mistral',
  'ollama',
  'openrouter',
  'snowflake',
  'zai',
]
const present = FILES.every(name => existsSync(`${home}/${name}.jsonl`))

interface Recording {
  readonly id: string
  readonly protocol?: string
  readonly stream: boolean
  readonly request: { readonly body: object | null }
  readonly response: { readonly status: number; readonly body: string }
}

interface Sample {
  readonly id: string
  readonly facts: ChatFacts
  readonly real: number
}

function bodyOf(request: object) {
  const text = JSON.stringify(request)
  return parseBody(new TextEncoder().encode(text), text, { depthMax: 64 })
}

function read(request: object): ChatFacts {
  return readChat(bodyOf(request))
}

function realTokens({ stream, response }: Recording): number | undefined {
  const texts = stream
    ? response.body
        .split(/\r?\n/)
        .filter(line => /^data: ?\{/.test(line))
        .map(line => line.slice(5))
    : [response.body]
  return texts.map(text => usageOfAnswer(JSON.parse(text))).findLast(usage => usage !== undefined)
    ?.inputTokens
}

const samples: Sample[] = []
for (const name of present ? FILES : []) {
  for (const line of readFileSync(`${home}/${name}.jsonl`, 'utf8').trim().split('\n')) {
    const one = JSON.parse(line) as Recording
    if (one.protocol !== 'chat' || one.response.status !== 200 || one.request.body === null) continue
    const real = realTokens(one)
    if (real !== undefined) samples.push({ id: one.id, facts: read(one.request.body), real })
  }
}

it.skipIf(present)(`recordings: none at ${home} (set SWITCHGATE_FIXTURES)`, () => {})

describe.skipIf(!present)('recorded prompts', () => {
  // Groq's compound models search on their own and bill the results as prompt: nothing in the request says how much.
  const own = (facts: ChatFacts) => String(facts.model).startsWith('compound')

  it('the bound is never below what was billed', () => {
    const low = samples.filter(one => !own(one.facts) && boundInputTokens(one.facts) < one.real)
    expect(low.map(one => [one.id, one.facts.model, one.real])).toEqual([])
    expect(samples.length).toBeGreaterThan(450)
  })

  it('what is held above what is billed: a byte a token and a frame, so the more the shorter the prompt', () => {
    for (const [least, most] of [
      [0, 20],
      [500, 4],
    ] as const) {
      const ratios = samples
        .filter(one => !own(one.facts) && one.facts.media.length === 0 && one.real > least)
        .map(one => boundInputTokens(one.facts) / one.real)
        .sort((a, b) => a - b)
      const at = (share: number) => ratios[Math.floor(ratios.length * share)] ?? Number.NaN
      const text = [0.1, 0.5, 0.9].map(share => at(share).toFixed(2)).join(' / ')
      process.stdout.write(`bound ÷ real, prompts above ${least} tokens, p10/p50/p90: ${text}\n`)
      expect(at(0.5)).toBeLessThan(most)
    }
  })

  it('the likely figure is near: the median within 15 %', () => {
    for (const withTools of [false, true]) {
      const ratios = samples
        .filter(one => one.facts.media.length === 0 && one.facts.toolCount > 0 === withTools)
        .map(one => likelyInputTokens(one.facts) / one.real)
        .sort((a, b) => a - b)
      const at = (share: number) => ratios[Math.floor(ratios.length * share)] ?? Number.NaN
      const text = [0.1, 0.5, 0.9].map(share => at(share).toFixed(2)).join(' / ')
      process.stdout.write(`likely ÷ real ${withTools ? 'with tools' : 'text only'}, p10/p50/p90: ${text}\n`)
      expect(at(0.5)).toBeGreaterThan(0.85)
      expect(at(0.5)).toBeLessThan(1.15)
    }
  })
})

const prompt = (content: unknown, more: object = {}) =>
  read({ model: 'm', messages: [{ role: 'user', content }], ...more })

test('a long text is sampled, and comes out as the same text in full', () => {
  const short = 'The quick brown fox, aged 7, jumps. '
  const long = likelyInputTokens(prompt(short.repeat(2_000)))
  const part = likelyInputTokens(prompt(short.repeat(10)))
  expect(long / 200).toBeGreaterThan((part - 7) * 0.9)
  expect(long / 200).toBeLessThan((part - 7) * 1.1)
})

test('media count by rule, never by their base64', () => {
  const image = (size: number) => ({
    type: 'image_url',
    image_url: { url: `data:image/png;base64,${'A'.repeat(size)}` },
  })
  expect(boundInputTokens(prompt([image(4_000_000)]))).toBe(boundInputTokens(prompt([image(400)])))
  expect(boundInputTokens(prompt([image(400)]), 'gpt-4o-mini')).toBeGreaterThan(48_169)
  expect(likelyInputTokens(prompt([image(4_000_000)]))).toBeLessThan(2_000)
  const pdf = (size: number) => ({
    type: 'file',
    file: { file_data: `data:application/pdf;base64,${'A'.repeat(size)}` },
  })
  expect(boundInputTokens(prompt([pdf(8_000_000)]))).toBeLessThan(302_000)
  const audio = { type: 'input_audio', input_audio: { data: 'A'.repeat(400_000), format: 'wav' } }
  expect(boundInputTokens(prompt([audio]))).toBeLessThan(17_000)
})

const WHOLE = 1_000_000
const VIDEO = 'https://e.x/v.mp4'

test.each<[string, Record<string, unknown>]>([
  ['a video', { type: 'video_url', video_url: { url: VIDEO } }],
  ['OpenRouter’s video', { type: 'input_video', input_video: { url: VIDEO } }],
  ['a sound by its address', { type: 'audio_url', audio_url: { url: 'https://e.x/a.mp3' } }],
  ['an address for data', { type: 'input_audio', input_audio: { data: 'https://e.x/a.mp3', format: 'mp3' } }],
  ['Mistral’s document', { type: 'document_url', document_url: 'https://e.x/a.pdf' }],
  ['a file by its id', { type: 'file', file: { file_id: 'file-1' } }],
  ['a file by its address', { type: 'file', file: { file_data: 'https://e.x/a.pdf' } }],
  ...['image', 'video', 'audio', 'hologram'].map((type): [string, Record<string, unknown>] => [
    `a part of the type ${type}`,
    { type, url: VIDEO },
  ]),
])('what lies elsewhere is held at the whole context: %s', (_name, part) => {
  const facts = prompt([{ type: 'text', text: 'What is it?' }, part])
  expect(boundInputTokens(facts)).toBeGreaterThan(WHOLE)
  expect(likelyInputTokens(facts)).toBeLessThan(10_000)
})

/** What the Gemini wire reads of the path. */
const CALL = { path: '/v1beta/models/m:countTokens' } as Call

test('so is an earlier answer that is named by its id, and media of the other wires', () => {
  const messages = [
    { role: 'assistant', audio: { id: 'audio_1' } },
    { role: 'user', content: 'Again.' },
  ]
  expect(boundInputTokens(read({ model: 'm', messages }))).toBeGreaterThan(WHOLE)
  const gemini = (mimeType: string) => ({
    contents: [{ role: 'user', parts: [{ fileData: { mimeType, fileUri: 'https://e.x/v' } }] }],
  })
  for (const kind of ['video/mp4', 'audio/mp3', 'application/pdf', 'text/plain', ''])
    expect(boundInputTokens(readCountRequest(bodyOf(gemini(kind)), CALL)), kind).toBeGreaterThan(WHOLE)
  expect(boundInputTokens(readCountRequest(bodyOf(gemini('image/png')), CALL))).toBeLessThan(20_000)
  const messagesOf = (block: object) =>
    readMessagesRequest(bodyOf({ model: 'm', max_tokens: 5, messages: [{ role: 'user', content: [block] }] }))
  const upload = { type: 'container_upload', file_id: 'file_1' }
  const pdf = { type: 'document', source: { type: 'url', url: 'https://e.x/a.pdf' } }
  for (const block of [upload, pdf]) expect(boundInputTokens(messagesOf(block))).toBeGreaterThan(WHOLE)
  const said = { type: 'web_search_tool_result', tool_use_id: 'x', content: [] }
  expect(boundInputTokens(messagesOf(said))).toBeLessThan(2_000)
})

test('parts that are text, in whatever wrapping, and inline media cost what they are', () => {
  const thoughts = { type: 'thinking', thinking: [{ type: 'text', text: 'Hm.' }] }
  for (const part of [thoughts, { type: 'refusal', refusal: 'No.' }, { type: 'input_text', text: 'Hi' }])
    expect(boundInputTokens(prompt([part]))).toBeLessThan(500)
  const video = (bytes: number) => ({
    type: 'video_url',
    video_url: { url: `data:video/mp4;base64,${'A'.repeat((bytes / 3) * 4)}` },
  })
  expect(boundInputTokens(prompt([video(3_000)]))).toBeLessThan(10_000)
  expect(boundInputTokens(prompt([video(3_000_000)]))).toBeGreaterThan(WHOLE)
})

test('tools that the provider runs are held for', () => {
  const plain = boundInputTokens(prompt('x', { tools: [{ type: 'function', function: { name: 'f' } }] }))
  expect(boundInputTokens(prompt('x', { tools: [{ type: 'web_search' }] }))).toBeGreaterThan(plain + 30_000)
  expect(boundInputTokens(prompt('x', { web_search_options: {} }))).toBeGreaterThan(30_000)
})

test('odd shapes are survived', () => {
  const deep = JSON.parse(`${'['.repeat(60)}${']'.repeat(60)}`)
  const facts = read({
    messages: [
      {
        role: 'tool',
        content: [
          { type: 'text', text: 'x' },
          { type: 'odd', text: 5 },
        ],
        tool_calls: deep,
      },
    ],
    tools: [{ type: 'function', function: { name: 'f', parameters: deep } }],
  })
  expect(likelyInputTokens(facts)).toBeGreaterThan(0)
  expect(boundInputTokens(facts)).toBeGreaterThan(likelyInputTokens(facts) / 10)
})
