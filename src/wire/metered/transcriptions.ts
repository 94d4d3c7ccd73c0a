/** OpenAI's /audio/transcriptions: a form with a sound in; JSON, plain text or events out. */
import type { Body } from '../body.ts'
import { readExtensions, wrong } from '../extensions.ts'
import type { Inbound } from '../inbound.ts'
import type { ChatFacts } from '../openai.ts'
import { meteredFacts, usageOf } from './facts.ts'
import { durationOf } from './sound.ts'

/** Audio in tokens: 10 a second (OpenAI's recorded transcriptions), 32 at Gemini; text out: speech is 3 words a second. */
const IN_PER_SECOND = 10
const OUT_PER_SECOND = 4
const OUT_PER_SECOND_MOST = 12
const OUT_LEAST = 2_048
/** Answers without JSON. */
const PLAIN: readonly unknown[] = ['text', 'srt', 'vtt']

/** Throws `invalid_request` with `param`. */
function readTranscription(body: Body): ChatFacts {
  const { json, bytes, members } = body
  readExtensions(json)
  const file = members.find(member => member.key === 'file')
  if (file === undefined || typeof json.file !== 'object')
    throw wrong('file', 'is required: a sound file as a part of the form, with a file name.')
  if (json.prompt !== undefined && typeof json.prompt !== 'string') throw wrong('prompt', 'must be a text.')
  const size = file.valueEnd - file.valueStart
  const { bound, likely } = durationOf(bytes.subarray(file.valueStart, file.valueEnd))
  const tokens = Math.ceil(likely * IN_PER_SECOND)
  const plain = PLAIN.includes(json.response_format)
  const read = meteredFacts(body, [json.prompt ?? '', tokens], {
    outputTokens: OUT_LEAST + bound * OUT_PER_SECOND_MOST,
    units: { kind: 'second', count: bound },
    likely: usageOf(tokens, Math.ceil(likely * OUT_PER_SECOND), { kind: 'second', count: likely }),
    certain: false,
  })
  return {
    ...read,
    media: [{ kind: 'audio', bytes: size }],
    stream: read.stream || plain,
    raw: plain && !read.stream ? 'text' : undefined,
  }
}

export const transcriptions: Inbound = {
  read: readTranscription,
  upload: true,
  native: provider => provider.transcriptions,
}
