/**
 * AWS keys from every source, over real sockets, and signatures against what AWS publishes. The signature of the token
 * service's requests is worked out again here with node:crypto, from AWS's description alone.
 */
import { createHash, createHmac } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { signedHeaders } from '../../src/authorize/aws/sign.ts'
import { keysFrom } from '../../src/authorize/aws/keys.ts'
import { profilesIn } from '../../src/authorize/aws/profile.ts'
import { authorizationOf, type SigningDeps } from '../../src/authorize/schemes.ts'
import { createTokens } from '../../src/authorize/tokens.ts'
import { createGuard } from '../../src/egress/guard.ts'
import { createSend } from '../../src/runtime/node/send.ts'
import type { Send, UpstreamRequest } from '../../src/terms.ts'
import { startTokenServer, type TokenServer } from './token-servers.ts'

const NOW = Date.UTC(2026, 10, 22, 4, 0, 0)
const REQUEST: UpstreamRequest = {
  origin: 'https://bedrock-runtime.us-east-1.amazonaws.com',
  path: '/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fab/converse',
  method: 'POST',
  headers: ['content-type', 'application/json', 'x-amz-bedrock-x', 'a  b'],
  body: new TextEncoder().encode('{}'),
}
const KEYS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' }

const hex = (text: string | Uint8Array) => createHash('sha256').update(text).digest('hex')
const mac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()

/** Signature Version 4 as docs.aws.amazon.com "Create a signed AWS API request" has it; `path` is already encoded twice. */
function signatureOf(
  request: {
    method: string
    path: string
    headers: Readonly<Record<string, string>>
    body: Uint8Array | string
  },
  scope: { day: string; region: string; service: string; secret: string },
): string {
  const names = Object.keys(request.headers).sort()
  const canonical = [
    request.method,
    request.path,
    '',
    ...names.map(name => `${name}:${request.headers[name]?.replace(/\s+/g, ' ').trim()}`),
    '',
    names.join(';'),
    hex(request.body),
  ].join('\n')
  const { day, region, service, secret } = scope
  const date = request.headers['x-amz-date'] ?? ''
  const text = ['AWS4-HMAC-SHA256', date, `${day}/${region}/${service}/aws4_request`, hex(canonical)].join(
    '\n',
  )
  const key = mac(mac(mac(mac(`AWS4${secret}`, day), region), service), 'aws4_request')
  return mac(key, text).toString('hex')
}

const headersOf = (flat: readonly string[]) =>
  Object.fromEntries(Array.from({ length: flat.length / 2 }, (_, i) => [flat[i * 2], flat[i * 2 + 1]]))

describe('Signature Version 4', () => {
  test('AWS’s own test suite: post-vanilla', async () => {
    const made = await signedHeaders(
      { origin: 'https://example.amazonaws.com', path: '/', method: 'POST', headers: [] },
      { ...KEYS, sessionToken: undefined },
      { region: 'us-east-1', service: 'service' },
      Date.UTC(2015, 7, 30, 12, 36, 0),
      new Map(),
    )
    expect(headersOf(made)).toEqual({
      'x-amz-date': '20150830T123600Z',
      authorization:
        'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b',
    })
  })

  test('a path is encoded twice, x-amz headers and the session token are signed, others are not', async () => {
    const made = await signedHeaders(
      REQUEST,
      { ...KEYS, sessionToken: 'SESSION' },
      { region: 'us-east-1', service: 'bedrock' },
      NOW,
      new Map(),
    )
    const flat = headersOf(made)
    const signature = signatureOf(
      {
        method: 'POST',
        path: REQUEST.path.replaceAll('%', '%25'),
        headers: {
          host: 'bedrock-runtime.us-east-1.amazonaws.com',
          'x-amz-bedrock-x': 'a  b',
          'x-amz-date': '20261122T040000Z',
          'x-amz-security-token': 'SESSION',
        },
        body: '{}',
      },
      { day: '20261122', region: 'us-east-1', service: 'bedrock', secret: KEYS.secretAccessKey },
    )
    expect(flat['x-amz-security-token']).toBe('SESSION')
    expect(flat.authorization).toContain(
      'SignedHeaders=host;x-amz-bedrock-x;x-amz-date;x-amz-security-token,',
    )
    expect(flat.authorization).toContain(`Signature=${signature}`)
  })
})

