/** The scheme of Amazon's services: Signature Version 4 with keys from wherever they are, or a Bedrock API key as a bearer token. */
import type { Sign } from './authorize.ts'
import { type AwsKeys, keysFrom } from './aws/keys.ts'
import { type DayKeys, signedHeaders } from './aws/sign.ts'
import { type Source, sourceOf } from './aws/sources.ts'
import { credentialHeaders } from './headers.ts'
import type { Authorization, Scheme, SchemeInput } from './schemes.ts'
import type { Token } from './tokens.ts'

/** Reads the secret: access keys as text or JSON, a reference, or else an API key. */
export const sigv4: Scheme = input => {
  const secret = input.secret.trim()
  if (secret.startsWith('aws://')) {
    const source = sourceOf(secret)
    return 'why' in source ? source : signing(input, source)
  }
  const keys = keysFrom(secret)
  if (keys !== undefined)
    return signing(input, async () => ({ value: keys, expiresAtMs: Number.POSITIVE_INFINITY }))
  if (secret.startsWith('{') || /^A[KS]IA/.test(secret))
    return {
      why: 'it is no pair of AWS keys: write ACCESS_KEY_ID:SECRET_ACCESS_KEY[:SESSION_TOKEN], or JSON with AccessKeyId and SecretAccessKey',
    }
  const headers = credentialHeaders('bearer', secret)
  return 'why' in headers ? headers : { headers }
}

/** `bedrock-runtime.us-east-1.amazonaws.com` and its private and FIPS forms → us-east-1. */
function regionOf({ options, origin }: SchemeInput): string | undefined {
  if (options.region) return options.region
  return /\b((?:us|eu|ap|sa|ca|me|af|il|mx|cn)(?:-gov|-iso[a-z]?)?-[a-z]+-\d)\b/.exec(origin)?.[1]
}

/** Mantle is a service of its own to the signature (github.com/crmne/ruby_llm, providers/bedrock/mantle.rb). */
const serviceOf = (origin: string): string =>
  /^https?:\/\/bedrock-mantle\./.test(origin) ? 'bedrock-mantle' : 'bedrock'

function signing(input: SchemeInput, source: Source): Authorization {
  const region = regionOf(input)
  if (region === undefined) return { why: 'it needs options.region, or AWS_REGION, to sign for' }
  const { deps } = input
  const dayKeys: DayKeys = new Map()
  const renew = () => renewed(input, source, region)
  const sign: Sign = async request => {
    const keys = await deps.tokens.get(`sigv4 ${region} ${input.secret}`, renew)
    // models of one provider may stand at both services
    const scope = { region, service: serviceOf(request.origin) }
    return signedHeaders(request, keys, scope, deps.now(), dayKeys)
  }
  return { sign }
}

async function renewed({ deps }: SchemeInput, source: Source, region: string): Promise<Token<AwsKeys>> {
  try {
    const token = await source(region, deps)
    deps.remember(token.value.secretAccessKey)
    if (token.value.sessionToken !== undefined) deps.remember(token.value.sessionToken)
    return token
  } catch (error) {
    const message = error instanceof Error ? error.message : 'no keys'
    deps.log('warn', 'credential.not_fetched', { scheme: 'sigv4', message })
    throw error
  }
}
