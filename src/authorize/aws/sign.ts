/** Signature Version 4 of one request, by aws4fetch. Used for models (sigv4.ts) and for the token service (sts.ts). */
import { AwsV4Signer } from 'aws4fetch'
import type { UpstreamRequest } from '../../terms.ts'
import type { AwsKeys } from './keys.ts'

export interface Scope {
  readonly region: string
  /** `bedrock`, `bedrock-mantle`, `sts`. */
  readonly service: string
}

/** Day keys, derived once a day for each pair and scope. Keys that rotate would let it grow. */
export type DayKeys = Map<string, ArrayBuffer>
const DAY_KEYS_MAX = 16

/**
 * Headers to add: `x-amz-date`, `authorization`, and `x-amz-security-token` for temporary keys. Signed are the host, the
 * body's digest and every `x-amz-*` header; other headers may be changed by a proxy on the way. The path is encoded once
 * more than on the wire, as every service but S3 wants it (docs.aws.amazon.com "Create a signed AWS API request").
 */
export async function signedHeaders(
  request: UpstreamRequest,
  keys: AwsKeys,
  scope: Scope,
  nowMs: number,
  dayKeys: DayKeys,
): Promise<string[]> {
  if (dayKeys.size > DAY_KEYS_MAX) dayKeys.clear()
  const headers: [string, string][] = []
  for (let i = 0; i + 1 < request.headers.length; i += 2) {
    const name = request.headers[i] ?? ''
    if (name.startsWith('x-amz-')) headers.push([name, request.headers[i + 1] ?? ''])
  }
  const signer = new AwsV4Signer({
    url: request.origin + request.path,
    method: request.method,
    headers,
    body: request.body as Uint8Array<ArrayBuffer> | undefined,
    accessKeyId: keys.accessKeyId,
    secretAccessKey: keys.secretAccessKey,
    sessionToken: keys.sessionToken,
    service: scope.service,
    region: scope.region,
    datetime: new Date(nowMs).toISOString().replace(/[:-]|\.\d{3}/g, ''),
    cache: dayKeys,
  })
  const signed = await signer.sign()
  return ['x-amz-date', 'x-amz-security-token', 'authorization'].flatMap(name => {
    const value = signed.headers.get(name)
    return value === null ? [] : [name, value]
  })
}
