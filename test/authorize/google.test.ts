/** Google's credentials against local token endpoints that check what they are given: signatures, forms, headers, renewal. */
import { exportPKCS8, generateKeyPair, jwtVerify } from 'jose'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { google } from '../../src/authorize/google.ts'
import type { SchemeInput } from '../../src/authorize/schemes.ts'
import { GatewayError } from '../../src/errors.ts'
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

const REQUEST: UpstreamRequest = {
  origin: 'https://aiplatform.googleapis.com',
  path: '/x',
  method: 'POST',
  headers: [],
}
const SCOPE = 'https://www.googleapis.com/auth/cloud-platform'

let keys: CryptoKeyPair
let pem: string
beforeAll(async () => {
  keys = (await generateKeyPair('RS256', { extractable: true })) as CryptoKeyPair
  pem = await exportPKCS8(keys.privateKey)
})

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

function made(rig: Rig, secret: unknown, options: Record<string, string> = { project: 'p' }) {
  const text = typeof secret === 'string' ? secret : JSON.stringify(secret)
  const input: SchemeInput = { secret: text, options, origin: REQUEST.origin, deps: rig.deps }
  return google(input)
}

function signed(rig: Rig, secret: unknown): Promise<readonly string[]> {
  const authorization = made(rig, secret)
  if (!('sign' in authorization)) throw new Error(JSON.stringify(authorization))
  return authorization.sign(REQUEST)
}

const grant = (token: string, seconds = 3599) => ({
  body: { access_token: token, expires_in: seconds, token_type: 'Bearer' },
})

const account = (tokenUri: string, more: object = {}) => ({
  type: 'service_account',
  project_id: 'p',
  private_key_id: 'key-1',
  private_key: pem,
  client_email: 'robot@p.iam.gserviceaccount.com',
  token_uri: tokenUri,
  ...more,
})

