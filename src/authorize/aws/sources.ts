/** Where AWS keys come from when nobody wrote them down for us: `aws://default` walks the sources in the SDKs' order, `aws://profile/<name>` takes one. */
import type { SigningDeps } from '../schemes.ts'
import type { Token } from '../tokens.ts'
import { type AwsKeys, noKeys } from './keys.ts'
import { containerKeys, instanceKeys } from './metadata.ts'
import { environmentKeys, profileKeys, readProfiles } from './profile.ts'
import { assumeRoleWithToken } from './sts.ts'

export type Source = (region: string, deps: SigningDeps) => Promise<Token<AwsKeys>>

/** The source behind a reference, or why there is none of that name. */
export function sourceOf(reference: string): Source | { readonly why: string } {
  if (reference === 'aws://default') return fromAnywhere
  const profile = /^aws:\/\/profile\/(.+)$/.exec(reference)?.[1]
  if (profile !== undefined) return (region, deps) => fromProfile(profile, region, deps)
  return { why: 'an AWS reference is aws://default or aws://profile/<name>' }
}

async function fromProfile(name: string, region: string, deps: SigningDeps): Promise<Token<AwsKeys>> {
  if (deps.readFile === undefined) throw noKeys('there are no profiles here: use env://NAME')
  const keys = await profileKeys(name, await readProfiles(deps), region, deps)
  if (keys !== undefined) return keys
  throw noKeys(`the profile "${name}" is not in ~/.aws/credentials or ~/.aws/config, or has no keys`)
}

/** A source that is set up and fails is the end: going on would sign with somebody else's keys. */
async function fromAnywhere(region: string, deps: SigningDeps): Promise<Token<AwsKeys>> {
  const { env } = deps
  const named = env('AWS_PROFILE')
  const found =
    environmentKeys(deps) ??
    (await webIdentityKeys(region, deps)) ??
    (named === undefined ? await defaultProfile(region, deps) : await fromProfile(named, region, deps)) ??
    (await containerKeys(deps)) ??
    (await instanceKeys(deps))
  if (found !== undefined) return found
  throw noKeys(
    'no AWS credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give this machine a role',
  )
}

async function defaultProfile(region: string, deps: SigningDeps): Promise<Token<AwsKeys> | undefined> {
  return deps.readFile === undefined
    ? undefined
    : profileKeys('default', await readProfiles(deps), region, deps)
}

async function webIdentityKeys(region: string, deps: SigningDeps): Promise<Token<AwsKeys> | undefined> {
  const path = deps.env('AWS_WEB_IDENTITY_TOKEN_FILE')
  const arn = deps.env('AWS_ROLE_ARN')
  if (path === undefined || arn === undefined) return undefined
  // read each time: Kubernetes puts a new token there before the old one ends
  const token = await deps.readFile?.(path)
  if (token === undefined) throw noKeys('the file of AWS_WEB_IDENTITY_TOKEN_FILE does not exist')
  return assumeRoleWithToken({ arn, sessionName: deps.env('AWS_ROLE_SESSION_NAME') }, token, region, deps)
}
