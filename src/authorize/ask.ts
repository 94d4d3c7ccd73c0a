/** One small question to a token endpoint, through the guarded way out: whole answer, bounded in size and time. */
import { GatewayError } from '../errors.ts'
import type { Send, UpstreamRequest } from '../terms.ts'

export interface Question {
  readonly url: string
  readonly method?: 'GET' | 'POST' | 'PUT'
  readonly headers?: readonly string[]
  readonly body?: string
  /** Default 10 s. */
  readonly timeoutMs?: number
}

export interface Reply {
  readonly status: number
  readonly text: string
}

const BYTES_MAX = 262_144
const TIMEOUT_MS = 10_000

/** Rejects with GatewayError (`unreachable`, `silent`, `malformed`); any status is an answer. */
export function ask(question: Question, send: Send, pause: (ms: number) => Promise<void>): Promise<Reply> {
  const url = URL.parse(question.url)
  if (url === null) return Promise.reject(new GatewayError('unreachable', 'The address is not a URL.'))
  const { method = question.body === undefined ? 'GET' : 'POST', headers = [], body } = question
  const request: UpstreamRequest = {
    origin: url.origin,
    path: url.pathname + url.search,
    method,
    headers: ['accept-encoding', 'identity', 'user-agent', 'switchgate', ...headers],
    ...(body !== undefined && { body: new TextEncoder().encode(body) }),
  }
  return new Promise<Reply>((resolve, reject) => {
    const decoder = new TextDecoder()
    let status = 0
    let text = ''
    let length = 0
    const upstream = send(request, {
      head(code) {
        status = code
      },
      chunk(bytes) {
        length += bytes.length
        if (length <= BYTES_MAX) text += decoder.decode(bytes, { stream: true })
        else {
          upstream.abort()
          reject(new GatewayError('malformed', 'The answer is too large.'))
        }
      },
      end: () => resolve({ status, text: text + decoder.decode() }),
      fail: reject,
    })
    void pause(question.timeoutMs ?? TIMEOUT_MS).then(() => {
      upstream.abort()
      // without effect when the answer is there
      reject(new GatewayError('silent', 'There was no answer in time.'))
    })
  })
}
