/** The rig of the Messages wire with Google's two clients in front: @google/genai, and @google/generative-ai before it. */
import { GoogleGenAI } from '@google/genai'
import { GoogleGenerativeAI, type GenerativeModel } from '@google/generative-ai'
import type { Json } from '../../providers/provider.ts'
import type { Seen } from '../gateway/harness.ts'
import { type MessagesRig, startRig } from './messages-rig.ts'

export interface GeminiRig extends MessagesRig {
  /** Today's client. */
  google(key?: string): GoogleGenAI
  /** The one that many programs still have. */
  older(model: string, config?: object): GenerativeModel
  /** A request as curl would make it. `call` = `model:method`, with the query if there is one. */
  ask(call: string, body: unknown, headers?: Record<string, string>): Promise<Response>
}

export async function startGeminiRig(): Promise<GeminiRig> {
  const rig = await startRig()
  const budgets = [{ window: 'day', limitNanoUsd: 1_000_000_000_000, softNanoUsd: null }] as const
  const key = await rig.gateway.key({ budgets })
  const { url } = rig.gateway
  return Object.assign(rig, {
    google: (apiKey = key) =>
      new GoogleGenAI({
        apiKey,
        vertexai: false,
        httpOptions: { baseUrl: url, retryOptions: { attempts: 1 } },
      }),
    older: (model: string, config: object = {}) =>
      new GoogleGenerativeAI(key).getGenerativeModel({ model, ...config }, { baseUrl: url }),
    ask: (call: string, body: unknown, headers: Record<string, string> = {}) =>
      fetch(`${url}/v1beta/models/${call}`, {
        method: 'POST',
        headers: { 'x-goog-api-key': key, 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
  })
}

/** One event as Gemini sends it. */
export const said = (part: Json, more: Json = {}, root: Json = {}): string =>
  `data: ${JSON.stringify({
    candidates: [{ content: { parts: [part], role: 'model' }, ...more, index: 0 }],
    usageMetadata: { promptTokenCount: 12, candidatesTokenCount: 4, totalTokenCount: 16 },
    modelVersion: 'gemini-3-flash',
    responseId: 'resp-up',
    ...root,
  })}\r\n\r\n`

/** A whole answer of Gemini's. */
export const answered = (...parts: Json[]): Json => ({
  candidates: [{ content: { parts, role: 'model' }, finishReason: 'STOP', index: 0 }],
  usageMetadata: {
    promptTokenCount: 20,
    candidatesTokenCount: 5,
    thoughtsTokenCount: 7,
    totalTokenCount: 32,
    cachedContentTokenCount: 8,
  },
  modelVersion: 'gemini-3-flash',
  responseId: 'resp-up',
})

/** The events of an answer's body. */
export const eventsIn = (body: string): Json[] =>
  body
    .split(/\r?\n\r?\n/)
    // what no blank line ends is no event
    .slice(0, -1)
    .filter(event => event.startsWith('data: '))
    .map(event => JSON.parse(event.slice(6)) as Json)

export const messagesOf = (seen: Seen | undefined): Json[] => (seen?.json().messages ?? []) as Json[]

/** What a promise was refused with. */
export const refused = (promise: Promise<unknown>): Promise<(Error & { status?: number }) | undefined> =>
  promise.then(
    () => undefined,
    (error: unknown) => error as Error & { status?: number },
  )
