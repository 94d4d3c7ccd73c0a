/** The Messages wire: Anthropic's clients in, any chat provider out; Claude itself gets their bytes (`native`). */
import type { Inbound } from '../inbound.ts'
import { toMessage } from './answer.ts'
import { countOf } from './count.ts'
import { fitToHost } from './fit.ts'
import { lost, WORDS } from './lost.ts'
import { readCountRequest, readMessagesRequest } from './read.ts'
import { toChat } from './request.ts'
import { sealedInMessages, signedInMessages } from './signed.ts'
import { createMessageWriter } from './stream.ts'

export const messages: Inbound = {
  read: readMessagesRequest,
  native: provider => provider.messages,
  toChat,
  lost,
  words: WORDS,
  signedBy: signedInMessages,
  sealedIn: sealedInMessages,
  fit: fitToHost,
  answer: toMessage,
  stream: createMessageWriter,
}

/** `POST /v1/messages/count_tokens`: answered here. */
export const countTokens: Inbound = { read: readCountRequest, local: countOf }
