/**
 * Google's credential files → access tokens: service accounts, gcloud users, workload identity federation, impersonation.
 * Forms: cloud.google.com "How Application Default Credentials works"; google.aip.dev/auth/4112 (service account),
 * 4113 (user), 4117 (external account).
 */
import { z } from 'zod'
import { GatewayError } from '../../errors.ts'
import { ask, type Question } from '../ask.ts'
import type { SigningDeps } from '../schemes.ts'
import type { Token } from '../tokens.ts'
import { subjectToken, subjectSource } from './subject.ts'

/** The finished authorization, as flat headers. Rejects with GatewayError; messages name the step and Google's error code, never a secret. */
export type GoogleSource = () => Promise<Token<readonly string[]>>

type TokenSource = () => Promise<Token<string>>

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform'
const TOKEN_URI = 'https://oauth2.googleapis.com/token'
const FORM = ['content-type', 'application/x-www-form-urlencoded']
const LIFETIME_SECONDS = 3_600

export const googleFault = (message: string, cause?: unknown): GatewayError =>
  new GatewayError('bad_credential', message, { cause })

const text = z.string().min(1)
const serviceAccount = z.looseObject({
  type: z.literal('service_account'),
  client_email: text,
  private_key: text,
  private_key_id: text.optional(),
  token_uri: z.url().default(TOKEN_URI),
})
const user = z.looseObject({
  type: z.literal('authorized_user'),
  client_id: text,
  client_secret: text,
  refresh_token: text,
  token_uri: z.url().default(TOKEN_URI),
  quota_project_id: text.optional(),
})
const external = z.looseObject({
  type: z.literal('external_account'),
  audience: text,
  subject_token_type: text,
  token_url: z.url(),
  credential_source: subjectSource,
  service_account_impersonation_url: z.url().optional(),
  workforce_pool_user_project: text.optional(),
  client_id: text.optional(),
  client_secret: text.optional(),
  quota_project_id: text.optional(),
})
const inner = z.discriminatedUnion('type', [serviceAccount, user, external])
const impersonated = z.looseObject({
  type: z.literal('impersonated_service_account'),
  service_account_impersonation_url: z.url(),
  source_credentials: inner,
  delegates: z.array(text).optional(),
  quota_project_id: text.optional(),
})
const file = z.discriminatedUnion('type', [serviceAccount, user, external, impersonated])
type CredentialFile = z.infer<typeof file>

/** What a credential file is good for, or why it is good for nothing; `why` names members, never values. */
export function sourceOfFile(json: string, deps: SigningDeps): GoogleSource | { readonly why: string } {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return { why: 'it begins as JSON, but is none' }
  }
  const read = file.safeParse(value)
  if (!read.success) return { why: whyNoFile(value, read.error) }
  for (const secret of secretsIn(read.data)) deps.remember(secret)
  const quotaProject = read.data.quota_project_id
  // Users have no project of their own that calls could be counted to (cloud.google.com, "quota project").
  const isNamed = typeof quotaProject === 'string' && /^[\w.:-]{1,100}$/.test(quotaProject)
  return bearing(sourceOf(read.data, deps), deps, isNamed ? ['x-goog-user-project', quotaProject] : [])
}

/** Puts each token of a source into a header, and where no log line can show it. */
export const bearing =
  (source: TokenSource, deps: SigningDeps, more: readonly string[] = []): GoogleSource =>
  async () => {
    const { value, expiresAtMs } = await source()
    if (!/^[\x21-\x7e]{1,16384}$/.test(value))
      throw googleFault('Google sent a token that no header can carry.')
    deps.remember(value)
    return { value: ['authorization', `Bearer ${value}`, ...more], expiresAtMs }
  }

function whyNoFile(value: unknown, error: z.ZodError): string {
  const type: unknown = (value as { type?: unknown } | null)?.type
  const known = ['service_account', 'authorized_user', 'external_account', 'impersonated_service_account']
  if (typeof type !== 'string' || !known.includes(type))
    return `it is no credential file of Google's: "type" must be one of ${known.join(', ')}`
  const issue = error.issues[0]
  const place = issue?.path.join('.') ?? ''
  // A message of our own for sources that are not supported; zod's own words hold no values.
  return `its member "${place}" cannot be used: ${issue?.message ?? 'wrong'}`
}

function* secretsIn(credential: CredentialFile): Generator<string> {
  if (credential.type === 'service_account') yield credential.private_key
  if (credential.type === 'authorized_user') yield credential.refresh_token
  if ('client_secret' in credential && typeof credential.client_secret === 'string')
    yield credential.client_secret
  if (credential.type === 'impersonated_service_account') yield* secretsIn(credential.source_credentials)
}

function sourceOf(credential: CredentialFile, deps: SigningDeps): TokenSource {
  switch (credential.type) {
    case 'service_account':
      return () => serviceAccountToken(credential, deps)
    case 'authorized_user':
      return () => userToken(credential, deps)
    case 'external_account':
      return () => federatedToken(credential, deps)
    case 'impersonated_service_account': {
      const source = sourceOf(credential.source_credentials, deps)
      const { service_account_impersonation_url: url, delegates } = credential
      return async () => impersonate(url, (await source()).value, deps, delegates)
    }
  }
}

