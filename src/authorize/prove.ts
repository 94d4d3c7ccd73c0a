/** What to ask a cloud to learn whether a credential works. Used when an operator tests one, never by requests. */
import type { Site } from '../route/market.ts'

export interface Proof {
  /** Of a list of models, below the site's origin; undefined = there is none, and the token itself is the proof. */
  readonly path: string | undefined
  /** Flat, with the authorization. */
  readonly headers: readonly string[]
}

/** Undefined = a plain header does, as for every other host. Rejects as the scheme's `sign` does. */
export async function proofOf(
  site: Site,
  secret: string,
): Promise<Proof | { readonly why: string } | undefined> {
  if (site.auth !== 'google' && site.auth !== 'entra' && site.auth !== 'sigv4') return undefined
  const made = site.authorize?.(secret) ?? { why: 'requests cannot be signed here' }
  if ('why' in made) return made
  const path = listOf(site)
  const headers =
    'headers' in made
      ? made.headers
      : await made.sign({ origin: site.origin, path: path ?? '/', method: 'GET', headers: [] })
  return { path, headers }
}

function listOf({ auth, basePath, options }: Site): string | undefined {
  // `publishers.models.list` (cloud.google.com, Vertex AI REST reference) stands outside the project.
  if (auth === 'google')
    return `${basePath.replace(/\/projects\/[^/]+\/locations\/[^/]+/, '')}/models?pageSize=50`
  if (auth !== 'entra') return undefined
  const version = options?.api_version
  const query = version === undefined ? '' : `?api-version=${version}`
  return `${basePath.replace(/\/deployments(?:\/.*)?$/, '')}/models${query}`
}

/** How many models a list holds, under whichever name. */
export function countOf(body: unknown): number {
  const { data, models, publisherModels } = (body ?? {}) as Record<string, unknown>
  const list = Array.isArray(body) ? body : (data ?? models ?? publisherModels)
  return Array.isArray(list) ? list.length : 0
}
