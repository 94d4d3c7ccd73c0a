/** What a Worker is given: its bindings, read once per isolate. Every fault names the binding and the cure. */
import { parseMasterKey } from '../../vault/master.ts'
import type { ReadRef } from '../../vault/ref.ts'
import type { Secret } from '../../vault/secret.ts'
import type { Environment } from '../../terms.ts'
import type { D1 } from './d1.ts'

/** The second argument of `fetch`: variables and secrets are text, `DB` is the database. */
export type Bindings = Readonly<Record<string, unknown>>
export type Env = Readonly<Record<string, string | undefined>>

/** The third argument of `fetch`, as far as it is used. */
export interface Context {
  /** Keeps the isolate alive for this request, at most 30 s after it has ended. */
  waitUntil(work: Promise<unknown>): void
}

/** The Worker is not set up: everything answers 503 with this message, which shows no secret. */
export class SetupFault extends Error {
  override readonly name = 'SetupFault'
}

export interface Settings {
  readonly env: Env
  readonly database: D1
  readonly masterKey: Secret
  readonly adminToken: string
  readonly environment: Environment
  /** Text of `switchgate.yaml`; '' = none. */
  readonly configText: string
  /** Host names that may open the admin plane. Only names that are routed to this Worker reach it, so the default is any. */
  readonly adminHosts: readonly string[]
}

const ENVIRONMENTS: readonly string[] = ['live', 'staging', 'test']

function textsOf(bindings: Bindings): Env {
  return Object.fromEntries(
    Object.entries(bindings).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}

function masterKeyOf(env: Env): Secret {
  const text = env.SWITCHGATE_MASTER_KEY
  if (!text)
    throw new SetupFault(
      'SWITCHGATE_MASTER_KEY is not set. A Worker never makes one: head -c 32 /dev/urandom | base64 | npx wrangler secret put SWITCHGATE_MASTER_KEY',
    )
  try {
    return parseMasterKey(text, 'SWITCHGATE_MASTER_KEY')
  } catch (error) {
    throw new SetupFault(error instanceof Error ? error.message : 'SWITCHGATE_MASTER_KEY cannot be read')
  }
}

/** Throws SetupFault. */
export function readSettings(bindings: Bindings): Settings {
  const env = textsOf(bindings)
  const database = bindings.DB as D1 | undefined
  if (typeof database?.prepare !== 'function')
    throw new SetupFault('The D1 binding DB is missing: see [[d1_databases]] in wrangler.toml.')
  const adminToken = env.SWITCHGATE_ADMIN_TOKEN
  if (!adminToken)
    throw new SetupFault(
      'SWITCHGATE_ADMIN_TOKEN is not set: openssl rand -hex 32 | npx wrangler secret put SWITCHGATE_ADMIN_TOKEN',
    )
  const environment = env.SWITCHGATE_ENV || 'live'
  if (!ENVIRONMENTS.includes(environment))
    throw new SetupFault(`SWITCHGATE_ENV is none of ${ENVIRONMENTS.join(', ')}.`)
  const hosts = (env.SWITCHGATE_ADMIN_HOSTS ?? '').split(/[\s,]+/).filter(Boolean)
  return {
    env,
    database,
    masterKey: masterKeyOf(env),
    adminToken,
    environment: environment as Environment,
    configText: env.SWITCHGATE_CONFIG ?? '',
    adminHosts: hosts.length > 0 ? hosts : ['*'],
  }
}

/** Reads `env://` references from the bindings; there are no files here. */
export function createReadRef(env: Env): ReadRef {
  return async ref => {
    if (ref.scheme === 'file')
      throw new Error(`file://${ref.path} cannot be read on Workers; put the secret and use env://NAME`)
    if (ref.scheme === 'cloud')
      throw new Error(
        `${ref.text} needs files or a metadata service, which Workers do not have; use env://NAME`,
      )
    const value = env[ref.name]
    if (!value) throw new Error(`env://${ref.name} is not set: npx wrangler secret put ${ref.name}`)
    return value
  }
}
