/** `/v1/completions` and `/v1/embeddings` in the fidelity matrix: wires that pass, or are not offered. */
import type { Feature, WireRow } from './feature.ts'

const plain = (name: string, value: unknown, arrives?: Feature['arrives']): Feature => ({
  name: `\`${name}\``,
  more: { [name]: value },
  ...(arrives === undefined ? {} : { arrives }),
})

export const completions: WireRow = {
  title: '`/v1/completions`',
  path: () => '/v1/completions',
  speech: 'completions',
  some: true,
  smallest: model => ({ model, prompt: 'Once' }),
  features: [
    plain('prompt', ['Once', 'Twice']),
    plain('prompt', [1, 2, 3]),
    ...Object.entries({
      suffix: 'end',
      max_tokens: 20,
      temperature: 0.3,
      top_p: 0.9,
      n: 2,
      best_of: 2,
      logprobs: 2,
      echo: true,
      stop: ['END'],
      seed: 7,
      presence_penalty: 0.5,
      frequency_penalty: 0.5,
      logit_bias: { 50256: -100 },
      x_unknown: 1,
    }).map(([name, value]) => plain(name, value)),
    { name: '`user`', more: { user: 'ann' }, here: 'spend by user' },
  ].map((feature, i) => (i === 1 ? { ...feature, name: '`prompt`: token ids' } : feature)),
}

export const embeddings: WireRow = {
  title: '`/v1/embeddings`',
  path: () => '/v1/embeddings',
  speech: 'embeddings',
  some: true,
  smallest: model => ({ model, input: 'Once' }),
  features: [
    plain('input', ['Once', 'Twice'], {
      embed: { texts: ['Once', 'Twice'] },
      batchEmbedContents: {
        requests: ['Once', 'Twice'].map(text => ({ content: { parts: [{ text }] } })),
      },
    }),
    { ...plain('input', [1, 2, 3]), name: '`input`: token ids' },
    plain('dimensions', 256, {
      embed: { output_dimension: 256 },
      batchEmbedContents: { requests: [{ outputDimensionality: 256 }] },
    }),
    // made here, of the numbers that came
    plain('encoding_format', 'base64', {
      embed: { texts: ['Once'] },
      batchEmbedContents: { requests: [{ content: { parts: [{ text: 'Once' }] } }] },
    }),
    plain('x_unknown', 1),
    { name: '`user`', more: { user: 'ann' }, here: 'spend by user' },
  ],
}
