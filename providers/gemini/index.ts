/** The Gemini API (https://ai.google.dev/api/generate-content) behind the chat wire. */
import type { Provider } from '../provider.ts'
import { decode } from './decode.ts'
import { embeddings } from './embeddings.ts'
import { encode, pathOf } from './encode.ts'
import { classify } from './failure.ts'
import { nativeAt } from './native.ts'
import { SIGNATURE_FORMAT } from './signatures.ts'
import { decodeStream } from './stream.ts'

/** Google's Gemini API, version `v1beta`: requests to `/models/<upstream>:generateContent`, key in `x-goog-api-key`. */
export const gemini: Provider = {
  name: 'gcp.gemini',
  auth: 'x-goog-api-key',
  // every name: those that Gemini does not take are made fit in `encode`
  chat: { encode, decode, decodeStream, toolName: /^/ },
  gemini: nativeAt(pathOf),
  embeddings,
  classify,
  readsSignature: format => format === SIGNATURE_FORMAT,
}
