/** AWS access keys: their forms as text, and the answers of services that hand them out. Read by the sources and by sigv4. */
import { GatewayError } from '../../errors.ts'
import type { Token } from '../tokens.ts'

export interface AwsKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string | undefined
}

/** An operator's fault or a service's refusal. `message` is for the log and for a test of the credential; no secret stands in it. */
export function noKeys(message: string, cause?: unknown): GatewayError {
  return new GatewayError('bad_credential', message, { cause })
}

type Loose = Record<string, unknown>
const isObject = (value: unknown): value is Loose =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

/** Access key ids: 16 to 128 letters, digits and underscores (docs.aws.amazon.com/STS "Credentials"). */
const PAIR = /^(\w{16,128}):([^:\s]{16,256})(?::(\S{1,6000}))?$/

/** `AKIA…:secret[:session]`, or JSON in the spelling of the SDKs or of the command line. Undefined = no keys. */
export function keysFrom(text: string): AwsKeys | undefined {
  if (text.startsWith('{')) return keysOfJson(text)?.value
  const [, accessKeyId, secretAccessKey, sessionToken] = PAIR.exec(text) ?? []
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined
  return { accessKeyId, secretAccessKey, sessionToken }
}

/** Keys with their end, as IMDS, the container endpoint and `aws sts` print them. Undefined = no keys. */
export function keysOfJson(text: string): Token<AwsKeys> | undefined {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return undefined
  }
  const found = isObject(json) && isObject(json.Credentials) ? json.Credentials : json
  if (!isObject(found)) return undefined
  const member = (...names: readonly string[]) => {
    for (const name of names) {
      const value = textOf(found[name])
      if (value !== undefined) return value
    }
    return undefined
  }
  const accessKeyId = member('AccessKeyId', 'accessKeyId', 'aws_access_key_id')
  const secretAccessKey = member('SecretAccessKey', 'secretAccessKey', 'aws_secret_access_key')
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined
  const sessionToken = member('SessionToken', 'sessionToken', 'Token', 'aws_session_token')
  return {
    value: { accessKeyId, secretAccessKey, sessionToken },
    expiresAtMs: endOf(member('Expiration', 'expiration')),
  }
}

/** ISO 8601 → epoch ms; nothing said = for ever. */
export function endOf(text: string | undefined): number {
  const at = text === undefined ? Number.NaN : Date.parse(text)
  return Number.isNaN(at) ? Number.POSITIVE_INFINITY : at
}
