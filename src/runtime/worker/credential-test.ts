/** Asks a provider whether a secret works, through the same guarded way out as every request. */
import type { CredentialTest } from '../../admin/deps.ts'
import { credentialHeaders } from '../../authorize/headers.ts'
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
function askModels(site: Site, headers: readonly string[], { send, bytes }: Tools) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    let status = 0
    let length = 0
    const parts: Uint8Array[] = []
    const more = site.auth === 'x-api-key' ? ANTHROPIC_VERSION : []
    const request = {
      origin: site.origin,
      path: `${site.basePath}/models`,
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

function countOf(text: string): number {
  const body = JSON.parse(text) as { data?: unknown; models?: unknown }
  const list = Array.isArray(body) ? body : (body.data ?? body.models)
  return Array.isArray(list) ? list.length : 0
}

/** Lists models with the secret. Never throws; the message holds no secret. */
export async function testCredential(
  provider: string,
  secret: string,
  tools: Tools,
): Promise<CredentialTest> {
  const site = tools.market.sites.find(each => each.name === provider && !each.builtIn)
  if (!site) return { ok: false, message: `${provider} is not a configured provider with an address` }
  const headers = credentialHeaders(site.auth, secret)
  if ('why' in headers) return { ok: false, message: `no header can carry this secret: ${headers.why}` }
  try {
    const { status, text } = await askModels(site, headers, tools)
    // Gemini refuses a bad key with 400.
    const refused = status === 401 || status === 403 || (status === 400 && site.auth === 'x-goog-api-key')
    if (refused) return { ok: false, message: 'the provider refused this credential' }
    if (status !== 200) return { ok: false, message: `the provider could not be asked: status ${status}` }
    return { ok: true, message: `accepted; the provider lists ${countOf(text)} models` }
  } catch (error) {
    const words = error instanceof Error ? error.message : 'no answer'
    const message = tools.scrub(`the provider could not be asked: ${words}`)
    return { ok: false, message: message.replaceAll(secret, '[secret]').slice(0, 300) }
  }
}
