/**
 * Offers which the sources of the big table leave out, or that are priced by something else than tokens of text: pictures,
 * speech, transcriptions, reranking, moderation, and chat that is heard and spoken. Prices are those of LiteLLM's
 * model_prices_and_context_window.json (MIT) as of 2026-07-24, unless `source` says otherwise.
 */
import { picoFromUsdPerMtok, picoFromUsdPerUnit, type Price } from '../../src/price.ts'
import type { Capability, OfferType } from '../../src/terms.ts'
import type { CatalogOffer, Source } from './loader.ts'

const LITELLM: Source = { name: 'LiteLLM model_prices_and_context_window.json (MIT)', date: '2026-07-24' }
const OPENAI: Source = { name: 'OpenAI API reference, "Moderations": free of charge', date: '2026-07-24' }

/** Newer than the other source, which says 2.5 for the text and has not changed since the first day. */
const GENAI: Source = { name: '@pydantic/genai-prices 0.1.8 (MIT)', date: '2026-09-23' }

interface Row {
  readonly provider: string
  readonly type: OfferType
  readonly models: readonly string[]
  /** USD per million tokens: in, out, and read from a cache. */
  readonly tokens?: readonly [input: number, output: number, cached?: number]
  /** USD per million tokens of sound: read, written. */
  readonly sound?: readonly [input: number, output?: number]
  readonly supports?: readonly Capability[]
  /** USD per unit. */
  readonly units?: Readonly<Record<string, number>>
  /** The fewest units that are billed. */
  readonly leastUnits?: Readonly<Record<string, number>>
  readonly contextTokens?: number
  readonly source?: Source
  /** Sold by others than the weights' author. */
  readonly host?: true
}

const dalle3 = {
  image: 0.04,
  'image/1024x1792': 0.08,
  'image/1792x1024': 0.08,
  'image/auto/hd': 0.08,
  'image/1024x1024/hd': 0.08,
  'image/1024x1792/hd': 0.12,
  'image/1792x1024/hd': 0.12,
}

/** Groq bills a sound that is shorter as one of 10 seconds (console.groq.com/docs/speech-to-text, "Minimum Billed Length"). */
const TEN_SECONDS = { second: 10 }

