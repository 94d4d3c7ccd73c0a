/** OpenAI's Responses wire, stateless: every request holds the whole conversation, nothing is stored. */
import type { Inbound } from '../inbound.ts'
import { fit } from './fit.ts'
import { lost, WORDS } from './lost.ts'
import { readResponses, toChat } from './request.ts'
import { sealedInInput, signedInInput } from './signed.ts'
import { ResponseWriter, responseOf } from './writer.ts'

export const responses: Inbound = {
  read: readResponses,
  native: (provider, quirks) => (quirks.speaksResponses === true ? provider.responses : undefined),
  toChat,
  lost,
  words: WORDS,
  signedBy: signedInInput,
  sealedIn: sealedInInput,
  fit,
  answer: responseOf,
  stream: context => new ResponseWriter(context),
}
