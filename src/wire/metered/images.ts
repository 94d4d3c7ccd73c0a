/** OpenAI's /images/generations: a prompt in, pictures out, whole or with partial pictures as events. */
import type { Body } from '../body.ts'
import { wrong } from '../extensions.ts'
import type { Inbound } from '../inbound.ts'
import type { ChatFacts } from '../openai.ts'
import { positive } from '../prompts.ts'
import { meteredFacts, required, usageOf, utf8Bytes } from './facts.ts'
import { imageUnits } from './units.ts'

const IMAGES_MAX = 10
const PARTIALS_MAX = 3
/** "each partial image will incur an additional 100 image output tokens" (OpenAI, "Image generation"). */
const PARTIAL_TOKENS = 100
/** Output tokens of a 1024×1536 picture by quality (OpenAI, "Image generation: cost and latency"); others go by their pixels. */
const TOKENS: Readonly<Record<string, number>> = { low: 408, medium: 1_584, high: 6_240 }
const PIXELS = 1_024 * 1_536
/** A bound, not a guess: newer models draw in tokens of their own. */
const MARGIN = 1.25

function pixelsOf(size: unknown): number {
  const match = typeof size === 'string' ? /^(\d{2,5})x(\d{2,5})$/.exec(size) : null
  if (size == null || size === 'auto') return PIXELS
  if (match === null) throw wrong('size', 'must be "auto" or width x height, as in "1024x1024".')
  // small pictures take no fewer tokens for a long side
  return Math.max(Number(match[1]) * Number(match[2]), 1_024 * 1_024)
}

/** Throws `invalid_request` with `param`. */
function readImages(body: Body): ChatFacts {
  const { json } = body
  const prompt = required(json, 'prompt', '"A lighthouse in the fog"')
  const n = positive(json, 'n', IMAGES_MAX) ?? 1
  const partials = json.partial_images ?? 0
  if (typeof partials !== 'number' || !Number.isInteger(partials) || partials < 0 || partials > PARTIALS_MAX)
    throw wrong('partial_images', `must be a whole number, 0 to ${PARTIALS_MAX}.`)
  const share = pixelsOf(json.size) / PIXELS
  const quality = typeof json.quality === 'string' ? json.quality : 'auto'
  const each = (tokens: number) => Math.ceil(tokens * share) + partials * PARTIAL_TOKENS
  const units = imageUnits(json, n)
  return meteredFacts(body, [prompt], {
    outputTokens: Math.ceil(n * each(TOKENS[quality] ?? 6_240) * MARGIN),
    units,
    likely: usageOf(Math.ceil(utf8Bytes(prompt) / 4), n * each(TOKENS[quality] ?? 1_584), units),
    certain: false,
  })
}

export const images: Inbound = { read: readImages, native: provider => provider.images }
