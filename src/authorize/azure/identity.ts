/**
 * Microsoft Entra: an app registration → access tokens (OAuth 2.0 client credentials).
 * learn.microsoft.com "OAuth 2.0 client credentials flow on the Microsoft identity platform".
 */
import { z } from 'zod'
import { GatewayError } from '../../errors.ts'
import type { Send } from '../../terms.ts'
import { ask, type Question } from '../ask.ts'
import type { SigningDeps } from '../schemes.ts'
import type { Token } from '../tokens.ts'

/** Whom to ask for what: they differ between the public cloud and the sovereign ones. */
export interface AzureCloud {
  /** Without a slash at its end. */
  readonly authority: string
  /** Audience of the tokens, as in `https://cognitiveservices.azure.com`. */
  readonly resource: string
}

/** Fetches one access token. Rejects with GatewayError; messages name the step and Entra's error code, never a secret. */
export type Identity = (cloud: AzureCloud) => Promise<Token<string>>

export const entraFault = (message: string, cause?: unknown): GatewayError =>
  new GatewayError('bad_credential', message, { cause })

/**
 * Told by the address that is called. Sources: learn.microsoft.com "National clouds" (authorities), "Azure OpenAI in Azure
 * Government" and "Managed identity" (audiences); Foundry's own audience is from @anthropic-ai/foundry-sdk.
 */
export function cloudOf(origin: string, authorityHost: string | undefined): AzureCloud {
  const { hostname } = new URL(origin)
  const [authority, resource] = hostname.endsWith('.azure.us')
    ? ['https://login.microsoftonline.us', 'https://cognitiveservices.azure.us']
    : hostname.endsWith('.azure.cn')
      ? ['https://login.chinacloudapi.cn', 'https://cognitiveservices.azure.cn']
      : ['https://login.microsoftonline.com', 'https://cognitiveservices.azure.com']
  return { authority: (authorityHost ?? authority).replace(/\/+$/, ''), resource }
}

const text = z.string().min(1)
const id = z.string().regex(/^[\w.-]{1,128}$/)

/** The three ways in which Azure's own tools print the same thing. */
const registration = z.union([
  z
    .looseObject({ tenant_id: id, client_id: id, client_secret: text })
    .transform(r => ({ tenant: r.tenant_id, client: r.client_id, secret: r.client_secret })),
  // az ad sp create-for-rbac --sdk-auth
  z
    .looseObject({ tenantId: id, clientId: id, clientSecret: text })
    .transform(r => ({ tenant: r.tenantId, client: r.clientId, secret: r.clientSecret })),
  // az ad sp create-for-rbac
  z
    .looseObject({ tenant: id, appId: id, password: text })
    .transform(r => ({ tenant: r.tenant, client: r.appId, secret: r.password })),
])

/** An app registration's JSON, or why it is none; `why` shows no value. */
export function clientSecret(json: string, deps: SigningDeps): Identity | { readonly why: string } {
  const read = registration.safeParse(jsonOf(json))
  if (!read.success)
    return { why: 'it is no app registration: JSON with tenant_id, client_id and client_secret is expected' }
  const { tenant, client, secret } = read.data
  deps.remember(secret)
  return clientCredentials(tenant, client, async () => ({ client_secret: secret }), deps)
}

/** The grant: a client proves itself by its secret, or by somebody else's token about it. */
export function clientCredentials(
  tenant: string,
  client: string,
  proof: () => Promise<Readonly<Record<string, string>>>,
  deps: SigningDeps,
): Identity {
  return async ({ authority, resource }) => {
    const form = {
      grant_type: 'client_credentials',
      client_id: client,
      scope: `${resource}/.default`,
      ...(await proof()),
    }
    const question = {
      url: `${authority}/${encodeURIComponent(tenant)}/oauth2/v2.0/token`,
      headers: ['content-type', 'application/x-www-form-urlencoded'],
      body: new URLSearchParams(form).toString(),
    }
    return tokenFrom('Microsoft Entra', question, deps, deps.send)
  }
}

/** Managed identities send numbers as text, and the end of the token rather than its life. */
const seconds = z.coerce.number().positive().optional().catch(undefined)
const granted = z.looseObject({ access_token: text, expires_in: seconds, expires_on: seconds })

export async function tokenFrom(
  who: string,
  question: Question,
  deps: SigningDeps,
  send: Send,
): Promise<Token<string>> {
  const askedAtMs = deps.now()
  const reply = await ask(question, send, deps.pause)
  const body = jsonOf(reply.text)
  if (reply.status !== 200) throw refusedBy(who, reply.status, body)
  const read = granted.safeParse(body)
  if (!read.success) throw entraFault(`${who} answered without an access token.`)
  const { access_token: value, expires_in: life, expires_on: end } = read.data
  const expiresAtMs =
    life !== undefined ? askedAtMs + life * 1000 : end !== undefined ? end * 1000 : undefined
  if (expiresAtMs === undefined) throw entraFault(`${who} did not say when its token ends.`)
  return { value, expiresAtMs }
}

function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

/** `error` and the first of `error_codes` (AADSTS numbers): codes, never their prose. */
function refusedBy(who: string, status: number, body: unknown): GatewayError {
  const { error, error_codes: codes } = (body ?? {}) as { error?: unknown; error_codes?: unknown }
  const code = typeof error === 'string' && /^[\w.-]{1,64}$/.test(error) ? `, ${error}` : ''
  const number: unknown = Array.isArray(codes) ? codes[0] : undefined
  const aad = Number.isSafeInteger(number) ? `, AADSTS${number}` : ''
  const message = `${who} refused the credential (status ${status}${code}${aad}).`
  // 410 and 429: the metadata service asks to come back later ("How to use managed identities to acquire a token", retry guidance).
  if (status === 410 || status === 429 || status >= 500) return new GatewayError('overloaded', message)
  return entraFault(message)
}
