/** AWS's shared files (~/.aws/credentials, ~/.aws/config): text → profiles → keys. docs.aws.amazon.com/sdkref "Shared config and credentials files" */
import type { SigningDeps } from '../schemes.ts'
import type { Token } from '../tokens.ts'
import { type AwsKeys, noKeys } from './keys.ts'
import { containerKeys, instanceKeys } from './metadata.ts'
import { assumeRole, assumeRoleWithToken, type Role } from './sts.ts'

export type Profile = Readonly<Record<string, string>>
export type Profiles = ReadonlyMap<string, Profile>

/** Roles that lead to roles; more is a circle or a mistake. */
const CHAIN_MAX = 5

/**
 * One file. In the config file sections are `[profile name]` and `[default]`, in the credentials file `[name]`. Names of
 * settings are lower-cased; `#` and `;` begin comments at the start of a line, or after white space; nested lines are skipped.
 */
export function profilesIn(text: string, form: 'config' | 'credentials'): Profiles {
  const profiles = new Map<string, Record<string, string>>()
  let current: Record<string, string> | undefined
  for (const line of text.replace(/^\ufeff/, '').split(/\r\n|\n|\r/)) {
    if (/^\s*(?:[#;]|$)/.test(line)) continue
    const section = /^\[([^\]]+)\]/.exec(line)?.[1]?.trim()
    if (section !== undefined) {
      const name = form === 'config' ? /^(?:profile\s+(.+)|(default))$/.exec(section) : [section, section]
      const its = name?.[1] ?? name?.[2]
      current = its === undefined ? undefined : (profiles.get(its) ?? Object.create(null))
      if (its !== undefined && current !== undefined) profiles.set(its, current)
      continue
    }
    // an indented line belongs to the setting above it (`s3 =`), and no nested setting is ours
    const setting = /^([^\s=][^=]*?)\s*=\s*(.*)$/.exec(line)
    if (setting?.[1] !== undefined && current !== undefined)
      current[setting[1].trim().toLowerCase()] = (setting[2] ?? '').replace(/\s+[#;].*$/, '').trim()
  }
  return profiles
}

/** Both files together; a setting of the credentials file wins. */
export async function readProfiles(deps: SigningDeps): Promise<Profiles> {
  const read = async (variable: string, fallback: string) =>
    (await deps.readFile?.(deps.env(variable) ?? fallback)) ?? ''
  const config = profilesIn(await read('AWS_CONFIG_FILE', '~/.aws/config'), 'config')
  const credentials = profilesIn(
    await read('AWS_SHARED_CREDENTIALS_FILE', '~/.aws/credentials'),
    'credentials',
  )
  const names = new Set([...config.keys(), ...credentials.keys()])
  return new Map([...names].map(name => [name, { ...config.get(name), ...credentials.get(name) }]))
}

/** The region that a profile names, for the token service. */
const regionOf = (profile: Profile, fallback: string): string => profile.region || fallback

/** Keys of a profile. Undefined = there is no such profile, or nothing of ours in it. */
export async function profileKeys(
  name: string,
  profiles: Profiles,
  region: string,
  deps: SigningDeps,
  chain: readonly string[] = [],
): Promise<Token<AwsKeys> | undefined> {
  const profile = profiles.get(name)
  if (profile === undefined) return undefined
  if (chain.length >= CHAIN_MAX) throw noKeys(`the profiles ${chain.join(' → ')} lead on and on`)
  // a profile may name itself as the source of its own role: then its keys are meant
  const itself = chain.at(-1) === name
  if (profile.role_arn && !itself) return roleKeys(name, profile, profiles, region, deps, chain)
  const { aws_access_key_id: accessKeyId, aws_secret_access_key: secretAccessKey } = profile
  if (accessKeyId && secretAccessKey) {
    const sessionToken = profile.aws_session_token || undefined
    return { value: { accessKeyId, secretAccessKey, sessionToken }, expiresAtMs: Number.POSITIVE_INFINITY }
  }
  const cannot = ['credential_process', 'sso_session', 'sso_start_url', 'login_session'].find(
    setting => profile[setting],
  )
  if (cannot !== undefined)
    throw noKeys(
      `the profile "${name}" uses ${cannot}, which is not supported: use keys, role_arn, a container or an instance role`,
    )
  return undefined
}

async function roleKeys(
  name: string,
  profile: Profile,
  profiles: Profiles,
  region: string,
  deps: SigningDeps,
  chain: readonly string[],
): Promise<Token<AwsKeys>> {
  if (profile.mfa_serial)
    throw noKeys(`the profile "${name}" asks for a second factor, which a server has not`)
  const role: Role = {
    arn: profile.role_arn ?? '',
    sessionName: profile.role_session_name || undefined,
    externalId: profile.external_id || undefined,
    duration: profile.duration_seconds || undefined,
  }
  const at = regionOf(profile, region)
  if (profile.web_identity_token_file) {
    const token = await deps.readFile?.(profile.web_identity_token_file)
    if (token === undefined)
      throw noKeys(`the web identity token file of the profile "${name}" does not exist`)
    return assumeRoleWithToken(role, token, at, deps)
  }
  const keys = profile.source_profile
    ? await profileKeys(profile.source_profile, profiles, region, deps, [...chain, name])
    : await sourceKeys(profile.credential_source, deps)
  if (keys === undefined)
    throw noKeys(
      `the profile "${name}" takes a role, but its source_profile or credential_source has no keys`,
    )
  return assumeRole(role, keys.value, at, deps)
}

async function sourceKeys(source: string | undefined, deps: SigningDeps) {
  if (source === 'Environment') return environmentKeys(deps)
  if (source === 'EcsContainer') return containerKeys(deps)
  return source === 'Ec2InstanceMetadata' ? instanceKeys(deps) : undefined
}

/** Keys of the environment. Undefined = none there. */
export function environmentKeys({ env }: SigningDeps): Token<AwsKeys> | undefined {
  const accessKeyId = env('AWS_ACCESS_KEY_ID')
  const secretAccessKey = env('AWS_SECRET_ACCESS_KEY')
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined
  const sessionToken = env('AWS_SESSION_TOKEN')
  return { value: { accessKeyId, secretAccessKey, sessionToken }, expiresAtMs: Number.POSITIVE_INFINITY }
}
