/**
 * Writes src/tokenizer/o200k_base.br, the vocabulary that tokens are counted with, from the ranks that js-tiktoken carries.
 * Its costs in other vocabularies stay as they are, or come from a file that bench/costs.py wrote: `node bench/vocabulary.ts costs.bin`.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'
import o200k from 'js-tiktoken/ranks/o200k_base'

const PATH = new URL('../src/tokenizer/o200k_base.br', import.meta.url)

/** Lines of `! <first rank> <token> <token> …`, the tokens in base64. */
function tokensOf(ranks: string): Buffer[] {
  const tokens: Buffer[] = []
  for (const line of ranks.split('\n').filter(Boolean)) {
    const [, first, ...inBase64] = line.split(' ')
    inBase64.forEach((token, i) => {
      tokens[Number(first) + i] = Buffer.from(token, 'base64')
    })
  }
  return tokens
}

const tokens = tokensOf(o200k.bpe_ranks)
const size = Buffer.alloc(4)
size.writeUInt32LE(tokens.length)
const [, , file] = process.argv
const costs = file ? readFileSync(file) : brotliDecompressSync(readFileSync(PATH)).subarray(-tokens.length)
if (costs.length !== tokens.length)
  throw new Error(`${file}: ${costs.length} costs for ${tokens.length} tokens`)
const data = Buffer.concat([size, Buffer.from(tokens.map(token => token.length)), ...tokens, costs])
const packed = brotliCompressSync(data, {
  params: {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
    [constants.BROTLI_PARAM_SIZE_HINT]: data.length,
  },
})
writeFileSync(PATH, packed)
process.stdout.write(`${tokens.length} tokens, ${data.length} bytes, packed ${packed.length}\n`)
