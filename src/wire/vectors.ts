/** Vectors of other wires as an answer of OpenAI's /embeddings. Used by the adapters that translate it. */
import type { Decoded, Json } from '../../providers/provider.ts'
import { usageOf } from './metered/facts.ts'

/** Little-endian 32-bit floats in base64, as OpenAI sends them and its SDKs ask for unasked. */
function base64Of(vector: readonly number[]): string {
  const view = new DataView(new ArrayBuffer(vector.length * 4))
  for (const [i, value] of vector.entries()) view.setFloat32(i * 4, value, true)
  let text = ''
  for (const byte of new Uint8Array(view.buffer)) text += String.fromCharCode(byte)
  return btoa(text)
}

/** `tokens` undefined = the provider did not say how many it read; nothing is written, so it is all input. */
export function embeddingsAnswer(
  vectors: readonly (readonly number[])[],
  tokens: number | undefined,
  {
    request,
    model,
    answerId,
  }: { readonly request: Json; readonly model: string; readonly answerId?: string },
): Decoded {
  const write = request.encoding_format === 'base64' ? base64Of : (vector: readonly number[]) => vector
  return {
    body: {
      object: 'list',
      data: vectors.map((vector, index) => ({ object: 'embedding', index, embedding: write(vector) })),
      model,
      ...(tokens !== undefined && { usage: { prompt_tokens: tokens, total_tokens: tokens } }),
    },
    usage: tokens === undefined ? undefined : usageOf(tokens, 0, undefined),
    finishReason: undefined,
    answerId,
  }
}
