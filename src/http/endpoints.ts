/** The table of inference endpoints. Every runtime mounts this one; a path that is not here does not reach the pipeline. */
import type { Endpoint, Wire } from '../terms.ts'
import { readPath } from '../wire/gemini/path.ts'

export const ENDPOINTS: readonly Endpoint[] = [
  { method: 'POST', path: '/v1/chat/completions', wire: 'openai', operation: 'chat', scope: 'chat' },
  {
    method: 'POST',
    path: '/v1/completions',
    wire: 'openai',
    operation: 'text_completion',
    scope: 'completions',
  },
  { method: 'POST', path: '/v1/embeddings', wire: 'openai', operation: 'embeddings', scope: 'embeddings' },
  {
    method: 'POST',
    path: '/v1/images/generations',
    wire: 'openai',
    operation: 'image_generation',
    scope: 'images',
  },
  { method: 'POST', path: '/v1/audio/speech', wire: 'openai', operation: 'speech', scope: 'audio' },
  {
    method: 'POST',
    path: '/v1/audio/transcriptions',
    wire: 'openai',
    operation: 'transcription',
    scope: 'audio',
  },
  { method: 'POST', path: '/v1/rerank', wire: 'openai', operation: 'rerank', scope: 'rerank' },
  { method: 'POST', path: '/v1/moderations', wire: 'openai', operation: 'moderation', scope: 'moderations' },
  { method: 'POST', path: '/v1/responses', wire: 'responses', operation: 'responses', scope: 'responses' },
  { method: 'POST', path: '/v1/messages', wire: 'anthropic', operation: 'messages', scope: 'messages' },
  {
    method: 'POST',
    path: '/v1/messages/count_tokens',
    wire: 'anthropic',
    operation: 'count_tokens',
    scope: 'messages',
  },
  ...['generateContent', 'streamGenerateContent'].map(
    (method): Endpoint => ({
      method: 'POST',
      path: `/v1beta/models/{model}:${method}`,
      wire: 'gemini',
      operation: 'generate_content',
      scope: 'gemini',
    }),
  ),
  {
    method: 'POST',
    path: '/v1beta/models/{model}:countTokens',
    wire: 'gemini',
    operation: 'count_tokens',
    scope: 'gemini',
  },
]

const BY_PATH: ReadonlyMap<string, Endpoint> = new Map(ENDPOINTS.map(endpoint => [endpoint.path, endpoint]))

/** `/openai/v1/*` is `/v1/*`: some clients are configured with a base URL of that form. */
export function plainPath(path: string): string {
  return path.startsWith('/openai/v1/') ? path.slice('/openai'.length) : path
}

/** The endpoint at a path, whatever the method. */
export function endpointAt(path: string): Endpoint | undefined {
  const exact = BY_PATH.get(path)
  if (exact !== undefined) return exact
  const named = readPath(path)
  return named && BY_PATH.get(`/v1beta/models/{model}:${named.method}`)
}

/** In which wire to refuse what has no endpoint: by the path that the caller tried. */
export function wireOf(path: string): Wire {
  if (path.startsWith('/v1/messages')) return 'anthropic'
  if (path.startsWith('/v1beta') || readPath(path)) return 'gemini'
  return path.startsWith('/v1/responses') ? 'responses' : 'openai'
}
