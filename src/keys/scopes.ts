/** Which routes of the data plane a key may call: one name for each family of routes. Asked by authenticate.ts. */
import type { Key, Scope } from '../terms.ts'

/** Every scope with the routes under it, as people read it. */
export const SCOPE_ROUTES: Readonly<Record<Scope, string>> = {
  chat: '/v1/chat/completions',
  completions: '/v1/completions',
  embeddings: '/v1/embeddings',
  responses: '/v1/responses',
  messages: '/v1/messages, /v1/messages/count_tokens',
  gemini: '/v1beta/models/{model}:generateContent, :streamGenerateContent, :countTokens',
  images: '/v1/images/generations',
  audio: '/v1/audio/speech, /v1/audio/transcriptions',
  rerank: '/v1/rerank',
  moderations: '/v1/moderations',
  models: '/v1/models, /v1beta/models',
  spend: '/v1/key, /v1/key/spend, /v1/generation',
}

/** In the order in which people read them. */
export const SCOPES = Object.keys(SCOPE_ROUTES) as readonly Scope[]

/** null = all, [] = none. */
export const isInScope = ({ scopes }: Key, scope: Scope): boolean => scopes?.includes(scope) ?? true