describe('keys as text', () => {
  const key = 'AKIAIOSFODNN7EXAMPLE'
  const secret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
  test.each([
    [`${key}:${secret}`, undefined],
    [`${key}:${secret}:tok+en/==`, 'tok+en/=='],
    [JSON.stringify({ AccessKeyId: key, SecretAccessKey: secret, SessionToken: 't' }), 't'],
    [JSON.stringify({ accessKeyId: key, secretAccessKey: secret }), undefined],
    [JSON.stringify({ Credentials: { AccessKeyId: key, SecretAccessKey: secret } }), undefined],
  ])('%s', (text, sessionToken) => {
    expect(keysFrom(text)).toEqual({ accessKeyId: key, secretAccessKey: secret, sessionToken })
  })
  test.each(['', 'AKIA', `${key}:short`, '{', '{}', '[]', `${key}: ${secret}`])('%s is none', text => {
    expect(keysFrom(text)).toBeUndefined()
  })
})

test('profiles: both forms of sections, comments, nested settings, names that are no prototype', () => {
  const config = profilesIn(
    '\ufeff[default]\r\nregion = eu-west-1 # home\r\n[profile a b]\nROLE_ARN=arn:x\ns3 =\n  max = 4\n[sso-session x]\nsso = 1\n[profile __proto__]\nregion=x\n',
    'config',
  )
  expect([...config.keys()]).toEqual(['default', 'a b', '__proto__'])
  expect({ ...config.get('default') }).toEqual({ region: 'eu-west-1' })
  expect({ ...config.get('a b') }).toEqual({ role_arn: 'arn:x', s3: '' })
  const keys = profilesIn(
    '; x\n[a b]\naws_access_key_id = A\naws_secret_access_key=s#no;comment\n',
    'credentials',
  )
  expect({ ...keys.get('a b') }).toEqual({ aws_access_key_id: 'A', aws_secret_access_key: 's#no;comment' })
})

const FETCHED = {
  AccessKeyId: 'ASIAFETCHEDFETCHED00',
  SecretAccessKey: 'fetched-secret-access-key',
  Token: 'fetched-session-token',
  Expiration: new Date(NOW + 3_600_000).toISOString(),
}
const STS_ANSWER = (n: number) => `<R xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><X><Credentials>
  <AccessKeyId>ASIASTSSTSSTSSTSST0${n}</AccessKeyId><SecretAccessKey>sts-secret-access-key</SecretAccessKey>
  <SessionToken>sts-session-token</SessionToken><Expiration>${FETCHED.Expiration}</Expiration></Credentials></X></R>`

