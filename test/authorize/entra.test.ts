/** Azure's credentials against local token endpoints that check what they are given. */
import { afterEach, describe, expect, it } from 'vitest'
import { cloudOf } from '../../src/authorize/azure/identity.ts'
import { entra } from '../../src/authorize/entra.ts'
import type { UpstreamRequest } from '../../src/terms.ts'
import {
  type Answer,
  createRig,
  type Rig,
  type RigOptions,
  shows,
  startTokenServer,
  type TokenServer,
} from './token-servers.ts'

const ORIGIN = 'https://my-resource.openai.azure.com'
const REQUEST: UpstreamRequest = { origin: ORIGIN, path: '/x', method: 'POST', headers: [] }
const SCOPE = 'https://cognitiveservices.azure.com/.default'
const APP = { tenant_id: 'tenant-1', client_id: 'client-1', client_secret: 'se~cret.of-the-app' }

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map(one => one.close()))
})

async function serverOf(answer: Answer): Promise<TokenServer> {
  const server = await startTokenServer(answer)
  open.push(server)
  return server
}

function rigOf(options: RigOptions): Rig {
  const rig = createRig(options)
  open.push(rig)
  return rig
}

const made = (rig: Rig, secret: unknown) =>
  entra({
    secret: typeof secret === 'string' ? secret : JSON.stringify(secret),
    options: {},
    origin: ORIGIN,
    deps: rig.deps,
  })

function signed(rig: Rig, secret: unknown): Promise<readonly string[]> {
  const authorization = made(rig, secret)
  if (!('sign' in authorization)) throw new Error(JSON.stringify(authorization))
  return authorization.sign(REQUEST)
}

const grant = (token: string) => ({ body: { token_type: 'Bearer', expires_in: 3599, access_token: token } })

describe('an app registration', () => {
  it.each([
    ['as the documentation names it', APP],
    [
      'as az prints it with --sdk-auth',
      { clientId: 'client-1', clientSecret: 'se~cret.of-the-app', tenantId: 'tenant-1', subscriptionId: 's' },
    ],
    [
      'as az prints it',
      { appId: 'client-1', displayName: 'x', password: 'se~cret.of-the-app', tenant: 'tenant-1' },
    ],
  ])('gets a token by its secret, %s', async (_, secret) => {
    const server = await serverOf(() => grant('entra-token'))
    const rig = rigOf({ allow: [server.host], env: { AZURE_AUTHORITY_HOST: `${server.origin}/` } })
    expect(await signed(rig, secret)).toEqual(['authorization', 'Bearer entra-token'])
    expect(server.asked[0]?.url).toBe('/tenant-1/oauth2/v2.0/token')
    expect(Object.fromEntries(server.asked[0]?.form ?? [])).toEqual({
      grant_type: 'client_credentials',
      client_id: 'client-1',
      scope: SCOPE,
      client_secret: 'se~cret.of-the-app',
    })
    expect(rig.remembered).toEqual(expect.arrayContaining(['se~cret.of-the-app', 'entra-token']))
    expect(shows(rig.logs, rig.remembered)).toEqual([])
  })

  it('asks once for many requests and again ahead of the end', async () => {
    const server = await serverOf((_, n) => grant(`token-${n}`))
    const rig = rigOf({ allow: [server.host], env: { AZURE_AUTHORITY_HOST: server.origin } })
    const authorization = made(rig, APP)
    if (!('sign' in authorization)) throw new Error('no signer')
    const all = await Promise.all(Array.from({ length: 20 }, () => authorization.sign(REQUEST)))
    expect(new Set(all.map(headers => headers[1]))).toEqual(new Set(['Bearer token-1']))
    rig.nowMs += 3_600_000
    expect((await authorization.sign(REQUEST))[1]).toBe('Bearer token-2')
    expect(server.asked).toHaveLength(2)
  })

  it('is a bad credential when refused, with codes and no prose', async () => {
    const body = {
      error: 'invalid_client',
      error_description: 'AADSTS7000215: Invalid client secret provided for app client-1',
      error_codes: [7000215],
    }
    const server = await serverOf(() => ({ status: 401, body }))
    const rig = rigOf({ allow: [server.host], env: { AZURE_AUTHORITY_HOST: server.origin } })
    await expect(signed(rig, APP)).rejects.toMatchObject({
      kind: 'bad_credential',
      message: 'Microsoft Entra refused the credential (status 401, invalid_client, AADSTS7000215).',
    })
    expect(shows(rig.logs, ['client-1', APP.client_secret])).toEqual([])
  })

  it.each([
    [{ body: {} }, 'bad_credential'],
    [{ body: { access_token: 'x' } }, 'bad_credential'],
    [{ body: 'null' }, 'bad_credential'],
    [{ status: 503, body: '' }, 'overloaded'],
    [{ status: 400, body: '[]' }, 'bad_credential'],
  ] as const)('%j is %s', async (answer, kind) => {
    const server = await serverOf(() => answer)
    const rig = rigOf({ allow: [server.host], env: { AZURE_AUTHORITY_HOST: server.origin } })
    await expect(signed(rig, APP)).rejects.toMatchObject({ kind })
  })
})