const ROWS: readonly Row[] = [
  { provider: 'openai', type: 'image', models: ['dall-e-3'], units: dalle3 },
  {
    provider: 'openai',
    type: 'image',
    models: ['dall-e-2'],
    units: { image: 0.02, 'image/256x256': 0.016, 'image/512x512': 0.018 },
  },
  // output at the price of image tokens, which is what these models write
  {
    provider: 'openai',
    type: 'image',
    models: ['gpt-image-1', 'chatgpt-image-latest'],
    tokens: [5, 40, 1.25],
  },
  { provider: 'openai', type: 'image', models: ['gpt-image-1-mini'], tokens: [2, 8, 0.2] },
  {
    provider: 'openai',
    type: 'image',
    models: ['gpt-image-1.5', 'gpt-image-1.5-2025-12-16'],
    tokens: [5, 32, 1.25],
  },
  {
    provider: 'openai',
    type: 'image',
    models: ['gpt-image-2', 'gpt-image-2-2026-04-21'],
    tokens: [5, 30, 1.25],
  },
  { provider: 'openai', type: 'speech', models: ['tts-1', 'tts-1-1106'], units: { character: 15e-6 } },
  { provider: 'openai', type: 'speech', models: ['tts-1-hd', 'tts-1-hd-1106'], units: { character: 30e-6 } },
  {
    provider: 'openai',
    type: 'speech',
    models: ['gpt-4o-mini-tts', 'gpt-4o-mini-tts-2025-03-20', 'gpt-4o-mini-tts-2025-12-15'],
    tokens: [0.6, 12],
    source: GENAI,
  },
  {
    provider: 'openai',
    type: 'chat',
    models: ['gpt-audio', 'gpt-audio-2025-08-28', 'gpt-audio-1.5'],
    tokens: [2.5, 10],
    sound: [32, 64],
    contextTokens: 128_000,
    supports: ['tools', 'audio'],
    source: GENAI,
  },
  {
    provider: 'openai',
    type: 'chat',
    models: ['gpt-audio-mini', 'gpt-audio-mini-2025-10-06', 'gpt-audio-mini-2025-12-15'],
    tokens: [0.6, 2.4],
    sound: [10, 20],
    contextTokens: 128_000,
    supports: ['tools', 'audio'],
    source: GENAI,
  },
  { provider: 'openai', type: 'transcription', models: ['whisper-1'], units: { second: 1e-4 } },
  {
    provider: 'openai',
    type: 'transcription',
    models: ['gpt-4o-transcribe', 'gpt-4o-transcribe-diarize'],
    tokens: [2.5, 10],
    sound: [6],
    contextTokens: 16_000,
  },
  {
    provider: 'openai',
    type: 'transcription',
    models: [
      'gpt-4o-mini-transcribe',
      'gpt-4o-mini-transcribe-2025-03-20',
      'gpt-4o-mini-transcribe-2025-12-15',
    ],
    tokens: [1.25, 5],
    sound: [3],
    contextTokens: 16_000,
  },
  {
    provider: 'openai',
    type: 'moderation',
    models: ['omni-moderation-latest', 'omni-moderation-2024-09-26', 'text-moderation-latest'],
    units: { moderation: 0 },
    source: OPENAI,
  },
  {
    provider: 'groq',
    type: 'transcription',
    models: ['whisper-large-v3'],
    units: { second: 3.083e-5 },
    leastUnits: TEN_SECONDS,
    host: true,
  },
  {
    provider: 'groq',
    type: 'transcription',
    models: ['whisper-large-v3-turbo'],
    units: { second: 1.111e-5 },
    leastUnits: TEN_SECONDS,
    host: true,
  },
  {
    provider: 'cohere',
    type: 'rerank',
    models: ['rerank-v3.5', 'rerank-english-v3.0', 'rerank-multilingual-v3.0'],
    units: { search: 0.002 },
  },
  { provider: 'voyage', type: 'rerank', models: ['rerank-2.5', 'rerank-2'], tokens: [0.05, 0] },
  { provider: 'voyage', type: 'rerank', models: ['rerank-2.5-lite', 'rerank-2-lite'], tokens: [0.02, 0] },
  {
    provider: 'jina',
    type: 'rerank',
    models: ['jina-reranker-v2-base-multilingual'],
    tokens: [0.018, 0],
  },
]

function offersOf(row: Row): CatalogOffer[] {
  const { provider, type, units, tokens = [0, 0] as const, source = LITELLM } = row
  return row.models.map(model => {
    const price: Price = {
      id: `${provider}/${model}@${source.date}`,
      inputPico: picoFromUsdPerMtok(tokens[0]),
      outputPico: picoFromUsdPerMtok(tokens[1]),
      ...(tokens[2] !== undefined && { cacheReadPico: picoFromUsdPerMtok(tokens[2]) }),
      ...(row.sound && { audioInputPico: picoFromUsdPerMtok(row.sound[0]) }),
      ...(row.sound?.[1] !== undefined && { audioOutputPico: picoFromUsdPerMtok(row.sound[1]) }),
      ...(row.leastUnits && { leastUnits: row.leastUnits }),
      ...(units && {
        units: Object.fromEntries(
          Object.entries(units).map(([kind, usd]) => [kind, picoFromUsdPerUnit(usd)]),
        ),
      }),
      ...(units && row.tokens === undefined && { onlyUnits: true }),
    }
    return {
      provider,
      upstream: model,
      model,
      type,
      price,
      contextTokens: row.contextTokens,
      maxOutputTokens: undefined,
      supports: new Set(row.supports),
      thinksUnseen: false,
      firstParty: row.host !== true,
      deprecated: false,
      doubtful: false,
      disputed: false,
      trial: false,
      variant: undefined,
      embeddingDimensions: undefined,
      source,
    }
  })
}

/** The offers, ready for the catalogue. */
export const METERED_OFFERS: readonly CatalogOffer[] = ROWS.flatMap(offersOf)