describe('sources', () => {
  let server: TokenServer
  let env: Record<string, string>
  let files: Record<string, string>
  let nowMs: number
  let log: string[]
  let remembered: string[]
  let metadataOrigins: string[]
  let out: ReturnType<typeof createSend>

  beforeAll(async () => {
    server = await startTokenServer(() => ({ body: {} }))
    out = createSend({ guard: createGuard([server.host]), connectTimeoutMs: 1_000, log: () => undefined })
  })
  afterAll(async () => {
    await out.destroy()
    await server.close()
  })
  beforeEach(() => {
    env = {}
    files = {}
    nowMs = NOW
    log = []
    remembered = []
    metadataOrigins = []
    server.asked.length = 0
    server.answer = (_, n) => ({ body: STS_ANSWER(n) })
  })

  function deps(): SigningDeps {
    // the real addresses are on the machine's link: what goes there ends at the local server
    const metadata: Send = (request, to) => {
      metadataOrigins.push(request.origin)
      return out({ ...request, origin: server.origin }, to)
    }
    return {
      now: () => nowMs,
      send: out,
      metadata,
      pause: ms => new Promise(resolve => void setTimeout(resolve, ms).unref()),
      env: name => env[name],
      readFile: async path => files[path],
      tokens: createTokens({ now: () => nowMs }),
      remember: secret => void remembered.push(secret),
      log: (level, event, fields) => void log.push(`${level} ${event} ${JSON.stringify(fields)}`),
    }
  }

  function signer(secret = 'aws://default') {
    const made = authorizationOf('sigv4', {
      secret,
      options: { region: 'eu-west-1' },
      origin: 'https://bedrock-runtime.eu-west-1.amazonaws.com',
      deps: deps(),
    })
    if (!('sign' in made)) throw new Error(JSON.stringify(made))
    return async () => headersOf(await made.sign(REQUEST))
  }
  const keyOf = (headers: Record<string, string | undefined>) =>
    /Credential=([^/]+)\//.exec(headers.authorization ?? '')?.[1]

  test('the environment comes first', async () => {
    env = {
      AWS_ACCESS_KEY_ID: 'AKIAENVENVENVENVENV0',
      AWS_SECRET_ACCESS_KEY: 'env-secret',
      AWS_SESSION_TOKEN: 's',
    }
    env.AWS_PROFILE = 'other'
    const headers = await signer()()
    expect(keyOf(headers)).toBe('AKIAENVENVENVENVENV0')
    expect(headers['x-amz-security-token']).toBe('s')
    expect(headers.authorization).toContain('/20261122/eu-west-1/bedrock/aws4_request')
    expect(server.asked).toHaveLength(0)
  })

  test('web identity: the token goes to STS unsigned, one request for many signatures, renewed ahead of the end', async () => {
    env = {
      AWS_WEB_IDENTITY_TOKEN_FILE: '/var/run/token',
      AWS_ROLE_ARN: 'arn:aws:iam::1:role/r',
      AWS_ROLE_SESSION_NAME: 'gate',
      AWS_ENDPOINT_URL_STS: server.origin,
    }
    files = { '/var/run/token': 'eyJ.first\n' }
    const sign = signer()
    const all = await Promise.all([sign(), sign(), sign()])
    expect(new Set(all.map(keyOf))).toEqual(new Set(['ASIASTSSTSSTSSTSST01']))
    expect(server.asked).toHaveLength(1)
    expect(Object.fromEntries(server.asked[0]?.form ?? [])).toEqual({
      Action: 'AssumeRoleWithWebIdentity',
      Version: '2011-06-15',
      RoleArn: 'arn:aws:iam::1:role/r',
      RoleSessionName: 'gate',
      WebIdentityToken: 'eyJ.first',
    })
    expect(server.asked[0]?.headers.authorization).toBeUndefined()
    expect(remembered).toEqual(['sts-secret-access-key', 'sts-session-token'])
    files['/var/run/token'] = 'eyJ.second'
    nowMs += 56 * 60_000
    expect(keyOf(await sign())).toBe('ASIASTSSTSSTSSTSST01')
    await expect.poll(() => server.asked.length).toBe(2)
    expect(server.asked[1]?.form.get('WebIdentityToken')).toBe('eyJ.second')
    await expect.poll(async () => keyOf(await sign())).toBe('ASIASTSSTSSTSSTSST02')
  })

  test('a profile with keys; the one named, else the default', async () => {
    files = {
      '~/.aws/credentials':
        '[default]\naws_access_key_id=AKIADEFAULTDEFAULT00\naws_secret_access_key=d\n[work]\naws_access_key_id=AKIAWORKWORKWORKWO00\naws_secret_access_key=w\naws_session_token=wt\n',
    }
    expect(keyOf(await signer()())).toBe('AKIADEFAULTDEFAULT00')
    expect(keyOf(await signer('aws://profile/work')())).toBe('AKIAWORKWORKWORKWO00')
    env.AWS_PROFILE = 'work'
    expect((await signer()())['x-amz-security-token']).toBe('wt')
    env.AWS_PROFILE = 'gone'
    await expect(signer()()).rejects.toThrow('the profile "gone" is not in')
    expect(server.asked).toHaveLength(0)
  })

  test('a profile that takes a role by another: the request to STS carries the right signature', async () => {
    env = { AWS_PROFILE: 'prod', AWS_ENDPOINT_URL_STS: server.origin, AWS_CONFIG_FILE: '/etc/aws' }
    files = {
      '/etc/aws':
        '[profile prod]\nrole_arn = arn:aws:iam::2:role/p\nsource_profile = base\nexternal_id = ext\nduration_seconds = 900\nregion = us-west-2\nrole_session_name = s\n[profile base]\naws_access_key_id = AKIABASEBASEBASEBA00\naws_secret_access_key = base-secret\n',
    }
    expect(keyOf(await signer()())).toBe('ASIASTSSTSSTSSTSST01')
    const [asked] = server.asked
    expect(Object.fromEntries(asked?.form ?? [])).toMatchObject({
      Action: 'AssumeRole',
      RoleArn: 'arn:aws:iam::2:role/p',
      ExternalId: 'ext',
      DurationSeconds: '900',
    })
    const signature = signatureOf(
      {
        method: 'POST',
        path: '/',
        headers: { host: server.host, 'x-amz-date': String(asked?.headers['x-amz-date']) },
        body: asked?.body ?? '',
      },
      { day: '20261122', region: 'us-west-2', service: 'sts', secret: 'base-secret' },
    )
    expect(asked?.headers.authorization).toBe(
      `AWS4-HMAC-SHA256 Credential=AKIABASEBASEBASEBA00/20261122/us-west-2/sts/aws4_request, SignedHeaders=host;x-amz-date, Signature=${signature}`,
    )
  })

  test.each([
    ['credential_process = /bin/x', 'credential_process, which is not supported'],
    ['sso_session = x', 'sso_session, which is not supported'],
    ['role_arn = arn:x\nsource_profile = p', 'no keys'],
    ['role_arn = arn:x\nsource_profile = q\n[profile q]\nrole_arn = arn:y\nsource_profile = p', 'on and on'],
    ['role_arn = arn:x\nmfa_serial = m', 'second factor'],
    ['role_arn = arn:x\nweb_identity_token_file = /gone', 'does not exist'],
  ])('a profile that cannot be used says why: %s', async (text, why) => {
    files = { '~/.aws/config': `[profile p]\n${text}\n` }
    await expect(signer('aws://profile/p')()).rejects.toMatchObject({
      kind: 'bad_credential',
      message: expect.stringContaining(why),
    })
    expect(log.join('\n')).toContain(why)
  })

  test('the container endpoint: relative address, with the token of a file', async () => {
    env = {
      AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/credentials/1?x=y',
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: '/token',
    }
    files = { '/token': 'Basic abc\n' }
    server.answer = () => ({ body: FETCHED })
    const headers = await signer()()
    expect(keyOf(headers)).toBe(FETCHED.AccessKeyId)
    expect(headers['x-amz-security-token']).toBe(FETCHED.Token)
    expect(metadataOrigins).toEqual(['http://169.254.170.2'])
    expect(server.asked[0]?.url).toBe('/v2/credentials/1?x=y')
    expect(server.asked[0]?.headers.authorization).toBe('Basic abc')
  })

  test('the container endpoint: a full address must be on this machine or https', async () => {
    env = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${server.origin}/keys`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: 't',
    }
    server.answer = () => ({ body: FETCHED })
    expect(keyOf(await signer()())).toBe(FETCHED.AccessKeyId)
    env.AWS_CONTAINER_CREDENTIALS_FULL_URI = 'http://169.254.170.23/v1/credentials'
    expect(keyOf(await signer()())).toBe(FETCHED.AccessKeyId)
    for (const bad of ['http://10.0.0.1/keys', 'http://example.com/keys', 'nonsense']) {
      env.AWS_CONTAINER_CREDENTIALS_FULL_URI = bad
      await expect(signer()()).rejects.toMatchObject({ kind: 'bad_credential' })
    }
    expect(server.asked).toHaveLength(2)
  })

  test('the instance role: a session token by PUT, the role’s name, its keys', async () => {
    server.answer = ({ method, url, headers }) => {
      if (method === 'PUT' && url === '/latest/api/token') {
        expect(headers['x-aws-ec2-metadata-token-ttl-seconds']).toBe('21600')
        return { body: 'session' }
      }
      if (headers['x-aws-ec2-metadata-token'] !== 'session') return { status: 401, body: '' }
      if (url === '/latest/meta-data/iam/security-credentials/') return { body: 'my-role\n' }
      if (url === '/latest/meta-data/iam/security-credentials/my-role')
        return { body: { Code: 'Success', ...FETCHED } }
      return { status: 404, body: '' }
    }
    expect(keyOf(await signer()())).toBe(FETCHED.AccessKeyId)
    expect(new Set(metadataOrigins)).toEqual(new Set(['http://169.254.169.254']))
    expect(server.asked).toHaveLength(3)
    env.AWS_EC2_METADATA_DISABLED = 'true'
    await expect(signer()()).rejects.toThrow('no AWS credentials were found')
    expect(server.asked).toHaveLength(3)
  })

  test('a refused role says the code of the refusal and nothing else; it is not asked again at once', async () => {
    env = { AWS_WEB_IDENTITY_TOKEN_FILE: '/t', AWS_ROLE_ARN: 'arn:x', AWS_ENDPOINT_URL_STS: server.origin }
    files = { '/t': 'SECRETTOKEN' }
    server.answer = () => ({
      status: 403,
      body: '<E><Error><Code>AccessDenied</Code><Message>SECRETTOKEN</Message></Error></E>',
    })
    const sign = signer()
    await expect(sign()).rejects.toMatchObject({
      kind: 'bad_credential',
      message: "AWS's token service refused the role (status 403, AccessDenied)",
    })
    await expect(sign()).rejects.toMatchObject({ kind: 'bad_credential' })
    expect(server.asked).toHaveLength(1)
    expect(log).toHaveLength(1)
    expect(log.join()).not.toContain('SECRETTOKEN')
  })

  test('an API key is a bearer token; half a pair, an unknown reference and a missing region are refused', () => {
    const of = (secret: string, options: Record<string, string> = { region: 'us-east-1' }) =>
      authorizationOf('sigv4', { secret, options, origin: 'https://x.example', deps: deps() })
    expect(of('ABSKQmVkcm9ja0FQSUtleQ==')).toEqual({
      headers: ['authorization', 'Bearer ABSKQmVkcm9ja0FQSUtleQ=='],
    })
    for (const secret of ['AKIAIOSFODNN7EXAMPLE', '{"a":1}', 'aws://nothing'])
      expect(of(secret)).toHaveProperty('why')
    expect(of(`${KEYS.accessKeyId}00000:${KEYS.secretAccessKey}`, {})).toHaveProperty('why')
    expect(
      authorizationOf('sigv4', { secret: 'aws://default', options: {}, origin: 'x', deps: undefined }),
    ).toHaveProperty('why')
  })

  test('Mantle is signed for as a service of its own', async () => {
    env = { AWS_ACCESS_KEY_ID: 'AKIAENVENVENVENVENV0', AWS_SECRET_ACCESS_KEY: 'env-secret' }
    const made = authorizationOf('sigv4', {
      secret: 'aws://default',
      options: { region: 'us-east-1' },
      origin: 'https://bedrock-mantle.us-east-1.api.aws',
      deps: deps(),
    })
    const flat =
      'sign' in made
        ? await made.sign({ ...REQUEST, origin: 'https://bedrock-mantle.us-east-1.api.aws' })
        : []
    expect(headersOf(flat).authorization).toContain('/us-east-1/bedrock-mantle/aws4_request')
  })
})
