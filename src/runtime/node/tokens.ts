/** The tokenizer on Node: its vocabulary is read from the installation when tokens are first counted, off the main thread. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { brotliDecompress } from 'node:zlib'
import type { Log, Tokens } from '../../deps.ts'
import { createTokenizer } from '../../tokenizer/tokenizer.ts'

const inflate = promisify(brotliDecompress)

/** From `src/runtime/node` and from `dist/src/runtime/node`: the file is data, which the build does not copy. */
const PLACES = ['../../tokenizer/o200k_base.br', '../../../../src/tokenizer/o200k_base.br']

/** Loads once, when it is first asked; without its data the gateway goes on with the fitted estimate, and says so. */
export function createTokens(log: Log): Tokens {
  let loading: ReturnType<Tokens> | undefined
  return () => {
    loading ??= load().catch((error: unknown) => {
      log('warn', 'tokenizer.missing', { message: error instanceof Error ? error.message : 'unknown' })
      return undefined
    })
    return loading
  }
}

async function load() {
  const urls = PLACES.map(place => new URL(place, import.meta.url))
  const url = urls.find(at => existsSync(at))
  if (url === undefined) throw new Error('src/tokenizer/o200k_base.br is missing from this installation.')
  return createTokenizer(await inflate(await readFile(url)))
}