/** A signed statement of who we are, for a token (RFC 7523). */
async function serviceAccountToken(
  account: z.infer<typeof serviceAccount>,
  deps: SigningDeps,
): Promise<Token<string>> {
  // Loaded when asked for: a gateway without service accounts never pays for it.
  const { importPKCS8, SignJWT } = await import('jose')
  // Keys that went through an environment variable have their line ends written out.
  const pem = account.private_key.replaceAll('\\n', '\n')
  const key = await importPKCS8(pem, 'RS256').catch((cause: unknown) => {
    throw googleFault('The private key of the service account cannot be read.', cause)
  })
  const nowSeconds = Math.floor(deps.now() / 1000)
  const kid = account.private_key_id
  const assertion = await new SignJWT({ scope: SCOPE })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...(kid !== undefined && { kid }) })
    .setIssuer(account.client_email)
    .setAudience(account.token_uri)
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + LIFETIME_SECONDS)
    .sign(key)
  const grant = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion }
  return tokenFrom('the service account', formTo(account.token_uri, grant), deps)
}

function userToken(credential: z.infer<typeof user>, deps: SigningDeps): Promise<Token<string>> {
  const { client_id, client_secret, refresh_token, token_uri } = credential
  const grant = { grant_type: 'refresh_token', client_id, client_secret, refresh_token }
  return tokenFrom('the user credential', formTo(token_uri, grant), deps)
}

/** Somebody else's token for one of Google's (RFC 8693), and that for a service account's where the file says so. */
async function federatedToken(
  credential: z.infer<typeof external>,
  deps: SigningDeps,
): Promise<Token<string>> {
  const project = credential.workforce_pool_user_project
  const grant = {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    audience: credential.audience,
    scope: SCOPE,
    requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    subject_token_type: credential.subject_token_type,
    subject_token: await subjectToken(credential.credential_source, deps),
    ...(project !== undefined && { options: JSON.stringify({ userProject: project }) }),
  }
  const { client_id: id, client_secret: secret } = credential
  const basic = id === undefined ? [] : ['authorization', `Basic ${btoa(`${id}:${secret ?? ''}`)}`]
  const question = formTo(credential.token_url, grant, basic)
  const federated = await tokenFrom('the federated identity', question, deps)
  const url = credential.service_account_impersonation_url
  return url === undefined ? federated : impersonate(url, federated.value, deps)
}

const formTo = (
  url: string,
  form: Readonly<Record<string, string>>,
  headers: readonly string[] = [],
): Question => ({ url, headers: [...FORM, ...headers], body: new URLSearchParams(form).toString() })

const granted = z.looseObject({ access_token: text, expires_in: z.coerce.number().positive() })

/** Asks a token endpoint. What it refuses is a bad credential; what it cannot say now is its own trouble. */
export async function tokenFrom(
  what: string,
  question: Question,
  deps: SigningDeps,
  send = deps.send,
): Promise<Token<string>> {
  const askedAtMs = deps.now()
  const reply = await ask(question, send, deps.pause)
  if (reply.status !== 200) throw refusedBy(what, reply)
  const read = granted.safeParse(jsonOf(reply.text))
  if (!read.success) throw googleFault(`Google answered without an access token for ${what}.`)
  return { value: read.data.access_token, expiresAtMs: askedAtMs + read.data.expires_in * 1000 }
}

const impersonation = z.looseObject({ accessToken: text, expireTime: text })

/** A service account's token for a token of somebody who may use it (IAM Credentials API, generateAccessToken). */
async function impersonate(
  url: string,
  token: string,
  deps: SigningDeps,
  delegates: readonly string[] = [],
): Promise<Token<string>> {
  deps.remember(token)
  const body = {
    scope: [SCOPE],
    lifetime: `${LIFETIME_SECONDS}s`,
    ...(delegates.length > 0 && { delegates }),
  }
  const headers = ['content-type', 'application/json', 'authorization', `Bearer ${token}`]
  const what = 'the impersonated service account'
  const reply = await ask({ url, headers, body: JSON.stringify(body) }, deps.send, deps.pause)
  if (reply.status !== 200) throw refusedBy(what, reply)
  const read = impersonation.safeParse(jsonOf(reply.text))
  const expiresAtMs = read.success ? Date.parse(read.data.expireTime) : Number.NaN
  if (!read.success || Number.isNaN(expiresAtMs))
    throw googleFault(`Google answered without an access token for ${what}.`)
  return { value: read.data.accessToken, expiresAtMs }
}

export function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

/** OAuth's `error`, or `error.status` of Google's APIs: a code, never their prose. */
function refusedBy(what: string, { status, text: body }: { status: number; text: string }): GatewayError {
  const error = (jsonOf(body) as { error?: unknown } | undefined)?.error
  const code: unknown =
    typeof error === 'object' && error !== null ? (error as { status?: unknown }).status : error
  const said = typeof code === 'string' && /^[\w.-]{1,64}$/.test(code) ? `, ${code}` : ''
  const message = `Google refused ${what} (status ${status}${said}).`
  if (status === 429 || status >= 500) return new GatewayError('overloaded', message)
  return googleFault(message)
}
