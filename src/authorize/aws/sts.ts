/** AWS's token service: a role for a key pair, or for a token that somebody else signed. docs.aws.amazon.com/STS/latest/APIReference */
import type { UpstreamRequest } from '../../terms.ts'
import { ask } from '../ask.ts'
import type { SigningDeps } from '../schemes.ts'
import type { Token } from '../tokens.ts'
import { type AwsKeys, endOf, noKeys } from './keys.ts'
import { signedHeaders } from './sign.ts'

export interface Role {
  readonly arn: string
  /** Undefined = `switchgate-<epoch ms>`. */
  readonly sessionName: string | undefined
  readonly externalId?: string | undefined
  /** Seconds, as text; undefined = the role's own default. */
  readonly duration?: string | undefined
}

/** China has a partition, and a domain, of its own. */
export const domainOf = (region: string): string =>
  region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'

/** The role for somebody who holds keys (AssumeRole). */
export async function assumeRole(
  role: Role,
  keys: AwsKeys,
  region: string,
  deps: SigningDeps,
): Promise<Token<AwsKeys>> {
  const question = questionOf('AssumeRole', role, {}, region, deps)
  const url = new URL(question.url)
  const request: UpstreamRequest = {
    origin: url.origin,
    path: url.pathname,
    method: 'POST',
    headers: [],
    body: new TextEncoder().encode(question.body),
  }
  const signed = await signedHeaders(request, keys, { region, service: 'sts' }, deps.now(), new Map())
  return answered(
    await ask({ ...question, headers: [...question.headers, ...signed] }, deps.send, deps.pause),
  )
}

/** The role for a token that the role trusts (AssumeRoleWithWebIdentity); not signed, the token is the proof. */
export async function assumeRoleWithToken(
  role: Role,
  token: string,
  region: string,
  deps: SigningDeps,
): Promise<Token<AwsKeys>> {
  const more = { WebIdentityToken: token.trim() }
  const question = questionOf('AssumeRoleWithWebIdentity', role, more, region, deps)
  return answered(await ask(question, deps.send, deps.pause))
}

function questionOf(
  action: string,
  role: Role,
  more: Readonly<Record<string, string>>,
  region: string,
  deps: SigningDeps,
) {
  const body = new URLSearchParams({
    Action: action,
    Version: '2011-06-15',
    RoleArn: role.arn,
    RoleSessionName: role.sessionName ?? `switchgate-${deps.now()}`,
    ...(role.externalId !== undefined && { ExternalId: role.externalId }),
    ...(role.duration !== undefined && { DurationSeconds: role.duration }),
    ...more,
  })
  // the SDKs' own variable for another address of this service
  const own = deps.env('AWS_ENDPOINT_URL_STS')?.replace(/\/+$/, '')
  return {
    url: `${own ?? `https://sts.${region}.${domainOf(region)}`}/`,
    headers: ['content-type', 'application/x-www-form-urlencoded; charset=utf-8'],
    body: body.toString(),
  }
}

/** The text of the first element of this name; keys and times hold nothing that XML would escape. */
const element = (xml: string, name: string): string | undefined =>
  new RegExp(`<${name}>([^<]+)</${name}>`).exec(xml)?.[1]

function answered({ status, text }: { status: number; text: string }): Token<AwsKeys> {
  if (status !== 200) {
    const code = /^[\w.]{1,64}$/.exec(element(text, 'Code') ?? '')?.[0] ?? 'no reason given'
    throw noKeys(`AWS's token service refused the role (status ${status}, ${code})`)
  }
  const accessKeyId = element(text, 'AccessKeyId')
  const secretAccessKey = element(text, 'SecretAccessKey')
  const sessionToken = element(text, 'SessionToken')
  if (accessKeyId === undefined || secretAccessKey === undefined || sessionToken === undefined)
    throw noKeys("AWS's token service answered without keys")
  return {
    value: { accessKeyId, secretAccessKey, sessionToken },
    expiresAtMs: endOf(element(text, 'Expiration')),
  }
}
