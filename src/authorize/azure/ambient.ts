/**
 * Identities that Azure gives to what runs in it: app registrations of the environment, workload identity of Kubernetes,
 * managed identities of App Service, Container Apps and virtual machines. learn.microsoft.com "DefaultAzureCredential".
 */
import type { SigningDeps } from '../schemes.ts'
import { clientCredentials, entraFault, type Identity, tokenFrom } from './identity.ts'

const IMDS = 'http://169.254.169.254/metadata/identity/oauth2/token'
/** It is on this machine's own link: silence means that it is not there. */
const TIMEOUT_MS = 3_000

/** In DefaultAzureCredential's order; the first that is set up is asked, and its failure is the answer. */
export function ambientIdentity(deps: SigningDeps): Identity {
  return cloud => {
    const [tenant, client, secret] = ['AZURE_TENANT_ID', 'AZURE_CLIENT_ID', 'AZURE_CLIENT_SECRET'].map(
      deps.env,
    )
    if (tenant && client && secret) {
      deps.remember(secret)
      return clientCredentials(tenant, client, async () => ({ client_secret: secret }), deps)(cloud)
    }
    if (deps.env('AZURE_FEDERATED_TOKEN_FILE') !== undefined) return workloadIdentity(deps, undefined)(cloud)
    return managedIdentity(deps, deps.env('AZURE_CLIENT_ID'))(cloud)
  }
}

/** The token that Kubernetes projects into a file, for one of Entra's (AKS workload identity). */
export function workloadIdentity(deps: SigningDeps, clientId: string | undefined): Identity {
  return async cloud => {
    const tenant = deps.env('AZURE_TENANT_ID')
    const client = clientId ?? deps.env('AZURE_CLIENT_ID')
    const path = deps.env('AZURE_FEDERATED_TOKEN_FILE')
    if (tenant === undefined || client === undefined || path === undefined)
      throw entraFault(
        'Workload identity needs AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_FEDERATED_TOKEN_FILE in the environment.',
      )
    const proof = async () => {
      const token = (await readFile(path, deps))?.trim()
      if (!token) throw entraFault('The file of AZURE_FEDERATED_TOKEN_FILE does not exist or is empty.')
      deps.remember(token)
      return {
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: token,
      }
    }
    return clientCredentials(tenant, client, proof, deps)(cloud)
  }
}

async function readFile(path: string, deps: SigningDeps): Promise<string | undefined> {
  return deps.readFile?.(path).catch((cause: unknown) => {
    throw entraFault('The file of AZURE_FEDERATED_TOKEN_FILE cannot be read.', cause)
  })
}

/** The identity of the app (IDENTITY_ENDPOINT) or of the virtual machine; a client id chooses one that users assigned. */
export function managedIdentity(deps: SigningDeps, clientId: string | undefined): Identity {
  return ({ resource }) => {
    const endpoint = deps.env('IDENTITY_ENDPOINT')
    const header = deps.env('IDENTITY_HEADER')
    if (deps.metadata === undefined) throw entraFault('There is no managed identity here.')
    const isApp = endpoint !== undefined && header !== undefined
    const url = URL.parse(isApp ? endpoint : IMDS)
    if (url === null) throw entraFault('IDENTITY_ENDPOINT is not a URL.')
    url.searchParams.set('api-version', isApp ? '2019-08-01' : '2018-02-01')
    url.searchParams.set('resource', resource)
    if (clientId !== undefined) url.searchParams.set('client_id', clientId)
    if (isApp) deps.remember(header)
    const headers = isApp ? ['x-identity-header', header] : ['metadata', 'true']
    const who = isApp ? "the app's identity endpoint" : 'the instance metadata service'
    return tokenFrom(who, { url: url.href, headers, timeoutMs: TIMEOUT_MS }, deps, deps.metadata)
  }
}
