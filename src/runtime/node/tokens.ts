/** The tokenizer on Node: its vocabulary is read from the installation when tokens are first counted. */
import { existsSync, readFileSync } from 'node:fs'
import { brotliDecompressSync } from 'node:zlib'
import type { Log, Tokens } from '../../deps.ts'
import { createTokenizer, type Tokenizer } from '../../tokenizer/tokenizer.ts'

/** From `src/runtime/node` and from `dist/src/runtime/node`: the file is data, which the build does not copy. */
const PLACES = ['../../tokenizer/o200k_base.br', '../../../../src/tokenizer/o200k_base.br']

/**
 * Loads once, when it is first asked, in some 50 ms and 6 MB: at once, because a row of the ledger may wait for the count.
 * Without its data the gateway goes on with the fitted estimate, and says so.
 */
export function createTokens(log: Log, places: readonly string[] = PLACES): Tokens {
  let tried = false
  let tokenizer: Tokenizer | undefined
  return () => {
    if (tried) return tokenizer
    tried = true
    try {
      tokenizer = load(places)
    } catch (error) {
      log('warn', 'tokenizer.missing', { message: error instanceof Error ? error.message : 'unknown' })
    }
    return tokenizer
  }
}

function load(places: readonly string[]): Tokenizer {
  const urls = places.map(place => new URL(place, import.meta.url))
  const url = urls.find(at => existsSync(at))
  if (url === undefined) throw new Error('src/tokenizer/o200k_base.br is missing from this installation.')
  return createTokenizer(brotliDecompressSync(readFileSync(url)))
}
