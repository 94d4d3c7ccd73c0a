/** Cohere v2 (https://docs.cohere.com/reference/chat) behind the chat contract. */
import type { Provider } from '../provider.ts'
import { decode } from './decode.ts'
import { embeddings } from './embed.ts'
import { encode } from './encode.ts'
import { classify } from './errors.ts'
import { rerank } from './rerank.ts'
import { decodeStream } from './stream.ts'

/** Chat ⇄ v2 chat: text, images, tools, JSON schemas, documents with citations, thinking; embeddings, rerank. */
export const cohere: Provider = {
  name: 'cohere',
  auth: 'bearer',
  chat: { encode, decode, decodeStream },
  embeddings,
  rerank,
  classify,
}