describe('a service account', () => {
  it('gets a token for a signed statement that verifies', async () => {
    const server = await serverOf(() => grant('ya29.first'))
    const rig = rigOf({ allow: [server.host] })
    // jose checks exp against the wall clock unless it is told the time
    expect(await signed(rig, account(`${server.origin}/token`))).toEqual([
      'authorization',
      'Bearer ya29.first',
    ])
    const [asked] = server.asked
    expect(asked?.method).toBe('POST')
    expect(asked?.form.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer')
    const assertion = asked?.form.get('assertion') ?? ''
    const { payload, protectedHeader } = await jwtVerify(assertion, keys.publicKey, {
      issuer: 'robot@p.iam.gserviceaccount.com',
      audience: `${server.origin}/token`,
      currentDate: new Date(rig.nowMs),
    })
    expect(protectedHeader).toEqual({ alg: 'RS256', typ: 'JWT', kid: 'key-1' })
    expect(payload.scope).toBe(SCOPE)
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(3600)
  })

  it('with line ends written out, as environment variables hold them', async () => {
    const server = await serverOf(() => grant('ya29.x'))
    const rig = rigOf({ allow: [server.host] })
    const escaped = account(`${server.origin}/token`, { private_key: pem.replaceAll('\n', '\\n') })
    expect(await signed(rig, escaped)).toEqual(['authorization', 'Bearer ya29.x'])
  })

  it('asks once for many requests, ahead of the end again, and never shows a secret', async () => {
    const server = await serverOf(async (_, n) => {
      await new Promise(resolve => setTimeout(resolve, 20))
      return grant(`ya29.token-${n}`, 3600)
    })
    const rig = rigOf({ allow: [server.host] })
    const authorization = made(rig, account(`${server.origin}/token`))
    if (!('sign' in authorization)) throw new Error('no signer')
    const all = await Promise.all(Array.from({ length: 20 }, () => authorization.sign(REQUEST)))
    expect(new Set(all.map(headers => headers[1]))).toEqual(new Set(['Bearer ya29.token-1']))
    expect(server.asked).toHaveLength(1)
    // four minutes before the end: the old one still goes out while a new one is fetched
    rig.nowMs += 56 * 60_000
    expect((await authorization.sign(REQUEST))[1]).toBe('Bearer ya29.token-1')
    while (server.asked.length < 2) await new Promise(resolve => setTimeout(resolve, 5))
    await new Promise(resolve => setTimeout(resolve, 50))
    expect((await authorization.sign(REQUEST))[1]).toBe('Bearer ya29.token-2')
    expect(server.asked).toHaveLength(2)
    expect(rig.remembered).toEqual(expect.arrayContaining(['ya29.token-1', 'ya29.token-2', pem]))
    expect(shows(rig.logs, rig.remembered)).toEqual([])
  })

  it('is a bad credential when refused, with the code and no secret', async () => {
    const body = { error: 'invalid_grant', error_description: `Invalid JWT for ${'x'.repeat(20)}` }
    const server = await serverOf(() => ({ status: 400, body }))
    const rig = rigOf({ allow: [server.host] })
    const error = await signed(rig, account(`${server.origin}/token`)).catch((e: unknown) => e)
    expect(error).toBeInstanceOf(GatewayError)
    expect(error).toMatchObject({
      kind: 'bad_credential',
      message: 'Google refused the service account (status 400, invalid_grant).',
    })
    expect(rig.logs.join()).toContain('credential.not_fetched')
    expect(rig.logs.join()).not.toContain('xxxxxxxx')
  })

  it.each([500, 503, 429])('leaves status %i to another time', async status => {
    const server = await serverOf(() => ({ status, body: '<html>' }))
    const rig = rigOf({ allow: [server.host] })
    await expect(signed(rig, account(`${server.origin}/token`))).rejects.toMatchObject({ kind: 'overloaded' })
  })

  it('is not asked for at an address that the guard refuses', async () => {
    const server = await serverOf(() => grant('ya29.no'))
    const rig = rigOf({ allow: [] })
    await expect(signed(rig, account(`${server.origin}/token`))).rejects.toBeInstanceOf(Error)
    expect(server.asked).toEqual([])
  })

  it.each([
    ['no token', { body: {} }],
    ['no JSON', { body: 'hello' }],
    ['a token with a line break', { body: { access_token: 'a\nb', expires_in: 60 } }],
  ])('is a bad credential after %s', async (_, answer) => {
    const server = await serverOf(() => answer)
    const rig = rigOf({ allow: [server.host] })
    await expect(signed(rig, account(`${server.origin}/token`))).rejects.toMatchObject({
      kind: 'bad_credential',
    })
  })

  it('with a key that is none', async () => {
    const rig = rigOf({})
    const bad = account('https://oauth2.googleapis.com/token', { private_key: 'not a key' })
    await expect(signed(rig, bad)).rejects.toMatchObject({
      kind: 'bad_credential',
      message: 'The private key of the service account cannot be read.',
    })
  })
})

describe('other credential files', () => {
  it("a gcloud user's refresh token, counted to the quota project", async () => {
    const server = await serverOf(() => grant('ya29.user'))
    const rig = rigOf({ allow: [server.host] })
    const file = {
      type: 'authorized_user',
      client_id: 'id',
      client_secret: 'cs-secret',
      refresh_token: '1//refresh',
      quota_project_id: 'billing-project',
      token_uri: `${server.origin}/token`,
    }
    expect(await signed(rig, file)).toEqual([
      'authorization',
      'Bearer ya29.user',
      'x-goog-user-project',
      'billing-project',
    ])
    expect(Object.fromEntries(server.asked[0]?.form ?? [])).toEqual({
      grant_type: 'refresh_token',
      client_id: 'id',
      client_secret: 'cs-secret',
      refresh_token: '1//refresh',
    })
    expect(rig.remembered).toEqual(expect.arrayContaining(['1//refresh', 'cs-secret']))
  })

  const federation = (server: TokenServer, source: object, more: object = {}) => ({
    type: 'external_account',
    audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/k8s',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    token_url: `${server.origin}/v1/token`,
    credential_source: source,
    ...more,
  })

  it("exchanges a file's token at STS", async () => {
    const server = await serverOf(() => grant('federated'))
    const rig = rigOf({ allow: [server.host], files: { '/var/run/token': ' subject-jwt\n' } })
    expect(await signed(rig, federation(server, { file: '/var/run/token' }))).toEqual([
      'authorization',
      'Bearer federated',
    ])
    expect(Object.fromEntries(server.asked[0]?.form ?? [])).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/k8s',
      scope: SCOPE,
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      subject_token: 'subject-jwt',
    })
    expect(rig.remembered).toContain('subject-jwt')
  })

  it("exchanges an address's token, then a service account's for it", async () => {
    const expireTime = '2023-11-14T23:13:20Z'
    const server = await serverOf(asked => {
      if (asked.url === '/oidc') return { body: { value: 'subject-from-url' } }
      if (asked.url === '/v1/token') return grant('federated')
      return { body: { accessToken: 'ya29.impersonated', expireTime } }
    })
    const rig = rigOf({ allow: [], metadata: [server.host] })
    const outside = rigOf({ allow: [server.host] })
    const source = {
      url: `${server.origin}/oidc`,
      headers: { Authorization: 'Bearer of-the-runner' },
      format: { type: 'json', subject_token_field_name: 'value' },
    }
    const more = { service_account_impersonation_url: `${server.origin}/v1/robot:generateAccessToken` }
    // the subject token comes by the way to metadata services, the rest by the guarded way out
    const deps = { ...outside.deps, metadata: rig.deps.metadata }
    const both = { ...outside, deps } as Rig
    expect(await signed(both, federation(server, source, more))).toEqual([
      'authorization',
      'Bearer ya29.impersonated',
    ])
    expect(server.asked.map(asked => asked.url)).toEqual([
      '/oidc',
      '/v1/token',
      '/v1/robot:generateAccessToken',
    ])
    expect(server.asked[0]?.headers.authorization).toBe('Bearer of-the-runner')
    expect(server.asked[1]?.form.get('subject_token')).toBe('subject-from-url')
    expect(server.asked[2]?.headers.authorization).toBe('Bearer federated')
    expect(JSON.parse(server.asked[2]?.body ?? '')).toEqual({ scope: [SCOPE], lifetime: '3600s' })
    expect(outside.remembered).toEqual(
      expect.arrayContaining(['subject-from-url', 'federated', 'ya29.impersonated']),
    )
  })

  it('impersonates a service account for a user', async () => {
    const server = await serverOf(asked =>
      asked.url === '/token'
        ? grant('ya29.user')
        : { body: { accessToken: 'ya29.robot', expireTime: '2023-11-14T23:13:20Z' } },
    )
    const rig = rigOf({ allow: [server.host] })
    const file = {
      type: 'impersonated_service_account',
      delegates: ['projects/-/serviceAccounts/middle'],
      service_account_impersonation_url: `${server.origin}/impersonate`,
      source_credentials: {
        type: 'authorized_user',
        client_id: 'id',
        client_secret: 'cs',
        refresh_token: 'rt',
        token_uri: `${server.origin}/token`,
      },
    }
    expect(await signed(rig, file)).toEqual(['authorization', 'Bearer ya29.robot'])
    expect(JSON.parse(server.asked[1]?.body ?? '')).toMatchObject({
      delegates: ['projects/-/serviceAccounts/middle'],
    })
  })

  it.each([
    ['a missing file', { file: '/nowhere' }, 'The file of the federated token does not exist.'],
    [
      'a field that is not there',
      { file: '/there', format: { type: 'json', subject_token_field_name: 'id_token' } },
      'The federated token does not stand where the credential file says.',
    ],
  ])('%s is said', async (_, source, message) => {
    const server = await serverOf(() => grant('no'))
    const rig = rigOf({ allow: [server.host], files: { '/there': '{"other":"x"}' } })
    await expect(signed(rig, federation(server, source))).rejects.toMatchObject({
      kind: 'bad_credential',
      message,
    })
    expect(server.asked).toEqual([])
  })

  it.each([
    [{ type: 'service_account' }, /member "client_email"/],
    [{ type: 'robot' }, /"type" must be one of service_account, authorized_user/],
    [{ client_id: 'x' }, /no credential file of Google's/],
    [
      {
        type: 'external_account',
        audience: 'a',
        subject_token_type: 't',
        token_url: 'https://sts.googleapis.com/v1/token',
        credential_source: { executable: { command: 'rm' } },
      },
      /"credential_source" cannot be used: a token from a file or a url is supported/,
    ],
  ])('what cannot be used says why: %j', (file, why) => {
    const authorization = made(rigOf({}), file)
    expect('why' in authorization && authorization.why).toMatch(why)
  })
})

