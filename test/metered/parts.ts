/** A gateway with one model for each metered operation, and a real small sound. */
import type { ScriptedUpstream } from '../gateway/harness.ts'

/** `tiny-…` are own models priced by the unit; the others take their price from the catalogue. */
export const meteredConfig = (ports: readonly number[]): string => `providers:
${ports
  .map(
    (port, i) => `  host${i}:
    kind: openai
    base_url: "http://127.0.0.1:${port}/v1"
    models:
      tiny-image: { upstream: image-v2, unit_usd: { image: 0.04, image/1792x1024: 0.08, image/1792x1024/hd: 0.12 } }
      tiny-voice: { upstream: voice-v2, unit_usd: { character: 0.000015 } }
      tiny-ear: { upstream: ear-v2, unit_usd: { second: 0.0001 } }
      tiny-rank: { upstream: rank-v2, unit_usd: { search: 0.002 } }
      nameless: {}
      priced-chat: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 }
      gpt-image-1: {}
      gpt-4o-mini-tts: {}
      gpt-4o-transcribe: {}
      omni-moderation-latest: {}
      gpt-4o: {}
      text-embedding-3-small: {}
`,
  )
  .join('')}egress: { allow: [${ports.map(port => `"127.0.0.1:${port}"`).join(', ')}] }
timeouts: { first_token_ms: 3000, first_byte_ms: 3000, idle_ms: 3000, stall_ms: 3000, total_ms: 30000 }
`

/** PCM in a WAV file: 16 bit, mono, 8 kHz, so many seconds of a tone. */
export function wav(seconds: number): Uint8Array {
  const samples = Math.round(seconds * 8_000)
  const bytes = new Uint8Array(44 + samples * 2)
  const view = new DataView(bytes.buffer)
  const ascii = (at: number, text: string) => bytes.set(new TextEncoder().encode(text), at)
  ascii(0, 'RIFF')
  view.setUint32(4, bytes.length - 8, true)
  ascii(8, 'WAVEfmt ')
  view.setUint32(16, 16, true)
  view.setUint16(20, 1, true)
  view.setUint16(22, 1, true)
  view.setUint32(24, 8_000, true)
  view.setUint32(28, 16_000, true)
  view.setUint16(32, 2, true)
  view.setUint16(34, 16, true)
  ascii(36, 'data')
  view.setUint32(40, samples * 2, true)
  for (let i = 0; i < samples; i++) view.setInt16(44 + i * 2, Math.round(9_000 * Math.sin(i / 3)), true)
  return bytes
}

/** USD in a budget that is never reached. */
export const RICH = [{ window: 'day', limitNanoUsd: 100_000_000_000, softNanoUsd: null }] as const
export const budget = (usd: number) =>
  [{ window: 'day', limitNanoUsd: Math.round(usd * 1e9), softNanoUsd: null }] as const

export const clear = (...upstreams: readonly ScriptedUpstream[]): void => {
  for (const upstream of upstreams) upstream.seen.length = 0
}
