/** What the environment says (contract section 1), read once. Every fault names the variable and the cure. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseEnv } from 'node:util'
import type { Environment } from '../../terms.ts'

export type Env = Readonly<Record<string, string | undefined>>

export interface Settings {
  readonly env: Env
  readonly host: string
  readonly port: number
  readonly adminHost: string
  readonly adminPort: number
  readonly dataFolder: string
  /** Undefined = no file, which is fine. */
  readonly configPath: string | undefined
  readonly environment: Environment
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined
}

/** A setting that cannot be used: exit 78 (EX_CONFIG). */
export class SettingsError extends Error {
  override readonly name = 'SettingsError'
}

const ENVIRONMENTS: readonly string[] = ['live', 'staging', 'test']

function portOf(env: Env, name: string, fallback: number): number {
  const text = env[name]
  if (!text) return fallback
  const port = Number(text)
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  throw new SettingsError(`${name}: "${text}" is not a port, 0 to 65535`)
}

/** `SWITCHGATE_CONFIG` must exist when it is set; `./switchgate.yaml` may. */
function configPathOf(env: Env): string | undefined {
  const named = env.SWITCHGATE_CONFIG
  if (named) {
    if (existsSync(named)) return resolve(named)
    throw new SettingsError(`SWITCHGATE_CONFIG: ${named} does not exist`)
  }
  return existsSync('switchgate.yaml') ? resolve('switchgate.yaml') : undefined
}

/** `.env` beside the config file; what is set in the real environment wins. */
function withDotEnv(env: Env, configPath: string | undefined): Env {
  const path = join(configPath ? dirname(configPath) : process.cwd(), '.env')
  const stat = statSync(path, { throwIfNoEntry: false })
  // a folder of this name is Python's: its virtual environments are often called so
  if (stat === undefined || stat.isDirectory()) return env
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const words = error instanceof Error ? error.message : 'unknown'
    throw new SettingsError(`${path} cannot be read: ${words}. Let this user read it, or take it away.`)
  }
  return { ...parseEnv(text), ...env }
}

/** What this version cannot do yet is refused, not ignored. */
function refuseNotYet(env: Env): void {
  if (env.DATABASE_URL)
    throw new SettingsError('DATABASE_URL: only the built-in SQLite database is supported so far; unset it')
  const processes = env.SWITCHGATE_PROCESSES
  if (processes && processes !== '1')
    throw new SettingsError('SWITCHGATE_PROCESSES: more than one process is not supported yet; unset it')
}

/** Names of a switch, as people write them. */
const SWITCH = /^(true|false|1|0|yes|no|on|off)?$/i

function refuseUnclear(env: Env): void {
  const local = env.SWITCHGATE_DISCOVER_LOCAL ?? ''
  if (!SWITCH.test(local.trim()))
    throw new SettingsError(`SWITCHGATE_DISCOVER_LOCAL: "${local}" is neither true nor false`)
}

export function readSettings(given: Env): Settings {
  const configPath = configPathOf(given)
  const env = withDotEnv(given, configPath)
  refuseNotYet(env)
  refuseUnclear(env)
  const environment = env.SWITCHGATE_ENV || 'live'
  if (!ENVIRONMENTS.includes(environment)) {
    throw new SettingsError(`SWITCHGATE_ENV: "${environment}" is none of ${ENVIRONMENTS.join(', ')}`)
  }
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } = env
  if (Boolean(certFile) !== Boolean(keyFile))
    throw new SettingsError('TLS_CERT_FILE and TLS_KEY_FILE must be set together')
  return {
    env,
    host: env.HOST || '127.0.0.1',
    port: portOf(env, 'PORT', 8484),
    adminHost: env.SWITCHGATE_ADMIN_HOST || '127.0.0.1',
    adminPort: portOf(env, 'SWITCHGATE_ADMIN_PORT', 8485),
    dataFolder: resolve(env.SWITCHGATE_DATA || 'data'),
    configPath,
    environment: environment as Environment,
    tls: certFile && keyFile ? { certFile, keyFile } : undefined,
  }
}

/** A loopback address serves the admin plane on the same listener; any other host gets a listener of its own for it. */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127\./.test(host)
}

/** Host names, beside loopback, under which a browser may open the admin plane. */
export function adminHosts(settings: Settings): string[] {
  const named = (settings.env.SWITCHGATE_ADMIN_HOSTS ?? '').split(/[\s,]+/).filter(Boolean)
  const bound = settings.adminHost
  return bound === '0.0.0.0' || bound === '::' ? named : [bound, ...named]
}
