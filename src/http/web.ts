/** A Call and a Sink over the web's Request and Response: for Workers, tests and the in-process command line. */
import type { Bytes } from '../deps.ts'
import { GatewayError } from '../errors.ts'
import type { Call, Sink } from '../terms.ts'

/** Reads a web body with a running count: a lying or missing content-length changes nothing. */
async function readBody(request: Request, bytesMax: number, bytes: Bytes): Promise<Uint8Array> {
  const declared = Number(request.headers.get('content-length') ?? '0')
  if (declared > bytesMax) throw tooLarge(bytesMax)
  const parts: Uint8Array[] = []
  let length = 0
  const reader = request.body?.getReader()
  for (;;) {
    const next = await reader?.read()
    if (!next || next.done) break
    const part: Uint8Array = next.value
    length += part.length
    if (length > bytesMax) {
      await reader?.cancel()
      throw tooLarge(bytesMax)
    }
    parts.push(part)
  }
  return bytes.concat(parts)
}

/** 413 with the limit named. */
export function tooLarge(bytesMax: number): GatewayError {
  return new GatewayError(
    'too_large',
    `The request body is larger than ${bytesMax} bytes (limits.body_bytes).`,
    { param: 'body' },
  )
}

/** Bodies come as they are: a compressed one would have to be unpacked before anybody knows how large it is. */
export function refuseEncoded(encoding: string | null | undefined): void {
  if (encoding && encoding.toLowerCase() !== 'identity') {
    throw new GatewayError(
      'invalid_request',
      `content-encoding ${encoding.slice(0, 40)} is not accepted. Send the body uncompressed.`,
      {
        param: 'content-encoding',
      },
    )
  }
}

export interface WebCallFacts {
  readonly id: string
  readonly peer: string
  readonly startedAtMs: number
  readonly bytes: Bytes
  readonly path: string
}

export function webCall(request: Request, facts: WebCallFacts): Call {
  const url = new URL(request.url)
  return {
    id: facts.id,
    method: request.method,
    path: facts.path,
    query: url.search.slice(1),
    header: name => request.headers.get(name) ?? undefined,
    read: async bytesMax => {
      refuseEncoded(request.headers.get('content-encoding'))
      return readBody(request, bytesMax, facts.bytes)
    },
    peer: facts.peer,
    startedAtMs: facts.startedAtMs,
  }
}

/** A Sink whose head resolves a Response. Back-pressure and departure come from the stream's reader. */
export function webSink(signal?: AbortSignal): { sink: Sink; response: Promise<Response> } {
  let resolve: (response: Response) => void
  const response = new Promise<Response>(done => {
    resolve = done
  })
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  let resume: (() => void) | undefined
  let left: (() => void) | undefined
  let over = false
  const leave = () => {
    if (over) return
    over = true
    left?.()
  }
  signal?.addEventListener('abort', leave, { once: true })
  const body = new ReadableStream<Uint8Array>(
    {
      start(c) {
        controller = c
      },
      pull() {
        resume?.()
      },
      cancel: leave,
    },
    { highWaterMark: 65_536, size: chunk => chunk?.length ?? 0 },
  )
  const sink: Sink = {
    head(status, flat) {
      const headers = new Headers()
      for (let i = 0; i + 1 < flat.length; i += 2) headers.append(flat[i] ?? '', flat[i + 1] ?? '')
      resolve(new Response(body, { status, headers }))
    },
    write(bytes) {
      if (over) return true
      controller?.enqueue(bytes)
      return (controller?.desiredSize ?? 1) > 0
    },
    onDrain(f) {
      resume = f
    },
    end(bytes) {
      if (over) return
      over = true
      if (bytes && bytes.length > 0) controller?.enqueue(bytes)
      controller?.close()
    },
    onClose(f) {
      left = f
    },
    abort() {
      if (over) return
      over = true
      controller?.error(new Error('the upstream broke off'))
    },
  }
  return { sink, response }
}
