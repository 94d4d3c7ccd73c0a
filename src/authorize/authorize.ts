/** The stage between a finished upstream request and the way out: puts a signature or a token on it. Plain header credentials never come here. */
import { GatewayError } from '../errors.ts'
import type { Receiver, Send, Upstream, UpstreamRequest } from '../terms.ts'

/** Signs a finished upstream request: resolves to flat headers to add. Rejects with GatewayError `bad_credential`, which never names a secret. */
export type Sign = (request: UpstreamRequest) => Promise<readonly string[]>

/** `send` that signs first. `pause`, `resume` and `abort` are kept until the signature is there; a sign that fails is told as `fail`. */
export function authorizedSend(send: Send, sign: Sign): Send {
  return (request, to) => {
    const signing = new Signing(send, to)
    void signing.run(request, sign)
    return signing
  }
}

class Signing implements Upstream {
  private readonly send: Send
  private readonly to: Receiver
  private upstream: Upstream | undefined
  private paused = false
  private aborted = false

  constructor(send: Send, to: Receiver) {
    this.send = send
    this.to = to
  }

  pause(): void {
    this.paused = true
    this.upstream?.pause()
  }

  resume(): void {
    this.paused = false
    this.upstream?.resume()
  }

  abort(): void {
    this.aborted = true
    this.upstream?.abort()
  }

  /** Never rejects: nobody waits for it. */
  async run(request: UpstreamRequest, sign: Sign): Promise<void> {
    let headers: readonly string[]
    try {
      headers = await sign(request)
    } catch (error) {
      if (!this.aborted) this.to.fail(asGatewayError(error))
      return
    }
    if (this.aborted) return
    try {
      this.upstream = this.send({ ...request, headers: [...request.headers, ...headers] }, this.to)
    } catch (cause) {
      this.to.fail(new GatewayError('bug', 'The request could not be sent.', { cause }))
      return
    }
    if (this.paused) this.upstream.pause()
  }
}

function asGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  return new GatewayError('bad_credential', 'The request could not be signed.', { cause: error })
}