describe('what the machine has', () => {
  it('the metadata server', async () => {
    const server = await serverOf(() => grant('ya29.machine', 1800))
    const rig = rigOf({ metadata: [server.host], env: { GCE_METADATA_HOST: server.host } })
    expect(await signed(rig, 'gcp://metadata')).toEqual(['authorization', 'Bearer ya29.machine'])
    expect(server.asked[0]?.url).toBe('/computeMetadata/v1/instance/service-accounts/default/token')
    expect(server.asked[0]?.headers['metadata-flavor']).toBe('Google')
  })

  it('the default: the named file, then gcloud, then the metadata server', async () => {
    const server = await serverOf(asked => grant(asked.method === 'GET' ? 'by-metadata' : 'by-file'))
    const file = JSON.stringify(account(`${server.origin}/token`), null, 2)
    const at = (env: Record<string, string>, files: Record<string, string>) =>
      signed(
        rigOf({
          allow: [server.host],
          metadata: [server.host],
          env: { ...env, GCE_METADATA_HOST: server.host },
          files,
        }),
        'gcp://default',
      )
    const named = { GOOGLE_APPLICATION_CREDENTIALS: '/etc/key.json' }
    expect(await at(named, { '/etc/key.json': file })).toEqual(['authorization', 'Bearer by-file'])
    const gcloud = { '~/.config/gcloud/application_default_credentials.json': file }
    expect(await at({}, gcloud)).toEqual(['authorization', 'Bearer by-file'])
    expect(await at({}, {})).toEqual(['authorization', 'Bearer by-metadata'])
    await expect(at(named, gcloud)).rejects.toMatchObject({
      message: 'The file of GOOGLE_APPLICATION_CREDENTIALS does not exist.',
    })
  })

  it('nothing, where there is no metadata server', async () => {
    await expect(signed(rigOf({}), 'gcp://default')).rejects.toMatchObject({ kind: 'bad_credential' })
  })
})

describe('plain texts', () => {
  it.each([
    ['AIzaSyD-an-api-key', { headers: ['x-goog-api-key', 'AIzaSyD-an-api-key'] }],
    ['AQ.Ab8RN-key', { headers: ['x-goog-api-key', 'AQ.Ab8RN-key'] }],
    ['ya29.a0-ready', { headers: ['authorization', 'Bearer ya29.a0-ready'] }],
    ['gcp://nonsense', { why: expect.stringContaining('gcp://default') }],
    ['two words', { why: expect.stringContaining('white space') }],
    ['{"type":', { why: 'it begins as JSON, but is none' }],
  ])('%s', (secret, want) => {
    expect(made(rigOf({}), secret)).toEqual(want)
  })

  it('an account without a project says what is missing; a key needs none', () => {
    const rig = rigOf({})
    expect(made(rig, 'gcp://default', {})).toEqual({
      why: 'it needs options.project, or GOOGLE_CLOUD_PROJECT',
    })
    expect(made(rig, 'AIzaKey', {})).toEqual({ headers: ['x-goog-api-key', 'AIzaKey'] })
  })
})
