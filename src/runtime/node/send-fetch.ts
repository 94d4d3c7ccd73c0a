/** `fetch` over the one guarded way out, for SDKs off the request path. Whole bodies only. */
import type { Send } from '../../terms.ts'

const BODY_BYTES_MAX = 8 << 20

export function sendFetch(send: Send): typeof globalThis.fetch {
  return async (input, init) => {
    const request = new Request(input, init)
    const url = new URL(request.url)
    const headers: string[] = ['accept-encoding', 'identity']
    request.headers.forEach((value, name) => {
      if (name !== 'accept-encoding' && name !== 'content-length' && name !== 'host')
        headers.push(name, value)
    })
    const body = request.method === 'POST' ? new Uint8Array(await request.arrayBuffer()) : undefined
    return new Promise<Response>((resolve, reject) => {
      let status = 0
      let answer = new Headers()
      const parts: Uint8Array[] = []
      let length = 0
      const upstream = send(
        { origin: url.origin, path: url.pathname + url.search, method: body ? 'POST' : 'GET', headers, body },
        {
          head(code, received) {
            status = code
            answer = new Headers()
            for (const [name, value] of Object.entries(received)) {
              for (const each of Array.isArray(value) ? value : [value])
                if (each !== undefined) answer.append(name, each)
            }
          },
          chunk(bytes) {
            length += bytes.length
            if (length > BODY_BYTES_MAX) {
              upstream.abort()
              reject(new Error('the answer is too large'))
            } else parts.push(bytes)
          },
          end: () =>
            resolve(new Response(status === 204 ? null : Buffer.concat(parts), { status, headers: answer })),
          fail: reject,
        },
      )
      request.signal.addEventListener('abort', () => {
        upstream.abort()
        reject(request.signal.reason)
      })
    })
  }
}
