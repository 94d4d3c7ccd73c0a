/** Google's application default credentials: the named file, gcloud's own file, the metadata server. cloud.google.com "How Application Default Credentials works" */
import type { SigningDeps } from '../schemes.ts'
import { bearing, type GoogleSource, googleFault, sourceOfFile, tokenFrom } from './files.ts'

/** Compute Engine, GKE, Cloud Run; by address, because the name resolves nowhere else. */
const METADATA_HOST = '169.254.169.254'
const PATH = '/computeMetadata/v1/instance/service-accounts/default/token'
/** It is on this machine's own link: silence means that it is not there. */
const TIMEOUT_MS = 3_000

/** The token of the machine's own service account. */
export function metadataSource(deps: SigningDeps): GoogleSource {
  const token = async () => {
    if (deps.metadata === undefined) throw googleFault('There is no metadata server here.')
    const host = deps.env('GCE_METADATA_HOST') ?? METADATA_HOST
    const question = {
      url: `http://${host}${PATH}`,
      headers: ['metadata-flavor', 'Google'],
      timeoutMs: TIMEOUT_MS,
    }
    return tokenFrom("this machine's service account", question, deps, deps.metadata)
  }
  return bearing(token, deps)
}

/** In Google's own order; the first that is there is asked, and its failure is the answer. */
export function ambientSource(deps: SigningDeps): GoogleSource {
  return async () => {
    const named = deps.env('GOOGLE_APPLICATION_CREDENTIALS')
    if (named !== undefined) {
      const content = await read(named, deps)
      if (content === undefined)
        throw googleFault('The file of GOOGLE_APPLICATION_CREDENTIALS does not exist.')
      return fromFile(content, 'of GOOGLE_APPLICATION_CREDENTIALS', deps)
    }
    const folder = deps.env('CLOUDSDK_CONFIG') ?? '~/.config/gcloud'
    const content = await read(`${folder}/application_default_credentials.json`, deps)
    if (content !== undefined) return fromFile(content, 'of gcloud', deps)
    return metadataSource(deps)()
  }
}

async function read(path: string, deps: SigningDeps): Promise<string | undefined> {
  return deps.readFile?.(path).catch((cause: unknown) => {
    throw googleFault('A credential file of Google Cloud cannot be read.', cause)
  })
}

function fromFile(content: string, whose: string, deps: SigningDeps): ReturnType<GoogleSource> {
  const source = sourceOfFile(content.trim(), deps)
  if ('why' in source) throw googleFault(`The credential file ${whose} is of no use: ${source.why}.`)
  return source()
}
