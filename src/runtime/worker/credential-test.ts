/** Asks a provider whether a secret works, through the same guarded way out as every request. */
import type { CredentialTest } from '../../admin/deps.ts'
import { credentialHeaders } from '../../authorize/headers.ts'
import { countOf, proofOf } from '../../authorize/prove.ts'
import type { Bytes } from '../../deps.ts'
import type { Market, Site } from '../../route/market.ts'
import type { Send } from '../../terms.ts'

const TIMEOUT_MS = 15_000
const BODY_BYTES_MAX = 8 << 20
/** Anthropic wants one on every route (platform.claude.com, API versioning). */
const ANTHROPIC_VERSION = ['anthropic-version', '2023-06-01']

interface Tools {
  readonly market: Market
  readonly send: Send
  readonly bytes: Bytes
  readonly scrub: (text: string) => string
}

/** Status and body of the provider's list of models. Rejects when there is no whole answer in time. */
function askModels(site: Site, path: string, headers: readonly string[], { send, bytes }: Tools) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    let status = 0
    let length = 0
    const parts: Uint8Array[] = []
    const more = site.auth === 'x-api-key' ? ANTHROPIC_VERSION : []
    const request = {
      origin: site.origin,
      path,
      method: 'GET',
      headers: ['accept', 'application/json', ...site.headers, ...more, ...headers],
    } as const
    const giveUp = (why: string) => {
      clearTimeout(timer)
      upstream.abort()
      reject(new Error(why))
    }
    const timer = setTimeout(() => giveUp('no answer in time'), TIMEOUT_MS)
    const upstream = send(request, {
      head: code => {
        status = code
      },
      chunk(part) {
        length += part.length
        if (length > BODY_BYTES_MAX) giveUp('the answer is too large')
        else parts.push(part)
      },
      end() {
        clearTimeout(timer)
        resolve({ status, text: bytes.text(bytes.concat(parts)) })
      },
      fail(error) {
        clearTimeout(timer)
        reject(error)
      },
    })
  })
}

/** Lists models with the secret. Never throws; the message holds no secret. */
export async function testCredential(
  provider: string,
  secret: string,
  tools: Tools,
): Promise<CredentialTest> {
  const site = tools.market.sites.find(each => each.name === provider && !each.builtIn)
  if (!site)
    return { ok: false, message: `${provider} is not a configured provider with an address`, asked: false }
  try {
    const proof = await proofOf(site, secret)
    if (proof && 'why' in proof) return { ok: false, message: `it cannot be used: ${proof.why}` }
    if (proof && proof.path === undefined) return { ok: true, message: 'keys or a token were given for it' }
    const headers = proof?.headers ?? credentialHeaders(site.auth, secret)
    if ('why' in headers) return { ok: false, message: `no header can carry this secret: ${headers.why}` }
    const { status, text } = await askModels(site, proof?.path ?? `${site.basePath}/models`, headers, tools)
    // Google refuses a bad key with 400.
    const isGoogles = site.auth === 'x-goog-api-key' || site.auth === 'google'
    const refused = status === 401 || status === 403 || (status === 400 && isGoogles)
    if (refused) return { ok: false, message: 'the provider refused this credential' }
    if (status !== 200)
      return { ok: false, message: `the provider could not be asked: status ${status}`, asked: false }
    return { ok: true, message: `accepted; the provider lists ${countOf(JSON.parse(text))} models` }
  } catch (error) {
    const words = error instanceof Error ? error.message : 'no answer'
    // A signing scheme names the step that failed, and no secret.
    const isSaid = (error as { kind?: unknown }).kind === 'bad_credential'
    const message = tools.scrub(isSaid ? words : `the provider could not be asked: ${words}`)
    return { ok: false, message: message.replaceAll(secret, '[secret]').slice(0, 300), asked: isSaid }
  }
}
