/** Anthropic Messages (https://docs.claude.com/en/api/messages) behind the chat contract. */
import type { Provider } from '../provider.ts'
import { decode } from './decode.ts'
import { encode } from './encode.ts'
import { classify } from './errors.ts'
import { native } from './native.ts'
import { REASONING_FORMAT } from './reasoning.ts'
import { decodeStream } from './stream.ts'

/** Chat ⇄ Messages: text, images, PDFs, tools, JSON schemas, thinking with signatures, prompt caching. */
export const anthropic: Provider = {
  name: 'anthropic',
  auth: 'x-api-key',
  // https://docs.claude.com/en/api/messages#tools
  chat: { encode, decode, decodeStream, toolName: /^[a-zA-Z0-9_-]{1,128}$/ },
  messages: native,
  classify,
  readsSignature: format => format === REASONING_FORMAT,
}
