/**
 * Chat at models that answer at OpenAI's `/responses` alone (o1-pro, *-codex, …): the chat contract in the Responses wire.
 * https://platform.openai.com/docs/api-reference/responses; callers of that wire pass untouched, see ../openai-responses.ts.
 */
import { SEALED_FORMAT } from '../../src/wire/signed.ts'
import type { ChatCodec, Provider } from '../provider.ts'
import { decode } from './decode.ts'
import { encode } from './encode.ts'
import { decodeStream } from './stream.ts'

export const chatOverResponses: ChatCodec = { encode, decode, decodeStream }

/** The same provider for a model that has no other wire: chat is said in Responses, and `/completions` is not offered. */
export function overResponses({ completions: _, ...provider }: Provider): Provider {
  return { ...provider, chat: chatOverResponses, readsSignature: format => format === SEALED_FORMAT }
}
