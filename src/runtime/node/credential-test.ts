/** Asks a provider whether a secret works, with the official SDKs where there is one; through the same guarded way out as every request. */
import type { CredentialTest } from '../../admin/deps.ts'
import { countOf, proofOf } from '../../authorize/prove.ts'
import type { Send } from '../../terms.ts'
import type { Market, Site } from '../../route/market.ts'
import { sendFetch } from './send-fetch.ts'

const TIMEOUT_MS = 15_000

/** Lists one page of models with the secret. Never throws; the message holds no secret. */
export async function testCredential(
  provider: string,
  secret: string,
  market: Market,
  send: Send,
  scrub: (text: string) => string,
): Promise<CredentialTest> {
  const site = market.sites.find(s => s.name === provider && !s.builtIn)
  if (!site)
    return { ok: false, message: `${provider} is not a configured provider with an address`, asked: false }
  try {
    const proof = await proofOf(site, secret)
    if (proof && 'why' in proof) return { ok: false, message: `it cannot be used: ${proof.why}` }
    if (proof && proof.path === undefined) return { ok: true, message: 'keys or a token were given for it' }
    const count = proof
      ? await listCloud(site.origin + proof.path, proof.headers, sendFetch(send))
      : await listModels(site, secret, sendFetch(send))
    return { ok: true, message: `accepted; the provider lists ${count} models` }
  } catch (error) {
    const { status, kind } = error as { status?: unknown; kind?: unknown }
    const refused = status === 401 || status === 403
    const words = error instanceof Error ? error.message : 'no answer'
    const asked = refused
      ? 'the provider refused this credential'
      : `the provider could not be asked: ${words}`
    // A signing scheme names the step that failed, and no secret.
    const message = kind === 'bad_credential' ? words : asked
    return {
      ok: false,
      message: scrub(message).replaceAll(secret, '[secret]').slice(0, 300),
      asked: refused || kind === 'bad_credential',
    }
  }
}

async function listCloud(
  url: string,
  flat: readonly string[],
  fetch: typeof globalThis.fetch,
): Promise<number> {
  const headers: [string, string][] = []
  for (let i = 0; i < flat.length; i += 2) headers.push([flat[i] ?? '', flat[i + 1] ?? ''])
  const answer = await fetch(url, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) })
  if (answer.ok) return countOf(await answer.json())
  // Google refuses a bad key with 400.
  const status = answer.status === 400 ? 401 : answer.status
  throw Object.assign(new Error(`status ${answer.status}`), { status })
}

async function listModels(site: Site, secret: string, fetch: typeof globalThis.fetch): Promise<number> {
  const common = { fetch, maxRetries: 0, timeout: TIMEOUT_MS }
  if (site.auth === 'x-api-key') {
    // Anthropic's SDK adds the version segment itself
    const baseURL = site.origin + site.basePath.replace(/\/v1$/, '')
    // loaded when asked for: the SDKs would cost every start half a second
    const { default: Anthropic } = await import('@anthropic-ai/sdk')
    return (await new Anthropic({ ...common, apiKey: secret, baseURL }).models.list()).data.length
  }
  if (site.auth === 'x-goog-api-key') {
    const answer = await fetch(`${site.origin}${site.basePath}/models?pageSize=50`, {
      headers: { 'x-goog-api-key': secret },
    })
    if (!answer.ok)
      throw Object.assign(new Error(`status ${answer.status}`), {
        status: answer.status === 400 ? 401 : answer.status,
      })
    const { models } = (await answer.json()) as { models?: unknown }
    return Array.isArray(models) ? models.length : 0
  }
  const { default: OpenAI } = await import('openai')
  const client = new OpenAI({
    ...common,
    apiKey: secret,
    baseURL: site.origin + site.basePath,
    organization: null,
    project: null,
  })
  const { data } = await client.models.list()
  return Array.isArray(data) ? data.length : 0
}
