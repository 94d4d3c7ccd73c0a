/** Files that a setting names: read whole, and what is wrong with one is told with the setting and the cure. Before anything is opened. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Settings, SettingsError } from './settings.ts'

/** Why a file cannot be read, by the system's code. */
const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is a file',
  EACCES: 'this user may not read it',
  EPERM: 'this user may not read it',
  ELOOP: 'its links lead in a circle',
  ENAMETOOLONG: 'the name is too long',
}

/** The bytes of a file. Throws SettingsError: `NAME: path cannot be read: …`. */
export function readSettingFile(setting: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    throw new SettingsError(
      `${setting}: ${path} cannot be read: ${WHY[code] ?? message}. Set it to a file that this user may read.`,
    )
  }
}

/** PEM, as node:tls takes it. */
export interface Pems {
  readonly cert: Buffer
  readonly key: Buffer
}

/** OpenSSL's words are no help, and are kept for the one who searches for them: https://nodejs.org/api/errors.html#openssl-error-codes */
function prove<T>(setting: string, read: () => T, what: string): T {
  try {
    return read()
  } catch (error) {
    const code = (error as { code?: unknown }).code
    throw new SettingsError(`${setting}: ${what}${typeof code === 'string' ? ` (${code})` : ''}`)
  }
}

/** Certificate and key of a listener; undefined = plain HTTP. Throws SettingsError for what no listener could use. */
export function readTls(tls: Settings['tls']): Pems | undefined {
  if (tls === undefined) return undefined
  const cert = readSettingFile('TLS_CERT_FILE', tls.certFile)
  const key = readSettingFile('TLS_KEY_FILE', tls.keyFile)
  const certificate = prove(
    'TLS_CERT_FILE',
    () => new X509Certificate(cert),
    `${tls.certFile} is no certificate in PEM form (-----BEGIN CERTIFICATE-----)`,
  )
  const secret = prove(
    'TLS_KEY_FILE',
    () => createPrivateKey(key),
    `${tls.keyFile} is no private key in PEM form without a passphrase (-----BEGIN PRIVATE KEY-----)`,
  )
  if (!certificate.checkPrivateKey(secret))
    throw new SettingsError(
      `TLS_KEY_FILE: ${tls.keyFile} is not the key of the certificate ${tls.certFile}: set both to a pair`,
    )
  return { cert, key }
}
