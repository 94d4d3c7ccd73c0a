/** The chat form of a Gemini request, fitted to hosts that speak OpenAI's wire as it is: what they would refuse is taken out and named. */
import type { Quirks } from '../../../providers/provider.ts'
import type { Offer } from '../../terms.ts'
import type { Body } from '../body.ts'
import { withLongIntegers } from '../exact.ts'
import { type Fitted, fitToHost } from '../messages/fit.ts'
import { bodyOf } from '../messages/request.ts'

type Json = Record<string, unknown>

/** Settings of chat's own that the Messages wire cannot come to, so that its fitting does not know them. */
const SETTINGS: ReadonlySet<string> = new Set([
  'n',
  'seed',
  'presence_penalty',
  'frequency_penalty',
  'logprobs',
  'top_logprobs',
  'modalities',
])

/** Messages, tools and reasoning as the Messages wire does it; what a chat host knows beside that goes on as it is. */
export function fitToChatHost(chat: Body, offer: Offer, quirks: Quirks): Fitted {
  if (quirks.keepsExtensions === true) return fitToHost(chat, offer, quirks)
  const shared: Json = {}
  const own: Json = {}
  for (const [name, value] of Object.entries(chat.json)) (SETTINGS.has(name) ? own : shared)[name] = value
  const { body, dropped } = fitToHost({ ...chat, json: shared }, offer, quirks)
  return { body: bodyOf({ ...withLongIntegers(body).json, ...own }), dropped }
}