describe('what the machine has', () => {
  it('the identity of a virtual machine', async () => {
    // the service's address is fixed, so the way to it leads to the local server here
    const server = await serverOf(() => ({
      body: { access_token: 'vm-token', expires_in: '86399', expires_on: '1700086399', resource: 'r' },
    }))
    const rig = rigOf({ metadata: [server.host] })
    const asked: string[] = []
    const { metadata } = rig.deps
    const deps = {
      ...rig.deps,
      metadata: (request: UpstreamRequest, to: Parameters<NonNullable<typeof metadata>>[1]) => {
        asked.push(request.origin)
        return (metadata as NonNullable<typeof metadata>)({ ...request, origin: server.origin }, to)
      },
    }
    const at = (secret: string) => signed({ ...rig, deps } as Rig, secret)
    expect(await at('azure://default')).toEqual(['authorization', 'Bearer vm-token'])
    expect(await at('azure://managed-identity/1111-2222')).toEqual(['authorization', 'Bearer vm-token'])
    expect(asked).toEqual(['http://169.254.169.254', 'http://169.254.169.254'])
    expect(server.asked.map(one => one.url)).toEqual([
      '/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fcognitiveservices.azure.com',
      '/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fcognitiveservices.azure.com&client_id=1111-2222',
    ])
    expect(server.asked[0]?.headers.metadata).toBe('true')
  })

  it('the identity of an app, whose end is told as a time', async () => {
    const server = await serverOf((_, n) => ({
      body: { access_token: `app-token-${n}`, expires_on: String(1_700_000_000 + 3600), resource: 'r' },
    }))
    const env = { IDENTITY_ENDPOINT: `${server.origin}/msi/token`, IDENTITY_HEADER: 'the-header-secret' }
    const rig = rigOf({ metadata: [server.host], env })
    const authorization = made(rig, 'azure://default')
    if (!('sign' in authorization)) throw new Error('no signer')
    expect(await authorization.sign(REQUEST)).toEqual(['authorization', 'Bearer app-token-1'])
    expect(await authorization.sign(REQUEST)).toEqual(['authorization', 'Bearer app-token-1'])
    rig.nowMs += 3_600_000
    server.answer = () => ({ body: { access_token: 'app-token-9', expires_on: '1700009999' } })
    expect(await authorization.sign(REQUEST)).toEqual(['authorization', 'Bearer app-token-9'])
    expect(server.asked[0]?.url).toBe(
      '/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fcognitiveservices.azure.com',
    )
    expect(server.asked[0]?.headers['x-identity-header']).toBe('the-header-secret')
    expect(rig.remembered).toContain('the-header-secret')
  })

  it('the workload identity of a cluster, whose token file changes', async () => {
    const server = await serverOf((_, n) => grant(`workload-${n}`))
    const files: Record<string, string> = { '/var/run/token': 'projected-1\n' }
    const env = {
      AZURE_AUTHORITY_HOST: `${server.origin}/`,
      AZURE_TENANT_ID: 't',
      AZURE_CLIENT_ID: 'c',
      AZURE_FEDERATED_TOKEN_FILE: '/var/run/token',
    }
    const rig = rigOf({ allow: [server.host], env, files })
    const authorization = made(rig, 'azure://default')
    if (!('sign' in authorization)) throw new Error('no signer')
    expect(await authorization.sign(REQUEST)).toEqual(['authorization', 'Bearer workload-1'])
    files['/var/run/token'] = 'projected-2\n'
    rig.nowMs += 3_600_000
    expect(await authorization.sign(REQUEST)).toEqual(['authorization', 'Bearer workload-2'])
    expect(server.asked.map(one => one.form.get('client_assertion'))).toEqual(['projected-1', 'projected-2'])
    expect(server.asked[0]?.form.get('client_assertion_type')).toBe(
      'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    )
    expect(server.asked[0]?.form.has('client_secret')).toBe(false)
  })

  it('an app registration of the environment goes first', async () => {
    const server = await serverOf(() => grant('of-the-environment'))
    const env = {
      AZURE_AUTHORITY_HOST: server.origin,
      AZURE_TENANT_ID: 't',
      AZURE_CLIENT_ID: 'c',
      AZURE_CLIENT_SECRET: 'environment-secret',
      AZURE_FEDERATED_TOKEN_FILE: '/nowhere',
    }
    const rig = rigOf({ allow: [server.host], env })
    expect(await signed(rig, 'azure://default')).toEqual(['authorization', 'Bearer of-the-environment'])
    expect(server.asked[0]?.form.get('client_secret')).toBe('environment-secret')
    expect(rig.remembered).toContain('environment-secret')
  })

  it.each([
    ['azure://managed-identity', {}, 'There is no managed identity here.'],
    [
      'azure://workload-identity',
      {},
      /needs AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_FEDERATED_TOKEN_FILE/,
    ],
    [
      'azure://workload-identity/c',
      { AZURE_TENANT_ID: 't', AZURE_FEDERATED_TOKEN_FILE: '/nowhere' },
      'The file of AZURE_FEDERATED_TOKEN_FILE does not exist or is empty.',
    ],
  ])('%s says what is missing', async (reference, env, message) => {
    await expect(signed(rigOf({ env }), reference)).rejects.toMatchObject({
      kind: 'bad_credential',
      message: typeof message === 'string' ? message : expect.stringMatching(message),
    })
  })
})

describe('plain texts', () => {
  it.each([
    ['0123456789abcdef0123456789abcdef', { headers: ['api-key', '0123456789abcdef0123456789abcdef'] }],
    ['eyJhbGciOi.eyJhdWQi.c2ln', { headers: ['authorization', 'Bearer eyJhbGciOi.eyJhdWQi.c2ln'] }],
    ['azure://nonsense', { why: expect.stringContaining('azure://default') }],
    ['azure://default/client', { why: expect.stringContaining('azure://default') }],
    ['{"tenant_id":"t"}', { why: expect.stringContaining('tenant_id, client_id and client_secret') }],
    ['{"tenant_id":"../x","client_id":"c","client_secret":"s"}', { why: expect.any(String) }],
    ['two words', { why: expect.stringContaining('white space') }],
  ])('%s', (secret, want) => {
    expect(made(rigOf({}), secret)).toEqual(want)
  })
})

it.each([
  [
    'https://r.openai.azure.us',
    undefined,
    'https://login.microsoftonline.us',
    'https://cognitiveservices.azure.us',
  ],
  [
    'https://r.openai.azure.cn',
    undefined,
    'https://login.chinacloudapi.cn',
    'https://cognitiveservices.azure.cn',
  ],
  [ORIGIN, undefined, 'https://login.microsoftonline.com', 'https://cognitiveservices.azure.com'],
  [ORIGIN, 'https://login.own.example/', 'https://login.own.example', 'https://cognitiveservices.azure.com'],
])('tokens for %s are asked for at the right cloud', (origin, host, authority, resource) => {
  expect(cloudOf(origin, host)).toEqual({ authority, resource })
})
