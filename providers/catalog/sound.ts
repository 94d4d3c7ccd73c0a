/**
 * What tokens of sound cost in chat offers of the big table, whose sources leave it out. Gemini's list holds on Vertex too
 * (cloud.google.com "Vertex AI pricing"); models that are not here have one price for all, or none that is known.
 */
import type { Rates } from '../../src/price.ts'

type Sound = Pick<Rates, 'audioInputPico' | 'audioOutputPico'>

const read = (pico: number): Sound => ({ audioInputPico: pico })

/** By canonical model; pico-USD per token. Source: @pydantic/genai-prices 0.1.8 (MIT), 2026-09-23. */
const AT_GOOGLE: Readonly<Record<string, Sound>> = {
  'gemini-2.0-flash': read(700_000),
  'gemini-2.5-flash': read(1_000_000),
  'gemini-2.5-flash-lite': read(300_000),
  'gemini-3-flash-preview': read(1_000_000),
  'gemini-3.1-flash-lite': read(500_000),
}

const SOUND: Readonly<Record<string, Readonly<Record<string, Sound>>>> = {
  gemini: AT_GOOGLE,
  vertex: AT_GOOGLE,
}

/** One price for text, pictures, video and sound (ai.google.dev/gemini-api/docs/pricing). */
const AS_TEXT = /^gemini-(?:2\.5|3(?:\.1)?)-pro/

/** The price of sound in an offer whose text costs so much; {} = not known. */
export function soundOf(provider: string, model: string, inputPico: number): Sound {
  const listed = SOUND[provider]
  return listed?.[model] ?? (listed !== undefined && AS_TEXT.test(model) ? read(inputPico) : {})
}
