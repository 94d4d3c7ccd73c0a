/** Keys that AWS hands to a machine: the container endpoint (ECS, EKS Pod Identity) and the instance metadata service, version 2 only. */
import type { Send } from '../../terms.ts'
import { ask, type Reply } from '../ask.ts'
import type { SigningDeps } from '../schemes.ts'
import type { Token } from '../tokens.ts'
import { type AwsKeys, keysOfJson, noKeys } from './keys.ts'

const CONTAINER_ORIGIN = 'http://169.254.170.2'
const INSTANCE_ORIGIN = 'http://169.254.169.254'
/** It is on this machine's own link: silence means that it is not there. */
const TIMEOUT_MS = 2_000

function metadataOf(deps: SigningDeps): Send {
  if (deps.metadata !== undefined) return deps.metadata
  throw noKeys('there is no metadata service here')
}

async function heard(what: string, asking: Promise<Reply>): Promise<string> {
  const reply = await asking.catch((cause: unknown) => {
    throw noKeys(`${what} does not answer`, cause)
  })
  if (reply.status === 200) return reply.text
  throw noKeys(`${what} answered with status ${reply.status}`)
}

function keysIn(what: string, text: string): Token<AwsKeys> {
  const keys = keysOfJson(text)
  if (keys !== undefined) return keys
  throw noKeys(`${what} answered without keys`)
}

/** Hosts that a token may go to in clear: this machine, and the two endpoints (AWS SDKs' reference guide, "Container credential provider"). */
const PLAIN_HOSTS =
  /^(?:127\.\d+\.\d+\.\d+|localhost|\[::1\]|169\.254\.170\.2|169\.254\.170\.23|\[fd00:ec2::23\])$/

/** Undefined = this is no container that AWS gives keys to. */
export async function containerKeys(deps: SigningDeps): Promise<Token<AwsKeys> | undefined> {
  const relative = deps.env('AWS_CONTAINER_CREDENTIALS_RELATIVE_URI')
  const full = deps.env('AWS_CONTAINER_CREDENTIALS_FULL_URI')
  if (relative === undefined && full === undefined) return undefined
  const url = URL.parse(relative === undefined ? (full ?? '') : CONTAINER_ORIGIN + relative)
  if (url === null) throw noKeys('AWS_CONTAINER_CREDENTIALS_FULL_URI is not a URL')
  if (url.protocol !== 'https:' && !PLAIN_HOSTS.test(url.hostname))
    throw noKeys('AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, loopback, or the ECS or EKS endpoint')
  const what = 'the container credential endpoint'
  const token = await containerToken(deps)
  const headers = token === undefined ? [] : ['authorization', token]
  const way = url.protocol === 'https:' ? deps.send : metadataOf(deps)
  const asking = ask({ url: url.href, headers, timeoutMs: TIMEOUT_MS }, way, deps.pause)
  return keysIn(what, await heard(what, asking))
}

async function containerToken(deps: SigningDeps): Promise<string | undefined> {
  const path = deps.env('AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE')
  const token =
    path === undefined ? deps.env('AWS_CONTAINER_AUTHORIZATION_TOKEN') : await deps.readFile?.(path)
  if (path !== undefined && token === undefined)
    throw noKeys('the file of AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE does not exist')
  const bare = token?.trim()
  if (bare === undefined || bare === '') return undefined
  if (!/^[\x20-\x7e]+$/.test(bare)) throw noKeys('the container authorization token holds line breaks')
  return bare
}

/** The role of this machine. Undefined = the service is switched off or out of reach: this is no machine of AWS's. */
export async function instanceKeys(deps: SigningDeps): Promise<Token<AwsKeys> | undefined> {
  if (deps.env('AWS_EC2_METADATA_DISABLED')?.toLowerCase() === 'true' || deps.metadata === undefined)
    return undefined
  const origin = deps.env('AWS_EC2_METADATA_SERVICE_ENDPOINT')?.replace(/\/+$/, '') ?? INSTANCE_ORIGIN
  const what = 'the instance metadata service'
  const send = metadataOf(deps)
  const asked = (path: string, headers: readonly string[], method: 'GET' | 'PUT' = 'GET') =>
    ask({ url: origin + path, method, headers, timeoutMs: TIMEOUT_MS }, send, deps.pause)
  const lifetime = ['x-aws-ec2-metadata-token-ttl-seconds', '21600']
  const session = await asked('/latest/api/token', lifetime, 'PUT').catch(() => undefined)
  if (session === undefined) return undefined
  const token = await heard(what, Promise.resolve(session))
  const headers = ['x-aws-ec2-metadata-token', token.trim()]
  const path = '/latest/meta-data/iam/security-credentials/'
  const roles = await asked(path, headers)
  if (roles.status === 404) throw noKeys('this machine has no instance role')
  const role = (await heard(what, Promise.resolve(roles))).trim().split(/\s/)[0] ?? ''
  if (!/^[\w+=,.@-]{1,128}$/.test(role)) throw noKeys(`${what} named no role`)
  return keysIn(what, await heard(what, asked(path + role, headers)))
}
