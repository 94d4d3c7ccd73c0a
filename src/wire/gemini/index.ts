/** Gemini's wire: Google's clients in, any chat provider out; Gemini models themselves get their bytes (`native`). */
import type { Inbound } from '../inbound.ts'
import { toAnswer } from './answer.ts'
import { totalTokens } from './count.ts'
import { fitToChatHost } from './fit.ts'
import { lost, WORDS } from './lost.ts'
import { readCountRequest, readRequest } from './read.ts'
import { toChat } from './request.ts'
import { signedInContents } from './signed.ts'
import { createGeminiWriter } from './stream.ts'

export const generateContent: Inbound = {
  read: readRequest,
  native: provider => provider.gemini,
  toChat,
  lost,
  words: WORDS,
  signedBy: signedInContents,
  fit: fitToChatHost,
  answer: toAnswer,
  stream: createGeminiWriter,
}

/** `:countTokens`: answered here. */
export const geminiCount: Inbound = { read: readCountRequest, local: totalTokens }
