/** What is answered to bytes that are no request: by node:http's side of a listener and by the lane, in the same words. */

/** Why bytes are no request, as every error is said. */
export const refusalBody = (message: string): string =>
  JSON.stringify({
    error: { message, type: 'invalid_request_error', param: null, code: 'invalid_request' },
  })

/** A whole answer that closes. `code` is node:http's. There is no request to name, and no wire to say it in but OpenAI's. */
export function protocolError(code: string | undefined): string {
  const [status, words] =
    code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? ['408 Request Timeout', 'The request did not arrive in time.']
      : code === 'HPE_HEADER_OVERFLOW'
        ? ['431 Request Header Fields Too Large', 'The request headers are larger than 16 KiB.']
        : ['400 Bad Request', 'The request is not valid HTTP/1.1.']
  const body = refusalBody(words)
  const head = [
    `HTTP/1.1 ${status}`,
    'content-type: application/json',
    `content-length: ${body.length}`,
    'connection: close',
  ]
  return `${head.join('\r\n')}\r\n\r\n${body}`
}
